"""What a report says of prompts that were optimised."""

from __future__ import annotations

from selfimprove.report.part import Part


class ProgramSummary(Part):
    """A prompt that an optimiser improved, and what its card proves."""

    program: str
    since: int
    """Round that put it in force; 0: the campaign began with it."""
    optimizer: str
    metric: str
    model: str
    """What ran it."""
    held_out: int
    """Cases that both scores are of."""
    before: float
    """The metric's mean with the plain prompt."""
    before_interval: tuple[float, float]
    after: float
    """The metric's mean with this one."""
    after_interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]
    date: str = ""
    """Day it was made, as YYYY-MM-DD; empty: in the round that put it in force."""
