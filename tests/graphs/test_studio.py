from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = json.loads((ROOT / "langgraph.json").read_text())["graphs"]


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_graph_loads_by_path_as_the_server_loads_it(name: str) -> None:
    """Each machine of langgraph.json is found by the LangGraph server's own loader."""
    code = f"""
import asyncio, json, os
from langgraph_api.graph import GraphSpec, _graph_from_spec
path, variable = {GRAPHS[name]!r}.split(":")
graph = _graph_from_spec(GraphSpec(id={name!r}, path=path, variable=variable))
if asyncio.iscoroutine(graph):
    graph = asyncio.run(graph)
print(sorted(graph.get_graph().nodes))
"""
    memory = {"DATABASE_URI": ":memory:", "REDIS_URI": "fake", "LANGGRAPH_RUNTIME_EDITION": "inmem"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **memory, "MIGRATIONS_PATH": "__inmem"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "__start__" in done.stdout


def test_pictures_in_the_readme_are_the_graphs() -> None:
    """The README's pictures are what the graphs draw of themselves."""
    readme = (ROOT / "README.md").read_text()
    code = "import sys; sys.path.insert(0, 'graphs'); import importlib; print(importlib.import_module(sys.argv[1]).graph.get_graph().draw_mermaid())"
    for name in ("lesson", "round", "campaign", "mining", "grading", "curate"):
        drawn = subprocess.run(
            [sys.executable, "-c", code, name], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        assert drawn in readme, f"paste:\n{drawn}"
