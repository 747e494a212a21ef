from __future__ import annotations

from pathlib import Path

import pytest

from selfimprove.answers.kinds import kind
from selfimprove.curating.checks import arithmetic
from selfimprove.curating.diversity import Sample, collapsed, distinct_share
from selfimprove.curating.forms import Form
from selfimprove.curating.making import Generator, Ordered
from selfimprove.curating.reading import built
from selfimprove.curating.rows import Candidate, Order, Place
from selfimprove.curating.tracing import trace
from selfimprove.curating.voting import Ballot, Solvers
from selfimprove.labels.taxonomy import Cell
from selfimprove.programs.written import Written, read_problems
from selfimprove.records import Completion, Problem, Request, Sampling, StepItem

CELL = Cell(("Maths", "Number", "Whole", "Find it", "sums"), "short answer")
NUMBER = Form(kind("number"))


class Scripted:
    identity = "scripted"

    def __init__(self, *said: str | Completion) -> None:
        self.said = list(said)
        self.asked: list[Request] = []

    def complete(self, requests: list[Request]) -> list[Completion]:
        self.asked += requests
        made = [self.said.pop(0) for _ in requests]
        return [Completion(text=one) if isinstance(one, str) else one for one in made]


def ordered(variants: int = 2) -> Ordered:
    order = Order(id="o", place=Place.of(CELL), seed="s", root="s", generation=1, variants=variants, sample=0)
    return Ordered(order, Problem.of("What is 1 + 1?", "2"), (), NUMBER)


def test_several_problems_are_read_with_workings_left_out() -> None:
    """Bold marks, numbers and rules between problems do no harm."""
    text = "**Problem 1:** Ann has 3.\nHow many?\nSolution: 3.\n**Answer:** 3\n---\nProblem 2: And 4?\nAnswer: 4"
    assert read_problems(text, choices=False) == [Written("Ann has 3.\nHow many?", (), "3"), Written("And 4?", (), "4")]


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        (Written("Which?", ("1", "1", "2", "3"), "A"), "two of its options are the same"),
        (Written("Which?", ("1/2", "0.5", "3"), "A"), "are the same number, '1/2' and '0.5'"),
        (Written("Which?", ("50%", "0.5", "3"), "A"), "the same number"),
        (Written("Which?", ("7", "8", "7.0"), "A"), "the same number"),
        (Written("Which?", ("1", "2"), "A"), "it has 2 options"),
        (Written("Which?", ("1", "2", "3"), "D"), "beyond its 3 options"),
        (Written("Which?", ("1", "2", "all of the above"), "A"), "speaks about the others"),
        (Written("Which?", ("1", "2", "3"), "7"), "cannot be read as choice"),
        (Written("", ("1", "2", "3"), "A"), "no question"),
    ],
)
def test_options_must_be_distinct_with_exactly_one_right(written: Written, wrong: str) -> None:
    """What is wrong with the form is said."""
    said = built(written, kind("choice"), {})
    assert isinstance(said, str)
    assert wrong in said


def test_options_of_one_number_in_two_units_differ() -> None:
    """What stands beside a number counts."""
    written = Written("Which?", ("7 cm", "7 m", "8 cm"), "A")
    assert isinstance(built(written, kind("choice"), {}), Problem)


def test_unreadable_reply_is_asked_for_once_more_with_the_complaint() -> None:
    """After that it is rejected as unreadable, with what was said."""
    model = Scripted("Sorry.", "Still sorry.")
    made = Generator(model, Sampling()).generate([ordered()], 1)
    assert "No problem was found" in model.asked[1].messages[-1].content
    assert [row.reason for row in made.rejected] == ["unreadable"]
    assert made.rejected[0].text == "Still sorry."
    assert made.candidates == []


