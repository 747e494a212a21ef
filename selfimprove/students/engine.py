"""Continuous batching: a queue of prompts, a few slots, one token for all running rows at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from selfimprove import progress
from selfimprove.records import Request

VERSION = "slots-2"
"""Part of a student's identity: a change that alters its completions has a new one."""
_ADMIT_SHARE = 8
"""New prompts are read when one slot in so many is free, several in one pass."""


class Memory(Protocol):
    """What remembers the running rows, see `SlotMemory`."""

    slots: int

    def share(self, prompts: Sequence[Sequence[int]]) -> None:
        """Read what all prompts begin with."""
        ...

    def admissible(self, queue: Sequence[Sequence[int]]) -> int:
        """Say how many may join now."""
        ...

    def admit(self, prompts: Sequence[Sequence[int]]) -> None:
        """Read prompts up to their last token."""
        ...

    def decode(self, tokens: Sequence[int]) -> Any:
        """Read a token a row, give the next logits."""
        ...

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop rows, give the new order of the others."""
        ...


@dataclass(frozen=True)
class Job:
    """One completion to generate."""

    prompt: tuple[int, ...]
    limit: int
    """Tokens at most, at least 1."""
    temperature: float
    top_p: float
    seed: int
    """64 bits; see `row_seed`."""
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generated:
    """What became of a job."""

    text: str
    tokens: int
    """Generated, the end token counted in."""
    finish_reason: Literal["stop", "length"]
    mean_logprob: float
    lowest_logprob: float
    ids: tuple[int, ...]
    """Generated, the end token counted in."""


@dataclass
class _Row:
    """A job that runs."""

    index: int
    job: Job
    next: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    """Sum over the tokens."""
    lowest: float = 0.0


def row_seed(request: Request) -> int:
    """Give 64 bits from what makes a completion its own: seed, problem, sample, attempt, messages, prefix."""
    turns = [(message.role, message.content) for message in request.messages]
    begun = [request.prefix] if request.prefix else []
    drawn = (request.seed, request.problem, request.sample, request.attempt, turns, *begun)
    return int.from_bytes(hashlib.sha256(repr(drawn).encode()).digest()[:8], "big")


class Engine:
    """Runs jobs to their end on one memory.

    Args:
        memory: where the running rows are remembered.
        ends: ids of the tokens that end a completion.
        decode: turns token ids into text, special tokens left out.
    """

    def __init__(self, memory: Memory, ends: frozenset[int], decode: Callable[[list[int]], str]) -> None:
        self.memory, self.ends, self.decode = memory, ends, decode

    def run(self, jobs: Sequence[Job]) -> list[Generated]:
        """Complete every job; results in the order of the jobs.

        Long prompts go first: the width of attention then shrinks as the queue empties, and the few
        rows that end last are short ones.
        """
        import torch

        done: dict[int, Generated] = {}
        queue = sorted(range(len(jobs)), key=lambda index: (-len(jobs[index].prompt), jobs[index].prompt, index))
        running: list[_Row] = []
        with torch.inference_mode():
            if jobs:
                self.memory.share([job.prompt for job in jobs])
            while queue or running:
                queue = self._admit(jobs, queue, running)
                self._step(running)
                finished = self._finish(running)
                done.update(finished)
                progress.current().advance(done=len(finished), tokens=len(running))
                if finished:
                    kept = self.memory.keep([i for i, row in enumerate(running) if row.index not in finished])
                    running = [running[i] for i in kept]
        return [done[index] for index in range(len(jobs))]

    def _admit(self, jobs: Sequence[Job], queue: list[int], running: list[_Row]) -> list[int]:
        """Let jobs from the head of the queue in, when enough of them can be read together."""
        many = self.memory.admissible([jobs[index].prompt for index in queue[: self.memory.slots]])
        if not many or (running and many < min(len(queue), max(1, self.memory.slots // _ADMIT_SHARE))):
            return queue
        self.memory.admit([jobs[index].prompt for index in queue[:many]])
        running += [_Row(index, jobs[index], jobs[index].prompt[-1]) for index in queue[:many]]
        return queue[many:]

    def _step(self, running: list[_Row]) -> None:
        """Generate one token for every running row."""
        import torch

        from selfimprove.students.sampling import draw, uniforms

        logits = self.memory.decode([row.next for row in running])
        chance = uniforms([row.job.seed for row in running], [len(row.tokens) for row in running])
        drawn = draw(
            logits,
            torch.tensor([row.job.temperature for row in running], device=logits.device),
            torch.tensor([row.job.top_p for row in running], device=logits.device),
            torch.from_numpy(chance).to(logits.device),
        )
        for row, token, logprob in zip(running, drawn.tokens, drawn.logprobs, strict=True):
            row.next = token
            row.tokens.append(token)
            row.logprob += logprob
            row.lowest = min(row.lowest, logprob)

    def _finish(self, running: list[_Row]) -> dict[int, Generated]:
        """Give the rows that have just ended, by the index of their job."""
        ended = {}
        for row in running:
            stopped = row.next in self.ends
            cut = None if stopped else self._cut(row)
            if stopped or cut is not None or len(row.tokens) >= row.job.limit:
                text = self.decode(row.tokens[:-1] if stopped else row.tokens) if cut is None else cut
                reason: Literal["stop", "length"] = "stop" if stopped or cut is not None else "length"
                made = len(row.tokens)
                ended[row.index] = Generated(text, made, reason, row.logprob / made, row.lowest, tuple(row.tokens))
        return ended

    def _cut(self, row: _Row) -> str | None:
        """Give the text before a stop string, if one has just been completed."""
        if not row.job.stop:
            return None
        tail = self.decode(row.tokens[-(4 * max(map(len, row.job.stop)) + 8) :])
        if not any(mark in tail for mark in row.job.stop):
            return None
        text = self.decode(row.tokens)
        places = [text.find(mark) for mark in row.job.stop if mark in text]
        return text[: min(places)] if places else None
