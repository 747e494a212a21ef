"""Programs in a campaign: frozen when it begins, optimised between rounds, compared by an arm."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from selfimprove import Campaign
from selfimprove.errors import InputError, RunFolderError
from selfimprove.graphs import compiling as compiling_graph
from selfimprove.graphs import control as control_graph
from selfimprove.graphs.ablating import ablated
from selfimprove.graphs.compiling import check_compiled, compile_node, programs_of, take_compiled
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.rounds import build_round
from selfimprove.graphs.run import run_campaign
from selfimprove.programs import Program, plain
from selfimprove.programs.in_force import FROZEN, Frozen, InForce
from selfimprove.programs.saved import Card, Compiled, Measured, place_of, programs_for, save_program
from selfimprove.records import (
    Answer,
    Attempt,
    Completion,
    Interval,
    Lesson,
    Problem,
    Question,
    Rationale,
    Request,
    Verdict,
)
from selfimprove.report.page import render_page
from selfimprove.report.prompts import programs_of as programs_in_force
from selfimprove.stats import compare_means
from selfimprove.store import RunFolder
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer, ScriptedStudent

SIZES = {"train": 60, "dev": 20, "test": 20}
TASK = Arithmetic(sizes=SIZES)
HINT = "Ask where to begin."
GOOD = "Where do I begin?"


@dataclass
class Asker:
    """Drafts wrongly; asks the good question where told to, and is right once that was answered."""

    task: Arithmetic
    gains: bool = True
    asked: list[Request] = field(default_factory=list)
    identity: str = "asker"

    def with_adapter(self, path: Path | None) -> Asker:
        return self

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [Completion(text=self._one(request)) for request in requests]

    def _one(self, request: Request) -> str:
        if request.role == "write_instructions":
            return f"```\n{HINT}\n```"
        if request.role == "ask":
            return GOOD if HINT in request.messages[0].content else "Is it fun?"
        problem = next(p for p in self.task.problems("train") if p.id == request.problem)
        right = self.gains and request.role == "rewrite" and "On the left." in request.messages[-1].content
        return self.task.conclude("So.", problem.answer if right else "-7")


class Helper:
    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        return [Answer(text="On the left." if one.text == GOOD else "Very much.") for one in asked]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        return [[] for _ in problems]


def crew_of(made: Crew, student: Asker) -> Crew:
    for split in ("train", "dev", "test"):
        made.folder.write_rows(f"data/{split}.jsonl", list(TASK.problems(split)))
    programs = InForce(programs_for(TASK))
    return replace(made, task=TASK, student=student, teacher_for=lambda *_: Helper(), programs=programs)


@pytest.fixture
def crew(make_crew: Callable[..., Crew]) -> Crew:
    made = make_crew(campaign={"compile": ["ask"]}, compiling={"problems": 24, "calls": 30}, data=SIZES)
    return crew_of(made, Asker(TASK))


def node(crew: Crew, round_: int) -> None:
    compile_node(crew)({"round": round_, "best": ""})


def test_a_program_is_optimised_between_rounds_and_put_in_force(crew: Crew) -> None:
    """From the second round on the student's asking is compiled; a proven gain is in force, with its card."""
    node(crew, 1)
    assert not crew.folder.has(f"round-01/{FROZEN}")
    node(crew, 2)
    assert crew.programs["ask"].instructions == HINT
    card = crew.folder.record("round-02/compiled/ask.card.json", Card)
    assert (card.before.score, card.after.score, card.metric) == (0.0, 1.0, "asking")
    assert crew.programs["solve"].hash() == programs_for(TASK)["solve"].hash()


def test_a_replayed_round_asks_nothing_and_ends_the_same(crew: Crew) -> None:
    """Killed behind the node or inside it, the round's programs are those it would have had."""
    node(crew, 2)
    made = crew.folder.at(f"round-02/{FROZEN}").read_bytes()
    student: Any = crew.student
    asked = len(student.asked)
    shutil.rmtree(crew.folder.at("round-02"))  # as if it had been killed before it wrote
    crew.programs.take({})  # type: ignore[attr-defined]
    node(crew, 2)
    assert len(student.asked) == asked
    assert crew.folder.at(f"round-02/{FROZEN}").read_bytes() == made
    crew.programs.take({})  # type: ignore[attr-defined]
    take_compiled(crew, 3)
    assert crew.programs["ask"].instructions == HINT
    take_compiled(crew, 1)
    assert crew.programs["ask"].instructions == plain("ask").instructions


