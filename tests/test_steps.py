from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selfimprove.programs import SIGNATURES, program_for
from selfimprove.records import (
    Answer,
    Attempt,
    Clarification,
    Completion,
    Decision,
    Lesson,
    Problem,
    Question,
    Rationale,
    Request,
    Sampling,
    TrackRow,
    Verdict,
)
from selfimprove.stats import compare_means, compare_paired
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import ask
from selfimprove.steps.build import balance, build
from selfimprove.steps.decide import alpha_left, decide
from selfimprove.steps.draft import draft, solve
from selfimprove.steps.evaluate import evaluate
from selfimprove.steps.harvest import harvest, unverified
from selfimprove.steps.pairs import lesson_pairs, sample_pairs, verdict_rows
from selfimprove.steps.reason import reason
from selfimprove.steps.rewrite import rewrite
from selfimprove.steps.select import select
from selfimprove.steps.verify import verify
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.tasks.jsonl import JsonlTask
from selfimprove.tasks.strategyqa import StrategyQa

TASK = Arithmetic()
YES_NO = StrategyQa()
PROGRAMS = {name: program_for(name, TASK) for name in SIGNATURES}
PROBLEM = Problem.of("What is 2 + 3?", "5", rationale="2 + 3 = 5")
BY_ID = {PROBLEM.id: PROBLEM}


class Says:
    """A model that says one thing for each role."""

    identity = "says"

    def __init__(self, **by_role: str) -> None:
        self.by_role, self.asked = by_role, list[Request]()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [Completion(text=self.by_role[r.role]) for r in requests]


def attempt(text: str, finish: Any = "stop", problem: Problem = PROBLEM) -> Attempt:
    return verify(TASK, problem, Completion(text=text, finish_reason=finish))


def lesson(draft_text: str = "4", **rest: Any) -> Lesson:
    return Lesson(id="l", problem=PROBLEM.id, round=1, draft=attempt(draft_text), **rest)


@pytest.mark.parametrize(
    ("text", "finish", "lenient", "strict"),
    [
        ("2 + 3 = 5\nAnswer: 5", "stop", "correct", "correct"),
        ("it is 5", "stop", "correct", "unparseable"),
        ("Answer: 6", "stop", "wrong", "wrong"),
        ("I do not know", "stop", "unparseable", "unparseable"),
        ("2 + 3 = 5 and then", "length", "truncated", "truncated"),
        ("Answer: 5\nand then", "length", "correct", "correct"),
        ("", "error", "error", "error"),
    ],
)
def test_no_verdict_is_not_wrong(text: str, finish: str, lenient: str, strict: str) -> None:
    """What was cut off, unreadable or failed has no verdict, unless the answer was stated before the cut."""
    found = attempt(text, finish)
    assert (found.verdict, found.strict) == (lenient, strict)


def test_truncated_draft_is_no_failure() -> None:
    """A problem whose draft was cut off is chosen after the failures and never counts as one."""
    wrong, cut, right = (
        attempt(t, f, Problem.of(f"q{t}", "5")) for t, f in (("4", "stop"), ("4", "length"), ("Answer: 5", "stop"))
    )
    assert select([[cut], [wrong], [right]], solved=0.5, seed=0) == [wrong.problem, cut.problem, right.problem]


def test_a_slow_comparison_decides_nothing() -> None:
    """What times out once, in either reading, is compared again before a student is measured by it."""
    calls: Counter[str] = Counter()

    class Busy(Arithmetic):
        def compare(self, answer: str, problem: Problem) -> Verdict:
            calls[problem.id] += 1
            return Verdict.TIMEOUT if calls[problem.id] in {1, 2} else super().compare(answer, problem)

    task, problems = Busy(), [Problem.of(f"What is {n} + 3?", "5") for n in range(4)]
    made = solve(problems, Says(solve="Answer: 5"), PROGRAMS["solve"], task, Sampling(), samples=[1, 2])
    assert {(a.verdict, a.strict) for some in made for a in some} == {(Verdict.CORRECT, Verdict.CORRECT)}


