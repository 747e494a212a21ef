"""What `grade.scorer` and `selfimprove prm` may name, beyond what a library call can."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any, Final

from selfimprove.config import TeacherConfig
from selfimprove.errors import InputError, nearest
from selfimprove.ledger import Ledger
from selfimprove.programs import Program, program_for
from selfimprove.protocols import LanguageModel, StepScorer, Task
from selfimprove.records import Sampling
from selfimprove.scorers import check_spec, check_weights, load_scorer
from selfimprove.scorers.exact import ExactSteps
from selfimprove.scorers.montecarlo import MonteCarlo
from selfimprove.scorers.scoring import card_name

FORMS: Final = (
    "a folder of a scorer trained here, FAMILY:MODEL, package.module:Name, judge, judge:MODEL, judge:MODEL@URL, "
    "monte-carlo, monte-carlo:ROLLOUTS, or exact"
)
_NAMED: Final = ("judge", "monte-carlo", "exact")
ROLLOUTS: Final = 8
"""Of a step, unless `monte-carlo:ROLLOUTS` says otherwise."""
_MOST_ROLLOUTS: Final = 256


def full_name(name: str, teacher: TeacherConfig) -> str:
    """Give a scorer's name as `selfimprove prm evaluate` takes it, by which its card is kept: `judge` says whose.

    >>> full_name("judge", TeacherConfig(model="openai/m", base_url="http://me:secret@127.0.0.1:8000/v1"))
    'judge:openai/m@http://127.0.0.1:8000/v1'
    """
    from selfimprove.teachers.deployment import at

    return f"judge:{teacher.judge.model or teacher.model}{at(teacher.base_url)}" if name == "judge" else name


def scorer_named(
    name: str,
    ledger: Ledger,
    *,
    student: LanguageModel | None = None,
    base: str = "",
    task: Task | None = None,
    teacher: TeacherConfig | None = None,
    judging_by: Program | None = None,
    max_tokens: int = 256,
    seed: int = 0,
    **settings: Any,
) -> StepScorer:
    """Make the scorer that a command or a config names.

    Args:
        name: see `FORMS`.
        ledger: a judge's calls go through it and keep within its budget.
        student: whose rollouts `monte-carlo` draws.
        base: identity of the student without an adapter, see `MonteCarlo`.
        task: reads their answers.
        teacher: settings of a judge; `judge` alone is its role of that name.
        judging_by: a judge's program; default: the plain one.
        max_tokens: longest rollout.
        seed: of the rollouts.
        settings: `dtype` and `device` of a trained scorer.

    Raises:
        InputError: there is no such scorer, or it needs a task and a student.
    """
    kind, _, rest = name.partition(":")
    if kind == "judge":
        return _judge(rest, ledger, teacher or TeacherConfig(), judging_by)
    if kind == "monte-carlo":
        if student is None or task is None:
            raise InputError("monte-carlo scores steps by a student's rollouts; name a task with --task")
        how = Sampling(temperature=0.8, max_tokens=max_tokens)
        program = program_for("solve", task)
        return MonteCarlo(student, task, program, sampling=how, rollouts=rollouts_of(rest), seed=seed, base=base)
    if name == "exact":
        return ExactSteps()
    _refuse_typo(name)
    return load_scorer(name, **settings)


def check_scorer(
    name: str, ledger: Ledger, teacher: TeacherConfig, student: LanguageModel, judging_by: Program | None = None
) -> str | None:
    """Refuse a scorer that cannot be had, before anything is spent; no weights are loaded, but they are fetched.

    Args:
        name: see `FORMS`.
        ledger: as `scorer_named`.
        teacher: as `scorer_named`.
        student: without an adapter.
        judging_by: as `scorer_named`: a card of the same model under another prompt is another's.

    Returns:
        What its card must be of; None where only its weights can tell.

    Raises:
        InputError: as `scorer_named`.
    """
    kind, _, rest = name.partition(":")
    if kind == "judge":
        return card_name(_judge(rest, ledger, teacher, judging_by))
    if kind == "monte-carlo":
        return f"monte-carlo-{rollouts_of(rest)}/{student.identity}"
    if name != "exact":
        _refuse_typo(name)
        check_weights(name)
    return None


def check_name(name: str, teacher: TeacherConfig) -> None:
    """Refuse what can be no scorer's name, as `check_scorer`; nothing is asked, fetched or loaded."""
    kind, _, rest = name.partition(":")
    if kind == "judge":
        judging(rest, teacher)
    elif kind == "monte-carlo":
        rollouts_of(rest)
    elif name != "exact":
        _refuse_typo(name)
        check_spec(name)


def _refuse_typo(name: str) -> None:
    if ":" not in name and difflib.get_close_matches(name, _NAMED, n=1, cutoff=0.7):
        raise InputError(f'there is no scorer "{name}"; {nearest(name, _NAMED)}')


def judging(named: str, teacher: TeacherConfig) -> TeacherConfig:
    """Give a judge's settings: the teacher's, or those for a model of its own, see `of_another`.

    Args:
        named: what follows `judge:`, a MODEL or MODEL@URL; empty: `teacher.judge.model`, or `teacher.model`.
        teacher: the teacher's settings.

    Raises:
        InputError: no model is named.
    """
    from selfimprove.teachers.load import is_model, of_another
    from selfimprove.teachers.named import parted

    if named:
        return of_another(teacher, *parted(named))
    if not is_model(teacher.judge.model or teacher.model):
        raise InputError(
            'the scorer "judge" is the teacher\'s model, and there is none; write judge:MODEL or '
            "judge:MODEL@http://HOST:PORT/v1"
        )
    return teacher


def _judge(named: str, ledger: Ledger, teacher: TeacherConfig, program: Program | None = None) -> StepScorer:
    from selfimprove.scorers.judge import StepJudge
    from selfimprove.teachers.deployment import NO_KEY
    from selfimprove.teachers.load import load_model

    settings = judging(named, teacher)
    keyless = bool(named) and settings.base_url is not None
    asked = load_model(settings, "judge", ledger, api_key=NO_KEY if keyless else None)
    asked.check()
    greedy = Sampling(max_tokens=teacher.max_tokens)
    judge = StepJudge(asked, first=asked.deployments[0].identity, sampling=greedy)
    return judge if program is None else replace(judge, program=program)


def rollouts_of(text: str) -> int:
    """Read how many rollouts a step gets; empty: `ROLLOUTS`.

    Raises:
        InputError: it is no such number.
    """
    if not text:
        return ROLLOUTS
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_ROLLOUTS:
        raise InputError(f"monte-carlo:{text} will not do; write how many rollouts a step gets, 1 to {_MOST_ROLLOUTS}")
    return int(text)
