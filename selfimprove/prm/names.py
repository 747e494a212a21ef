"""What `selfimprove prm evaluate SCORER` may name, beyond what a config can."""

from __future__ import annotations

import difflib
from typing import Any, Final

from selfimprove.errors import InputError, nearest
from selfimprove.ledger import Ledger
from selfimprove.programs import program_for
from selfimprove.protocols import LanguageModel, StepScorer, Task
from selfimprove.records import Sampling
from selfimprove.scorers import load_scorer
from selfimprove.scorers.exact import ExactSteps
from selfimprove.scorers.montecarlo import MonteCarlo

FORMS: Final = (
    "a folder of a scorer trained here, FAMILY:MODEL, package.module:Name, judge:MODEL, judge:MODEL@URL, "
    "monte-carlo, monte-carlo:ROLLOUTS, or exact"
)
_NAMED: Final = ("judge", "monte-carlo", "exact")
_ROLLOUTS: Final = 8
_MOST_ROLLOUTS: Final = 256


def scorer_named(
    name: str,
    ledger: Ledger,
    *,
    student: LanguageModel | None = None,
    task: Task | None = None,
    max_tokens: int = 256,
    seed: int = 0,
    **settings: Any,
) -> StepScorer:
    """Make the scorer that a command names.

    Args:
        name: see `FORMS`.
        ledger: a judge's calls go through it and keep within its budget.
        student: whose rollouts `monte-carlo` draws.
        task: reads their answers.
        max_tokens: longest rollout.
        seed: of the rollouts.
        settings: `dtype` and `device` of a trained scorer.

    Raises:
        InputError: there is no such scorer, or it needs a task and a student.
    """
    kind, _, rest = name.partition(":")
    if kind == "judge":
        return _judge(rest, ledger)
    if kind == "monte-carlo":
        if student is None or task is None:
            raise InputError("monte-carlo scores steps by a student's rollouts; name a task with --task")
        how = Sampling(temperature=0.8, max_tokens=max_tokens)
        program = program_for("solve", task)
        return MonteCarlo(student, task, program, sampling=how, rollouts=_rollouts(rest), seed=seed)
    if name == "exact":
        return ExactSteps()
    if ":" not in name and difflib.get_close_matches(name, _NAMED, n=1, cutoff=0.7):
        raise InputError(f'there is no scorer "{name}"; {nearest(name, _NAMED)}')
    return load_scorer(name, **settings)


def judge_of(model: str, url: str) -> tuple[str, str | None]:
    """Give LiteLLM's name and the address of a judge; a server by its address speaks OpenAI's protocol.

    >>> judge_of("Qwen/Qwen2.5-7B", "http://127.0.0.1:8000/v1")
    ('openai/Qwen/Qwen2.5-7B', 'http://127.0.0.1:8000/v1')
    >>> judge_of("anthropic/claude", "")
    ('anthropic/claude', None)
    """
    if not url:
        return model, None
    return (model if model.startswith("openai/") else f"openai/{model}"), url


def _judge(named: str, ledger: Ledger) -> StepScorer:
    from selfimprove.scorers.judge import StepJudge
    from selfimprove.teachers.litellm import LiteLLMModel

    model, _, url = named.partition("@")
    if not model or (url and not url.startswith(("http://", "https://"))):
        raise InputError(f'the judge "{named}" names no model; write judge:MODEL or judge:MODEL@http://HOST:PORT/v1')
    model, address = judge_of(model, url)
    asked = LiteLLMModel("judge", (model,), ledger, base_url=address)
    asked.check()
    return StepJudge(asked)


def _rollouts(text: str) -> int:
    if not text:
        return _ROLLOUTS
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_ROLLOUTS:
        raise InputError(f"monte-carlo:{text} will not do; write how many rollouts a step gets, 1 to {_MOST_ROLLOUTS}")
    return int(text)
