"""Settings put over others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings over others, table within table: what a table does not name stays as it was.

    >>> merge({"train": {"sft": {"learning_rate": 1e-3}}}, {"train": {"sft": {"num_train_epochs": 2}}})
    {'train': {'sft': {'learning_rate': 0.001, 'num_train_epochs': 2}}}
    """
    both = dict(below)
    for key, value in over.items():
        held = both.get(key)
        both[key] = merge(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return both
