"""What a model says about labels, read tolerantly; what is not in the taxonomy is complained about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from selfimprove.labels.outline import WORDS, Stage
from selfimprove.labels.taxonomy import Path, Taxonomy, folded, match
from selfimprove.records import Record

_WORDS: Final = {folded(word): name for name, word in WORDS.items()} | {"type": "type", "form": "form"}
_SPELT: Final = "|".join(sorted((word.replace(" ", "[ _-]?") for word in _WORDS), key=len, reverse=True))
_LINE: Final = re.compile(rf"^[^\w\n]*(?:\d+[.)]\s*)?({_SPELT})[^\w\n:=]*[:=](.*)$", re.IGNORECASE | re.MULTILINE)
_SURE: Final = re.compile(r"[\W_]*(?<![\w.])(\d*\.?\d+)\s*(%?)\W*$")
_CALLED: Final = re.compile(r"\W*(?:confidence|sure|probability|certainty)\W*$", re.IGNORECASE)
_AROUND: Final = " \t\r*`'\"|,;.()[]{}-"
_NEAREST: Final = 12
_LONGEST: Final = 300
"""Characters of a line that are looked at."""


class Said(Record):
    """What was read of one reply.

    Attributes:
        labels: dimension -> name as the taxonomy writes it.
        confidence: of each, in [0, 1]; None where the model gave none.
        complaint: a sentence for the model on what could not be read; empty where all was.
    """

    labels: Mapping[str, str]
    confidence: Mapping[str, float | None]
    complaint: str = ""


def read_labels(text: str, stage: Stage, taxonomy: Taxonomy) -> Said:
    """Read the labels that a stage asked for.

    Capitals, spaces, bullets, quotes and the order of lines do not matter; a confidence may be a share or per cent.
    """
    lines = {_word(word): rest for word, rest in _LINE.findall(text)}
    labels: dict[str, str] = {}
    confidence: dict[str, float | None] = {}
    complaints: list[str] = []
    path = stage.path
    for level in stage.levels:
        known = taxonomy.children(path)
        name, sure = _level(lines.get(level, ""), path, taxonomy)
        if name is None:
            complaints.append(_complaint(level, lines.get(level, ""), known))
            break  # what lies below it cannot be looked up
        labels[level], confidence[level], path = name, sure, (*path, name)
    for trait in stage.traits:
        known = taxonomy.values(trait, path)
        name, sure = (known[0], 1.0) if len(known) == 1 else _named(lines.get(trait, ""), known)
        if name is None:
            complaints.append(_complaint(trait, lines.get(trait, ""), known))
        else:
            labels[trait], confidence[trait] = name, sure
    return Said(labels=labels, confidence=confidence, complaint=" ".join(complaints))


def _word(word: str) -> str:
    return {folded(known).replace(" ", ""): name for known, name in _WORDS.items()}[folded(word).replace(" ", "")]


def _level(text: str, path: Path, taxonomy: Taxonomy) -> tuple[str | None, float | None]:
    """Find the name that a line holds below a path.

    Where the path leaves no choice that one is meant, unless the line names another of the level: then the path
    is wrong.
    """
    known = taxonomy.children(path)
    name, sure = _named(text, known)
    if name is None and len(known) == 1:
        elsewhere = sorted({leaf.path[len(path)] for leaf in taxonomy.leaves})
        return (known[0], 1.0) if _named(text, elsewhere)[0] is None else (None, None)
    return name, sure


def _named(text: str, known: Sequence[str]) -> tuple[str | None, float | None]:
    r"""Find which known name a line holds, and the confidence behind it.

    >>> _named(" **Key Stage 2** (90%)", ["Key Stage 2", "Key Stage 3"])
    ('Key Stage 2', 0.9)
    >>> _named("key stage 2", ["Key Stage 2"])
    ('Key Stage 2', None)
    """
    text = text[:_LONGEST]
    if (name := _matched(text, known)) is not None:
        return name, None
    found = _SURE.search(text)
    if found is None:
        return None, None
    number = float(found[1]) / (100 if found[2] or float(found[1]) > 1 else 1)
    rest = text[: found.start()]
    name = _matched(rest, known)  # first as it stands: a name may end in "probability"
    return name if name is not None else _matched(_CALLED.sub("", rest), known), min(1.0, number)


def _matched(text: str, known: Sequence[str]) -> str | None:
    """Find a name in what is left of a line, the last of a path if it is one."""
    for part in (text, text.rpartition(">")[2]):
        if (name := match(part.strip(_AROUND), known)) is not None or (name := match(part.strip(), known)) is not None:
            return name
    return None


def _complaint(dimension: str, said: str, known: Sequence[str]) -> str:
    word = WORDS[dimension]
    names = ", ".join(known[:_NEAREST]) + (", ..." if len(known) > _NEAREST else "")
    if not said.strip():
        return f'There is no line "{word}: ..."; choose of: {names}.'
    return f'"{said.strip()[:80]}" is no {word} that may be chosen there; choose of: {names}.'
