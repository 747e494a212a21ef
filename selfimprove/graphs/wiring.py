"""Adding nodes to a graph, and running one over many records."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from langgraph.graph import StateGraph

STEPS: Final = 1_000_000
"""Recursion limit that no pool and no curation reaches."""
_ALLOCATIONS: Final = 200_000


def add_nodes(graph: StateGraph[Any], nodes: Mapping[str, Any]) -> None:
    """Add nodes by name; LangGraph's own overloads want a function's parameter names, which closures hide."""
    for name, node in nodes.items():
        graph.add_node(name, node)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for cycles less often: records hold none, and walking them all takes a third of the graphs' time."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
