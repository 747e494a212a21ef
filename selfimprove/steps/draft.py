"""Draft: the student's first completion for a problem, an answer and its clarifying questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from selfimprove.programs import Item, Program, run, stated
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Attempt, Problem, Sampling
from selfimprove.steps.ask import questions_in
from selfimprove.steps.build import shown
from selfimprove.steps.rerun import compared_again
from selfimprove.steps.verify import verify


def draft(
    problems: Sequence[Problem],
    student: LanguageModel,
    programs: Mapping[str, Program],
    task: Task,
    sampling: Sampling,
    *,
    questions: int = 2,
    asking: Literal["auto", "one_call", "two_calls"] = "auto",
    seed: int = 0,
) -> list[Attempt]:
    """Let the student try each problem, in order.

    With `one_call` or `auto` it is asked for questions in the same completion; those who keep no form are asked by
    the ask step. With `two_calls`, or no questions, it only solves. What cannot be read is no verdict and is not asked
    for again: what the student does unaided is measured.
    """
    together = questions > 0 and asking != "two_calls"
    program = programs["draft_and_ask" if together else "solve"]
    items = [Item(problem.id, {"problem": stated(problem)}) for problem in problems]
    made = run(program, items, student, sampling, role="draft" if together else "solve", seed=seed)
    attempts = []
    for problem, completion in zip(problems, made, strict=True):
        read = program.parse(completion.text)
        asked = tuple(questions_in(read.get("questions", ())))[:questions]
        attempts.append(verify(task, problem, completion, text=read["solution"], questions=asked))
    return attempts


def solve(
    problems: Sequence[Problem],
    student: LanguageModel,
    program: Program,
    task: Task,
    sampling: Sampling,
    *,
    samples: Sequence[int] = (0,),
    seed: int = 0,
) -> list[list[Attempt]]:
    """Let the student solve each problem once for each sample index, shape `[P][len(samples)]`.

    None is asked again; what was too slow to compare is compared once more.
    """
    items = [Item(p.id, shown(p, program.name), sample) for p in problems for sample in samples]
    made = iter(run(program, items, student, sampling, role="solve", seed=seed))
    return [[compared_again(p, verify(task, p, next(made)), task) for _ in samples] for p in problems]
