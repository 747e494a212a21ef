from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "labels"))
from labelling_models import Knowing, plainly

from selfimprove.labels.outline import WORDS
from selfimprove.records import Problem, Request

BENCH = "labels"


def test_known_labels_are_of_its_taxonomy(bench: ModuleType) -> None:
    """Seven topics of MATH and 21 kinds of puzzle; what nothing is known of leaves no choice."""
    taxonomy = bench.taxonomy_of_bench()
    assert taxonomy.children(["Competition mathematics"]) == bench.MATHS
    types = [leaf.path[3] for leaf in taxonomy.leaves_under(["Puzzles"])]
    assert types == [name for names in bench.PUZZLES.values() for name in names]
    assert len(types) == 21
    assert taxonomy.values("form") == ("short answer",)


def test_puzzles_carry_labels_of_the_taxonomy(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the generators writes what its type says."""
    monkeypatch.setattr(bench, "OF_EACH", 1)
    problems, taxonomy = bench._puzzles(), bench.taxonomy_of_bench()
    leaves = {leaf.path[:4] for leaf in taxonomy.leaves_under(["Puzzles"])}
    assert {tuple(p.labels[name] for name in ("subject", "topic", "sub_topic", "type")) for p in problems} == leaves


def test_figures_are_those_of_the_labels(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that takes all algebra for geometry is as wrong as that; where a check disagrees nothing is trusted."""
    taxonomy = bench.taxonomy_of_bench()
    problems = []
    for at, leaf in enumerate(taxonomy.leaves):
        trait = next(iter(leaf.difficulties))
        labels = dict(zip(("subject", "topic", "sub_topic", "type", "sub_type"), leaf.path, strict=True))
        problems.append(
            Problem.of(
                f"Problem {at}?",
                "1",
                labels={**labels, "difficulty": trait, "form": "short answer", "key_stage": "any"},
            )
        )

    def wrongly(dimension: str, name: str, request: Request) -> str:
        said = "Geometry" if name == "Algebra" else name
        return plainly(dimension, said, request) if dimension == "topic" else f"{WORDS[dimension]}: {name} | 0.5"

    monkeypatch.setattr(bench, "known_problems", lambda: problems)
    keys = bench.judged(Knowing.of(problems, wrongly), Knowing.of(problems))
    assert keys["topic_accuracy"] == pytest.approx(27 / 28, abs=1e-4)
    assert keys["type_accuracy"] == pytest.approx(27 / 28, abs=1e-4)
    assert keys["agreed_share"] == pytest.approx(27 / 28, abs=1e-4)
    assert keys["agreed_type_accuracy"] == 1.0
    assert keys["calls_per_problem"] == 1.0
    assert "label, where both agree" in capsys.readouterr().out
