"""Decide: promote, hold or roll back, on dev, with the test that led to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from selfimprove.records import Comparison, Decision, Watched
from selfimprove.stats import problems_needed


def alpha_left(alpha: float, before: Iterable[Decision], arms: int) -> float:
    """Give what one comparison of a round may spend: half of what is left, shared by its arms.

    What was spent on a comparison is gone, unless it promoted: then it was spent on something true, or the campaign's
    one false promotion has happened already, and it comes back (a graphical procedure whose weights halve: Bretz et al.
    2009, doi:10.1002/sim.3495; over hypotheses that come one by one: Tian and Ramdas 2021,
    doi:10.1177/0962280220983381). So however many rounds follow, the chance of any false promotion stays under
    `alpha`, and a campaign that climbs keeps its power: `make bench-statistics`.

    Args:
        alpha: the campaign's.
        before: the decisions of all earlier rounds.
        arms: compared in this round.
    """
    return (alpha - spent_of(before)) / 2 / max(1, arms)


def spent_of(decisions: Iterable[Decision]) -> float:
    """Give what is gone of alpha: what was spent on comparisons that promoted nothing."""
    return sum(d.alpha for d in decisions if d.outcome != "promote")


def decide(
    comparison: Comparison,
    *,
    round_: int,
    arm: str,
    alpha: float,
    min_gain: float,
    adapter: str,
    best: str,
    watched: Sequence[Watched] = (),
) -> Decision:
    """Decide on one arm.

    Args:
        comparison: the arm against the best so far, on dev.
        round_: from 1.
        arm: its name.
        alpha: what this comparison may spend.
        min_gain: smallest gain that is promoted, as a share.
        adapter: the arm's adapter.
        best: the best adapter so far.
        watched: what may not fall: an arm that is better and lets some of it fall is held.
    """
    c, fallen = comparison, [each for each in watched if each.fell]
    outcome: Literal["promote", "hold", "roll back"] = "hold"
    if c.p_better <= alpha and c.difference > 0 and c.difference >= min_gain:
        outcome = "hold" if fallen else "promote"
    elif c.p_worse <= alpha and c.difference < 0:
        outcome = "roll back"
    sentence = _sentence(outcome, c, alpha, min_gain, fallen)
    return Decision(
        round=round_,
        arm=arm,
        outcome=outcome,
        comparison=c,
        alpha=alpha,
        min_gain=min_gain,
        adapter=adapter if outcome == "promote" else best,
        sentence=f"Round {round_}, {arm}: {sentence}",
        watched=tuple(watched),
    )


def _sentence(outcome: str, c: Comparison, alpha: float, min_gain: float, fallen: Sequence[Watched]) -> str:
    of = f" of {c.groups} groups" if c.groups else ""
    change = f"{100 * c.difference:+.1f} points on {c.n} dev problems{of} ({c.gained} gained, {c.lost} lost"
    if outcome == "promote":
        return f"promoted, {change}; p {p_text(c.p_better)})."
    if outcome == "roll back":
        return f"rolled back, {change}; p {p_text(c.p_worse)} of being worse). Its rows are set aside."
    if fallen and c.p_better <= alpha:
        return f"held, {change}; p {p_text(c.p_better)}), but {told(fallen)}."
    less = f"less than the {100 * min_gain:g} points asked for"
    if c.p_better <= alpha and c.difference > 0:
        return f"held, {change}; p {p_text(c.p_better)}), but {less}."
    if c.difference > 0:
        spread = (c.gained + c.lost) / c.n if c.spread is None else c.spread
        shown = f"A gain of this size shows from about {problems_needed(c.difference, spread, alpha)} dev problems on"
        p, needed = _apart(c.p_better, alpha)
        return f"held, {change}; p = {p}, needed {needed}). {shown}{f', {less}' if c.difference < min_gain else ''}."
    return f"held, {change}; p {p_text(c.p_better)}). Not better."


def _apart(p: float, alpha: float) -> tuple[str, str]:
    """Write two levels with so many digits that they differ, as the larger is too large.

    >>> _apart(0.02504, 0.025), _apart(0.0008, 0.0006)
    (('0.02504', '0.025'), ('0.0008', '0.0006'))
    """
    written = ((f"{p:.{digits}g}", f"{alpha:.{digits}g}") for digits in range(2, 17))
    return next((both for both in written if both[0] != both[1]), (repr(p), repr(alpha)))


def told(fallen: Sequence[Watched]) -> str:
    """Say what fell, in words.

    >>> told([Watched(name="pass@5", before=0.62, after=0.5, p_worse=0.001, fell=True)])
    'pass@5 fell from 62.0 to 50.0 %'
    """
    said = []
    for each in fallen:
        change = f"from {100 * each.before:.1f} to {100 * each.after:.1f} %"
        loss = f"rose from {each.before:.2f} to {each.after:.2f} nats a token"
        said.append(f"{each.name} {loss}" if each.name == "loss on the text" else f"{each.name} fell {change}")
    return ", ".join(said)


def p_text(p: float) -> str:
    """Write a p-value as people do.

    >>> p_text(0.00001), p_text(0.0312)
    ('< 0.001', '= 0.031')
    """
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"  # noqa: PLR2004
