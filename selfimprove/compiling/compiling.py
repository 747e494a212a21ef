"""Compile a program: cases are parted, the program is measured, optimised, and measured again on cases held out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Final, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.programs import Program
from selfimprove.programs.bench import Bench
from selfimprove.programs.cases import Case, Metric
from selfimprove.programs.optimise import How, optimise
from selfimprove.programs.program import answers_of
from selfimprove.programs.saved import Card, Compiled, Measured
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Interval, Sampling, digest
from selfimprove.stats import bootstrap_means, compare_means, quantiles, wilson

_SHARES: Final = (0.25, 0.35)
"""Of the cases: to learn from, and to compare candidates on; the rest is held out."""
_FEWEST: Final = 8


class Parted(NamedTuple):
    """Cases, of which those of one problem are in one part."""

    train: list[Case]
    val: list[Case]
    held_out: list[Case]


@dataclass(frozen=True)
class Work:
    """One compile.

    Attributes:
        program: what to begin with.
        task: whose answers it gives.
        model: runs the program, behind the ledger.
        writer: writes instructions, behind the ledger.
        metric: what for.
        sampling: of the program's replies, greedy.
        how: by which optimiser, and how far.
    """

    program: Program
    task: Task
    model: LanguageModel
    writer: LanguageModel
    metric: Metric
    sampling: Sampling
    how: How


def check_enough(problems: Iterable[str]) -> list[str]:
    """Give the ids of problems, each once.

    Raises:
        InputError: there are too few.
    """
    found = list(dict.fromkeys(problems))
    if len(found) < _FEWEST:
        raise InputError(
            f"{len(found)} problems with cases are too few to learn from and to measure on; give {_FEWEST} or more"
        )
    return found


def part(cases: Sequence[Case], seed: int = 0) -> Parted:
    """Part cases at random, those of one problem together, so that nothing held out was seen.

    Raises:
        InputError: there are too few.
    """
    problems = check_enough(case.problem for case in cases)
    Random(f"compile {seed}").shuffle(problems)
    first = max(1, round(len(problems) * _SHARES[0]))
    second = first + max(2, round(len(problems) * _SHARES[1]))
    place = {name: (at >= first) + (at >= second) for at, name in enumerate(problems)}
    parts: tuple[list[Case], list[Case], list[Case]] = ([], [], [])
    for case in cases:
        parts[place[case.problem]].append(case)
    made = Parted(*map(_balanced, parts))
    if not all(made):
        raise InputError("the cases are too few to hold right and wrong solutions in each part; give more problems")
    return made


def _balanced(cases: Sequence[Case]) -> list[Case]:
    """Drop cases until as many solutions are right as are wrong, so that a mean is a balanced accuracy."""
    classes = {right: [case for case in cases if case.gold.get("right") is right] for right in (True, False)}
    if not any(classes.values()):
        return list(cases)
    size = min(map(len, classes.values()))
    kept = {case.id for some in classes.values() for case in some[:size]}
    return [case for case in cases if case.id in kept]


def compile_cases(work: Work, cases: Sequence[Case]) -> Compiled:
    """Optimise a program and measure it before and after on cases held out.

    The same call again finds its calls in the ledger and goes on where it stopped.

    Raises:
        InputError: there are too few cases, or the model answers nothing.
        BudgetExceededError: a cap is reached.
    """
    parted = part(cases, work.how.seed)
    bench = Bench(work.program, work.model, work.metric, work.sampling)
    watcher = progress.current()
    watcher.stage(f"measure {work.program.name}", len(parted.held_out))
    before = _scores(work, bench, work.program, parted.held_out)
    watcher.stage(f"optimise {work.program.name}", 0)
    made = optimise(work.program, bench, parted.train, parted.val, work.writer, work.how)
    watcher.stage(f"measure {work.program.name} again", len(parted.held_out))
    same = made.hash() == work.program.hash()
    after = before if same else _scores(work, bench, made, parted.held_out)
    return Compiled(made, _card(work, parted, before, after))


def _scores(work: Work, bench: Bench, program: Program, cases: Sequence[Case]) -> list[float]:
    """Mark a program on cases.

    Raises:
        InputError: not one reply came.
    """
    replies = bench.replies(program, cases)
    if not any(reply.completion.text.strip() for reply in replies):
        why = next((reply.completion.error for reply in replies if reply.completion.error), "empty replies")
        raise InputError(f"{work.model.identity} answers nothing ({why}); see that it runs, or name another model")
    return [mark.score for mark in work.metric.mark(program, cases, replies)]


def _card(work: Work, parted: Parted, before: Sequence[float], after: Sequence[float]) -> Card:
    return Card(
        program=work.program.name,
        task=work.task.name,
        fields=work.program.fields,
        saved="",
        optimizer=work.how.optimizer,
        metric=work.metric.name,
        model=work.model.identity,
        written_by="" if work.how.optimizer == "bootstrap" else work.writer.identity,
        cases=len(parted.train) + len(parted.val),
        held_out=len(parted.held_out),
        before=measured(parted.held_out, before),
        after=measured(parted.held_out, after),
        gain=compare_means(by_problem(parted.held_out, after), by_problem(parted.held_out, before)),
        data=digest([case.id for some in parted for case in some]),
        seed=work.how.seed,
        date=dt.datetime.now(tz=dt.UTC).date().isoformat(),
        answers=answers_of(work.program.name, work.task),
    )


def by_problem(cases: Sequence[Case], scores: Sequence[float]) -> list[float]:
    """Give what each problem's cases add to the mean over all cases; the mean over problems is that mean.

    What is drawn at random is the problem, with all of its cases: intervals and tests are taken over these.

    Args:
        cases: shape `[C]`.
        scores: of the cases, in order.

    Returns:
        Shape `[P]`; the scores themselves where each problem has one case.
    """
    sums = dict[str, float]()
    for case, score in zip(cases, scores, strict=True):
        sums[case.problem] = sums.get(case.problem, 0.0) + score
    return [total * len(sums) / len(cases) for total in sums.values()]


def measured(cases: Sequence[Case], scores: Sequence[float]) -> Measured:
    """Give the mean with its interval: Wilson's where problems have one case, right or wrong, else a bootstrap's.

    A bootstrap's ends in the range of a share, or of the marks where they leave it: a question may be worth -1.
    """
    drawn = by_problem(cases, scores)
    if len(drawn) == len(cases) and all(score in {0.0, 1.0} for score in scores):
        interval = wilson(round(sum(scores)), len(scores))
    else:
        low, high = quantiles(bootstrap_means(drawn))
        interval = Interval(low=max(low, min(0.0, *scores)), high=min(high, max(1.0, *scores)))
    return Measured(score=round(fmean(scores), 6), interval=interval)