def test_the_report_names_what_a_round_put_in_force(crew: Crew) -> None:
    """With the round, which is when it was made; a later round that changes nothing adds nothing."""
    node(crew, 2)
    crew.folder.write_json(f"round-03/{FROZEN}", crew.folder.record(f"round-02/{FROZEN}", Frozen))
    (found,) = programs_in_force(crew.folder, 3)
    assert (found.program, found.since, found.date, found.before, found.after) == ("ask", 2, "", 0.0, 1.0)


def test_what_does_not_gain_is_not_put_in_force(make_crew: Callable[..., Crew]) -> None:
    """Where the new question helps no more than the old, the program stays and its card tells why."""
    made = make_crew(campaign={"compile": ["ask"]}, compiling={"problems": 24, "calls": 30}, data=SIZES)
    crew = crew_of(made, Asker(TASK, gains=False))
    node(crew, 2)
    assert crew.programs["ask"].instructions == plain("ask").instructions
    assert not crew.folder.record("round-02/compiled/ask.card.json", Card).proven


def test_the_round_has_the_node_only_where_it_is_asked_for(crew: Crew, make_crew: Callable[..., Crew]) -> None:
    """Other campaigns' graphs, and so their checkpoints, are what they were."""
    assert "compile" in build_round(crew).nodes
    assert "compile" not in build_round(replace(crew, config=make_crew(crew.folder.path / "other").config)).nodes


def test_a_teachers_prompt_needs_a_teacher_that_is_a_model(make_crew: Callable[..., Crew]) -> None:
    """The data set has no prompt to optimise: refused before anything is done."""
    made = make_crew(campaign={"compile": ["reason"]}, compiling={"problems": 24}, data=SIZES)
    with pytest.raises(InputError, match=r"campaign\.compile names reason"):
        check_compiled(crew_of(made, Asker(TASK)))


@dataclass
class Rewriter(Asker):
    """Is right at the second attempt where it is told to look at the answers."""

    def _one(self, request: Request) -> str:
        problem = next((p for p in self.task.problems("train") if p.id == request.problem), None)
        if request.role == "rewrite" and problem is not None:
            return self.task.conclude("So.", problem.answer if HINT in request.messages[0].content else "-7")
        return super()._one(request)


