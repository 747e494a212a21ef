"""A training, asked for and finished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from selfimprove.records.base import Record

Method = Literal["sft", "dpo", "kto", "grpo", "rloo", "distill", "prm"]
"""The trainers, each a module of its name."""


class TrainingJob(Record):
    """Everything a training process needs: it starts from this file alone."""

    model: str
    """Folder of the base model; empty where it is not here, for a trainer of one's own."""
    start: str = ""
    """Folder of the adapter to go on from; empty: a new one."""
    rows: str
    """File of `TrackRow`s."""
    out: str
    """Folder that appears, whole, when training has ended."""
    method: Method = "sft"
    program_state: Mapping[str, str] = Field(default_factory=dict)
    """Program name to its saved state (JSON), so that rows are rendered as in evaluation."""
    settings: Mapping[str, object] = Field(default_factory=dict)
    trained_tokens: int = 0
    """Stop after this many tokens that carry loss; 0: by epochs."""
    render_hash: str = ""
    seed: int = 0


class Adapter(Record):
    """A finished training: where its weights lie and what it took. Times are in the ledger and the log."""

    path: str
    rows: int
    trained_tokens: int
    """Tokens that carried loss, over all steps."""
    seen_tokens: int
    """Tokens processed, prompts counted in."""
    steps: int
    loss: float
    render_hash: str
    informative_groups: float | None = None
    """Share of the groups of tries that held both right and wrong ones; None where it does not practise."""
    alarms: tuple[str, ...] = ()
    """What went wrong on the way, a sentence each."""