def test_last_problem_of_a_reply_that_was_cut_off_is_left_out() -> None:
    """Its answer may lack its end."""
    text = "Problem: What is 5 + 6?\nAnswer: 11\nProblem: What is 50 + 60?\nAnswer: 1"
    model = Scripted(Completion(text=text, finish_reason="length"))
    made = Generator(model, Sampling()).generate([ordered()], 1)
    assert [one.problem.answer for one in made.candidates] == ["11"]


def test_a_whole_problem_before_the_cut_is_kept() -> None:
    """The reply ends in the next problem's question: nothing of the one before it is missing."""
    text = "Problem: What is 5 + 6?\nAnswer: 11\n\nProblem: A farmer has 4 cows and bu"
    model = Scripted(Completion(text=text, finish_reason="length"))
    made = Generator(model, Sampling()).generate([ordered()], 1)
    assert [one.problem.answer for one in made.candidates] == ["11"]
    assert len(model.asked) == 1


def test_call_shows_sub_type_form_and_what_has_to_change() -> None:
    """And never another sub-type's problems."""
    model = Scripted("Problem: What is 5 + 6?\nAnswer: 11")
    Generator(model, Sampling(), numbers_only=False).generate([ordered(1)], 1)
    told = model.asked[0].messages[-1].content
    assert "Maths > Number > Whole > Find it > sums" in told
    assert "More than the numbers" in told
    assert "one problem" in told
    assert "What is 1 + 1?" in told


@pytest.mark.parametrize(
    ("question", "answer", "right"),
    [
        ("What is 3 + 4 * 2?", "11", True),
        ("Calculate (8 - 2) / 4.", "1.5", True),
        ("Work out: 12 x 12", "145", False),
        ("Ann has 3 apples. How many?", "3", None),
        ("What is 1 / 0?", "0", None),
        ("What is 1,250 + 2?", "1252", True),
        ("What is 1,000,000 - 1?", "999,999", True),
        ("Calculate 1,5 + 2", "3.5", None),
        ("Calculate 1,5 + 2", "17", None),
        ("Calculate 0,125 + 1", "126", None),
        ("What is 1 / 3?", "0.33", None),
        ("What is 1 / 3?", "1/3", True),
        ("What is 1 / 3?", "0.34", False),
        ("What is 1 / 8?", "0.13", False),
    ],
)
def test_arithmetic_is_worked_out(question: str, answer: str, right: bool | None) -> None:  # noqa: FBT001 - pytest gives it
    """A sum in digits is right or wrong; anything else cannot be told."""
    assert arithmetic(Problem.of(question, answer)) is right


def test_collapse_is_an_alarm() -> None:
    """A generation that says the same thing over and over is named; one as varied as the seeds is not."""
    sample = Sample()
    for at in range(20):
        sample.add("leaf", 0, Problem.of(f"seed {at} speaks of thing {at * 7} and of place {at * 3}", "1"))
        sample.add("leaf", 1, Problem.of(f"child {at} speaks of thing {at * 5} and of place {at * 11}", "1"))
        sample.add("leaf", 2, Problem.of(f"Ann went to the market to buy some fruit for her aunt {at % 2} {at}", "1"))
    spreads = sample.spreads()
    assert [one.generation for one in spreads] == [0, 1, 2]
    said = collapsed(spreads, 0.6)
    assert len(said) == 1
    assert said[0].startswith('generation 2 of "leaf"')
    assert spreads[2].self_bleu > spreads[0].self_bleu


def test_distance_is_the_mean_over_pairs_of_vectors() -> None:
    """Of eight, half of them at right angles to the others, 16 of 28 pairs are 1 apart; with no embedding it is unknown."""
    sample = Sample()
    for at in range(8):
        sample.add("leaf", 1, Problem.of(f"{'apples' if at % 2 else 'pears'} and {at}", "1"))
    spread = sample.spreads(lambda texts: [[2.0, 0.0] if "apples" in text else [0.0, 3.0] for text in texts])[0]
    assert spread.distance == round(16 / 28, 4)
    assert sample.spreads()[0].distance is None


