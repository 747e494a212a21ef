from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from selfimprove.programs.saved import load_saved, place_of
from selfimprove.records import Completion, Request

BENCH = "compile"


class Scripted:
    """Solves where its prompt holds an example or a hint, else half of the time; writes the hint; judges by it."""

    identity = "scripted"

    def __init__(self, bench: ModuleType) -> None:
        self.task = bench.task_named("arithmetic")
        self.known = {p.question: p for p in self.task.problems("train")}
        self.asked = 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += len(requests)
        return [Completion(text=self._one(request), completion_tokens=5) for request in requests]

    def _one(self, request: Request) -> str:
        asked = request.messages[-1].content
        if request.role == "write_instructions":
            return f"```\nHint. {self.task.instruction} Verdict: yes or no.\n```"
        problem = next(p for question, p in self.known.items() if question in asked)
        told = "Hint." in request.messages[0].content or len(request.messages) > 2
        if request.role == "judge":
            right = asked.rstrip().endswith(self.task.conclude("", problem.answer).strip())
            return "Verdict: yes" if right or not told else "Verdict: no"
        right = told or (int(problem.id, 16) + request.sample) % 2
        return self.task.conclude(problem.rationale, problem.answer if right else "777")


@pytest.fixture
def cells(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> object:
    """Cells on a task that needs no data, and of a few problems."""
    monkeypatch.setattr(bench, "SIZES", {"teacher": bench.Size(60, 60), "student": bench.Size(60, 60)})
    return (
        bench.Cell("judge", "teacher", "arithmetic", "gepa"),
        bench.Cell("reason", "teacher", "arithmetic", "bootstrap"),
        bench.Cell("solve", "student", "arithmetic", "gepa"),
    )


def test_every_cell_is_a_row_and_what_is_proven_ships(
    bench: ModuleType,
    cells: Sequence[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before and after with intervals for each; done cells are found again; proven programs are copied.

    What is proven by itself alone, or shows a data set's problems, stays.
    """
    model, why = Scripted(bench), dict[str, str]()
    models = bench.Models(model, model, None)
    rows = bench.run_cells(cells, models, tmp_path / "made", why)
    assert why == {}
    assert [row["cell"] for row in rows] == [cell.name for cell in cells]
    judge, reason, _ = rows
    intervals = ["({:.3f} to {:.3f})".format(*judge[f"{when}_interval"]) for when in ("before", "after")]
    assert "0.500 {} before and 1.000 {} after".format(*intervals) in capsys.readouterr().out
    assert (judge["before"], judge["after"]) == (0.5, 1.0)
    assert 0 < reason["before"] < reason["after"] == 1.0
    before = model.asked
    assert bench.run_cells(cells, models, tmp_path / "made", why) == rows
    assert model.asked == before
    assert bench.ship(rows, cells, tmp_path / "made", tmp_path / "kept") == sorted(cell.name for cell in cells)
    assert load_saved(place_of("judge", "arithmetic", tmp_path / "kept"))[1].proven
    lucky = [row | {"p": 0.02} for row in rows]
    assert bench.ship(lucky, cells, tmp_path / "made", tmp_path / "none") == []
    monkeypatch.setattr(bench, "OWN_TASKS", ())
    shown = [cell.name for cell in cells if cell.optimizer == "bootstrap"]
    assert sorted(cell.name for cell in cells if cell.name not in shown) == bench.ship(
        rows, cells, tmp_path / "made", tmp_path / "foreign"
    )


def test_a_cell_without_a_model_says_so(bench: ModuleType, cells: Sequence[object], tmp_path: Path) -> None:
    """There is no row, and a reason."""
    why: dict[str, str] = {}
    assert bench.run_cells(cells[:1], bench.Models(None, None, None), tmp_path, why) == []
    assert why == {"judge-arithmetic-gepa": "no teacher is at hand"}


def test_speed_is_measured_beside_the_engine(bench: ModuleType, tmp_path: Path) -> None:
    """A tiny random model goes all four ways; a batch through a program is asked for at once."""
    from tiny_models import write_model

    from selfimprove.students.transformers import TransformersStudent

    student = TransformersStudent(str(write_model("llama", tmp_path / "tiny")))
    task = bench.task_named("arithmetic")
    found = bench.batching(student, task, list(task.problems("train"))[:16], 4, few=4, repeats=1)
    assert found["batch"] == 16
    assert set(found["tokens_per_s"]) == {"engine", "program", "dspy, our batches", "dspy, a call each"}
    assert min(found["tokens_per_s"].values()) > 0
    assert found["batch_share_of_engine"] > 0
