"""Phases of a campaign: prove a way of improving on little, and spend more only where that holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

from pydantic import Field, field_validator

from selfimprove.config.section import Section

METRICS: Final = ("accuracy", "consistency", "pass_at_k", "round")
_TERM: Final = re.compile(rf"({'|'.join(METRICS)})\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)")


class Term(NamedTuple):
    """One comparison of a condition."""

    metric: str
    sign: str
    bound: float

    def holds(self, values: Mapping[str, float]) -> bool:
        """Say whether it is true of these values."""
        value = values[self.metric]
        return {
            ">=": value >= self.bound,
            ">": value > self.bound,
            "<=": value <= self.bound,
            "<": value < self.bound,
        }[self.sign]


class Phase(Section):
    """A part of the campaign; the first begins it, each later one when its condition holds after a round."""

    when: str = ""
    """Of the best student on dev, as `consistency >= 0.6 and accuracy >= 0.55`; metrics: accuracy, consistency and
    pass_at_k (both with evaluate.samples), round (the last finished one)."""
    pool: Annotated[int, Field(ge=1)] | None = None
    """Over `mine.pool`."""
    lessons: Annotated[int, Field(ge=1)] | None = None
    """Over `select.lessons`."""
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    """The most that the campaign may have spent, all in all, before the next phase is entered."""

    @field_validator("when")
    @classmethod
    def _can_be_read(cls, when: str) -> str:
        if when and not all(_TERM.fullmatch(part.strip()) for part in when.split(" and ")):
            raise ValueError(f"write comparisons of {', '.join(METRICS)} joined by and, as accuracy >= 0.55")
        return when

    @property
    def terms(self) -> tuple[Term, ...]:
        """The comparisons that all have to hold."""
        found = [_TERM.fullmatch(part.strip()) for part in self.when.split(" and ") if part]
        return tuple(Term(each[1], each[2], float(each[3])) for each in found if each)
