from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from selfimprove.config import make_config
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.guarding import freeze_guarded
from selfimprove.graphs.panel import Solved, aside_size, ids_aside, renew_panel, set_aside
from selfimprove.graphs.run import run_campaign
from selfimprove.planning import Probe, plan
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Attempt, Completion, Request, TrackRow, Watched, digest
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, ScriptedStudent

TASK = Arithmetic(sizes={"train": 1000, "dev": 120, "test": 100})


@dataclass
class Able(ScriptedStudent):
    """A student that always or never solves a problem, and that forgets what it solved where it is told to."""

    forgets: bool = False
    lucky: float = 0.0

    def _one(self, request: Request) -> Completion:
        problem = self._known[request.problem]
        place = int(digest("able", problem.id), 16) / 16**16
        trained = bool(self.adapter)
        right = place >= 0.25 if trained and self.forgets else place < (0.7 if trained else 0.4)
        right = right or int(digest("luck", problem.id, request.sample), 16) / 16**16 < self.lucky
        done = super()._one(request)
        if request.role == "ask":
            return done
        return done.model_copy(update={"text": TASK.conclude("So.", problem.answer if right else "0")})


@pytest.fixture
def crew_of(make_crew: Any) -> Any:
    """Give a maker of crews whose training split is large enough for a panel."""

    def make(**settings: Any) -> Crew:
        student = {name: settings.pop(name) for name in ("forgets", "lucky") if name in settings}
        sections = {"campaign": {"rounds": 1, "arms": ["track_b"]}, "data": {"train": 1000}, **settings}
        crew = make_crew(**sections)
        return replace(crew, task=TASK, student=Able(TASK, **student), teacher_for=lambda *_: FixedTeacher(TASK))

    return make


def watched_in(crew: Crew, round_: int = 1) -> tuple[RoundDecision, list[Watched]]:
    made = crew.folder.record(f"round-{round_:02d}/decision.json", RoundDecision)
    return made, [each for each in made.decisions[0].watched if each.name == "problems solved before"]


@pytest.mark.parametrize(("forgets", "outcome"), [(False, "promote"), (True, "hold")])
def test_arm_that_loses_what_was_solved_is_held(crew_of: Any, forgets: bool, outcome: str) -> None:  # noqa: FBT001 - pytest gives it
    """Though it is much better on dev; the report tells how much of the panel is left."""
    crew = crew_of(forgets=forgets)
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made, (found,) = watched_in(crew)
    assert made.decisions[0].outcome == outcome
    assert (found.before, found.fell) == (1.0, forgets)
    assert (found.after < 0.5) if forgets else (found.after == 1.0)
    assert ("problems solved before fell from 100.0 to" in made.decisions[0].sentence) is forgets
    assert "Problems solved before:" in render_page(summarise(crew.folder, crew.ledger))


