from __future__ import annotations

from types import ModuleType

from selfimprove.records import Message, Request, Verdict

BENCH = "mining_scale"


def test_scripted_pool_is_mined_in_a_stream(bench: ModuleType) -> None:
    """The scale part mines and grades every problem, and its problems are all different."""
    ids = {p.id for p in bench.Sums(3000).problems("train")}
    assert len(ids) == 3000
    made = bench.scale_of(120)
    assert made["problems"] == 120
    assert made["samples"] >= 4 * 120
    assert 0 < made["engine_s"] < made["mine_s"]
    assert made["peak_mib"] >= made["start_mib"] > 10


def test_scripted_engine_is_right_by_chance_and_always_the_same(bench: ModuleType) -> None:
    """An answer depends on problem and sample alone, and about half of all are right."""
    task, engine = bench.Sums(400), bench.Scripted()
    problems = list(task.problems("train"))
    asked = [
        Request(role="solve", messages=(Message(role="user", content=p.question),), problem=p.id, sample=1)
        for p in problems
    ]
    made = engine.complete(asked)
    assert made == engine.complete(asked)
    right = [task.compare(task.parse(c.text).answer, p) is Verdict.CORRECT for c, p in zip(made, problems, strict=True)]
    assert 120 < sum(right) < 280
