from __future__ import annotations

from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from selfimprove.records import Attempt, Completion, Problem, Verdict

BENCH = "mining"


def sampled(bench: ModuleType, problems: list[Problem], seed: int = 0) -> list[object]:
    """Give each problem a chance, samples drawn by it, and a greedy attempt as sure as it is good."""
    rng, made = Random(seed), []
    for problem in problems:
        chance = rng.random()

        def attempt(*, right: bool, problem: Problem = problem, chance: float = chance) -> Attempt:
            verdict = Verdict.CORRECT if right else Verdict.WRONG
            said = Completion(text="", mean_logprob=chance - 1 + rng.gauss(0, 0.05))
            answer = problem.answer if right else "0"
            return Attempt(problem=problem.id, completion=said, answer=answer, verdict=verdict, strict=verdict)

        some = [attempt(right=chance > 0.5), *(attempt(right=rng.random() < chance) for _ in range(64))]
        made.append(bench.Sampled(problem, some))
    return made


def test_truth_is_of_samples_that_no_estimate_has_seen(bench: ModuleType) -> None:
    """Changing the first sixteen samples changes no truth; changing a later one does."""
    _, problems = bench.pool(3)
    one = sampled(bench, problems)[0]
    flipped = [a.model_copy(update={"verdict": Verdict.CORRECT}) for a in one.attempts[1:17]]
    assert bench.truth(bench.Sampled(one.problem, [one.attempts[0], *flipped, *one.attempts[17:]])) == bench.truth(one)
    lost = [a.model_copy(update={"verdict": Verdict.TRUNCATED}) for a in one.attempts]
    assert not bench.usable(bench.Sampled(one.problem, lost))


def test_sequential_draws_what_fixed_sampling_drew_and_stops(bench: ModuleType) -> None:
    """Stopping uses the very same samples, never more than sixteen, and fewer over all; the share is of sixteen."""
    task, problems = bench.pool(120)
    some = sampled(bench, problems)
    found = bench.estimates(some, task, bench.RULE)
    assert {m.samples for m in found["16 samples"]} == {16}
    drawn = [m.samples for m in found["sequential"]]
    assert max(drawn) <= 16
    assert min(drawn) < 8
    for one, mined in zip(some, found["sequential"], strict=True):
        right = sum(a.verdict is Verdict.CORRECT for a in one.attempts[1 : 1 + mined.samples])
        assert mined.passed == right


def test_more_samples_rank_better_and_the_prior_helps(bench: ModuleType) -> None:
    """The table's rows are in the order that theory wants: 4 below 8 below 16, and an informed prior above none."""
    task, problems = bench.pool(240)
    some = sampled(bench, problems)
    found = bench.estimates(some, task, bench.RULE)
    rows = {name: rho for name, (_, rho) in bench.ranked(some, found).items()}
    assert rows["4 samples"] < rows["8 samples"] < rows["16 samples"]
    assert rows["sequential"] < rows["sequential, prior"]
    low, high = bench.spread(some, found, "sequential")
    assert low <= rows["16 samples"] - rows["sequential"] <= high


class Counts:
    """An engine whose completions have four tokens."""

    identity = "counts"

    def complete(self, requests: list[object]) -> list[Completion]:
        return [Completion(text="x", completion_tokens=4) for _ in requests]


def test_recording_keeps_requests_and_tokens(bench: ModuleType) -> None:
    """What mining asked is what the bare engine is given, and the adapter in force stays."""
    recording = bench.Recording(Counts())
    asked = [bench.Request(role="solve", messages=(), sample=n) for n in range(5)]
    recording.with_adapter(None).complete(asked)
    assert (recording.asked, recording.tokens) == (asked, 20)
    assert bench.tokens_per_s(Counts(), [asked, asked]) > 0


def test_stopping_part_ends_in_its_keys(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part samples, estimates and shows; done again it reads what it came to and asks no student."""
    monkeypatch.setattr(bench, "OUT", tmp_path)
    monkeypatch.setattr(bench, "PROBLEMS", 45)
    monkeypatch.setattr(bench, "tuned", lambda: bench.Recording(Lucky(bench)))
    made = bench.part("stopping")
    assert 0 < made["samples_share"] <= 1
    assert made["problems"] == 45
    assert {"spearman_gap", "spearman_gap_without_prior", "mean_pass_rate"} <= made.keys()
    bench.show("stopping", made)
    assert "sequential, prior" in capsys.readouterr().out
    monkeypatch.setattr(bench, "tuned", lambda: pytest.fail("the part was done"))
    assert bench.part("stopping") == made


class Lucky:
    """An engine that solves each problem with a chance of its own, and is as sure as it is good."""

    identity = "lucky"

    def __init__(self, bench: ModuleType) -> None:
        self.known = {p.id: p.answer for p in bench.pool(45)[1]}

    def complete(self, requests: list[object]) -> list[Completion]:
        made = []
        for request in requests:
            rng = Random(f"{request.problem} {request.sample}")  # type: ignore[attr-defined]
            chance = int(request.problem[:4], 16) / 16**4  # type: ignore[attr-defined]
            right = rng.random() < chance
            said = self.known[request.problem] if right else "0"  # type: ignore[attr-defined]
            made.append(Completion(text=f"Answer: {said}", completion_tokens=4, mean_logprob=chance - 1))
        return made