def test_panel_is_never_mined_nor_trained_on(crew_of: Any) -> None:
    """What is set aside is of the training split, and in no later file of it."""
    crew = crew_of(campaign={"rounds": 2, "arms": ["track_b", "grpo"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    aside, train = ids_aside(crew), {p.id for p in crew.problems("train")}
    assert len(aside) == 100
    assert not aside & train
    assert aside | train <= {p.id for p in TASK.problems("train")}
    for round_ in ("round-01", "round-02"):
        assert not aside & {a.problem for a in crew.folder.rows(f"{round_}/drafts.jsonl", Attempt)}
        assert not aside & {row.problem for row in crew.folder.rows(f"{round_}/track_b.jsonl", TrackRow)}
        panel = crew.folder.record(f"{round_}/solved.json", Solved).rates
        assert set(panel) <= aside
        assert set(crew.folder.record(f"{round_}/arms/grpo/solved.json", Solved).rates) == set(panel)


def test_panel_grows_by_what_a_promoted_student_solves(crew_of: Any) -> None:
    """Those of the round before stay with their rates; the size is kept to."""
    crew = crew_of(campaign={"rounds": 3, "arms": ["track_b"]}, gate={"panel": 50})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    first, second = (crew.folder.record(f"round-0{r}/solved.json", Solved) for r in (1, 2))
    assert watched_in(crew)[0].promoted == "track_b"
    assert 20 <= len(first.rates) < len(second.rates) <= 50
    assert first.rates.items() <= second.rates.items()
    assert first.model != second.model


def test_what_was_solved_by_luck_is_no_loss(crew_of: Any) -> None:
    """A student that is right by chance alone is measured again by other samples than it was chosen by."""
    crew = crew_of(lucky=0.5, gate={"panel": 60})
    freeze_guarded(crew)
    rates = renew_panel(crew, 1, "").rates
    able = {i: int(digest("able", i), 16) / 16**16 < 0.4 for i in rates}
    lucky = [rate for i, rate in rates.items() if not able[i]]
    assert all(rate == 1.0 for i, rate in rates.items() if able[i])
    assert len(lucky) >= 10
    assert sum(lucky) / len(lucky) < 0.75


class Heard(Nobody):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data": {"train": 300}}, "300 training problems are too few to set any aside"),
        ({"mine": {"pool": 970}}, "1000 training problems are too few to set any aside"),
        ({"gate": {"panel": 0}}, ""),
    ],
)
def test_too_few_training_problems_are_told_and_nothing_is_watched(
    crew_of: Any, settings: dict[str, Any], said: str
) -> None:
    """A small split, or one that the rounds need whole, stays as it is; what is turned off is not spoken of."""
    crew, heard = crew_of(**settings), Heard()
    with watched_by(heard):
        run_campaign(crew, crew.folder.at("graph.sqlite"))
    told = [text for text in heard.said if "set any aside" in text]
    assert len(told) == (1 if said else 0)
    assert all(text.startswith(said) for text in told)
    assert watched_in(crew)[1] == []
    assert not crew.folder.has("data/aside.jsonl")


def test_student_that_solves_too_little_is_told(crew_of: Any) -> None:
    """Of forty problems set aside it solves sixteen or so, from which nothing could be told."""
    crew, heard = crew_of(gate={"panel": 20}), Heard()
    with watched_by(heard):
        run_campaign(crew, crew.folder.at("graph.sqlite"))
    (told,) = [text for text in heard.said if "from 20 on they are watched" in text]
    assert told.startswith("round 1: of the problems set aside 1")
    assert watched_in(crew)[1] == []


def test_size_is_a_tenth_at_most_and_what_a_round_does_not_need() -> None:
    """However many rounds there are; phases count with their largest pool."""

    def size(train: int, **sections: Any) -> int:
        return aside_size(make_config({"campaign": {"rounds": 3}, "mine": {"pool": 400}, **sections}), train)

    assert (size(2000), size(7000), size(1800), size(450), size(430)) == (200, 200, 180, 45, 0)
    assert size(2000, campaign={"rounds": 8}) == 200
    assert size(700, phases=[{"pool": 400}, {"when": "round >= 1", "pool": 640}]) == 60
    assert size(2000, gate={"panel": 0}) == 0


def test_variants_are_set_aside_together(crew_of: Any) -> None:
    """A variant that is trained on would hide that the one in the panel is forgotten."""
    crew = crew_of()
    train = [p.model_copy(update={"group": str(at // 3)}) for at, p in enumerate(TASK.problems("train"))]
    left = set_aside(crew, train)
    aside = [p for p in train if p.id in ids_aside(crew)]
    assert 97 <= len(aside) <= 100
    assert not {p.group for p in aside} & {p.group for p in left}
    assert len(aside) + len(left) == len(train)


def test_plan_counts_what_the_panel_takes(crew_of: Any) -> None:
    """Planned calls are those made, within a twentieth."""
    look = Probe(
        problems=40, passed=0.4, questions=1.0, prompt_tokens=50, completion_tokens=60, characters_a_token=3.0,
        reading=5000, writing=600, training=500,
    )  # fmt: skip
    crew = crew_of()
    crew.folder.write_json("plan.json", plan(crew.config, TASK, look))
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    row = next(each for each in summarise(crew.folder, crew.ledger).cost.planned if each.stage == "evaluate")
    without = plan(
        crew.config.model_copy(update={"gate": crew.config.gate.model_copy(update={"panel": 0})}), TASK, look
    )
    other = next(line for line in without.lines if line.stage == "evaluate")
    assert row.planned_calls > other.student_calls + 300
    assert row.calls == pytest.approx(row.planned_calls, rel=0.05)
