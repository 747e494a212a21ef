from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sample import summary

from selfimprove.answers.kinds import kind
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.records import Attempt, Completion, Parsed, Problem, Split, Verdict
from selfimprove.report.classes import answer_counts, said
from selfimprove.report.decided_schema import AnswerCounts
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.store import RunFolder
from selfimprove.testing import FixedTeacher, ScriptedStudent


class YesNo:
    """Made-up questions, half of them to be answered with yes."""

    name = "made-up"
    instruction = "Say yes or no."

    def problems(self, split: Split) -> Iterator[Problem]:
        for at in range({"train": 120, "dev": 60, "test": 40}[split]):
            answer = ("yes", "no")[at % 2]
            yield Problem.of(f"Is {split} number {at} of that kind?", answer, rationale=f"Number {at} is {answer}.")

    def parse(self, text: str) -> Parsed:
        return kind("yes_no").read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        return kind("yes_no").compare(answer, problem)

    def conclude(self, rationale: str, answer: str) -> str:
        return kind("yes_no").conclude(rationale, answer)


def attempt(problem: str, answer: str | None, verdict: Verdict) -> Attempt:
    return Attempt(problem=problem, completion=Completion(text=""), answer=answer, verdict=verdict, strict=verdict)


def answered(answers: dict[str, str | None]) -> list[Attempt]:
    """Give attempts at problems that are all right with yes."""
    verdicts = {"yes": Verdict.CORRECT, "no": Verdict.WRONG, None: Verdict.UNPARSEABLE}
    return [attempt(problem, answer, verdicts[answer]) for problem, answer in answers.items()]


def campaign(folder: RunFolder, right: str, best: dict[str, str | None] | None) -> RunFolder:
    """Write what a campaign of one round leaves: three dev problems, a base that never says yes, and a best."""
    ids = ("a", "b", "c")
    folder.write_rows("data/dev.jsonl", [Problem(id=name, question=name, answer=right) for name in ids])
    folder.write_rows("round-00/predictions.jsonl", answered({"a": "no", "b": "no", "c": None}))
    folder.write_json("round-00/decision.json", {"predictions": "round-00/predictions.jsonl"})
    if best:
        folder.write_rows("round-01/arms/track_b/predictions.jsonl", answered(best))
    name = "round-01/arms/track_b/predictions.jsonl" if best else "round-00/predictions.jsonl"
    folder.write_json("round-01/decision.json", {"predictions": name})
    return folder


def test_answers_of_base_and_best_are_counted_beside_the_right_ones(tmp_path: Path) -> None:
    """A base that only says no and a best that says both are told apart; what cannot be read is its own count."""
    folder = campaign(RunFolder(tmp_path / "run"), "yes", {"a": "yes", "b": "no", "c": "yes"})
    assert answer_counts(folder, 1) == AnswerCounts(
        reference={"yes": 3, "no": 0},
        base={"yes": 0, "no": 2, "no verdict": 1},
        best={"yes": 2, "no": 1, "no verdict": 0},
    )


def test_a_base_that_is_still_the_best_is_counted_once(tmp_path: Path) -> None:
    """Where no round was promoted there is no best beside the base."""
    found = answer_counts(campaign(RunFolder(tmp_path / "run"), "yes", None), 1)
    assert found is not None
    assert found.best is None


def test_other_answers_have_no_classes(tmp_path: Path) -> None:
    """Numbers are not counted."""
    assert answer_counts(campaign(RunFolder(tmp_path / "run"), "12", None), 1) is None


def test_an_answer_without_a_verdict_is_not_an_answer() -> None:
    """A completion that was cut off counts apart, whatever word was found in it."""
    assert said([attempt("a", "yes", Verdict.TRUNCATED)]) == {"yes": 0, "no": 0, "no verdict": 1}


def test_a_campaign_of_sums_has_none(make_crew: Callable[..., Crew]) -> None:
    """The summary of a real run folder has the field, and null in it where answers are numbers."""
    crew = make_crew(campaign={"rounds": 1})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    assert summarise(crew.folder, crew.ledger).answers is None


def test_a_campaign_of_yes_and_no_tells_them(make_crew: Callable[..., Crew]) -> None:
    """A whole campaign on yes/no problems counts every dev problem in reference, base and best."""
    task = YesNo()
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b"]}, data={"train": 120, "dev": 60, "test": 40})
    teacher = FixedTeacher(task)
    crew = replace(crew, task=task, student=ScriptedStudent(task), teacher_for=lambda _model, _round: teacher)
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    found = summarise(crew.folder, crew.ledger).answers
    assert found is not None
    assert found.best is not None
    assert found.reference == {"yes": 30, "no": 30}
    assert sum(found.base.values()) == sum(found.best.values()) == 60
    assert found.best["no verdict"] < found.base["no verdict"]


def test_the_page_tells_them_in_one_line() -> None:
    """Counts stand under the figure, what nobody left unread unsaid; a page without them has no such line."""
    counts = AnswerCounts(
        reference={"yes": 94, "no": 106},
        base={"yes": 12, "no": 180, "no verdict": 8},
        best={"yes": 1100, "no": 88, "no verdict": 0},
    )
    page = render_page(summary(answers=counts))
    told = "Answers on dev: 94 yes, 106 no are right; the base says 12 yes, 180 no, 8 no verdict; "
    assert told + "the best says 1,100 yes, 88 no." in page
    assert "Answers on dev" not in render_page(summary())
