"""What a report says of a campaign's folder as a whole: how its best student is loaded, and what it was made of."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.report.summary import summarise


def test_the_lines_that_load_the_best_can_be_pasted(
    make_crew: Callable[..., Crew], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They import what they use, keep what they load, name folders from anywhere, and say where its prompt is."""
    monkeypatch.chdir(tmp_path)
    crew = make_crew(Path("runs/one"), campaign={"rounds": 1, "arms": ["track_b"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    best = summarise(crew.folder, crew.ledger).best
    said = [node for node in ast.walk(ast.parse(best.load)) if isinstance(node, (ast.alias, ast.Name))]
    given = {node.name if isinstance(node, ast.alias) else node.id for node in said}
    assert {"PeftModel", "AutoModelForCausalLM", "AutoTokenizer", "model", "tokenizer"} <= given
    assert f'"{tmp_path / best.path}"' in best.load
    assert f"selfimprove export {tmp_path / 'runs/one'} gives the messages" in best.load


def test_the_hash_of_a_run_can_be_made_again(make_crew: Callable[..., Crew]) -> None:
    """Of what the manifest lists; that the report itself is listed there changes nothing."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = summarise(crew.folder, crew.ledger)
    crew.folder.write_json("report/summary.json", made)
    files = json.loads(crew.folder.at("manifest.json").read_bytes())["files"]
    lines = [f"{files[name]}  {name}\n" for name in sorted(files) if not name.startswith("report/")]
    said = summarise(crew.folder, crew.ledger).provenance.manifest_sha256
    assert said == made.provenance.manifest_sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
