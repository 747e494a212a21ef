"""Adding nodes to a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.graph import StateGraph


def add_nodes(graph: StateGraph[Any], nodes: Mapping[str, Any]) -> None:
    """Add nodes by name; LangGraph's own overloads want a function's parameter names, which closures hide."""
    for name, node in nodes.items():
        graph.add_node(name, node)
