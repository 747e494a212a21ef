"""The arms: ways to train that are compared with each other. One table, that everything else looks up."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final, NamedTuple

from selfimprove.records import Method


class Arm(NamedTuple):
    """One way to train.

    Attributes:
        program: whose prompt it is trained and tested under.
        track: of whose rows it learns; empty: it practises, on the problems that were tried.
        then: how it is trained behind its track; None: it is not.
        method: how it practises; None: it does not.
        told: its prompt holds the reference rationale, when it is tested too: its figures are not those of the others,
            and it is never promoted.
    """

    program: str = "solve"
    track: str = ""
    then: Method | None = None
    method: Method | None = None
    told: bool = False


ARMS: Final[Mapping[str, Arm]] = {
    "track_b": Arm(track="track_b"),
    "track_b+dpo": Arm(track="track_b", then="dpo"),
    "track_b+kto": Arm(track="track_b", then="kto"),
    "track_a": Arm(program="answer_only", track="track_a"),
    "track_b_given": Arm(program="answer_given", track="track_b_given", told=True),
    "no_questions": Arm(track="no_questions"),
    "no_selection": Arm(track="no_selection"),
    "no_verification": Arm(track="no_verification"),
    "plain_programs": Arm(track="plain_programs"),
    "grpo": Arm(method="grpo"),
    "rloo": Arm(method="rloo"),
    "distill": Arm(method="distill"),
}
"""In the order that a round trains them: the first sets how many tokens the others get."""
ABLATED: Final = ("track_b_given", "no_questions", "no_selection", "no_verification", "plain_programs")
"""Arms with rows of their own, see `graphs.ablating`."""


def in_turn(arms: Container[str]) -> list[str]:
    """Give the arms of a campaign that are trained in every round, in the order that a round trains them.

    >>> in_turn(["control", "grpo", "track_b"])
    ['track_b', 'grpo']
    """
    return [arm for arm in ARMS if arm in arms]


def program_of(arm: str) -> str:
    """Name the program of an arm; the base student's and the control's is `solve`."""
    return ARMS[arm].program if arm in ARMS else "solve"


def is_told(arm: str) -> bool:
    """Say whether an arm's prompt holds the reference rationale; the base student's and the control's does not."""
    return arm in ARMS and ARMS[arm].told
