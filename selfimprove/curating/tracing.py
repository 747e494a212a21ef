"""Trace: a reasoning teacher's chains of thought for admitted problems; one that ends in the right answer is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from selfimprove.curating.forms import Form
from selfimprove.curating.rows import Candidate, Trace
from selfimprove.programs import Item, Program, program_for, run_read, stated
from selfimprove.programs.forms import form_reader
from selfimprove.protocols import LanguageModel, StepScorer
from selfimprove.records import Attempt, Sampling, StepItem, Verdict
from selfimprove.scorers.steps import split_steps
from selfimprove.steps.verify import verify

Choice = Literal["shortest", "first", "best_scored"]


def trace(
    admitted: Sequence[Candidate],
    form: Form,
    model: LanguageModel,
    sampling: Sampling,
    *,
    samples: int,
    choice: Choice,
    scorer: StepScorer | None = None,
    program: Program | None = None,
    seed: int = 0,
) -> list[Trace]:
    """Have each problem reasoned through from scratch, and keep one verified chain of thought.

    The teacher sees the problem alone. A chain counts where its own answer is the stated one; one that was cut off does
    not; one that states no answer is asked for once more.

    Args:
        admitted: problems of one form of answers, shape `[P]`.
        form: reads and compares their answers.
        model: the teacher.
        sampling: how it reasons.
        samples: chains a problem.
        choice: `shortest`: fewest tokens (where unknown, words); `first`: the first verified one; `best_scored`: the
            highest mean of step scores.
        scorer: scores the steps of verified chains; needed by `best_scored`.
        program: the teacher's prompt, for one that an optimiser improved for this form.
        seed: of the whole curation.
    """
    program = program or program_for("reason", form)
    items = [Item(one.id, {"problem": stated(one.problem)}, n) for one in admitted for n in range(samples)]
    made = run_read(program, items, model, sampling, form_reader(program, form), seed=seed)
    tried = [
        [
            verify(form, one.problem, done.completion, str(program.parse(done.completion.text)["solution"]))
            for done in made[at * samples : (at + 1) * samples]
        ]
        for at, one in enumerate(admitted)
    ]
    good = [[each for each in some if each.strict is Verdict.CORRECT] for some in tried]
    scores: list[list[float | None]] = [[None] * len(some) for some in good]
    if scorer is not None:
        scores = _scores(admitted, good, scorer)
    return [_kept(one, some, scored, samples, choice) for one, some, scored in zip(admitted, good, scores, strict=True)]


def _scores(
    admitted: Sequence[Candidate], good: Sequence[Sequence[Attempt]], scorer: StepScorer
) -> list[list[float | None]]:
    items = [
        StepItem(problem=one.problem, steps=tuple(split_steps(_text(each))))
        for one, some in zip(admitted, good, strict=True)
        for each in some
    ]
    found = iter(scorer.score(items) if items else [])
    return [[_mean(next(found)) for _ in some] for some in good]


def _mean(scores: Sequence[float] | None) -> float | None:
    return sum(scores) / len(scores) if scores else None


def _text(attempt: Attempt) -> str:
    return attempt.solution or attempt.completion.text


def _kept(
    one: Candidate, good: Sequence[Attempt], scores: Sequence[float | None], samples: int, choice: Choice
) -> Trace:
    if not good:
        return Trace(problem=one.id, tried=samples)
    order = list(range(len(good)))
    if choice == "shortest":
        order.sort(key=lambda at: (good[at].completion.completion_tokens or len(_text(good[at]).split()), at))
    elif choice == "best_scored":
        order.sort(key=lambda at: (-(scores[at] if scores[at] is not None else -1.0), at))  # type: ignore[operator]
    best = good[order[0]]
    return Trace(
        problem=one.id,
        text=_text(best),
        verified=len(good),
        tried=samples,
        score=scores[order[0]],
        call=best.completion.call,
    )
