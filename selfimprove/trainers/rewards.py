"""Rewards: plain functions of a problem and what was read in a completion, put together by weights.

Each gives a number for a completion, and None where it has nothing to say; every one is logged apart. A completion of
which none says anything is left out of its group: one that was cut off, or that could not be compared. One that ended
without an answer earns 0, as a wrong one, and of `form` too: so it stands below what is stated in the form, right or
wrong. One's own is named as `package.module:name`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from selfimprove.errors import InputError, nearest
from selfimprove.plugs import load_plug
from selfimprove.protocols import StepScorer
from selfimprove.records import Attempt, Verdict
from selfimprove.scorers import load_scorer
from selfimprove.scorers.exact import ExactSteps


class Tried(NamedTuple):
    """A completion as rewards see it.

    Attributes:
        attempt: read and compared.
        tokens: generated.
        limit: tokens at most.
        score: its lowest step score, in [0, 1]; None without a scorer, or where it could not judge.
        worth: 1 where its questions were worth asking, 0 where not, see `worth`; None where there is nothing to say.
    """

    attempt: Attempt
    tokens: int
    limit: int
    score: float | None = None
    worth: float | None = None


_NOBODYS_FAULT: Final = {Verdict.TRUNCATED, Verdict.TIMEOUT, Verdict.ERROR}
Reward = Callable[[Tried], float | None]


def correct(tried: Tried) -> float | None:
    """1 for a right answer, 0 for a wrong one and for none: else saying nothing would pay better than being wrong."""
    verdict = tried.attempt.verdict
    return None if verdict in _NOBODYS_FAULT else float(verdict is Verdict.CORRECT)


def form(tried: Tried) -> float | None:
    """1 where an answer is stated in the strict form, 0 in another or in none; what was cut off might have had it."""
    if tried.attempt.verdict in _NOBODYS_FAULT:
        return None
    return float(tried.attempt.strict.decided)


def brevity(tried: Tried) -> float | None:
    """From 1 for nothing to 0 at the limit, for right answers only: a wrong one, or none, gains nothing by it."""
    verdict = tried.attempt.verdict
    if verdict in _NOBODYS_FAULT:
        return None
    return max(0.0, 1 - tried.tokens / tried.limit) if verdict is Verdict.CORRECT else 0.0


def steps(tried: Tried) -> float | None:
    """The lowest score of its steps, by the scorer beside the rewards: one wrong step spoils a solution.

    0 where no answer is found, as who says nothing says nothing wrong.
    """
    verdict = tried.attempt.verdict
    if verdict in _NOBODYS_FAULT:
        return None
    return tried.score if verdict.decided else 0.0


def questions(tried: Tried) -> float | None:
    """1 where the answers to its questions turn a wrong draft into a right one, 0 where not or where it asks none."""
    return tried.worth


REWARDS: Final[Mapping[str, Reward]] = {
    "correct": correct,
    "form": form,
    "brevity": brevity,
    "steps": steps,
    "questions": questions,
}
DEFAULT: Final[Mapping[str, float]] = {"correct": 1.0, "form": 0.1}


def weighted(weights: Mapping[str, float]) -> dict[str, Reward]:
    """Give the rewards that have a weight.

    Raises:
        InputError: there is no such reward, a weight is no number, or none is above 0.
    """
    for name, weight in weights.items():
        if name not in REWARDS and ":" not in name:
            raise InputError(f'there is no reward "{name}"; {nearest(name, REWARDS)}, or write package.module:name')
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise InputError(f"the weight of the reward {name} is {weight!r}; give a number")
    if not any(weight > 0 for weight in weights.values()):
        raise InputError("no reward has a weight above 0; give correct = 1.0")
    if weights.get("questions", 0.0) > 0 and weights["questions"] >= weights.get("correct", 0.0):
        raise InputError(
            f"the weight of the reward questions is {weights['questions']:g} and that of correct "
            f"{weights.get('correct', 0.0):g}: being wrong and asking would pay as well as being right; give it less"
        )
    return {name: _found(name) for name, weight in weights.items() if weight}


def _found(name: str) -> Reward:
    found = REWARDS.get(name) or load_plug(name, "reward")
    if not callable(found):
        raise InputError(f'the reward "{name}" is no function; give one that takes a Tried and gives a number or None')
    return found


def scorer_for(weights: Mapping[str, float], named: str) -> StepScorer | None:
    """Give the step scorer that the reward `steps` needs; None where that has no weight.

    Args:
        weights: of the rewards.
        named: a folder, `FAMILY:MODEL`, `exact` or `package.module:Name`.

    Raises:
        InputError: none is named that will do, see `check_named`.
    """
    if not weights.get("steps"):
        return None
    name = check_named(named)
    return ExactSteps() if name == "exact" else load_scorer(name)


def check_named(scorer: object) -> str:
    """Give the name of a step scorer that may reward every completion.

    Raises:
        InputError: none is named, or one whose calls would go past the ledger.
    """
    if isinstance(scorer, str) and scorer and scorer.partition(":")[0] not in {"judge", "monte-carlo"}:
        return scorer
    raise InputError(
        f'scorer = "{scorer}" will not do for the reward steps: beside the rewards, name a folder of a scorer, '
        "FAMILY:MODEL, exact or package.module:Name; judges and rollouts are too dear for every completion"
    )
