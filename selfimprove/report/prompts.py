"""The prompts in force, read from what a run folder froze."""

from __future__ import annotations

from selfimprove.graphs.places import round_folder
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.programs.saved import Card
from selfimprove.records import Interval
from selfimprove.report.prompts_schema import ProgramSummary
from selfimprove.store import RunFolder


def programs_of(folder: RunFolder, rounds: int) -> tuple[ProgramSummary, ...]:
    """List the optimised prompts that a campaign began with, and those that its rounds put in their place, in order.

    Args:
        folder: of the run.
        rounds: that may have optimised some.
    """
    found: list[ProgramSummary] = []
    last: dict[str, Card] = {}
    for since in range(rounds + 1):
        name = f"{round_folder(since)}/{FROZEN}" if since else FROZEN
        if not folder.has(name):
            continue
        for program, card in sorted(folder.record(name, Frozen).cards.items()):
            if last.get(program) != card:
                last[program] = card
                found.append(_summary(card, since))
    return tuple(found)


def _summary(card: Card, since: int) -> ProgramSummary:
    return ProgramSummary(
        program=card.program,
        since=since,
        optimizer=card.optimizer,
        metric=card.metric,
        model=card.model,
        held_out=card.held_out,
        before=card.before.score,
        before_interval=_pair(card.before.interval),
        after=card.after.score,
        after_interval=_pair(card.after.interval),
        gain=card.gain.difference,
        gain_interval=_pair(card.gain.interval),
        date=card.date,
    )


def _pair(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
