from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from selfimprove.protocols import StepScorer
from selfimprove.records import Completion, Problem, Request, StepItem
from selfimprove.scorers.judge import StepJudge, read_judgement
from selfimprove.scorers.scoring import Judgement

GOOD = "1: 0.95\n2: 0.1\nFirst wrong: 2"


@dataclass
class Replying:
    reply: Callable[[Request], Completion]
    asked: list[Request] = field(default_factory=list)
    identity: str = "replying"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [self.reply(request) for request in requests]


def item(question: str = "What is 1 + 2 + 3?", steps: tuple[str, ...] = ("1 + 2 = 3", "3 + 3 = 7")) -> StepItem:
    return StepItem(problem=Problem.of(question, "6"), steps=steps)


def test_one_call_a_solution_gives_scores_and_the_first_wrong_step() -> None:
    """Problem and numbered steps are asked about once; the reply is read into scores and an index."""
    model = Replying(lambda request: Completion(text=GOOD, call="c1"))
    judge = StepJudge(model)
    assert judge.judge([item()]) == [Judgement(scores=(0.95, 0.1), first_wrong=1, calls=("c1",))]
    assert len(model.asked) == 1
    shown = model.asked[0].messages[-1].content
    assert "What is 1 + 2 + 3?" in shown
    assert "1. 1 + 2 = 3\n2. 3 + 3 = 7" in shown
    assert isinstance(judge, StepScorer)
    assert judge.score([item()]) == [[0.95, 0.1]]


def test_an_unreadable_reply_is_asked_for_once_more_with_the_complaint() -> None:
    """The second try tells what was wrong, is a new attempt, and only those that need it are asked again."""

    def reply(request: Request) -> Completion:
        bad = request.attempt == 0 and "ducks" in request.messages[-1].content
        return Completion(text="Looks fine to me." if bad else GOOD, call=f"c{request.attempt}")

    model = Replying(reply)
    found = StepJudge(model).judge([item(), item("How many ducks?")])
    assert [one.calls for one in found if one] == [("c0",), ("c0", "c1")]
    assert len(model.asked) == 3
    again = model.asked[2]
    assert again.attempt == 1
    assert "There are 2 steps, and lines for none were found" in again.messages[-1].content
    assert "Complaint" not in model.asked[0].messages[-1].content


def test_unreadable_twice_is_no_verdict() -> None:
    """After the second unreadable reply there is None, never a score of 0."""
    model = Replying(lambda request: Completion(text="1: 0.5"))
    assert StepJudge(model).score([item(), item(steps=())]) == [None, []]
    assert len(model.asked) == 2


def test_a_call_that_failed_is_no_verdict_and_is_not_asked_again_here() -> None:
    """Who calls models tries them again; a failure for good has no form to complain about."""
    model = Replying(lambda request: Completion(text="", finish_reason="error", error="down"))
    assert StepJudge(model).score([item()]) == [None]
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("scores", "first", "expected"),
    [
        ("Step 1: 1\nStep 2: 0", "step 2", ((1.0, 0.0), 1)),
        ("**1**: 0.9\n- 2: .25", "None.", ((0.9, 0.25), None)),
        ("1. 1.0\n2. 0.5", "-1", ((1.0, 0.5), None)),
    ],
)
def test_usual_forms_are_read(scores: str, first: str, expected: tuple[tuple[float, ...], int | None]) -> None:
    """Bold numbers, bullets and `Step` before the number are read."""
    read = read_judgement({"scores": scores, "first_wrong": first}, 2)
    assert isinstance(read, Judgement)
    assert (read.scores, read.first_wrong) == expected


@pytest.mark.parametrize(
    ("scores", "first", "complaint"),
    [
        ("1: 0.9", "none", "lines for 1 were found"),
        ("1: 0.9\n1: 0.8", "none", "lines for 1, 1"),
        ("2: 0.9\n1: 0.8", "none", "lines for 2, 1"),
        ("1: 0.9\n2: 1.5", "none", "above 1"),
        ("1: 0.9\n2: 85", "none", "above 1"),
        ("1: 0.9\n2: 85%", "none", "lines for 1 were found"),
        ("1: 0.9\n2: 0.8", "", "First wrong"),
        ("1: 0.9\n2: 0.8", "3", "from 1 to 2"),
        ("1: 0.9\n2: 0.8", "the second", "First wrong"),
    ],
)
def test_other_forms_are_complained_about(scores: str, first: str, complaint: str) -> None:
    """Missing, repeated or shuffled steps, scores out of range and a missing last line are named."""
    read = read_judgement({"scores": scores, "first_wrong": first}, 2)
    assert isinstance(read, str)
    assert complaint in read