def test_draft_asks_in_one_call() -> None:
    """A model that keeps the form gives its answer and questions at once, and at most the allowed number."""
    model = Says(draft="I think 4\nQuestions:\n1. Is it a sum?\n2. Of what?\n3. Why?")
    found = draft([PROBLEM], model, PROGRAMS, TASK, Sampling(), questions=2, asking="one_call")
    assert found[0].questions == ("Is it a sum?", "Of what?")
    assert found[0].verdict is Verdict.WRONG


def test_lines_of_a_draft_that_ask_nothing_are_no_questions() -> None:
    """A teacher is not paid for "None needed."; a draft with nothing else is silent."""
    model = Says(draft="Answer: 4\nQuestions:\nNone needed.\nAnswer: 4\nOf what?\nOf what?")
    (found,) = draft([PROBLEM], model, PROGRAMS, TASK, Sampling(), questions=2, asking="one_call")
    assert found.questions == ("Of what?",)


def test_silent_draft_is_asked_in_a_second_call() -> None:
    """A draft without questions, of a problem not solved, is asked for them; lines that ask nothing are dropped."""
    model = Says(ask="Here are my questions:\n- Is it a sum?\nIs it a sum?\nThat is all.")
    found = ask([lesson()], BY_ID, model, PROGRAMS["ask"], Sampling())
    assert found[0].draft.questions == ("Is it a sum?",)
    assert ask([lesson("Answer: 5")], {}, Says(), PROGRAMS["ask"], Sampling())[0].draft.questions == ()


class Telling:
    """A teacher that gives the solution away, at first or always."""

    def __init__(self, replies: list[str]) -> None:
        self.replies, self.attempts = replies, list[int]()

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        self.attempts += [q.attempt for q in asked]
        return [Answer(text=self.replies[q.attempt], calls=(f"c{q.attempt}",)) for q in asked]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        del samples
        return [[Rationale(text="2 + 3 = 6\nAnswer: 6"), Rationale(text="2 + 3 = 5\nAnswer: 5")] for _ in problems]


def asked_lesson() -> Lesson:
    plain = lesson()
    return plain.model_copy(update={"draft": plain.draft.model_copy(update={"questions": ("How do I begin?",)})})


@pytest.mark.parametrize(
    ("replies", "kept", "refused"),
    [
        (["Add the second to the first.", "-"], "Add the second to the first.", 0),
        (["The final answer is 5.", "Begin with the two."], "Begin with the two.", 1),
        (["The final answer is 5.", "The answer is 5."], "", 2),
    ],
)
def test_answer_that_solves_the_problem_is_refused(replies: list[str], kept: str, refused: int) -> None:
    """A giveaway is asked again once as a new attempt; a second one is left out, and both are on record."""
    teacher = Telling(replies)
    found = answer([asked_lesson()], BY_ID, teacher, TASK)[0].clarifications[0]
    assert (found.answer, len(found.refused)) == (kept, refused)
    assert len(found.calls) == len(teacher.attempts) == min(2, refused + 1)


def test_rewrite_needs_something_learned() -> None:
    """A lesson whose questions were not answered is not rewritten; one that learned something is."""
    model = Says(rewrite="2 + 3 = 5\nAnswer: 5")
    told = lesson(clarifications=(Clarification(question="How?", answer="Add."),))
    empty = lesson(clarifications=(Clarification(question="How?", answer=""),)).model_copy(update={"id": "m"})
    found = rewrite([told, empty], BY_ID, model, PROGRAMS["rewrite"], TASK, Sampling())
    assert [len(x.rewrites) for x in found] == [1, 0]
    assert found[0].solved
    assert "Q: How?\nA: Add." in model.asked[0].messages[-1].content


