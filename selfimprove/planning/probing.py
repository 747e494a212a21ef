"""A short look at a student before a campaign: how much it solves, asks and writes, and how fast it is here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from selfimprove.config import Config
from selfimprove.programs import Item, Program, run, stated
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Attempt, Completion, Lesson, Problem, Record, Sampling
from selfimprove.steps.ask import ask
from selfimprove.steps.draft import draft
from selfimprove.steps.rerun import redrawn

_MOST: Final = 40
_FEWEST: Final = 8
_QUICK: Final = 1000
_READINGS: Final = 3
_STEP_COST: Final = {"cpu": 5.0, "cuda": 4.0}
"""What training on a token costs, in tokens of a prompt read. Measured on a CPU with batches of four short rows: 4.5
and 6.3; on a GPU assumed."""


class Probe(Record):
    """What a student did on a few training problems."""

    problems: int
    passed: float
    """Share answered right, in [0, 1]."""
    cut_off: float = 0.0
    """Share that the token limit cut off or that failed, in [0, 1]."""
    questions: float
    """Clarifying questions it asks about a problem."""
    prompt_tokens: float
    """Of a prompt, on average."""
    completion_tokens: float
    """Of a completion, on average."""
    characters_a_token: float
    target_tokens: float | None = None
    """Of a reference solution with its answer, on average; None without one, or without the student's tokenizer."""
    reading: float
    """Prompt tokens read in a second."""
    writing: float
    """Tokens generated in a second."""
    training: float
    """Tokens trained on in a second, worked out from `reading`."""
    weights_mb: float | None = None
    """Size of the student's weights on the disk, in MB; None where they do not lie here."""


def probe(
    student: LanguageModel,
    programs: Mapping[str, Program],
    task: Task,
    problems: Sequence[Problem],
    config: Config,
) -> Probe:
    """Let a student try a few problems, fewer where it is slow.

    Args:
        student: answers; these calls are not part of a campaign.
        programs: prompts by name.
        task: reads and compares answers.
        problems: to try, at most the first 40.
        config: how it generates and asks.
    """
    items = [Item(p.id, {"problem": stated(p)}) for p in problems[:_MOST]]
    run(programs["solve"], items[:1], student, Sampling(max_tokens=1))  # loads the weights
    read, read_s = _reads(programs["solve"], items, student)
    prompt_tokens = fmean(c.prompt_tokens for c in read)
    reading = prompt_tokens * len(items) / read_s
    some = problems[: _MOST if reading > _QUICK else _FEWEST]
    sampling = Sampling(max_tokens=config.student.max_tokens)
    started = time.perf_counter()
    tried = draft(some, student, programs, task, sampling, questions=0)
    written_s = time.perf_counter() - started - prompt_tokens * len(some) / reading
    written = sum(a.completion.completion_tokens for a in tried)
    return Probe(
        problems=len(some),
        passed=fmean(a.verdict == "correct" for a in tried),
        cut_off=fmean(redrawn(a) for a in tried),
        questions=_questions(student, programs, task, some[:_FEWEST], config),
        prompt_tokens=prompt_tokens,
        completion_tokens=written / len(some),
        characters_a_token=max(1.0, sum(len(a.completion.text) for a in tried) / max(1, written)),
        target_tokens=_target_tokens(getattr(student, "tokenizer", None), task, problems[:_MOST]),
        reading=reading,
        writing=written / max(1e-3, written_s),
        training=reading / _STEP_COST["cuda" if "cuda" in str(getattr(student, "device", "")) else "cpu"],
        weights_mb=_weights_mb(getattr(student, "folder", None)),
    )


def _weights_mb(folder: object) -> float | None:
    """Add up the files of weights in a model's folder."""
    files = list(Path(str(folder)).glob("*.safetensors")) if folder else []
    return sum(file.stat().st_size for file in files) / 1e6 if files else None


def _reads(solve: Program, items: Sequence[Item], student: LanguageModel) -> tuple[list[Completion], float]:
    """Let a student read all prompts, and give the seconds of its best time: the first one warms up."""
    best = math.inf
    for _ in range(_READINGS):
        started = time.perf_counter()
        read = run(solve, items, student, Sampling(max_tokens=1))
        best = min(best, time.perf_counter() - started)
    return read, best


def _target_tokens(tokenizer: Any, task: Task, problems: Sequence[Problem]) -> float | None:
    """Count what a row of track B carries, its end token with it."""
    solved = [task.conclude(p.rationale, p.answer) for p in problems if p.rationale]
    if tokenizer is None or not solved:
        return None
    return fmean(len(tokenizer.encode(text, add_special_tokens=False)) + 1 for text in solved)


def _questions(
    student: LanguageModel, programs: Mapping[str, Program], task: Task, problems: Sequence[Problem], config: Config
) -> float:
    """Count the questions to a problem, asked as a lesson asks."""
    how, sampling = config.lesson, Sampling(max_tokens=config.student.max_tokens)
    if not (how.questions and how.turns):
        return 0.0
    drafts = draft(problems, student, programs, task, sampling, questions=how.questions, asking=how.asking)
    unsolved = [_lesson(a) for a in drafts if a.verdict != "correct"]
    by_id = {p.id: p for p in problems}
    asked = ask(unsolved, by_id, student, programs["ask"], sampling, questions=how.questions)
    return fmean(len(lesson.draft.questions) for lesson in asked) if asked else 0.0


def _lesson(attempt: Attempt) -> Lesson:
    return Lesson(id=attempt.problem, problem=attempt.problem, round=0, draft=attempt)
