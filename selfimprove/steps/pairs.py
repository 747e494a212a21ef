"""Pairs: a verified completion over a wrong one for the same prompt, for preference training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

from selfimprove import progress
from selfimprove.programs import stated
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Lesson, PreferenceRow, Problem, Verdict, VerdictRow, digest
from selfimprove.steps.harvest import harvest

_TOLERANCE = 0.05
"""Difference of the mean lengths of a pair that may stay, as a share of the mean."""
_PASSES: Final = 3
"""Times that pairs or verdicts are gone over at most."""


def lesson_pairs(
    lessons: Iterable[Lesson], problems: Mapping[str, Problem], task: Task, round_: int, longest: int
) -> list[PreferenceRow]:
    """Give what is right in a lesson, the teacher's words or the student's, over its wrong draft.

    Args:
        lessons: finished.
        problems: by id.
        task: reads and writes answers.
        round_: the round they come from.
        longest: most words of what is right; a completion of as many tokens could not hold more.
    """
    rows = []
    for lesson in lessons:
        right = next(iter(harvest([lesson], problems, task)), None)
        if right is None or lesson.draft.verdict is not Verdict.WRONG or lesson.draft.cut_off:
            continue
        if len(right.text.split()) > longest:
            continue
        rows.append(
            PreferenceRow(
                id=digest("pair", lesson.id),
                program="solve",
                inputs={"problem": stated(problems[lesson.problem])},
                chosen=right.text,
                rejected=lesson.draft.text,
                problem=lesson.problem,
                lesson=lesson.id,
                round=round_,
                calls=(lesson.draft.completion.call, *right.calls),
            )
        )
    return rows


def sample_pairs(
    attempts: Iterable[Sequence[Attempt]], shown: Mapping[str, str], round_: int, longest: int
) -> list[PreferenceRow]:
    """Give the student's own right completion over its own wrong one, one pair a problem that it solves at times.

    Both are its own words, so that nothing but being right tells them apart. Of several the two of most equal length
    are taken; a completion whose answer lacks the strict form is not preferred, one that was cut off or is too long is
    left out.

    Args:
        attempts: of each problem, the greedy one first, shape `[P][any]`.
        shown: problem id to the text that a program is given.
        round_: the round they come from.
        longest: most tokens of a completion: a second chance may be longer than the student is ever let write.
    """
    rows = []
    for some in attempts:
        whole = [a for a in some if _fits(a, longest)]
        right = [a for a in whole if a.verdict is Verdict.CORRECT and a.strict is Verdict.CORRECT]
        wrong = [a for a in whole if a.verdict is Verdict.WRONG]
        if not right or not wrong:
            continue
        good, bad = min(((a, b) for a in right for b in wrong), key=_apart)
        calls = (good.completion.call, bad.completion.call)
        rows.append(
            PreferenceRow(
                id=digest("own pair", good.problem, *calls),
                program="solve",
                inputs={"problem": shown[good.problem]},
                chosen=good.text,
                rejected=bad.text,
                problem=good.problem,
                lesson="",
                round=round_,
                calls=calls,
            )
        )
    return rows


def verdict_rows(
    attempts: Iterable[Sequence[Attempt]], shown: Mapping[str, str], round_: int, longest: int
) -> list[VerdictRow]:
    """Give the student's own completions with what they were; one that says the same as another of the problem once.

    Args:
        attempts: of each problem, shape `[P][any]`; those without a verdict, cut off or too long are left out.
        shown: problem id to the text that a program is given.
        round_: the round they come from.
        longest: most tokens of a completion, see `sample_pairs`.
    """
    rows = {}
    for attempt in (a for some in attempts for a in some if a.verdict.decided and _fits(a, longest)):
        right = attempt.verdict is Verdict.CORRECT and attempt.strict is Verdict.CORRECT
        if right or attempt.verdict is Verdict.WRONG:
            name = digest("verdict", attempt.problem, attempt.text)
            rows[name] = VerdictRow(
                id=name,
                program="solve",
                inputs={"problem": shown[attempt.problem]},
                text=attempt.text,
                right=right,
                problem=attempt.problem,
                round=round_,
                calls=(attempt.completion.call,),
            )
    return list(rows.values())


def length_balanced(rows: Sequence[PreferenceRow]) -> list[PreferenceRow]:
    """Drop the most lopsided pairs until what is chosen is as long as what is rejected, in the mean; say how many stay.

    Else the first thing that is learned is to write more, or less (arXiv:2403.19159). Where all pairs are lopsided one
    way, as in a round whose student rambles and whose solutions are terse, next to none stay: no choice of them agrees.
    """
    kept = sorted(rows, key=lambda row: (_longer(row), row.id))
    while kept:
        gap = fmean(map(_longer, kept))
        if abs(gap) <= _TOLERANCE * fmean(len(row.chosen) + len(row.rejected) for row in kept) / 2:
            break
        kept.pop(-1 if gap > 0 else 0)
    left = {row.id for row in kept}
    if len(left) < len(rows):
        progress.current().say(f"{len(left)} of {len(rows)} pairs are left after balancing lengths")
    return [row for row in rows if row.id in left]


def split(tokens: int, share: float, once: int) -> tuple[int, int]:
    """Part an arm's tokens between its track and its pairs, so that few pairs are not gone over many times.

    Args:
        tokens: of both.
        share: of the pairs, in (0, 1).
        once: tokens that all pairs carry together.

    >>> split(1000, 0.3, 500)
    (700, 300)
    >>> split(1000, 0.3, 20)
    (940, 60)
    """
    theirs = min(tokens - round(tokens * (1 - share)), _PASSES * once)
    return tokens - theirs, theirs


def _fits(attempt: Attempt, longest: int) -> bool:
    return not attempt.cut_off and attempt.completion.completion_tokens <= longest


def _apart(pair: tuple[Attempt, Attempt]) -> tuple[int, int, int]:
    good, bad = pair
    return (
        abs(len(good.text) - len(bad.text)),
        good.completion.sample,
        bad.completion.sample,
    )


def _longer(row: PreferenceRow) -> int:
    return len(row.chosen) - len(row.rejected)