@pytest.mark.parametrize(("lucky", "kept"), [(True, "teacher"), (False, "self:draft")])
def test_words_behind_a_lucky_answer_are_not_learned(lucky: bool, kept: str) -> None:  # noqa: FBT001 - parametrized
    """Where a right answer may be a guess, the teacher reasons about it too, and is learned from where it is right."""
    problem, text = Problem.of("Is it so?", "yes"), "Since it is.\nAnswer: yes"
    drafted = verify(YES_NO, problem, Completion(text=text))
    done = Lesson(id="l", problem=problem.id, round=1, draft=drafted, lucky=lucky)

    class Right(Telling):
        def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
            del samples
            return [[Rationale(text=text, source="teacher")] for _ in problems]

    (found,) = reason([done], {problem.id: problem}, Right([]), YES_NO)
    assert bool(found.rationales) == lucky
    assert [t.source for t in harvest([found], {}, YES_NO)] == [kept]
    assert [t.source for t in harvest([done], {}, YES_NO)] == ["self:draft"], "better a lucky row than none"


def test_only_verified_rationales_are_harvested() -> None:
    """Of a wrong and a right rationale, both are on record and the right one is harvested."""
    found = reason([lesson()], BY_ID, Telling([]), TASK, samples=2)
    assert [r.verdict for r in found[0].rationales] == ["wrong", "correct"]
    assert [t.text for t in harvest(found, BY_ID, TASK)] == ["2 + 3 = 5\nAnswer: 5"]


def test_own_right_words_are_preferred_and_paired() -> None:
    """A student's verified rewrite is the target, and stands over its wrong draft."""
    taught = lesson(rewrites=(attempt("2 + 3 = 5\nAnswer: 5"),))
    assert [t.source for t in harvest([taught], BY_ID, TASK)] == ["self:rewrite"]
    pair = lesson_pairs([taught], BY_ID, TASK, 1, 99)[0]
    assert (pair.chosen, pair.rejected) == ("2 + 3 = 5\nAnswer: 5", "4")


def test_right_answer_in_the_wrong_form_is_put_into_it() -> None:
    """What is right by the lenient reading alone would teach the wrong form as it stands."""
    assert [t.text for t in harvest([lesson("it is 5")], BY_ID, TASK)] == ["it is 5\nAnswer: 5"]
    assert [t.text for t in harvest([lesson("Answer: none.\nSo it is 5")], BY_ID, TASK)] == ["So it is 5\nAnswer: 5"]


def test_an_option_in_words_is_learned_as_its_letter(tmp_path: Path) -> None:
    """What is right in the words of an option ends in the letter that the strict reader wants."""
    file = tmp_path / "some.jsonl"
    file.write_text(
        "".join(f'{{"question": "{n}?", "answer": "B", "choices": ["Rome", "Paris"]}}\n' for n in "abcdefgh")
    )
    options, problem = JsonlTask(path=file), Problem.of("Capital?", "B", choices=("Rome", "Paris"))
    said = verify(options, problem, Completion(text="I think the answer is Paris."))
    made = Lesson(id="l", problem=problem.id, round=1, draft=said)
    (target,) = harvest([made], {problem.id: problem}, options)
    assert (said.verdict, said.strict, options.parse(target.text).strict) == ("correct", "unparseable", "B")


def test_what_was_cut_off_is_not_learned() -> None:
    """An answer stated before the cut counts as right, but its ragged end is no target, no pair and no verdict."""
    cut = attempt("2 + 3 = 5\nAnswer: 5\nWhat is 3 +", "length")
    assert cut.verdict is Verdict.CORRECT
    drafted = lesson().model_copy(update={"draft": cut})
    assert (drafted.solved, drafted.settled) == (True, False)
    assert harvest([drafted], BY_ID, TASK) == [] == unverified([drafted], TASK)
    wrong = attempt("Answer: 6", "stop")
    assert sample_pairs([[cut, wrong]], {PROBLEM.id: "q"}, 1, 9) == []
    assert [row.text for row in verdict_rows([[cut, wrong]], {PROBLEM.id: "q"}, 1, 9)] == ["Answer: 6"]
    (taught,) = reason([drafted], BY_ID, Telling([]), TASK, samples=2)
    assert [t.text for t in harvest([taught], BY_ID, TASK)] == ["2 + 3 = 5\nAnswer: 5"]
    assert lesson_pairs([taught], BY_ID, TASK, 1, 99) == []


