from __future__ import annotations

import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

from grow_files import write

from selfimprove.growth.settings import read_settings
from selfimprove.growth.stage import curate

BRANCH = """
[models.other]
model = "grow_models:OtherSolver"
[[branches]]
at = "Maths > Number > Whole > Work it out > products"
generate = "grow_models:OtherWriter"
solve = ["other", "cheap"]
"""


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "curated.jsonl").read_text().splitlines()]


def test_branch_has_its_own_generator_and_voters(tmp_path: Path) -> None:
    """There and nowhere else; its checkers are its solvers."""
    curate(read_settings(write(tmp_path, size=24, more=BRANCH)), tmp_path / "out")
    found: dict[str, set[tuple[str, frozenset[str], frozenset[str]]]] = defaultdict(set)
    for row in rows(tmp_path / "out"):
        line = row["lineage"]
        if line["generation"]:
            voters = [frozenset(vote["voter"] for vote in line[name]) for name in ("votes", "label_votes")]
            found[row["sub_type"]].add((line["model"], voters[0], voters[1]))
    ours, theirs = frozenset({"strong", "cheap"}), frozenset({"other", "cheap"})
    assert found == {
        "sums": {("scripted/writer", ours, ours)},
        "products": {("scripted/other writer", theirs, theirs)},
    }


def test_embedding_keeps_one_meaning_out_and_measures_the_spread(tmp_path: Path) -> None:
    """Another first name is other words of the same meaning; the distance is that of what was admitted."""
    changes = ["grow.embed=grow_models:embed", "who.generate=grow_models:Teller"]
    figures = curate(read_settings(write(tmp_path, size=32), changes), tmp_path / "out")
    people: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in rows(tmp_path / "out"):
        if row["lineage"]["generation"] == 1:
            people[row["sub_type"]].append(tuple(row["question"].split()[:2]))
    assert figures.reasons["near duplicate"] > 0
    for own in people.values():
        assert len({last for _, last in own}) == len(set(own))
    found = {one.leaf.rpartition(" > ")[2]: one.distance for one in figures.spreads if one.generation == 1}
    pairs = {leaf: list(combinations([last for _, last in own], 2)) for leaf, own in people.items() if leaf in found}
    assert found == {leaf: round(sum(a != b for a, b in some) / len(some), 4) for leaf, some in pairs.items()}
    assert len(found) == 2
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert all(f"{distance:.3f}</td>" in page for distance in found.values())
