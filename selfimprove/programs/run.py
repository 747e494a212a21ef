"""Run a program over many records in one batch: format all, complete, parse all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from selfimprove.programs.program import Program
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Request, Sampling, digest


class Item(NamedTuple):
    """One run of a program: about which problem, with which inputs, as which sample."""

    problem: str
    inputs: Mapping[str, Any]
    sample: int = 0
    attempt: int = 0


def seed_of(campaign_seed: int, problem: str, sample: int) -> int:
    """Give each (problem, sample) its own seed, in [0, 2**31)."""
    return int(digest(campaign_seed, problem, sample), 16) % 2**31


def request_of(program: Program, item: Item, sampling: Sampling, *, role: str = "", seed: int = 0) -> Request:
    """Write the request of one item, see `run`."""
    return Request(
        role=role or program.name,
        messages=program.messages(item.inputs),
        sampling=sampling,
        problem=item.problem,
        sample=item.sample,
        attempt=item.attempt,
        seed=seed_of(seed, item.problem, item.sample) if sampling.temperature else 0,
    )


def run(
    program: Program, items: Sequence[Item], model: LanguageModel, sampling: Sampling, *, role: str = "", seed: int = 0
) -> list[Completion]:
    """Complete every item in one batch, in order.

    Args:
        program: whose prompt is rendered.
        items: what it is run on, shape `[N]`.
        model: what completes.
        sampling: how.
        role: what the ledger calls it; default: the program's name.
        seed: the campaign's; each (problem, sample) gets its own from it.
    """
    requests = [request_of(program, item, sampling, role=role, seed=seed) for item in items]
    return model.complete(requests) if requests else []
