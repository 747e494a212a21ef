"""Generate: a model writes variants of a seed; a reply that cannot be read is asked for once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from selfimprove.curating.forms import Form
from selfimprove.curating.reading import built
from selfimprove.curating.rows import Candidate, Order, Rejected
from selfimprove.programs import Item, Program, plain, run, stated
from selfimprove.programs.written import read_problems
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Problem, Sampling

_SHOWN: Final = 300
_TRIES: Final = 2
_CHANGES: Final = {
    True: "The story or the numbers; do not repeat the example.",
    False: "More than the numbers: another setting, other things, another way to ask.",
}


class Ordered(NamedTuple):
    """An order with what its call shows."""

    order: Order
    seed: Problem
    examples: tuple[Problem, ...]
    form: Form


class Made(NamedTuple):
    """What came of orders."""

    candidates: list[Candidate]
    rejected: list[Rejected]


@dataclass(frozen=True)
class Generator:
    """Writes variants of seeds with a language model.

    Args:
        model: what writes; behind the ledger, each call is made once and within the budget.
        sampling: how.
        numbers_only: whether other numbers alone make a new problem.
        program: its prompt, for one that an optimiser improved.
        seed: of the whole curation.
    """

    model: LanguageModel
    sampling: Sampling
    numbers_only: bool = True
    program: Program = field(default_factory=lambda: plain("generate"))
    seed: int = 0

    def generate(self, ordered: Sequence[Ordered], round_: int) -> Made:
        """Have every order written, in one batch and one more for replies that could not be read."""
        made, asked = Made([], []), [(one, "") for one in ordered]
        for attempt in range(_TRIES):
            items = [self._item(one, complaint, attempt) for one, complaint in asked]
            again: list[tuple[Ordered, str]] = []
            for (one, _), reply in zip(
                asked, run(self.program, items, self.model, self.sampling, seed=self.seed), strict=True
            ):
                if not self._take(one, reply, round_, made):
                    again.append((one, _complaint(reply)))
                    if attempt == _TRIES - 1:
                        made.rejected.extend(_unread(one.order, reply, round_))
            asked = again
        return made

    def _item(self, ordered: Ordered, complaint: str, attempt: int) -> Item:
        order = ordered.order
        traits = (order.place.difficulty, order.place.key_stage)
        inputs = {
            "kind": ", ".join([" > ".join(order.place.path), *filter(None, traits)]),
            "example": shown(ordered.seed),
            "more_examples": "\n\n".join(shown(each) for each in ordered.examples),
            "form": ordered.form.told,
            "changes": _CHANGES[self.numbers_only],
            "count": f"{order.variants} problems" if order.variants > 1 else "one problem",
            "complaint": complaint,
        }
        return Item(order.seed, inputs, sample=order.sample, attempt=attempt)

    def _take(self, ordered: Ordered, reply: Completion, round_: int, made: Made) -> bool:
        """Read a reply, and say whether there was a problem in it."""
        order = ordered.order
        if reply.finish_reason == "error":
            return False
        found = read_problems(
            str(self.program.parse(reply.text)["problems"]), choices=ordered.form.kind.name == "choice"
        )
        if reply.finish_reason == "length" and found and reply.text.rstrip().endswith(found[-1].answer):
            found = found[:-1]  # its answer may be cut
        for index, written in enumerate(found[: order.variants]):
            problem = built(written, ordered.form.kind, order.place.cell.labels)
            if isinstance(problem, str):
                made.rejected.append(_rejected(order, "structure", problem, round_, reply, written.question))
                continue
            made.candidates.append(self._candidate(order, problem, index, reply))
        return bool(found)

    def _candidate(self, order: Order, problem: Problem, index: int, reply: Completion) -> Candidate:
        return Candidate(
            id=problem.id,
            problem=problem,
            place=order.place,
            seed=order.seed,
            root=order.root,
            generation=order.generation,
            order=order.id,
            index=index,
            program=f"{self.program.name}#{self.program.hash()}",
            model=reply.model or self.model.identity,
            call=reply.call,
        )


def shown(problem: Problem) -> str:
    """Write a problem with its answer, as a reply is to be written."""
    return f"Problem: {stated(problem)}\nAnswer: {problem.answer}"


def _complaint(reply: Completion) -> str:
    if reply.finish_reason == "error" or not reply.text.strip():
        return "There was no reply."
    if reply.finish_reason == "length":
        return "The reply was cut off before the first problem ended; write shorter."
    return 'No problem was found; begin each with "Problem:" and end it with one line "Answer:".'


def _unread(order: Order, reply: Completion, round_: int) -> list[Rejected]:
    why = reply.error or ("cut off" if reply.finish_reason == "length" else "no problem in the reply")
    return [_rejected(order, "unreadable", why, round_, reply, reply.text)]


def _rejected(order: Order, reason: str, detail: str, round_: int, reply: Completion, text: str) -> Rejected:
    return Rejected.model_validate(
        {
            "reason": reason,
            "detail": detail,
            "round": round_,
            "place": order.place,
            "generation": order.generation,
            "seed": order.seed,
            "order": order.id,
            "call": reply.call,
            "text": text[:_SHOWN],
        }
    )
