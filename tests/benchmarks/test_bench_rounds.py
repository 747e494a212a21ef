from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from selfimprove.errors import BudgetExceededError
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.training import worked_examples
from selfimprove.ledger import Ledger
from selfimprove.programs import plain
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.records import Attempt, Completion, Problem, Verdict
from selfimprove.store import RunFolder
from selfimprove.tasks.arithmetic import Arithmetic

BENCH = "rounds"
TRACK_A, TRACK_B = "round-01/arms/track_a/adapter", "round-02/arms/track_b/adapter"
CONTROL = "final/control-round-02/adapter"


@pytest.fixture
def rounds_table(bench: ModuleType) -> ModuleType:
    """Give the file that the benchmark tells its figures by."""
    assert bench.show.__module__ == "rounds_table"
    return sys.modules["rounds_table"]


def decided(round_: int, best: str) -> RoundDecision:
    """Give what a round ended in."""
    return RoundDecision(round=round_, best=best, predictions="", promoted="", decisions=())


@pytest.fixture
def campaign(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Give the folder of a campaign whose few-shot baseline was better; `best` of its rounds is set by each test."""
    monkeypatch.setattr(bench, "OUT", tmp_path)
    monkeypatch.setattr(bench, "FRESH", 6)
    folder = RunFolder(tmp_path / "arms-1")
    task = Arithmetic(levels=(2,), sizes={"train": 12, "dev": 4, "test": 4})
    for split in ("train", "dev", "test"):
        folder.write_rows(f"data/{split}.jsonl", task.problems(split))
    folder.write_json("round-00/baseline.json", {"shots": 3})
    programs = {"solve": plain("solve").with_instructions("Compiled."), "answer_only": plain("answer_only")}
    folder.write_json(FROZEN, Frozen.of(programs))
    return folder


def test_a_student_is_asked_as_its_campaign_asked_it(bench: ModuleType, campaign: RunFolder) -> None:
    """Track A under its own prompt, others under solve, and the base with the better baseline's worked examples."""
    names = {adapter: bench.asked_as(campaign, adapter).name for adapter in (TRACK_A, TRACK_B, CONTROL)}
    assert names == {TRACK_A: "answer_only", TRACK_B: "solve", CONTROL: "solve"}
    shown = worked_examples(campaign.rows("data/train.jsonl", Problem), bench.TASK, 3)
    compiled = plain("solve").with_instructions("Compiled.")
    assert bench.asked_as(campaign, "").hash("") == compiled.with_demos(shown).hash("")
    campaign.write_json("round-00/baseline.json", {"shots": 0})
    assert bench.asked_as(campaign, "").hash("") == bench.asked_as(campaign, TRACK_B).hash("") == compiled.hash("")


@pytest.mark.parametrize(
    ("first", "asked"),
    [(TRACK_A, {"answer_only": TRACK_A, "solve": TRACK_B}), ("", {"solve": TRACK_B, "solve with examples": ""})],
)
def test_fresh_problems_go_to_the_best_after_round_1_and_at_the_end(
    bench: ModuleType,
    campaign: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    asked: dict[str, str],
) -> None:
    """Each under the prompt of its own; where round 1 promoted nothing, the better baseline stands for it."""
    campaign.write_json("round-00/decision.json", decided(0, ""))
    campaign.write_json("round-01/decision.json", decided(1, first))
    campaign.write_json("round-02/decision.json", decided(2, TRACK_B))
    campaign.write_json("final/tested.json", {"base": "", "best": TRACK_B, "control": CONTROL})
    campaign.close()
    seen: dict[str, str] = {}

    class Student:
        identity = "student"

        def with_adapter(self, path: Path | None) -> Any:
            self.path = "" if path is None else path.relative_to(campaign.path).as_posix()
            return self

    def solve(problems: list[Problem], model: Any, program: Any, *_: object, **__: object) -> list[list[Attempt]]:
        if model.model.path != CONTROL:
            seen[program.name + " with examples" * bool(program.predict.demos)] = model.model.path
        verdict = Verdict.CORRECT if model.model.path == TRACK_B else Verdict.WRONG
        said = Completion(text="")
        return [[Attempt(problem=p.id, completion=said, verdict=verdict, strict=verdict)] for p in problems]

    monkeypatch.setattr(bench, "solve", solve)
    with closing(Ledger(":memory:")) as ledger:
        found = bench.on_fresh("arms", 1, Student(), ledger)
    assert seen == asked
    assert found == dict.fromkeys(("last_minus_first", "best_minus_control"), bench.Fresh([1.0] * 6, [0.0] * 6))


def test_a_campaign_that_decides_on_samples_is_measured_on_samples(
    bench: ModuleType, campaign: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell without a teacher draws four samples a fresh problem; a share of them is what a problem counts."""
    campaign.write_json("round-01/decision.json", decided(1, ""))
    campaign.write_json("final/tested.json", {"base": ""})
    campaign.path.rename(campaign.path.with_name("alone-1"))
    drawn: set[tuple[float, ...]] = set()

    class Student:
        identity = "student"

        def with_adapter(self, path: Path | None) -> Any:
            return self

    def solve(problems: list[Problem], *told: Any, samples: Any, **_: object) -> list[list[Attempt]]:
        drawn.add((told[-1].temperature, *samples))
        verdicts = [Verdict.CORRECT, *[Verdict.WRONG] * 3]
        said = Completion(text="")
        return [[Attempt(problem=p.id, completion=said, verdict=v, strict=v) for v in verdicts] for p in problems]

    monkeypatch.setattr(bench, "solve", solve)
    with closing(Ledger(":memory:")) as ledger:
        found = bench.on_fresh("alone", 1, Student(), ledger)
    assert drawn == {(0.7, 1, 2, 3, 4)}
    assert found == {"last_minus_first": bench.Fresh([0.25] * 6, [0.25] * 6)}


def cell(bench: ModuleType, name: str, seed: int, gained: int | None) -> Any:
    """Give a finished cell of 100 fresh problems, 15 of which were solved before."""
    stopped, test, rounds = "rounds", None, ()
    found = SimpleNamespace(stopped=stopped, test=test, rounds=rounds)
    new, old = [1.0] * (15 + (gained or 0)) + [0.0] * (85 - (gained or 0)), [1.0] * 15 + [0.0] * 85
    fresh = {} if gained is None else {"last_minus_first": bench.Fresh(new, old)}
    return bench.Cell(name, seed, Path(), found, fresh)


def test_differences_are_pooled_over_the_problems_of_all_seeds(rounds_table: ModuleType) -> None:
    """The mean over all problems, with an interval narrower than each seed's own, and one over seeds; None of none."""
    cells = [cell(rounds_table, "arms", seed, gained) for seed, gained in ((1, 14), (2, 15), (3, 16))]
    alone = rounds_table.in_points(cells[1].fresh["last_minus_first"])
    made = rounds_table.pooled(cells, "last_minus_first")
    assert (made["points"], made["n"], alone["points"], alone["n"]) == (15.0, 300, 15.0, 100)
    assert alone["interval"][0] < made["interval"][0] < 15 < made["interval"][1] < alone["interval"][1]
    assert made["over_seeds"] == [12.52, 17.48]  # 15 +- 4.303 / sqrt(3)
    assert rounds_table.pooled(cells, "best_minus_control") is None


def test_figures_are_told_by_seed(rounds_table: ModuleType) -> None:
    """A seed that has not ended and a comparison that a cell lacks are null, not left out."""
    cells = [cell(rounds_table, "arms", 2, 10), cell(rounds_table, "arms", 3, None), cell(rounds_table, "alone", 1, 5)]
    made = rounds_table.summed(cells, (1, 2, 3))
    points = {
        key: {s: one and one["points"] for s, one in made[key].items()} for key in rounds_table.summed([], ())["pooled"]
    }
    assert points == {
        "last_minus_first": {1: None, 2: 10.0, 3: None},
        "best_minus_control": {1: None, 2: None, 3: None},
        "alone_last_minus_first": {1: 5.0, 2: None, 3: None},
    }
    assert (made["promoted"], made["alone_promoted"]) == ({1: None, 2: 0, 3: 0}, {1: 0, 2: None, 3: None})
    assert made["best"] == {1: None, 2: None, 3: None}
    assert made["stopped"] == {"arms-2": "rounds", "arms-3": "rounds", "alone-1": "rounds"}


def test_a_row_says_how_an_arm_was_trained(rounds_table: ModuleType, tmp_path: Path) -> None:
    """An arm of pairs that had none is a track trained once more, and its row says so."""
    folder = RunFolder(tmp_path / "run")
    folder.write_json("round-01/arms/track_b+dpo/origin.json", {"start": "", "method": "sft"})
    made = rounds_table.Cell("arms", 1, tmp_path / "run", None, {})
    assert rounds_table.origin_of(made, SimpleNamespace(round=1, arm="track_b+dpo"))["method"] == "sft"


def test_a_cell_has_its_minutes_and_patience_for_six_rounds(
    bench: ModuleType, campaign: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty minutes from where it stands unless told otherwise; a cell without promotions is not ended before six."""
    campaign.close()
    given: list[dict[str, Any]] = []

    class Campaign:
        def __init__(self, *_: object, sections: dict[str, Any], **__: object) -> None:
            given.append(sections["campaign"])

        def run(self) -> None:
            raise BudgetExceededError("over")

    monkeypatch.setattr(bench, "Campaign", Campaign)
    monkeypatch.setattr(Ledger, "seconds", lambda *_: 7200.0)
    assert bench.cell("arms", 2) is None
    Ledger(campaign.at("ledger.sqlite")).close()
    assert bench.cell("arms", 1) is None
    assert [round(each["max_hours"], 3) for each in given] == [0.333, 2.333]
    assert bench.CELLS["alone"]["campaign"]["patience"] >= 6


def test_a_thousand_problems_are_fresh_to_a_whole_campaign(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two-step sums are few enough to run out of one held-out kind; none is one that the campaign drew."""
    monkeypatch.setattr(bench, "FRESH", 1000)
    folder = RunFolder(tmp_path / "arms-1")
    task, how = bench.TASK, {"sizes": {"train": 100, "dev": 400, "test": 400}, "seed": 1}
    drawn = Arithmetic(kinds=task.kinds, levels=task.levels, largest=task.largest, **how)
    for split in ("train", "dev", "test"):
        folder.write_rows(f"data/{split}.jsonl", drawn.problems(split))
    fresh = {problem.canonical for problem in bench.fresh_problems(folder, 1)}
    assert len(fresh) == 1000
    assert not fresh & {p.canonical for split in ("train", "dev", "test") for p in drawn.problems(split)}
