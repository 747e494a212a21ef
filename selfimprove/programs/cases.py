"""What a program is compiled on: cases with inputs, and a metric that marks replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import Field

from selfimprove.programs.program import Program
from selfimprove.programs.run import Complaint, Read
from selfimprove.records import Completion, Record

Outputs = Mapping[str, Any]


class Case(Record):
    """One set of inputs that a program is tried on."""

    id: str
    problem: str
    """Id of the problem it is about."""
    inputs: Mapping[str, Any]
    gold: Mapping[str, Any] = Field(default_factory=dict)
    """What a metric knows of it, such as the verdict of a solution."""
    reference: str = ""
    """The right outcome in words, for the model that writes instructions."""
    outputs: Mapping[str, Any] = Field(default_factory=dict)
    """A right reply by field, where one is known: a worked example that a prompt may show."""


class Mark(NamedTuple):
    """What one reply is worth.

    Attributes:
        score: 1 is all that can be wished for.
        feedback: what was right or wrong with it, for the model that writes instructions.
    """

    score: float
    feedback: str


class Metric(Protocol):
    """What a program is optimised for."""

    @property
    def name(self) -> str:
        """As the command line names it."""
        ...

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:
        """Give the outputs of a reply, or say what its form lacks."""
        ...

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:
        """Mark the replies of a program to cases, all at once, in order; a reply without a value is no verdict."""
        ...
