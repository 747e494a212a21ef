"""The node that decides on a round's arms, and what it comes to."""

from __future__ import annotations

from typing import Any, Literal

from selfimprove import progress
from selfimprove.arms import ARMS, in_turn
from selfimprove.graphs.approving import approved
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import Node, round_folder
from selfimprove.graphs.watching import decided_on, watched
from selfimprove.openings import Look, count_look, decided, run_id
from selfimprove.records import Decision, Record
from selfimprove.steps.decide import alpha_left, decide
from selfimprove.steps.evaluate import compare, grouped


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


def decide_node(crew: Crew) -> Node:
    """Compare every arm with the best so far, and keep the better."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        round_, gate = state["round"], crew.config.gate
        rounds = [crew.folder.record(f"{round_folder(r)}/decision.json", RoundDecision) for r in range(round_)]
        before, spent = rounds[-1], [decision for made in rounds for decision in made.decisions]
        old = decided_on(crew, before.predictions.rpartition("/")[0])
        arms = in_turn(crew.config.campaign.arms)
        asked, groups = sum(not ARMS[arm].told for arm in arms), grouped(crew.problems("dev"))
        decisions, scored = [], list[tuple[int, Decision]]()
        for arm in arms:
            place = f"{round_folder(round_)}/arms/{arm}"
            if not crew.folder.has(f"{place}/predictions.jsonl"):
                continue
            new = decided_on(crew, place)
            decision = decide(
                compare(new, old, groups=groups),
                round_=round_,
                arm=arm,
                alpha=alpha_left(gate.alpha, spent, asked),
                min_gain=gate.min_gain,
                adapter=f"{place}/adapter",
                best=before.best,
                watched=watched(crew, place, new, old),
            )
            if ARMS[arm].told:
                decision = _told(decision, before.best)
            decisions.append(decision)
            if decision.outcome == "promote":
                scored.append((sum(a.verdict == "correct" for a in new), decision))
        told = " ".join(decision.sentence for _, decision in scored)
        if scored and not approved(crew, round_, "promote", told):
            decisions, scored = [_held(decision, before.best) for decision in decisions], []
        for decision in decisions:
            progress.current().say(decision.sentence)
        winner = max(scored, key=lambda pair: pair[0])[1] if scored else None
        made = RoundDecision(
            round=round_,
            best=winner.adapter if winner else before.best,
            predictions=f"{round_folder(round_)}/arms/{winner.arm}/predictions.jsonl" if winner else before.predictions,
            promoted=winner.arm if winner else "",
            decisions=tuple(decisions),
        )
        for decision in decisions:
            count(crew, "dev", decided(round_, decision.arm))
        crew.folder.write_json(f"{round_folder(round_)}/decision.json", made)
        return {"best": made.best}

    return node


def count(crew: Crew, split: Literal["dev", "test"], what: str) -> None:
    """Write a look at a split down, in the file that all run folders of this machine share."""
    look = Look(split=split, run=run_id(crew.folder.path), what=what)
    count_look(crew.folder.hashes[f"data/{split}.jsonl"], look)


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