def test_track_rows_are_unique_and_bounded() -> None:
    """The same solution twice is one row; a target that could not be generated whole is none."""
    target = harvest(reason([lesson()], BY_ID, Telling([]), TASK, samples=2), BY_ID, TASK)[0]
    assert len(build([target, target], BY_ID, TASK, "track_b", round_=1, longest=50)) == 1
    assert build([target], BY_ID, TASK, "track_b", round_=1, longest=3) == []
    assert build([target], BY_ID, TASK, "track_a", round_=1, longest=50)[0].target == "Answer: 5"


def row(index: int, answer_: str) -> TrackRow:
    return TrackRow(
        id=str(index), track="track_b", program="solve", inputs={"problem": str(index)}, target="t", answer=answer_,
        problem=str(index), source="x", round=1,
    )  # fmt: skip


@pytest.mark.parametrize(("yes", "no"), [(60, 140), (140, 60), (100, 100), (5, 195)])
def test_answer_classes_keep_their_share(yes: int, no: int) -> None:
    """A drifted track is cut until each class is within two points of the source."""
    source = [Problem.of(f"q{i}", "yes" if i < 46 else "no") for i in range(100)]
    kept = balance([row(i, "yes" if i < yes else "no") for i in range(yes + no)], source)
    shares = Counter(r.answer for r in kept)
    assert abs(shares["yes"] / len(kept) - 0.46) <= 0.021
    assert len(kept) >= min(yes / 0.46, no / 0.54) * 0.97


@pytest.mark.parametrize(
    ("have", "left"),
    [({"a": 60, "b": 39}, 76), ({"a": 60, "b": 40, "c": 1}, 45), ({"a": 40}, 40), ({"a": 60, "b": 60, "d": 0}, 120)],
)
def test_a_rare_answer_class_takes_no_other_with_it(have: dict[str, int], left: int) -> None:
    """A class of which nobody solved any, or one, costs the others little; one class alone stays as it is."""
    source = [Problem.of(f"q{i}", "a" if i < 47 else "b" if i < 94 else "c" if i < 98 else "d") for i in range(100)]
    kept = balance([row(n, a) for n, a in enumerate(a for a, count in have.items() for _ in range(count))], source)
    assert left <= len(kept) <= left * 1.08
    assert {r.answer for r in kept} == {a for a, count in have.items() if count}


def test_tasks_with_many_answers_are_not_balanced() -> None:
    """Numbers have no classes to keep."""
    source = [Problem.of(f"q{i}", str(i)) for i in range(100)]
    rows = [row(i, "7") for i in range(20)]
    assert balance(rows, source) == rows


def test_evaluation_counts_apart() -> None:
    """Accuracy is over all problems; truncations and other missing verdicts are counted beside it."""
    texts = [("Answer: 5", "stop"), ("it is 5", "stop"), ("Answer: 6", "stop"), ("2 +", "length"), ("?", "stop")]
    many = [PROBLEM.model_copy(update={"id": str(i), "labels": {"level": str(i % 2)}}) for i in range(5)]
    made = [attempt(t, f, p) for (t, f), p in zip(texts, many, strict=True)]
    found = evaluate(made, many, split="dev", round_=1, arm="a", program="solve", render_hash="h")
    assert (found.lenient.correct, found.strict.correct, found.lenient.no_verdict, found.truncated) == (2, 1, 2, 1)
    assert found.by_label["level"]["1"].n == 2


