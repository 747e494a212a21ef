from __future__ import annotations

import importlib
import json
from collections import Counter
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

BENCH = "kill"
GOOD: dict[str, Any] = {
    "where": Counter({"train": 2}),
    "kills": 2,
    "paid": 9,
    "doubted": 1,
    "repeated": 0,
    "lost": 0,
    "orphans": 0,
    "differing": [],
}


@pytest.mark.parametrize(
    "harm", [{}, {"repeated": 1}, {"lost": 1}, {"orphans": 1}, {"differing": ["report/index.html"]}], ids=str
)
def test_what_a_kill_costs_fails_the_command(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], harm: dict[str, Any]
) -> None:
    """README names it as what shows that nothing is paid twice or lost: it must be able to say otherwise."""
    made = SimpleNamespace(**{**GOOD, **harm})
    matrix = SimpleNamespace(whole_matrix=lambda *_, **__: made)
    monkeypatch.setattr(importlib, "import_module", lambda _: matrix)
    if harm:
        with pytest.raises(SystemExit, match="1"):
            bench.main()
    else:
        bench.main()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    wrong = {key: len(value) if isinstance(value, list) else value for key, value in harm.items()}
    assert {key: told[key] for key in ("repeated", "lost", "orphans", "differing")} == {
        **dict.fromkeys(("repeated", "lost", "orphans", "differing"), 0),
        **wrong,
    }
