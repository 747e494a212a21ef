"""Evaluate a scorer: on a task's problems as a student solves them, and on ProcessBench files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.prm.measuring import choose_threshold, measure_on_processbench, measure_on_solutions, read_bench
from selfimprove.prm.solutions import draw_problems, solve_problems
from selfimprove.protocols import LanguageModel, StepScorer, Task
from selfimprove.records import Split
from selfimprove.scorers.figures import Measured, ScorerCard
from selfimprove.scorers.scoring import card_name


@dataclass(frozen=True)
class OnTask:
    """A task's problems, as one student solves them.

    Attributes:
        task: the arithmetic task's steps are checked exactly; on others only the ranking of solutions is measured.
        student: who writes the solutions.
        split: dev and test choose nothing in a campaign, so a scorer is measured on training problems; those that it
            was trained on are left out.
        problems: how many are drawn.
        samples: completions a problem for its pass rate.
        max_tokens: longest completion.
        seed: of the draw and of the samples.
        label: whose values are the kinds within which solutions are ranked too.
    """

    task: Task
    student: LanguageModel
    split: Split = "train"
    problems: int = 200
    samples: int = 8
    max_tokens: int = 256
    seed: int = 0
    label: str = "kind"


@dataclass(frozen=True)
class OnProcessBench:
    """ProcessBench files (arXiv:2412.06559).

    Attributes:
        files: each is reported by itself.
        choose_on: another file, on which the threshold of highest F1 is chosen.
        limit: rows drawn of each file; None: all.
        seed: of the draw.
    """

    files: Sequence[Path]
    choose_on: Path | None = None
    limit: int | None = None
    seed: int = 0


def evaluate(
    scorer: StepScorer,
    *,
    on_task: OnTask | None = None,
    on_processbench: OnProcessBench | None = None,
    threshold: float | None = None,
) -> ScorerCard:
    """Measure a scorer beside the baselines that it must beat.

    Args:
        scorer: any `StepScorer`.
        on_task: a student's solutions to measure it on.
        on_processbench: files of labelled solutions to measure it on.
        threshold: a step that scores below it is called wrong; None: what the scorer says, one half unless it does.

    Raises:
        InputError: there is nothing to measure on, or a file or a score cannot be used.
    """
    if on_task is None and (on_processbench is None or not on_processbench.files):
        raise InputError("there is nothing to measure the scorer on; name a task, or a ProcessBench file")
    measured = [_on_task(scorer, on_task, threshold)] if on_task else []
    if on_processbench is not None:
        measured += _on_files(scorer, on_processbench, threshold)
    return ScorerCard(scorer=card_name(scorer), measured=tuple(measured))


def _on_task(scorer: StepScorer, how: OnTask, threshold: float | None) -> Measured:
    seen: frozenset[str] = getattr(scorer, "trained_on", frozenset())
    problems = draw_problems(how.task, how.split, how.problems, how.seed, without=seen)
    if len(problems) < how.problems:
        progress.current().say(f"{how.task.name} {how.split} has only {len(problems)} problems to measure on")
    solutions = solve_problems(
        problems, how.student, how.task, samples=how.samples, max_tokens=how.max_tokens, seed=how.seed
    )
    if len(solutions) < len(problems):
        lost = len(problems) - len(solutions)
        progress.current().say(f"{lost} of {len(problems)} attempts have no verdict or no steps and are left out")
    on = f"{how.task.name} {how.split}"
    return measure_on_solutions(
        scorer, solutions, on=on, student=how.student.identity, threshold=threshold, label=how.label
    )


def _on_files(scorer: StepScorer, how: OnProcessBench, threshold: float | None) -> list[Measured]:
    if how.choose_on is not None:
        if how.choose_on.resolve() in {file.resolve() for file in how.files}:
            raise InputError(
                f"{how.choose_on} is reported on, so no threshold may be chosen on it; choose on another file"
            )
        threshold = choose_threshold(scorer, read_bench(how.choose_on, how.limit, how.seed))
    return [
        measure_on_processbench(scorer, read_bench(file, how.limit, how.seed), on=file.name, threshold=threshold)
        for file in how.files
    ]
