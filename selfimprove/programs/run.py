"""Run a program over many records in one batch: format all, complete, parse all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from selfimprove.programs.program import Program
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Message, Request, Sampling, digest

T = TypeVar("T")
_COMPLAINT = "complaint"
"""Input of programs that are told what was wrong with an earlier reply in a field of their own."""


class Item(NamedTuple):
    """One run of a program: about which problem, with which inputs, as which sample.

    Attributes:
        more: turns behind the prompt: an earlier reply, and what was wrong with it.
    """

    problem: str
    inputs: Mapping[str, Any]
    sample: int = 0
    attempt: int = 0
    more: tuple[Message, ...] = ()


class Complaint(str):
    """What is wrong with the form of a reply, as a sentence for the model."""

    __slots__ = ()


class Read(NamedTuple, Generic[T]):
    """What became of one item.

    Attributes:
        value: what was read; None is no verdict.
        completion: the last one.
        calls: keys of the ledger's rows.
        complaint: what was wrong with the last reply; empty where it was read.
    """

    value: T | None
    completion: Completion
    calls: tuple[str, ...]
    complaint: str


def seed_of(campaign_seed: int, problem: str, sample: int) -> int:
    """Give each (problem, sample) its own seed, in [0, 2**31)."""
    return int(digest(campaign_seed, problem, sample), 16) % 2**31


def request_of(program: Program, item: Item, sampling: Sampling, *, role: str = "", seed: int = 0) -> Request:
    """Write the request of one item, see `run`."""
    return Request(
        role=role or program.name,
        messages=(*program.messages(item.inputs), *item.more),
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


def run_read(
    program: Program,
    items: Sequence[Item],
    model: LanguageModel,
    sampling: Sampling,
    read: Callable[[int, Mapping[str, Any], Completion], T | Complaint],
    *,
    role: str = "",
    seed: int = 0,
) -> list[Read[T]]:
    """Complete every item and read it: one batch, and one more for replies that could not be read.

    The second try tells what was wrong: in the program's input `complaint` where it has one, else as a turn behind the
    first reply. What cannot be read then is no verdict.

    A student's drafts and attempts that are measured are not run so: keeping the form is part of what is measured.

    Args:
        program: whose prompt is rendered, and whose outputs are read.
        items: what it is run on, shape `[N]`.
        model: what completes.
        sampling: how.
        read: reads an item's outputs, by its index, or says what is wrong with them.
        role: what the ledger calls it; default: the program's name.
        seed: the campaign's.
    """
    found: dict[int, Read[T]] = {}
    asked = dict(enumerate(items))
    for _ in range(2):
        replies = run(program, list(asked.values()), model, sampling, role=role, seed=seed)
        again: dict[int, Item] = {}
        for index, reply in zip(list(asked), replies, strict=True):
            before = found[index].calls if index in found else ()
            calls = (*before, reply.call) if reply.call else before
            got = _got(index, program, reply, read)
            if isinstance(got, Complaint):
                found[index] = Read(None, reply, calls, str(got))
                if reply.finish_reason != "error":  # whose model was asked again behind the ledger
                    again[index] = _again(program, asked[index], reply, got)
            else:
                found[index] = Read(got, reply, calls, "")
        asked = again
    return [found[index] for index in range(len(items))]


def _got(
    index: int,
    program: Program,
    reply: Completion,
    read: Callable[[int, Mapping[str, Any], Completion], T | Complaint],
) -> T | Complaint:
    if reply.finish_reason == "error":
        return Complaint("There was no reply.")
    return read(index, program.parse(reply.text), reply)


def _again(program: Program, item: Item, reply: Completion, complaint: str) -> Item:
    """Give the second try of an item."""
    if _COMPLAINT in program.predict.signature.input_fields:
        return item._replace(inputs={**item.inputs, _COMPLAINT: complaint}, attempt=item.attempt + 1)
    told = f"{complaint} Write the whole reply again."
    more = (Message(role="assistant", content=reply.text or "(nothing)"), Message(role="user", content=told))
    return item._replace(more=more, attempt=item.attempt + 1)
