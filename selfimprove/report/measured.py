"""What a campaign's students were measured to do: baselines, rounds' arms, arms against each other, test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from selfimprove.arms import is_told
from selfimprove.config import Config
from selfimprove.graphs.places import decided_rounds, round_folder
from selfimprove.ledger import Ledger
from selfimprove.openings import elsewhere, looks_at
from selfimprove.records import Attempt, Comparison, Evaluation, Problem
from selfimprove.report.decided_schema import (
    ArmPair,
    Difference,
    RoundSummary,
    SampledSummary,
    ScoreSummary,
    WatchedSummary,
)
from selfimprove.report.schema import BaselineSummary, LabelPair, StrictTest, TestSummary
from selfimprove.report.selected import selection_of
from selfimprove.steps.evaluate import compare, grouped
from selfimprove.store import RunFolder

_SHOT_NAMES: Final = {0: "zero-shot", 1: "one-shot", 2: "two-shot", 3: "three-shot", 4: "four-shot", 8: "eight-shot"}


def baselines_of(folder: RunFolder, config: Config) -> tuple[BaselineSummary, ...]:
    """Give what the untouched student does on dev, by how many worked examples it is shown."""
    if not folder.has("round-00/baseline.json"):
        return ()
    chosen = folder.json("round-00/baseline.json")["shots"]
    found = []
    for shots in sorted({0, config.evaluate.shots}):
        name = f"round-00/few-shot-{shots}" if shots else "round-00"
        made = folder.record(f"{name}/evaluation.json", Evaluation)
        found.append(
            BaselineSummary(
                name=_SHOT_NAMES.get(shots, f"{shots}-shot"),
                dev=ScoreSummary.of(made.lenient),
                shots=shots,
                chosen=shots == chosen,
                sampled=_sampled(made),
                by_label=_labels(made),
            )
        )
    return tuple(found)


def rounds_of(folder: RunFolder, ledger: Ledger) -> tuple[RoundSummary, ...]:
    """Give what was decided on each arm of each round, with how it was trained."""
    found = []
    for round_ in range(1, decided_rounds(folder) + 1):
        here = round_folder(round_)
        pool = folder.json(f"{here}/pool.json")
        for decision in folder.json(f"{here}/decision.json")["decisions"]:
            arm = f"{here}/arms/{decision['arm']}"
            made = folder.record(f"{arm}/evaluation.json", Evaluation)
            phases = [f"{arm}/{phase}adapter/metrics.json" for phase in ("", "sft/")]
            trained = [folder.json(name) for name in phases if folder.has(name)]
            found.append(
                RoundSummary(
                    round=round_,
                    arm=decision["arm"],
                    decision=decision["outcome"],
                    sentence=decision["sentence"],
                    dev=ScoreSummary.of(made.lenient),
                    strict=ScoreSummary.of(made.strict),
                    difference=Difference.of(Comparison.model_validate(decision["comparison"])),
                    rows=sum(one["rows"] for one in trained),
                    trained_tokens=sum(one["trained_tokens"] for one in trained),
                    pool=pool["problems"],
                    failures=pool["failures"],
                    pool_no_verdict=pool["no_verdict"],
                    pool_pass_rate=pool["pass_rate"],
                    wall_s=ledger.seconds(here),
                    rungs=tuple(pool["tried_rungs"]),
                    selection=selection_of(pool),
                    by_label=_labels(made),
                    truncated=made.truncated,
                    sampled=_sampled(made),
                    watched=tuple(WatchedSummary.model_validate(each) for each in decision.get("watched", ())),
                    informative_groups=next(
                        (one["informative_groups"] for one in trained if "informative_groups" in one), None
                    ),
                    alarms=tuple(alarm for one in trained for alarm in one.get("alarms", ())),
                    phase=pool.get("phase", 0),
                    start=_start(folder, arm),
                )
            )
    return tuple(found)


def arm_pairs(folder: RunFolder, rounds: Sequence[RoundSummary]) -> tuple[ArmPair, ...]:
    """Compare the arms of each round with each other, by what it was decided on; one that is told has no equals."""
    found, groups = [], grouped(folder.rows("data/dev.jsonl", Problem)) if rounds else {}
    for one, other in combinations(rounds, 2):
        if one.round == other.round and not (is_told(one.arm) or is_told(other.arm)):
            made, before = _decided_on(folder, one), _decided_on(folder, other)
            difference = Difference.of(compare(made, before, groups=groups))
            pair = {"round": one.round, "arm": one.arm, "other": other.arm, "same_start": one.start == other.start}
            found.append(ArmPair(**pair, difference=difference))
    return tuple(found)


def test_of(folder: RunFolder) -> TestSummary | None:
    """Give what test came to; None where it was not opened, or not yet for what a later round has made the best."""
    last = f"{round_folder(decided_rounds(folder))}/decision.json"
    tested = folder.json("final/tested.json") if folder.has("final/tested.json") else None
    if tested is None or tested.get("best", "") != folder.json(last)["best"]:
        return None
    names = list(tested)
    made = {name: folder.record(f"final/{name}/evaluation.json", Evaluation) for name in names}
    scores = {name: ScoreSummary.of(one.lenient) for name, one in made.items()}
    strict = {name: ScoreSummary.of(one.strict) for name, one in made.items() if name in {"base", "best", "control"}}
    openings = folder.json("final/openings.json")["openings"]
    best = "best" if "best" in made else "base"
    return TestSummary(
        n=scores["base"].n,
        groups=len(set(grouped(folder.rows("data/test.jsonl", Problem)).values())),
        opened=len(openings),
        opened_elsewhere=len(elsewhere(looks_at(folder.hashes["data/test.jsonl"]), folder.path)),
        base=scores["base"],
        best=scores[best],
        control=scores.get("control"),
        arms={name: score for name, score in scores.items() if name not in {"base", "best", "control"}},
        strict=StrictTest(**{**strict, "best": strict[best]}),
        sampled={name: sampled for name, one in made.items() if (sampled := _sampled(one))},
        difference=_difference(folder, made, "base") if best == "best" else None,
        best_minus_control=_difference(folder, made, "control") if {"best", "control"} <= made.keys() else None,
        by_label=_pairs(made["base"], made[best]),
    )


def _labels(made: Evaluation) -> dict[str, dict[str, ScoreSummary]]:
    return {label: {v: ScoreSummary.of(s) for v, s in some.items()} for label, some in made.by_label.items()}


def _start(folder: RunFolder, arm: str) -> str:
    """Read what an arm went on from; one of two trainings began with the first."""
    names = [f"{arm}/{phase}origin.json" for phase in ("sft/", "")]
    return next((str(folder.json(name)["start"]) for name in names if folder.has(name)), "")


def _sampled(made: Evaluation) -> SampledSummary | None:
    sampled = made.sampled
    if sampled is None:
        return None
    between = (sampled.interval.low, sampled.interval.high)
    return SampledSummary(**{**sampled.model_dump(), "interval": between})


def _decided_on(folder: RunFolder, row: RoundSummary) -> list[Attempt]:
    name = "samples" if row.sampled else "predictions"
    return folder.rows(f"{round_folder(row.round)}/arms/{row.arm}/{name}.jsonl", Attempt)


def _difference(folder: RunFolder, made: Mapping[str, Evaluation], old: str) -> Difference:
    """Compare the best with another on test, by what dev was decided on: samples where some were drawn."""
    name = "samples" if made["best"].sampled and made[old].sampled else "predictions"
    new, before = (folder.rows(f"final/{each}/{name}.jsonl", Attempt) for each in ("best", old))
    return Difference.of(compare(new, before, groups=grouped(folder.rows("data/test.jsonl", Problem))))


def _pairs(base: Evaluation, best: Evaluation) -> dict[str, dict[str, LabelPair]]:
    old, new = _labels(base), _labels(best)
    return {
        label: {value: LabelPair(base=old[label].get(value), best=score) for value, score in some.items()}
        for label, some in new.items()
    }
