"""What a library of problems is sorted into.

Five levels (subject, topic, sub-topic, question type, sub-type), and beside them key stage, difficulty and answer form.
A problem's labels are plain `problem.labels` under the keys of `DIMENSIONS`, so that they go wherever the problem goes.
`load_taxonomy` reads a taxonomy from TOML, `quotas` says how many problems each cell of it wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final, Literal, NamedTuple, get_args

from pydantic import Field

from selfimprove.errors import nearest
from selfimprove.records import Record, digest

Level = Literal["subject", "topic", "sub_topic", "type", "sub_type"]
Form = Literal["multiple choice", "short answer"]
Path = tuple[str, ...]
"""Names from the subject down, one a level."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
FORMS: Final[tuple[Form, ...]] = get_args(Form)
TRAITS: Final = ("key_stage", "difficulty", "form")
"""What a leaf offers several values of."""
DIMENSIONS: Final[tuple[str, ...]] = (*LEVELS, *TRAITS)
"""The keys of `problem.labels`."""


class Cell(NamedTuple):
    """What a quota is for: a leaf in one answer form, and where asked for of one difficulty or key stage.

    Attributes:
        path: of the leaf, shape `[5]`.
        form: answer form.
        difficulty: empty where quotas are not divided by it.
        key_stage: as `difficulty`.
    """

    path: Path
    form: str = ""
    difficulty: str = ""
    key_stage: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """What `problem.labels` hold for a problem of this cell; a dimension that is not divided by is left out."""
        traits = {name: str(getattr(self, name)) for name in TRAITS}
        return dict(zip(LEVELS, self.path, strict=True)) | {name: value for name, value in traits.items() if value}


class Leaf(Record):
    """A sub-type: the finest kind of question that a taxonomy tells apart."""

    path: Path = Field(min_length=len(LEVELS), max_length=len(LEVELS))
    key_stages: Mapping[str, Fraction]
    """Each with its share of the leaf's problems; shares of each trait add up to one."""
    difficulties: Mapping[str, Fraction]
    forms: Mapping[Form, Fraction]
    wanted: Fraction = Field(ge=0)
    """Problems that are wanted of it, exactly; `quotas` makes whole numbers of it."""

    def shares(self, trait: str) -> Mapping[str, Fraction]:
        """Give the values of a trait (one of `TRAITS`) that this leaf takes, with their shares."""
        if trait == "form":
            return {str(name): share for name, share in self.forms.items()}
        return self.key_stages if trait == "key_stage" else self.difficulties


class Subject(Record):
    """A subject with the number of problems that it is to have."""

    name: str
    size: int = Field(gt=0)


class Taxonomy(Record):
    """All leaves of all subjects, in the order of the file."""

    name: str
    subjects: tuple[Subject, ...]
    leaves: tuple[Leaf, ...]

    @cached_property
    def hash(self) -> str:
        """Name the taxonomy by its content, 16 hexadecimal characters."""
        return digest(self.model_dump(mode="json"))

    def leaf(self, path: Sequence[str]) -> Leaf | None:
        """Give the leaf of this path, whatever its capitals and spaces; None where there is none."""
        return self._leaves.get(tuple(map(folded, path)))

    def leaf_of(self, labels: Mapping[str, str]) -> Leaf | None:
        """Give the leaf that labels name; None where a level is missing or is not in the taxonomy."""
        return self.leaf([labels.get(level, "") for level in LEVELS])

    def cell_of(self, labels: Mapping[str, str], by: Sequence[str] = ("form",)) -> Cell | None:
        """Give the cell that a problem with these labels counts towards; None where it fits none.

        Args:
            labels: of the problem.
            by: traits that the cells are divided by, as in `quotas`.
        """
        leaf = self.leaf_of(labels)
        if leaf is None:
            return None
        found: dict[str, str] = {}
        for trait in by:
            value = match(labels.get(trait, ""), leaf.shares(trait))
            if value is None:
                return None
            found[trait] = value
        return Cell(leaf.path, **found)

    def children(self, path: Sequence[str] = ()) -> tuple[str, ...]:
        """Give the names one level below a path, in order; of no path, the subjects; empty where there is none."""
        return self._children.get(tuple(map(folded, path)), ())

    def leaves_under(self, path: Sequence[str] = ()) -> tuple[Leaf, ...]:
        """Give the leaves at or below a path, in order."""
        return self._below.get(tuple(map(folded, path)), ())

    def values(self, trait: str, path: Sequence[str] = ()) -> tuple[str, ...]:
        """Give every value of a trait (one of `TRAITS`) that the leaves at or below a path take, in order."""
        key = (trait, tuple(map(folded, path)))
        if key not in self._values:
            found = (value for leaf in self.leaves_under(path) for value in leaf.shares(trait))
            self._values[key] = tuple(dict.fromkeys(found))
        return self._values[key]

    def complaint(self, labels: Mapping[str, str], dimensions: Sequence[str] = DIMENSIONS) -> str:
        """Say in one clause what of labels is not in the taxonomy; empty where all is.

        Args:
            labels: of a problem.
            dimensions: those that have to be there; others are not looked at. A level needs those above it.
        """
        path: list[str] = []
        for level in LEVELS:
            if level not in dimensions:
                break
            known, value = self.children(path), labels.get(level, "")
            if (found := match(value, known)) is None:
                return _not_there(level, value, known, " > ".join(path))
            path.append(found)
        for trait in (name for name in TRAITS if name in dimensions):
            known, value = self.values(trait, path), labels.get(trait, "")
            if match(value, known) is None:
                return _not_there(trait, value, known, " > ".join(path))
        return ""

    @cached_property
    def _leaves(self) -> Mapping[Path, Leaf]:
        return {tuple(map(folded, leaf.path)): leaf for leaf in self.leaves}

    @cached_property
    def _below(self) -> Mapping[Path, tuple[Leaf, ...]]:
        found: dict[Path, list[Leaf]] = {}
        for folds, leaf in self._leaves.items():
            for depth in range(len(LEVELS) + 1):
                found.setdefault(folds[:depth], []).append(leaf)
        return {path: tuple(leaves) for path, leaves in found.items()}

    @cached_property
    def _values(self) -> dict[tuple[str, Path], tuple[str, ...]]:
        return {}  # filled as asked for: a library of a hundred thousand problems asks for few of them, often

    @cached_property
    def _children(self) -> Mapping[Path, tuple[str, ...]]:
        found: dict[Path, dict[str, None]] = {(): {subject.name: None for subject in self.subjects}}
        for folds, leaf in self._leaves.items():
            for depth in range(1, len(LEVELS)):
                found.setdefault(folds[:depth], {})[leaf.path[depth]] = None
        return {path: tuple(names) for path, names in found.items()}


@lru_cache(100_000)
def folded(name: str) -> str:
    """Write a name so that two which differ in capitals, spaces, hyphens or underscores only are the same.

    >>> folded("Sub-Topic  one") == folded("sub topic ONE")
    True
    """
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def match(value: str, known: Sequence[str] | Mapping[str, object]) -> str | None:
    """Give the known name that a value is, as `folded`; None where it is none.

    >>> match("short-answer", ["multiple choice", "short answer"])
    'short answer'
    """
    return {folded(name): name for name in known}.get(folded(value))


def _not_there(dimension: str, value: str, known: Sequence[str], where: str) -> str:
    inside = f' in "{where}"' if where else ""
    if not value:
        return f'"{dimension}" is missing'
    return f'"{dimension}" is {value!r:.80}, which is not in the taxonomy{inside}; {nearest(value, known)}'
