"""The library of a student: every tried problem with the student's attempt, its step scores and its level.

It is a file of its own, `grades.jsonl`. Each row names the student, as a level says nothing about another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from selfimprove.errors import InputError
from selfimprove.formats import aligned
from selfimprove.mining.kinds import Kind, KindRule, Mined
from selfimprove.mining.levels import HARDEST
from selfimprove.mining.posterior import Posterior
from selfimprove.records import Grade, Record, Verdict, digest
from selfimprove.store import whole_file

LEVELS: Final = range(HARDEST + 1)


class Graded(Grade):
    """A problem of the library."""

    student: str
    """Hash of the student's weights and adapter, see `student_hash`."""
    pass_rate: float = Field(ge=0, le=1)
    """See `Grade`."""
    kind: Kind | Literal[""] = ""
    """How the student fails, see `mining.kinds.Kind`."""
    score: float | None = Field(default=None, allow_inf_nan=False)
    """What the level was read off, in [0, 1]: the aggregated step scores, or the expected pass rate."""
    scores: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    """Of the attempt's steps; empty without a scorer."""
    first_wrong: int | None = None
    """The first wrong step, counted from 1: by an exact check, else by the scorer; None where nothing can tell."""
    verdict: Verdict
    """Of the greedy attempt."""
    attempt: str = ""
    """The text of the greedy attempt."""
    call: str = ""
    """Its row in the ledger."""
    steps: int = 0
    """Reasoning steps that the problem takes, see `patterns.steps_of`."""
    labels: Mapping[str, str] = Field(default_factory=dict)


def student_hash(identity: str) -> str:
    """Hash a model's identity, which changes with its weights and its adapter."""
    return digest("student", identity)


def save_library(path: Path, rows: Iterable[Graded]) -> None:
    """Write a library, row by row; a reader sees all of it or nothing.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    with whole_file(path) as file:
        for row in rows:
            file.write(f"{row.model_dump_json(exclude_defaults=True)}\n".encode())


def load_library(path: Path, identity: str) -> Iterator[Graded]:
    """Walk a library.

    Args:
        path: of the file.
        identity: of the student that it is to be used for, with its adapter.

    Raises:
        InputError: the file is missing or damaged, or another student was graded in it.
    """
    wanted = student_hash(identity)
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                row = _row(path, number, line)
                if row.student != wanted:
                    raise InputError(
                        f"{path}, line {number}: graded for the student {row.student!r:.40}, and this one is {wanted} "
                        f"({identity}); levels hold for one student and adapter, so mine and grade with this one"
                    )
                yield row
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(
            f"{path} cannot be read: {reason}; name a grades.jsonl (selfimprove grade writes one)"
        ) from error


def _row(path: Path, number: int, line: str) -> Graded:
    try:
        return Graded.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{'.'.join(map(str, first['loc']))!r:.80}" if first["loc"] else "the line"
        raise InputError(f"{path}, line {number}: {field}: {first['msg']}; grade the pool again") from error


def mined_from(row: Graded, rule: KindRule) -> Mined:
    """Give what mining had found about a row's problem, as far as the library keeps it.

    Args:
        row: of the library; its pass rate counts the greedy attempt in.
        rule: when the posterior settles a kind.
    """
    right = row.verdict is Verdict.CORRECT
    passed = round(row.pass_rate * row.samples) - right
    seen = Posterior(passed, row.samples - 1 - passed)
    kind = row.kind or (Kind.RIGHT if right else Kind.WRONG)
    return Mined(
        problem=row.problem,
        kind=kind,
        greedy=row.verdict,
        samples=row.samples - 1,
        passed=passed,
        failed=row.samples - 1 - passed,
        pass_rate=round(passed / (row.samples - 1), 6) if row.samples > 1 else None,
        posterior_mean=round(seen.mean, 6),
        interval=seen.interval(),
        settled=seen.settles(rule.lucky if right else rule.rare, rule.confidence),
        first_wrong=row.first_wrong,
    )


class LevelCounts(Record):
    """How many problems have each level, all and by the values of a label; shape of each row `[6]`."""

    label: str
    all: tuple[int, ...]
    by_value: Mapping[str, tuple[int, ...]]

    def table(self) -> str:
        """Write it as plain text."""
        head = [self.label or "problems", *(f"level {level}" for level in LEVELS), "all"]
        rows = [(value, counts) for value, counts in self.by_value.items()]
        body = [[name, *map(str, counts), str(sum(counts))] for name, counts in [*rows, ("all", self.all)]]
        return "\n".join(aligned([head, *body]))

    def plot(self, width: int = 50) -> str:
        """Draw the levels as bars of text, the longest `width` characters."""
        most = max(self.all) or 1
        return "\n".join(
            f"{level}  {'#' * round(width * count / most)} {count}" for level, count in enumerate(self.all)
        )


def count_levels(rows: Iterable[Graded], label: str = "") -> LevelCounts:
    """Count a library's levels; with a label, for each of its values too."""
    everything: Counter[int] = Counter()
    by_value: dict[str, Counter[int]] = {}
    for row in rows:
        everything[row.difficulty] += 1
        if label:
            by_value.setdefault(row.labels.get(label, "(none)"), Counter())[row.difficulty] += 1
    return LevelCounts(
        label=label,
        all=_counted(everything),
        by_value={value: _counted(found) for value, found in sorted(by_value.items())},
    )


def _counted(found: Counter[int]) -> tuple[int, ...]:
    return tuple(found[level] for level in LEVELS)
