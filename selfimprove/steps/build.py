"""Build: turn harvested targets into the tracks that are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from selfimprove import progress
from selfimprove.arms import program_of
from selfimprove.programs import stated
from selfimprove.protocols import Task
from selfimprove.records import Problem, TrackRow, digest
from selfimprove.steps.harvest import Target

_FEW_CLASSES: Final = 10


def build(
    targets: Sequence[Target],
    problems: Mapping[str, Problem],
    task: Task,
    track: str,
    *,
    round_: int,
    longest: int,
) -> list[TrackRow]:
    """Write one track's rows: duplicates out, too long ones out.

    Args:
        targets: verified solutions.
        problems: by id.
        task: writes the answer's form.
        track: `track_a` (question to answer), `track_b_given` (question and rationale to answer), or any other
            (question to rationale and answer).
        round_: the round they come from.
        longest: most words a target may have; a completion of as many tokens could not hold more.
    """
    rows: dict[str, TrackRow] = {}
    for target in targets:
        problem = problems[target.problem]
        short = track in {"track_a", "track_b_given"}
        text = task.conclude("", problem.answer).strip() if short else target.text.strip()
        if not text or len(text.split()) > longest:
            continue
        row = TrackRow(
            id=digest(track, stated(problem), text),
            track=track,
            program=program_of(track),
            inputs=shown(problem, program_of(track)),
            target=text,
            answer=problem.answer,
            problem=problem.id,
            lesson=target.lesson,
            source=target.source,
            round=round_,
            calls=target.calls,
            labels=problem.labels,
        )
        rows.setdefault(row.id, row)
    return list(rows.values())


def shown(problem: Problem, program: str) -> dict[str, str]:
    """Give what a program is told of a problem to solve."""
    told = {"problem": stated(problem)}
    return {**told, "rationale": problem.rationale} if program == "answer_given" else told


def balance(
    rows: Sequence[TrackRow], source: Sequence[Problem], *, tolerance: float = 0.02, seed: int = 0
) -> list[TrackRow]:
    """Drop rows until every answer class has its share of the source, within `tolerance`, and say how many.

    For tasks with few answer classes only; others come back as they are. A track that drifts from 54 to 72 % "no"
    teaches the student to say no. A class that no row is of is left out of the count, so that one which nobody solved
    takes no other with it.
    """
    shares = Counter(problem.answer for problem in source)
    if not rows or not 1 < len(shares) <= _FEW_CLASSES:
        return list(rows)
    there = {row.answer for row in rows}
    total = sum(count for answer, count in shares.items() if answer in there)
    wanted = {answer: count / total for answer, count in shares.items() if answer in there}
    by_class: dict[str, list[TrackRow]] = {answer: [] for answer in wanted}
    for row in Random(f"balance {seed}").sample(list(rows), len(rows)):
        by_class[row.answer].append(row)
    size = _largest_total({a: len(r) for a, r in by_class.items()}, wanted, tolerance)
    kept = [row for answer, some in by_class.items() for row in some[: round(size * wanted[answer])]]
    if len(kept) < len(rows):
        progress.current().say(
            f"{len(rows) - len(kept)} of {len(rows)} rows are left out, so that each answer has its share of the data"
        )
    return kept


def _largest_total(have: Mapping[str, int], wanted: Mapping[str, float], tolerance: float) -> float:
    """Give the size of the largest track whose shares are the wanted ones, all rows where they already are.

    Classes that are short may be so by the tolerance; those rarer than that bind nobody.
    """
    total = sum(have.values())
    if all(abs(have[a] / total - share) <= tolerance for a, share in wanted.items()):
        return max(have[a] / share for a, share in wanted.items())
    return min(have[a] / (share - tolerance) for a, share in wanted.items() if share > tolerance)


def replayed(earlier: Sequence[TrackRow], count: int, seed: int) -> list[TrackRow]:
    """Draw rows of earlier rounds to train on again."""
    return Random(f"replay {seed}").sample(list(earlier), min(count, len(earlier)))
