from __future__ import annotations

from statistics import fmean

from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Attempt, Completion, Lesson, PreferenceRow, Problem, Rationale, Verdict
from selfimprove.steps.harvest import harvest
from selfimprove.steps.pairs import length_balanced, lesson_pairs, sample_pairs, split, verdict_rows
from selfimprove.steps.verify import verify
from selfimprove.tasks.arithmetic import Arithmetic

TASK, PROBLEM = Arithmetic(), Problem.of("What is 2 + 2?", "4")
SHOWN = {"p": "What is 2 + 2?", "q": "What is 3 + 3?"}


class Heard(Nobody):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def tried(problem: str, text: str, verdict: Verdict, *, sample: int, strict: Verdict | None = None) -> Attempt:
    said = Completion(text=text, sample=sample, call=f"{problem}{sample}")
    return Attempt(problem=problem, completion=said, answer="4", verdict=verdict, strict=strict or verdict)


def pair(index: int, chosen: int, rejected: int) -> PreferenceRow:
    return PreferenceRow(
        id=str(index), program="solve", inputs={}, chosen="x" * chosen, rejected="y" * rejected,
        problem=str(index), lesson="", round=1,
    )  # fmt: skip


def test_a_problem_that_is_solved_at_times_gives_one_pair_of_like_lengths() -> None:
    """Right over wrong, both the student's own; where all is right, wrong or without a verdict there is none."""
    right, wrong = Verdict.CORRECT, Verdict.WRONG
    mixed = [
        tried("p", "2 + 2 = 5, so it is 5", wrong, sample=0),
        tried("p", "4", right, sample=1),
        tried("p", "2 + 2 = 4, so it is 4", right, sample=2),
        tried("p", "a long way round", Verdict.TRUNCATED, sample=3),
    ]
    one_kind = [tried("q", "6", right, sample=0), tried("q", "", Verdict.UNPARSEABLE, sample=1)]
    (row,) = sample_pairs([mixed, one_kind], SHOWN, 3, 99)
    assert (row.chosen, row.rejected) == (mixed[2].completion.text, mixed[0].completion.text)
    assert (row.inputs, row.problem, row.lesson, row.round, row.calls) == (
        {"problem": SHOWN["p"]}, "p", "", 3, ("p2", "p0"),
    )  # fmt: skip


def test_a_right_answer_in_the_wrong_form_is_not_preferred() -> None:
    """What evaluation would read strictly is what is taught."""
    loose = tried("p", "4", Verdict.CORRECT, sample=1, strict=Verdict.UNPARSEABLE)
    assert sample_pairs([[tried("p", "5", Verdict.WRONG, sample=0), loose]], SHOWN, 1, 99) == []


def test_what_the_student_is_never_let_write_is_not_learned() -> None:
    """A second chance that took more tokens than the student has elsewhere would be cut off there, and count as lost."""
    made = [tried("p", "5", Verdict.WRONG, sample=0), tried("p", "4 at last", Verdict.CORRECT, sample=1)]
    long = made[1].completion.model_copy(update={"completion_tokens": 65})
    tries = [made[0], made[1].model_copy(update={"completion": long})]
    assert [len(sample_pairs([tries], SHOWN, 1, most)) for most in (64, 65)] == [0, 1]
    assert [[row.text for row in verdict_rows([tries], SHOWN, 1, most)] for most in (64, 65)] == [
        ["5"],
        ["5", "4 at last"],
    ]


def test_lopsided_pairs_are_dropped_until_lengths_agree() -> None:
    """Only as many as it takes, from the heavier side, and the others keep their order."""
    rows = [pair(at, 100 + (60 if at % 3 == 0 else -5), 100) for at in range(30)]
    kept = length_balanced(rows)
    gap = fmean(len(r.chosen) - len(r.rejected) for r in kept)
    assert abs(gap) <= 5.2
    assert 20 <= len(kept) < 30
    assert kept == [row for row in rows if row in kept]
    assert all(len(row.chosen) == 160 for row in rows if row not in kept)
    assert length_balanced([pair(0, 98, 100)]) == [pair(0, 98, 100)]
    assert length_balanced([pair(0, 10, 500)]) == []


def test_how_many_pairs_balancing_leaves_is_told() -> None:
    """Pairs that are lopsided one way are dropped nearly all; where none is dropped there is nothing to tell."""
    heard = Heard()
    with watched_by(heard):
        length_balanced([pair(0, 98, 100), *(pair(at, 50, 200) for at in range(1, 9))])
        length_balanced([pair(0, 98, 100)])
    assert heard.said == ["1 of 9 pairs are left after balancing lengths"]


def test_few_pairs_are_gone_over_three_times_at_most() -> None:
    """Enough of them get their share of the tokens; what few cannot carry in three passes is the track's."""
    assert split(10_000, 0.3, 5_000) == (7_000, 3_000)
    assert split(10_000, 0.3, 1_000) == (7_000, 3_000)
    assert split(10_000, 0.3, 100) == (9_700, 300)
    assert split(0, 0.3, 100) == (0, 0)


def test_only_the_solution_of_a_draft_is_trained_on() -> None:
    """A draft with clarifying questions behind it: neither as a target nor as a rejected reply are they learned from."""
    said = Completion(text="2 + 2 = 5\nAnswer: 5\nQuestions: 1. Is it two?")
    attempt = verify(TASK, PROBLEM, said, text="2 + 2 = 5\nAnswer: 5")
    lesson = Lesson(
        id="l", problem=PROBLEM.id, round=1, draft=attempt,
        rationales=(Rationale(text="2 + 2 = 4\nAnswer: 4", answer="4", source="t", verdict=Verdict.CORRECT),),
    )  # fmt: skip
    (row,) = lesson_pairs([lesson], {PROBLEM.id: PROBLEM}, TASK, 1, 7)
    assert lesson_pairs([lesson], {PROBLEM.id: PROBLEM}, TASK, 1, 6) == []  # what it is never let write
    assert (row.chosen, row.rejected) == ("2 + 2 = 4\nAnswer: 4", "2 + 2 = 5\nAnswer: 5")
    right = verify(TASK, PROBLEM, Completion(text="So 4.\nAnswer: 4\nQuestions: none"), text="So 4.\nAnswer: 4")
    (target,) = harvest([lesson.model_copy(update={"draft": right, "rationales": ()})], {PROBLEM.id: PROBLEM}, TASK)
    assert target.text == "So 4.\nAnswer: 4"
