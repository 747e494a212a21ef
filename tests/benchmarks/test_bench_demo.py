from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest

BENCH = "demo"


@pytest.mark.parametrize(
    ("promoted", "best", "arms", "points"),
    [
        (["track_b"], 0.6, {"track_a": 0.1}, 50.0),
        (["track_a"], 0.15, {"track_b": 0.1}, -5.0),
        ([], 0.03, {"track_a": 0.02, "track_b": 0.1}, 8.0),
        (["track_b", "track_a"], 0.3, {"track_b": 0.2}, -10.0),
        (["track_b"], 0.6, {}, None),
    ],
)
def test_arms_are_compared_whichever_was_promoted(
    bench: ModuleType, promoted: list[str], best: float, arms: dict[str, float], points: float | None
) -> None:
    """The arm that was promoted last is the best on test; the base, where none was, is nobody's figure."""
    score = lambda accuracy: SimpleNamespace(accuracy=accuracy)  # noqa: E731
    test = SimpleNamespace(best=score(best), control=None, arms={arm: score(a) for arm, a in arms.items()})
    rounds = [SimpleNamespace(arm=arm, decision="promote") for arm in promoted]
    found = SimpleNamespace(test=test, rounds=rounds)
    assert bench.points([found], "track_b", "track_a") == [points]
    assert bench.points([found], "best", "control") == [None]