@pytest.mark.parametrize(
    ("gained", "lost", "outcome"), [(30, 5, "promote"), (5, 30, "roll back"), (12, 10, "hold"), (0, 0, "hold")]
)
def test_decision_follows_the_test(gained: int, lost: int, outcome: str) -> None:
    """Only a significant change promotes or rolls back; the best adapter changes on promotion alone."""
    new = [True] * gained + [False] * lost + [True] * 50
    old = [False] * gained + [True] * lost + [True] * 50
    made = decide(compare_paired(new, old), round_=1, arm="a", alpha=0.025, min_gain=0, adapter="new", best="old")
    assert made.outcome == outcome
    assert made.adapter == ("new" if outcome == "promote" else "old")


def test_gain_below_the_least_is_held() -> None:
    """A significant gain smaller than asked for is not promoted."""
    comparison = compare_paired([True] * 100 + [False] * 900, [True] * 80 + [False] * 920)
    made = decide(comparison, round_=1, arm="a", alpha=0.025, min_gain=0.05, adapter="n", best="o")
    assert (comparison.p_better < 0.001, made.outcome) == (True, "hold")
    assert made.sentence.endswith("p < 0.001), but less than the 5 points asked for.")


def test_a_gain_that_is_not_shown_says_why() -> None:
    """The level that was needed is told with so many digits that it is below; a gain too small is told as such, too."""
    new, old = [True] * 130 + [False] * 870, [True] * 104 + [False] * 14 + [True] * 12 + [False] * 870
    comparison = compare_paired(new, old)
    made = decide(comparison, round_=1, arm="a", alpha=comparison.p_better - 1e-6, min_gain=0.05, adapter="n", best="o")
    p, needed = made.sentence.split("p = ")[1].split(")")[0].split(", needed ")
    assert made.outcome == "hold"
    assert float(p) > float(needed)
    assert made.sentence.endswith("dev problems on, less than the 5 points asked for.")


def test_problems_needed_go_by_how_far_samples_differ() -> None:
    """Differences of eighths scatter less than ones of whole answers: fewer problems show the same gain."""
    new, old = [0.5 + 0.125 * (i % 8 != 0) for i in range(400)], [0.5 + 0.125 * (i % 8 < 6) for i in range(400)]
    comparison = compare_means(new, old)
    made = decide(comparison, round_=1, arm="a", alpha=1e-12, min_gain=0.0, adapter="n", best="o")
    assert comparison.spread == pytest.approx(0.125**2 * 3 / 8, abs=1e-6)
    assert "needed 1e-12). A gain of this size shows from about 1489 dev problems on." in made.sentence


def test_what_a_promotion_spent_comes_back() -> None:
    """A round may spend half of what is left, and only what promoted nothing is gone."""
    clear, none = compare_paired([True] * 40 + [False] * 60, [False] * 100), compare_paired([True], [True])
    alphas, before = list[float](), list[Decision]()
    for round_, comparison in enumerate((clear, clear, none, clear), 1):
        alphas.append(alpha_left(0.05, before, 2))
        how = {"round_": round_, "alpha": alphas[-1], "min_gain": 0.0, "adapter": "n", "best": "o"}
        before += [decide(comparison, arm="a", **how), decide(none, arm="b", **how)]  # type: ignore[arg-type]
    left = [0.05, 0.05 - 0.0125, 0.0375 - 0.0375 / 4, 0.028125 / 2]
    assert alphas == pytest.approx([each / 4 for each in left])


def test_alpha_is_never_overspent() -> None:
    """The shares of any number of rounds and arms add up to less than the whole."""
    none, before = compare_paired([True], [True]), list[Decision]()
    for round_ in range(1, 40):
        alpha = alpha_left(0.05, before, 4)
        assert alpha == pytest.approx(0.05 * 0.5**round_ / 4)
        how = {"round_": round_, "alpha": alpha, "min_gain": 0.0, "adapter": "n", "best": "o"}
        before += [decide(none, arm=arm, **how) for arm in "abcd"]  # type: ignore[arg-type]
    assert sum(each.alpha for each in before) <= 0.05
