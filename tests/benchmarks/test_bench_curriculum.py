from __future__ import annotations

from collections import Counter
from random import Random
from types import ModuleType

import pytest

from selfimprove.records import Attempt, Completion, Verdict
from selfimprove.steps.grade import ToGrade
from selfimprove.steps.mine import MiningRule, Pull, mine

BENCH = "curriculum"


@pytest.fixture(scope="module")
def found(bench: ModuleType) -> object:
    """A mined and graded pool of a student that solves the lower levels more often."""
    task = bench.task_of(1, train=600, dev=20)
    pool = list(task.problems("train"))

    def draw(wanted: list[Pull]) -> list[Attempt]:
        made = []
        for problem, sample, _ in wanted:
            chance = 1.2 - 0.2 * int(problem.labels["level"])
            right = Random(f"{problem.id} {sample}").random() < chance
            verdict = Verdict.CORRECT if right else Verdict.WRONG
            answer = problem.answer if right else "-1"
            sure = chance - 1.2 + Random(problem.id).gauss(0, 0.05)
            said = Completion(text=f"Answer: {answer}", sample=sample, mean_logprob=sure)
            made.append(Attempt(problem=problem.id, completion=said, answer=answer, verdict=verdict, strict=verdict))
        return made

    tried = mine(pool, draw, task, MiningRule(samples=4, most=4, again=False))
    graded = bench.graded_of([ToGrade(p, t.mined, t.attempts) for p, t in zip(pool, tried, strict=True)], "student")
    return bench.Tested(tried, graded, {p.id: p for p in pool}, list(task.problems("dev")))


def test_every_policy_chooses_as_many_and_what_its_name_says(bench: ModuleType, found: object) -> None:
    """All choose as many different problems; failures no solved one, easy solved ones first, the ladder low steps."""
    picked = {policy: bench.chosen(policy, found, 1) for policy in bench.POLICIES}
    assert {policy: len(set(ids)) for policy, ids in picked.items()} == dict.fromkeys(bench.POLICIES, bench.SIZE.rows)
    levels = {g.problem: g.difficulty for g in found.graded}  # type: ignore[attr-defined]
    grades = {policy: Counter(levels[i] for i in ids) for policy, ids in picked.items()}
    assert grades["failures"][0] == 0
    falling = [grades["curriculum"][level] for level in range(1, 6)]
    assert (grades["curriculum"][0], falling) == (0, sorted(falling, reverse=True))
    assert grades["easy"][0] + grades["easy"][1] == bench.SIZE.rows
    assert grades["mixed"][0] == round(bench.SIZE.rows / 3)
    assert min(grades["uniform"][level] for level in range(6)) > 20
    steps = {Counter(found.by_id[i].labels["level"] for i in picked[p])["6"] for p in ("ladder", "random")}  # type: ignore[attr-defined]
    assert min(steps) == 0 < max(steps)
    assert picked["random"] != bench.chosen("random", found, 2)


def test_figures_are_paired_by_seed(bench: ModuleType) -> None:
    """The difference to random is that of each seed's own cells, with Student's interval over seeds."""

    def cell(policy: str, seed: int, right: int) -> object:
        solved = tuple(at < right for at in range(100))
        return bench.Cell(policy=policy, seed=seed, chosen="", levels=(), trained_tokens=1, right=solved, seconds=2.0)

    base = [cell("random", seed, right) for seed, right in enumerate((30, 50, 70))]
    other = [cell("band", seed, right) for seed, right in enumerate((32, 52, 72))]
    made = bench.row(other, base)
    assert (made["accuracy"], made["minus_random"], made["interval"]) == (52.0, 2.0, [2.0, 2.0])
    mixed = bench.row([other[1], other[0], other[2]], base)
    assert mixed["interval"][0] < -20 < 20 < mixed["interval"][1]
    assert bench.row(other[:1], base[:1])["interval"] is None
