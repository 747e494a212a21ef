from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = json.loads((ROOT / "langgraph.json").read_text())["graphs"]


LOADING = """
import asyncio, json, sys
from langgraph_api.graph import GraphSpec, _graph_from_spec

def nodes(name, place):
    path, variable = place.split(":")
    graph = _graph_from_spec(GraphSpec(id=name, path=path, variable=variable))
    if asyncio.iscoroutine(graph):
        graph = asyncio.run(graph)
    return sorted(graph.get_graph().nodes)

print(json.dumps({name: nodes(name, place) for name, place in json.loads(sys.argv[1]).items()}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Give the nodes of each graph, as the LangGraph server's own loader finds them in one process."""
    memory = {"DATABASE_URI": ":memory:", "REDIS_URI": "fake", "LANGGRAPH_RUNTIME_EDITION": "inmem"}
    done = subprocess.run(
        [sys.executable, "-c", LOADING, json.dumps(GRAPHS)],
        cwd=ROOT,
        env={**os.environ, **memory, "MIGRATIONS_PATH": "__inmem"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_graph_loads_by_path_as_the_server_loads_it(loaded: dict[str, list[str]], name: str) -> None:
    """Each machine of langgraph.json is found by the LangGraph server's own loader."""
    assert "__start__" in loaded[name]


def test_pictures_are_the_graphs() -> None:
    """The pictures beside the graphs are what these draw of themselves."""
    readme = (ROOT / "graphs" / "README.md").read_text()
    for name in ("lesson", "round", "campaign", "mining", "grading", "curate"):
        drawn = runpy.run_path(str(ROOT / "graphs" / f"{name}.py"))["graph"].get_graph().draw_mermaid().strip()
        assert drawn in readme, f"paste:\n{drawn}"
