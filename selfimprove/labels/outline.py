"""A taxonomy as a model is shown it: part by part, each an outline that fits a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from selfimprove.labels.taxonomy import LEVELS, TRAITS, Path, Taxonomy

WIDEST: Final = 80
"""Names of an outline, unless told otherwise."""
WORDS: Final = {
    "subject": "subject",
    "topic": "topic",
    "sub_topic": "sub-topic",
    "type": "question type",
    "sub_type": "sub-type",
    "key_stage": "key stage",
    "difficulty": "difficulty",
    "form": "answer form",
}
"""What people and models call each dimension."""
_ASKED: Final = "Do not solve the problem. Write these lines, with a name after each colon:"


class Stage(NamedTuple):
    """What is asked at once.

    Attributes:
        path: what is known already; a level that offers one name only is not asked for.
        levels: those asked for, below the path.
        traits: those asked for.
        outline: the names of the levels, indented; empty where no level is asked for.
        asked: a sentence, and a line for each level and trait; empty where nothing is.
    """

    path: Path
    levels: tuple[str, ...]
    traits: tuple[str, ...]
    outline: str
    asked: str


def stage_below(
    taxonomy: Taxonomy, path: Path, widest: int = WIDEST, known: Sequence[str] = (), *, backwards: bool = False
) -> Stage:
    """Give what is to be asked next: as many levels as fit, and with the last of them the traits.

    Args:
        taxonomy: that is shown.
        path: what the problem was sorted into so far.
        widest: most names of an outline; a single level is shown whole however wide it is.
        known: traits that need not be asked for.
        backwards: last names first, so that two judgements do not share a liking for the first ones.
    """
    while len(children := taxonomy.children(path)) == 1:
        path = (*path, children[0])
    levels = LEVELS[len(path) :]
    paths = [leaf.path for leaf in taxonomy.leaves_under(path)]
    names = [len({one[: len(path) + depth] for one in paths}) for depth in range(1, len(levels) + 1)]
    fitting = [depth for depth in range(1, len(levels) + 1) if sum(names[:depth]) <= widest]
    levels = levels[: max(fitting, default=1)]
    last = len(path) + len(levels) == len(LEVELS)
    offered = {trait: taxonomy.values(trait, path) for trait in TRAITS if last and trait not in known}
    traits = {trait: values for trait, values in offered.items() if len(values) > 1}
    asked = [f"{WORDS[level]}: a name of level {depth} of the outline" for depth, level in enumerate(levels, 1)]
    asked += [f"{WORDS[trait]}: {' or '.join(_ordered(values, backwards))}" for trait, values in traits.items()]
    outline = "\n".join(_lines(taxonomy, path, len(levels), backwards))
    return Stage(path, tuple(levels), tuple(traits), outline, "\n".join([_ASKED, *asked]) if asked else "")


def _ordered(names: Sequence[str], backwards: bool) -> Sequence[str]:  # noqa: FBT001 - handed on
    return names[::-1] if backwards else names


def _lines(taxonomy: Taxonomy, path: Path, depth: int, backwards: bool, indent: int = 0) -> list[str]:  # noqa: FBT001
    if not depth:
        return []
    found = []
    for name in _ordered(taxonomy.children(path), backwards):
        found.append(f"{'  ' * indent}- {name}")
        found += _lines(taxonomy, (*path, name), depth - 1, backwards, indent + 1)
    return found