def test_the_second_attempt_can_be_optimised_between_rounds(make_crew: Callable[..., Crew]) -> None:
    """`rewrite` is the student's own, compiled for accuracy on drafts that were wrong, with the answers it was given."""
    made = make_crew(campaign={"compile": ["rewrite"]}, compiling={"problems": 24, "calls": 30}, data=SIZES)
    crew = crew_of(made, Rewriter(TASK))
    check_compiled(crew)
    node(crew, 2)
    assert crew.programs["rewrite"].instructions == HINT
    card = crew.folder.record("round-02/compiled/rewrite.card.json", Card)
    assert (card.metric, card.before.score, card.after.score) == ("accuracy", 0.0, 1.0)
    assert card.answers == TASK.instruction


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("solve", "rounds are compared with each other under it"),
        ("generate", "no round of a campaign runs it"),
        ("judge_steps", "its scorer's card"),
        ("sovle", "'sovle' cannot be optimised between rounds; ask, answer_question, rewrite"),
    ],
)
def test_other_programs_are_refused_with_those_that_can(name: str, why: str, tmp_path: Path) -> None:
    """One sentence says why not, and names the programs that can be optimised between rounds."""
    with pytest.raises(InputError, match=r"campaign\.compile") as refused:
        campaign(tmp_path, compile=[name])
    assert why in str(refused.value)
    assert "ask, answer_question, rewrite, reason, rationalise can" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_process_that_begins_at_the_control_has_what_the_rounds_optimised(
    make_crew: Callable[..., Crew], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the control, the next process asks under the same prompts as one that walked the rounds itself."""
    asked, teach = list[str](), control_graph.rationales
    monkeypatch.setattr(compiling_graph, "_one", lambda *_: compiled_ask())

    def stopped_once(*given: Any) -> Any:
        asked.append(crew.programs["ask"].instructions)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return teach(*given)

    monkeypatch.setattr(control_graph, "rationales", stopped_once)

    def begun() -> Crew:
        made = make_crew(tmp_path / "run", campaign={"compile": ["ask"], "arms": ["track_b", "control"]})
        return replace(made, programs=InForce(made.programs))

    crew = begun()
    with pytest.raises(KeyboardInterrupt):
        run_campaign(crew, crew.folder.at("graph.sqlite"))
    crew.ledger.close()
    crew.folder.close()
    crew = begun()
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    assert asked == [HINT, HINT]


def compiled_ask() -> Compiled:
    program = plain("ask").with_instructions(HINT)
    half = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    card = Card(
        program="ask", task=TASK.name, fields=program.fields, saved="", optimizer="gepa", metric="asking", model="m",
        written_by="w", cases=9, held_out=20, before=half, after=half, gain=compare_means([1.0] * 20, [0.0] * 20),
        data="d", seed=0, date="2026-01-01",
    )  # fmt: skip
    return Compiled(program, card)


def saved_ask(folder: Path) -> Program:
    program, card = compiled_ask()
    save_program(program, card, place_of("ask", TASK.name, folder))
    return program


def campaign(out: Path, **more: Any) -> Campaign:
    return Campaign(
        task=Arithmetic(sizes=SIZES),
        student=ScriptedStudent(TASK),
        teacher="reference",
        trainer=NullTrainer(),
        data=SIZES,
        mine={"pool": 10},
        lesson={"asking": "two_calls"},
        arms=["track_b"],
        out=out,
        **{"rounds": 1, **more},
    )


def test_a_campaign_keeps_the_programs_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved programs are frozen into the run folder: what lies in programs/ afterwards changes nothing."""
    monkeypatch.chdir(tmp_path)
    saved_ask(Path("programs"))
    summary = campaign(tmp_path / "run").run()
    assert [(one.program, one.since, one.metric, one.date) for one in summary.programs] == [
        ("ask", 0, "asking", "2026-01-01")
    ]
    page = render_page(summary)
    assert "0.500 (0.400 to 0.600)" in page
    assert "from the start" in page
    kept = Frozen.model_validate_json((tmp_path / "run" / FROZEN).read_bytes()).thaw()
    assert kept["ask"].instructions == HINT
    shutil.rmtree("programs")
    campaign(tmp_path / "run", rounds=2).run()
    assert (
        Frozen.model_validate_json((tmp_path / "run" / FROZEN).read_bytes()).thaw()["ask"].hash() == kept["ask"].hash()
    )
    with pytest.raises(RunFolderError, match="programs"):
        campaign(tmp_path / "run", rounds=2, programs="plain").run()


def test_plain_turns_saved_programs_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs = "plain" takes every prompt as it is written; a folder that has lost its own prompts takes no others."""
    monkeypatch.chdir(tmp_path)
    saved_ask(Path("programs"))
    made = campaign(tmp_path / "run", programs="plain")
    folder = RunFolder(tmp_path / "new")
    assert programs_of(folder, TASK, made.config)["ask"].hash() == plain("ask").hash()
    config = campaign(tmp_path / "run").config
    assert programs_of(folder, TASK, config)["ask"].instructions == HINT
    folder.write_text("campaign.toml", "")
    with pytest.raises(RunFolderError, match=r"programs\.json cannot be read"):
        programs_of(folder, TASK, config)


def test_the_arm_of_plain_programs_gives_the_lessons_again(crew: Crew) -> None:
    """Its rows are what the same problems come to without optimised prompts, which stay in force for the others."""
    node(crew, 2)
    problems = {p.id: p for p in list(TASK.problems("train"))[:4]}
    wrong = Completion(text=TASK.conclude("So.", "-7"))
    lessons = [
        Lesson(
            id=name,
            problem=name,
            round=2,
            draft=Attempt(problem=name, completion=wrong, verdict=Verdict.WRONG, strict=Verdict.WRONG),
        )
        for name in problems
    ]
    student: Any = crew.student
    student.asked.clear()
    assert ablated(crew, "plain_programs", lessons, problems, "", 2) == []
    asking = [request for request in student.asked if request.role == "ask"]
    assert asking  # some of the same were asked before, and are in the ledger
    assert not any(HINT in request.messages[0].content for request in asking)
    assert crew.programs["ask"].instructions == HINT