def test_distinct_share_counts_places() -> None:
    """Two equal texts have half of their 3-grams distinct."""
    assert distinct_share(["a b c d", "a b c d"]) == 0.5


def candidate() -> Candidate:
    problem = Problem.of("What is 5 + 6?", "11")
    return Candidate(
        id=problem.id,
        problem=problem,
        place=Place.of(CELL),
        seed="s",
        root="s",
        generation=1,
        order="o",
        index=0,
        program="p",
        model="m",
        call="c",
    )


SAID = (
    "It is 12.\nAnswer: 12",
    "First 5. Then 6 more. So it is 11.\nAnswer: 11",
    "5 + 6 = 11.\nAnswer: 11",
    Completion(text="Five and six and", finish_reason="length"),
)


class ByLength:
    identity = "by length"

    def score(self, items: list[StepItem]) -> list[list[float]]:
        return [[min(1.0, len(step) / 40) for step in item.steps] for item in items]


@pytest.mark.parametrize(("choice", "begins"), [("first", "First"), ("shortest", "5 + 6"), ("best_scored", "First")])
def test_trace_is_a_verified_one_by_the_rule_of_the_settings(choice: str, begins: str) -> None:
    """Wrong and cut-off ones never count."""
    scorer = ByLength() if choice == "best_scored" else None
    model = Scripted(*SAID)
    found = trace([candidate()], NUMBER, model, Sampling(), samples=4, choice=choice, scorer=scorer)[0]  # type: ignore[arg-type]
    assert found.text.startswith(begins)
    assert (found.verified, found.tried) == (2, 4)
    assert "11" not in model.asked[0].messages[-1].content


def test_problem_without_a_verified_trace_has_none() -> None:
    """It is kept, its trace is empty."""
    found = trace([candidate()], NUMBER, Scripted("Answer: 1", "Answer: 2"), Sampling(), samples=2, choice="first")[0]
    assert (found.text, found.verified) == ("", 0)


def test_trace_without_an_answer_is_asked_for_once_more() -> None:
    """With what was wrong; the second one counts."""
    model = Scripted("Let me think.", "5 + 6 = 11.\nAnswer: 11")
    found = trace([candidate()], NUMBER, model, Sampling(), samples=1, choice="first")[0]
    assert (found.verified, found.tried) == (1, 1)
    assert "no answer in the form" in model.asked[1].messages[-1].content


def test_solver_that_gives_no_answer_is_asked_once_more_for_its_vote() -> None:
    """One that is cut off is not; an answer that is found anywhere is a vote."""
    cut = Completion(text="Five and six and", finish_reason="length")
    model = Scripted("I cannot say.", cut, "It comes to 11", "Answer: 11")
    solvers = Solvers({"strong": model}, {"strong": Sampling()})  # type: ignore[dict-item]
    ballots = [Ballot(candidate(), "strong", sample) for sample in range(3)]
    ((votes),) = solvers.vote(ballots, {candidate().id: NUMBER})
    assert [vote.verdict for vote in votes] == ["correct", "truncated", "correct"]
    assert [request.attempt for request in model.asked] == [0, 0, 0, 1]
    assert "no answer in the form" in model.asked[3].messages[-1].content


def test_scripted_curation_ends_at_its_quotas(tmp_path: Path) -> None:
    """What LangGraph Studio opens runs to its end."""
    from selfimprove.curating.scripted import scripted_nursery
    from selfimprove.curating.writing import FIGURES, Figures
    from selfimprove.graphs.curate import build_curate
    from selfimprove.graphs.wiring import STEPS

    nursery = scripted_nursery(tmp_path / "run")
    ended = build_curate(nursery).compile().invoke({}, {"recursion_limit": STEPS})
    assert ended["ended"] == "quotas"
    assert nursery.folder.record(FIGURES, Figures).rows == 60
