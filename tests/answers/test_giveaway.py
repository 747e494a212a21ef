"""Replies that answer the original question are found, and the others let through."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from giveaway_cases import HELD_OUT, LOOKED_AT, Case

from selfimprove.answers.giveaway import content_words, gives_away
from selfimprove.answers.kinds import Kind, KindName, kind
from selfimprove.records import Parsed, Problem, Split, Verdict
from selfimprove.tasks.strategyqa import StrategyQa

DATA = Path(os.environ.get("SELFIMPROVE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no data folder: set SELFIMPROVE_DATA")


@dataclass(frozen=True)
class KindTask:
    """A task that is nothing but its kind of answer."""

    of: Kind
    name = "cases"

    @property
    def instruction(self) -> str:
        """What the kind says."""
        return self.of.instruction

    def problems(self, split: Split) -> list[Problem]:
        """Give none."""
        return []

    def parse(self, text: str) -> Parsed:
        """Read as the kind does."""
        return self.of.read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare as the kind does."""
        return self.of.compare(answer, problem)

    def conclude(self, rationale: str, answer: str) -> str:
        """Write as the kind does."""
        return self.of.conclude(rationale, answer)


def asks(name: KindName, problem: Problem, question: str, reply: str) -> bool:
    """Judge one reply."""
    return gives_away(reply, problem, question, KindTask(kind(name)))


class Figures(NamedTuple):
    """How well replies were told apart."""

    precision: float
    recall: float
    errors: list[str]


def measure(judged: list[tuple[bool, bool, str]]) -> Figures:
    """Count (label, found, text) triples."""
    both = sum(label and found for label, found, _ in judged)
    found_all = sum(found for _, found, _ in judged)
    label_all = sum(label for label, _, _ in judged)
    return Figures(both / found_all, both / label_all, [text for label, found, text in judged if label != found])


@pytest.mark.parametrize(("name", "cases", "floor"), [("looked at", LOOKED_AT, 0.95), ("held out", HELD_OUT, 0.9)])
def test_hand_labelled_replies(name: str, cases: list[Case], floor: float) -> None:
    """Precision and recall on fifty replies each, those that shaped the rules and those that did not."""
    figures = measure(
        [(c.gives, asks(c.kind, c.problem, c.question, c.reply), f"{c.question} {c.reply}") for c in cases]
    )
    print(f"{name}: {len(cases)} replies, precision {figures.precision:.3f}, recall {figures.recall:.3f}")  # noqa: T201
    assert len(cases) == 50
    assert min(figures.precision, figures.recall) >= floor, figures.errors


@needs_data
def test_real_steps_of_gsm8k() -> None:
    """Of the worked steps of 1,319 real problems the last one gives the answer away, and few others are refused."""
    task = KindTask(kind("number"))
    judged = []
    with (DATA / "gsm8k" / "test_socratic.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            worked, _, final = row["answer"].rpartition("####")
            problem = Problem.of(row["question"], final.strip().replace(",", ""))
            steps = [re.sub("<<.*?>>", "", line).split(" ** ") for line in worked.splitlines() if " ** " in line]
            judged += [
                (step is steps[-1], gives_away(step[1], problem, step[0], task), " ".join(step)) for step in steps
            ]
    figures = measure(judged)
    print(f"{len(judged)} steps, precision {figures.precision:.3f}, recall {figures.recall:.3f}")  # noqa: T201
    assert figures.recall >= 0.98
    assert figures.precision >= 0.88


@cache
def _strategyqa() -> tuple[Problem, ...]:
    return tuple(StrategyQa(data_dir=DATA).problems("test"))


@needs_data
def test_facts_and_sub_answers_of_strategyqa_pass() -> None:
    """At most 2 % of real facts, and of a yes or no to real sub-questions, are refused; the conclusion always is."""
    task = KindTask(kind("yes_no"))
    pairs = [(p, step) for p in _strategyqa() for step in p.decomposition]
    facts = [gives_away(fact, p, step, task) for p, step in pairs for fact in p.facts]
    short = [gives_away(reply, p, step, task) for p, step in pairs for reply in ("Yes.", "No.") if _is_yes_no(step)]
    assert sum(facts) <= 0.02 * len(facts)
    assert sum(short) <= 0.02 * len(short)
    concluded = [gives_away("It is, so the answer is yes.", p, step, task) for p, step in pairs]
    assert all(concluded)
    again = [gives_away("Yes.", p, p.question, task) for p in _strategyqa()]
    assert sum(again) >= 0.98 * len(again)


def _is_yes_no(question: str) -> bool:
    return bool(re.match(r"(is|are|was|were|did|do|does|can|has|have|would|could)\b", question.lower()))


PRICE = Problem.of("Ann has 3 apples and buys 4 more. How many apples does she have?", "7")


def test_number_of_the_problem_is_no_secret() -> None:
    """A number that the problem itself states may be said again."""
    problem = Problem.of("Ann has 7 apples and eats none. How many does she have?", "7")
    assert not asks("number", problem, "How many apples are there at first?", "There are 7 at first.")


def test_confirmed_guess_gives_away() -> None:
    """A yes to a question that guesses the answer is the answer."""
    assert asks("number", PRICE, "Is it 7?", "Yes.")
    assert not asks("number", PRICE, "Is it 8?", "No.")


def test_unit_fact_is_no_answer_but_a_sum_with_units_is() -> None:
    """How many days a week has may be told, what somebody does in a week may not."""
    assert not asks("number", PRICE, "How many days are there in a week?", "A week has 7 days.")
    assert asks("number", PRICE, "How long?", "She eats for 7 days in each week.")


def test_no_reference_leaves_the_cues() -> None:
    """Without a reference answer a stated conclusion is still found."""
    problem = Problem.of("How many apples?", "")
    assert asks("number", problem, "Which fruit?", "Apples; the answer is 7.")
    assert not asks("number", problem, "Which fruit?", "Apples, 7 of them are red.")


def test_empty_reply_gives_nothing_away() -> None:
    """No reply is no answer."""
    assert not asks("number", PRICE, "How many apples does she have?", "  ")


def test_content_words_forget_form() -> None:
    """Questions in other words of the same stems are alike."""
    assert content_words("Did he record songs?") == content_words("Was the song recorded by him?")[::-1]
