"""The node that decides on a round's arms, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from selfimprove import progress
from selfimprove.arms import ARMS, in_turn
from selfimprove.graphs.approving import approved
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import Node, round_folder
from selfimprove.graphs.watching import decided_on, watched
from selfimprove.records import Attempt, Decision, Record
from selfimprove.steps.decide import alpha_left, decide
from selfimprove.steps.evaluate import compare, grouped
from selfimprove.store import RunFolder


class RoundDecision(Record):
    """What a round ended in, over its arms."""

    round: int
    best: str
    """Best adapter after the round, relative to the run folder; empty: the base."""
    predictions: str
    """Dev predictions of the best, relative to the run folder."""
    promoted: str
    """The arm that was promoted; empty: none."""
    decisions: tuple[Decision, ...]


def decisions_of(folder: RunFolder, rounds: int) -> list[Decision]:
    """Give the decisions of the first so many rounds."""
    made = (folder.record(f"{round_folder(r)}/decision.json", RoundDecision) for r in range(1, rounds + 1))
    return [decision for each in made for decision in each.decisions]


class _Tried(NamedTuple):
    """What an arm of a round came to on dev.

    Attributes:
        correct: of its answers.
    """

    decision: Decision
    correct: int


def decide_node(crew: Crew) -> Node:
    """Compare every arm with the best so far, and keep the better."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        round_ = state["round"]
        rounds = [crew.folder.record(f"{round_folder(r)}/decision.json", RoundDecision) for r in range(round_)]
        before, here = rounds[-1], f"{round_folder(round_)}/arms"
        arms = [arm for arm in in_turn(crew.config.campaign.arms) if crew.folder.has(f"{here}/{arm}/predictions.jsonl")]
        old, first = (decided_on(crew, each.predictions.rpartition("/")[0]) for each in (before, rounds[0]))
        base = first if before.best else []
        tried = [_tried(crew, round_, arm, rounds, old, base) for arm in arms]
        decisions, better = [one.decision for one in tried], [one for one in tried if one.decision.outcome == "promote"]
        told = " ".join(one.decision.sentence for one in better)
        if better and not approved(crew, round_, "promote", told):
            decisions, better = [_held(decision, before.best) for decision in decisions], []
        winner = max(better, key=lambda one: one.correct).decision if better else None
        made = RoundDecision(
            round=round_,
            best=winner.adapter if winner else before.best,
            predictions=f"{here}/{winner.arm}/predictions.jsonl" if winner else before.predictions,
            promoted=winner.arm if winner else "",
            decisions=tuple(decisions),
        )
        for decision in decisions:
            progress.current().say(decision.sentence)
        crew.folder.write_json(f"{round_folder(round_)}/decision.json", made)
        return {"best": made.best}

    return node


def _tried(
    crew: Crew,
    round_: int,
    arm: str,
    rounds: Sequence[RoundDecision],
    old: Sequence[Attempt],
    base: Sequence[Attempt],
) -> _Tried:
    """Compare an arm with what was best before its round.

    Args:
        crew: the campaign's parts.
        round_: of the arm.
        arm: evaluated on dev.
        rounds: what was decided before, the baseline first.
        old: answers of what was best before, that are decided on.
        base: those of the base; empty where nothing is better yet.
    """
    gate, before, place = crew.config.gate, rounds[-1], f"{round_folder(round_)}/arms/{arm}"
    spent = [decision for made in rounds for decision in made.decisions]
    asked = sum(not ARMS[each].told for each in in_turn(crew.config.campaign.arms))
    new = decided_on(crew, place)
    decision = decide(
        compare(new, old, groups=grouped(crew.problems("dev"))),
        round_=round_,
        arm=arm,
        alpha=alpha_left(gate.alpha, spent, asked),
        min_gain=gate.min_gain,
        adapter=f"{place}/adapter",
        best=before.best,
        watched=watched(crew, place, new, old, base),
    )
    if ARMS[arm].told:
        decision = _told(decision, before.best)
    return _Tried(decision, sum(a.verdict == "correct" for a in new))


def _told(decision: Decision, best: str) -> Decision:
    """Hold an arm whose prompt holds the reference rationale, and say why."""
    c = decision.comparison
    change = f"{100 * c.difference:+.1f} points on {c.n} dev problems"
    sentence = (
        f"Round {decision.round}, {decision.arm}: not decided on, {change}; "
        "its prompt holds the reference rationale, which tells the answer, so no other figure compares with it."
    )
    return decision.model_copy(update={"outcome": "hold", "adapter": best, "sentence": sentence, "alpha": 0.0})


def _held(decision: Decision, best: str) -> Decision:
    """Hold what a person did not let through; anything else stays."""
    if decision.outcome != "promote":
        return decision
    sentence = decision.sentence.replace(": promoted, ", ": held by a person, ", 1)
    return decision.model_copy(update={"outcome": "hold", "adapter": best, "sentence": sentence})
