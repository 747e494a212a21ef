from __future__ import annotations

from random import Random

import pytest

from selfimprove.curating.reliability import estimate
from selfimprove.curating.rows import Vote
from selfimprove.curating.trust import Estimate, Prior, Rule, Tally, Trust, decide, pattern_of
from selfimprove.records import Verdict

VOTERS = ("strong", "cheap")


def vote(voter: str, sample: int, verdict: Verdict) -> Vote:
    return Vote(candidate="c", voter=voter, sample=sample, verdict=verdict)


def simulate(
    share: float, right: float, wrong: float, rule: Rule, candidates: int = 2400, leaves: int = 6
) -> dict[str, float]:
    """Vote on candidates as a curation does: in rounds, judged by the estimate of the rounds before."""
    rng, tally, counts = Random(7), Tally(), {"yes right": 0, "yes": 0, "right": 0, "votes": 0}
    for leaf in range(leaves):
        for voter in VOTERS:
            for _ in range(10):
                tally.add_known(f"leaf {leaf}", voter, agrees=rng.random() < right)
    for _ in range(4):
        known = estimate(tally, rule)
        for at in range(candidates // 4):
            leaf, good = f"leaf {at % leaves}", rng.random() < share
            chance = right if good else wrong
            votes: list[Vote] = []
            outcome = "open"
            while outcome == "open":
                voter = VOTERS[len(votes) % 2]
                agrees = Verdict.CORRECT if rng.random() < chance else Verdict.WRONG
                votes.append(vote(voter, len(votes) // 2, agrees))
                _, outcome = decide(votes, leaf, VOTERS, known, rule)
            tally.add(leaf, pattern_of(votes))
            counts["votes"] += len(votes)
            counts["right"] += good
            counts["yes"] += outcome == "yes"
            counts["yes right"] += outcome == "yes" and good
    found = estimate(tally, rule)
    return {
        "precision": counts["yes right"] / counts["yes"],
        "recall": counts["yes right"] / counts["right"],
        "votes": counts["votes"] / candidates,
        "share": found.share(""),
        "trust right": found.trust("", "strong").right,
        "trust wrong": found.trust("", "strong").wrong,
    }


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_admitted_are_right_and_right_ones_admitted(share: float) -> None:
    """Solvers wrong in a fifth, with the generator in half of that: 99 % of the admitted are right, 95 % get in."""
    found = simulate(share, 0.8, 0.1, Rule())
    assert found["precision"] >= 0.99
    assert found["recall"] >= 0.95
    assert found["votes"] <= 6


def test_reliability_is_learned_from_the_votes() -> None:
    """How often voters are right, and share in errors, comes out without anybody knowing the answers."""
    found = simulate(0.5, 0.7, 0.25, Rule(most=24))
    assert found["share"] == pytest.approx(0.5, abs=0.06)
    assert found["trust right"] == pytest.approx(0.7, abs=0.05)
    assert found["trust wrong"] == pytest.approx(0.25, abs=0.05)
    assert found["precision"] >= 0.98


def test_voters_that_cannot_tell_let_nothing_in() -> None:
    """Where agreement says nothing, candidates stay undecided."""
    known = Estimate({"": 0.7}, {("", voter): Trust(0.35, 0.3) for voter in VOTERS})
    votes = [vote(VOTERS[n % 2], n // 2, Verdict.CORRECT) for n in range(8)]
    assert decide(votes, "leaf", VOTERS, known, Rule())[1] == "open"


def test_yes_needs_every_voter() -> None:
    """However sure one of them is."""
    votes = [vote("strong", n, Verdict.CORRECT) for n in range(9)]
    assert decide(votes, "leaf", VOTERS, Estimate(), Rule(correlation=0.0))[1] == "open"
    votes.append(vote("cheap", 0, Verdict.CORRECT))
    assert decide(votes, "leaf", VOTERS, Estimate(), Rule(correlation=0.0))[1] == "yes"


def test_no_verdict_is_no_vote_but_is_counted_against_the_most() -> None:
    """Cut-off solutions neither admit nor refuse, and do not go on for ever."""
    votes = [vote(VOTERS[n % 2], n // 2, Verdict.TRUNCATED) for n in range(16)]
    right, outcome = decide(votes, "leaf", VOTERS, Estimate(), Rule(most=16))
    assert outcome == "undecided"
    assert right == pytest.approx(Prior().share)


def test_repeated_votes_of_one_voter_are_worth_less_than_another_voters() -> None:
    """With correlation, four of one say less than two of each."""
    one = pattern_of([vote("strong", n, Verdict.CORRECT) for n in range(4)])
    two = pattern_of([vote(voter, n, Verdict.CORRECT) for voter in VOTERS for n in range(2)])
    assert Estimate().posterior("leaf", one, 0.2) < Estimate().posterior("leaf", two, 0.2)
    assert Estimate().posterior("leaf", one, 0.0) == pytest.approx(Estimate().posterior("leaf", two, 0.0))
