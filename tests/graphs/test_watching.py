from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.watching import check_watched, freeze_watched, measure_panel, watched
from selfimprove.programs import plain
from selfimprove.records import Attempt, Completion, Evaluation, Problem, Request, Verdict
from selfimprove.testing import ScriptedStudent


@dataclass
class Reader(ScriptedStudent):
    """A scripted student that forgets a text the more it is trained."""

    forgets: float = 0.0

    def losses(self, texts: Sequence[str]) -> list[float]:
        return [2.0 + self.forgets * (self.skill - 0.2) + 0.001 * (len(text) % 7) for text in texts]


def book(tmp_path: Path, paragraphs: int = 60) -> str:
    path = tmp_path / "book.txt"
    path.write_text(
        "\n\n".join(f"Chapter {at}. " + f"the lesson of page {at} goes on and on. " * 20 for at in range(paragraphs))
    )
    return str(path)


def reading(crew: Crew, forgets: float) -> Crew:
    return replace(crew, student=Reader(crew.task, forgets=forgets))


def test_several_samples_decide_and_are_told(make_crew: Any) -> None:
    """With evaluate.samples the decision is by sign flips over problems, and pass@k and consistency are there."""
    crew = make_crew(evaluate={"samples": 4})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = crew.folder.record("round-01/decision.json", RoundDecision).decisions[0]
    assert (made.comparison.test, made.outcome) == ("paired sign flips", "promote")
    assert "pass@4" in {each.name for each in made.watched}
    found = crew.folder.record("round-01/arms/track_b/evaluation.json", Evaluation).sampled
    assert found is not None
    assert 0 < found.consistency <= 1
    assert found.pass_at_k >= found.accuracy
    rows = crew.folder.rows("round-01/arms/track_b/samples.jsonl", Attempt)
    assert sorted({row.completion.sample for row in rows}) == [1, 2, 3, 4]


@pytest.mark.parametrize(("forgets", "outcome"), [(0.1, "promote"), (2.0, "hold")])
def test_student_that_forgets_a_text_is_held(make_crew: Any, tmp_path: Path, forgets: float, outcome: str) -> None:
    """A rise of the text's loss beyond what is let pass holds an arm that is better on dev, and is told."""
    crew = reading(make_crew(campaign={"rounds": 1}, gate={"text": book(tmp_path)}), forgets)
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = crew.folder.record("round-01/decision.json", RoundDecision).decisions[0]
    assert made.outcome == outcome
    assert ("loss on the text rose" in made.sentence) is (outcome == "hold")


def test_text_is_frozen_and_kept_out_of_training(make_crew: Any, tmp_path: Path) -> None:
    """The passages stay those of the start though the file changes, and the guard knows them."""
    from selfimprove.graphs.guarding import freeze_guarded, guard_of

    crew = reading(make_crew(gate={"text": book(tmp_path)}), 0.0)
    first = freeze_watched(crew)
    (tmp_path / "book.txt").write_text("gone")
    assert freeze_watched(crew) == first
    freeze_guarded(crew)
    found = guard_of(crew).leak(f"Read this. {first.passages[3]}")
    assert found is not None
    assert found.where == "gate.text"


def test_text_that_tells_too_little_is_refused(make_crew: Any, tmp_path: Path) -> None:
    """A short text, a missing one and a student that tells no losses are refused in one sentence."""
    with pytest.raises(InputError, match="which tells too little"):
        check_watched(reading(make_crew(tmp_path / "a", gate={"text": book(tmp_path, 3)}), 0.0))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        check_watched(reading(make_crew(tmp_path / "b", gate={"text": str(tmp_path / "no.txt")}), 0.0))
    with pytest.raises(InputError, match="needs a student that runs here"):
        check_watched(make_crew(tmp_path / "c", gate={"text": book(tmp_path)}))


def test_another_task_is_watched(make_crew: Any) -> None:
    """Another task's problems are tried by base and arm, and compared."""
    crew = make_crew(campaign={"rounds": 1}, gate={"tasks": ["arithmetic"], "task_problems": 30})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = crew.folder.record("round-01/decision.json", RoundDecision).decisions[0]
    found = [each for each in made.watched if each.name == "arithmetic"]
    assert len(found) == 1
    assert found[0].after > found[0].before


def attempts(right: int) -> list[Attempt]:
    """Give attempts at forty sums, so many of them right, and at forty stories, all right."""
    verdicts = [Verdict.CORRECT if 40 - right <= at else Verdict.WRONG for at in range(80)]
    return [
        Attempt(problem=f"p{at}", completion=Completion(text=""), answer="1", verdict=verdict, strict=verdict)
        for at, verdict in enumerate(verdicts)
    ]


@pytest.mark.parametrize(
    ("base", "best", "new", "fell"),
    [
        (None, 36, 32, []),  # p 0.031, needed 0.025
        (None, 36, 31, ["kind sum"]),  # p 0.016
        (36, 36, 31, []),  # needed 0.0125, as there are two comparisons
        (40, 36, 32, ["kind sum since the base"]),
        (40, 36, 28, ["kind sum", "kind sum since the base"]),
    ],
)
def test_small_falls_of_a_kind_do_not_add_up_unseen(
    make_crew: Any, base: int | None, best: int, new: int, fell: list[str]
) -> None:
    """A kind that each promotion lowers by too little to be seen is seen from the base; the level is shared."""
    crew, kinds = make_crew(), ["sum"] * 40 + ["story"] * 40
    dev = [Problem(id=f"p{at}", question=f"q{at}", answer="1", labels={"kind": k}) for at, k in enumerate(kinds)]
    crew.folder.write_rows("data/dev.jsonl", dev)
    first = [] if base is None else attempts(base)
    found = watched(crew, "round-02/arms/track_b", attempts(new), attempts(best), first)
    assert [each.name for each in found if each.fell] == fell


def test_a_later_round_is_watched_from_the_base_too(make_crew: Any) -> None:
    """The first round has nothing else to be compared with; the one behind a promotion has."""
    crew = make_crew(campaign={"rounds": 2}, evaluate={"samples": 2})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    first, second = (
        {
            each.name: each
            for each in crew.folder.record(f"round-0{n}/decision.json", RoundDecision).decisions[0].watched
        }
        for n in (1, 2)
    )
    assert set(second) > set(first) >= {"pass@2"}
    assert not any("since the base" in name for name in first)
    assert second["pass@2 since the base"].before == first["pass@2"].before


@dataclass
class Listening(ScriptedStudent):
    """Keeps what it was asked."""

    asked: list[Request] = field(default_factory=list)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return super().complete(requests)


@pytest.mark.parametrize(("arm", "program"), [("base", "solve"), ("track_a", "answer_only"), ("grpo", "solve")])
def test_another_task_is_asked_under_the_arms_own_prompt(make_crew: Any, arm: str, program: str) -> None:
    """An arm that was trained to answer alone is asked so; the base and those that practise solve."""
    crew = make_crew(gate={"tasks": ["arithmetic"], "task_problems": 30})
    student = Listening(crew.task)
    crew = replace(crew, student=student)
    freeze_watched(crew)
    measure_panel(crew, "", arm, "place")
    assert len(student.asked) == 30
    assert all(plain(program).instructions in request.messages[0].content for request in student.asked)
