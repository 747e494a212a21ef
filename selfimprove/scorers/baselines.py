"""What a step scorer must beat: signals that cost nothing. Each is scored as a step scorer is, on the same solutions.

- The student's own certainty: the mean log-probability of the tokens of its greedy attempt, and the probability of its
  least likely token. Each is one number a solution, so all of its steps get the same score.
- The majority label: what is true of most steps, said of all. Its AUC is 0.5 by construction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from selfimprove.records import StepItem, digest

LOGPROB: Final = "mean log-probability"
MAJORITY: Final = "majority label"
LOWEST: Final = "lowest token probability"


@dataclass(frozen=True)
class Certainty:
    """Scores every step of a solution by one probability that stands for its tokens'. Satisfies `StepScorer`.

    Args:
        name: `LOGPROB` or `LOWEST`.
        known: its natural logarithm for each attempt, by `key_of`; one that is not there has no verdict.
    """

    name: str
    known: Mapping[str, float]

    @property
    def identity(self) -> str:
        """The baseline's name."""
        return f"baseline/{self.name}"

    def score(self, items: Sequence[StepItem]) -> list[list[float] | None]:
        """Give each step its solution's score, shape `[items][steps]`."""
        found = [self.known.get(key_of(item)) for item in items]
        return [
            None if one is None else [min(1.0, math.exp(one))] * len(item.steps)
            for one, item in zip(found, items, strict=True)
        ]


@dataclass(frozen=True)
class Majority:
    """Says the same of every step. Satisfies `StepScorer`.

    Args:
        right: what most steps are.
    """

    right: bool
    identity: str = f"baseline/{MAJORITY}"

    @classmethod
    def of(cls, labels: Sequence[Sequence[bool | None]]) -> Majority:
        """Take what most known steps are; a tie is `right`."""
        known = [label for some in labels for label in some if label is not None]
        return cls(2 * sum(known) >= len(known))

    def score(self, items: Sequence[StepItem]) -> list[list[float]]:
        """Give each step 1 or 0, shape `[items][steps]`."""
        return [[float(self.right)] * len(item.steps) for item in items]


def key_of(item: StepItem) -> str:
    """Name one solution of one problem."""
    return digest(item.problem.id, item.steps)
