"""What a curation asks of models beside votes: seeds solved, orders written, admitted problems reasoned through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from selfimprove import progress
from selfimprove.curating.library import Library
from selfimprove.curating.making import Made, Ordered
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.rows import Candidate, Order, Place, Rejected, Trace, Vote
from selfimprove.curating.tracing import Choice, trace
from selfimprove.curating.voting import Ballot
from selfimprove.errors import InputError
from selfimprove.labels.taxonomy import Cell
from selfimprove.programs.saved import program_in
from selfimprove.records import Problem, Sampling, digest

_CALLS: Final = 256
"""Orders, or problems to trace, under way together."""
_TRACING: Final = 0.7


def solve_seeds(nursery: Nursery, library: Library) -> Iterator[Vote]:
    """Let every solver of its sub-type solve each seed once."""
    ballots, forms = [], {}
    for cell in {cell.path: cell for cell in nursery.quotas}.values():
        for seed in library.seeds[cell.path]:
            one = _seed_candidate(seed, _as_answered(cell, seed))
            forms[seed.id] = library.form(one.place.cell)
            ballots += [Ballot(one, voter, 0) for voter in nursery.who(cell.path).solve]
    for votes in nursery.solvers().vote(ballots, forms):
        progress.current().advance(len(votes))
        yield from votes


def write_orders(nursery: Nursery, library: Library, orders: Sequence[Order], round_: int) -> Made:
    """Have orders written, each by the generator of its part of the taxonomy.

    Raises:
        InputError: it is the first round, and no reply holds a problem that can be used.
    """
    groups: dict[str, list[Ordered]] = defaultdict(list)
    for order in orders:
        groups[nursery.who(order.place.path).generate].append(_shown(nursery, library, order))
    made = Made([], [])
    with nursery.stage("generate", len(orders)) as watcher:
        for name, some in groups.items():
            for at in range(0, len(some), _CALLS):
                part = some[at : at + _CALLS]
                found = nursery.generator(name).generate(part, round_)
                made.candidates.extend(found.candidates)
                made.rejected.extend(found.rejected)
                watcher.advance(len(part))
    if not made.candidates and not library.yields:
        _refuse_silent(len(orders), made.rejected)
    return made


def _shown(nursery: Nursery, library: Library, order: Order) -> Ordered:
    """Give an order with what its call shows: its seed, and a few more of the sub-type."""
    cell = order.place.cell
    others = [each for each in library.seeds[cell.path] if each.id != order.seed]
    start = int(digest(order.id), 16) % max(1, len(others))
    examples = [*others[start:], *others[:start]][: nursery.config.grow.examples]
    return Ordered(order, library.problem(order.seed), tuple(examples), library.form(cell))


def _refuse_silent(orders: int, rejected: Sequence[Rejected]) -> None:
    """Refuse a generator of whose replies in the first round nothing can be used, and say why."""
    unread = sum(row.reason == "unreadable" for row in rejected)
    formless = len(rejected) - unread
    replies = f"the reply to {orders} order" if orders == 1 else f"the replies to {orders} orders"
    what = f"no problem could be read in {replies}"
    todo = "see that the generator (who.generate) answers, give it more max_tokens, or name another model"
    if formless:
        some = "1 problem was" if formless == 1 else f"{formless} problems were"
        empty = f", and {unread} held none that could be read" if unread else ""
        what = f"nothing in {replies} can be used: {some} read and refused for the form{empty}"
        todo = "see that the seeds' answers have the form that is wanted, or name another model in who.generate"
    first = next((row for row in rejected if not formless or row.reason != "unreadable"), None)
    said = f"; the first: {first.detail}, {first.text[:80]!r}" if first else ""
    raise InputError(f"{what}{said}; {todo}")


def trace_seeds(nursery: Nursery, library: Library) -> list[Trace]:
    """Have the seeds that count and bring no rationale reasoned through."""
    bare = [(cell, seed) for cell, seed in nursery.counted() if not seed.rationale]
    return trace_all(nursery, library, [_seed_candidate(seed, _as_answered(cell, seed)) for cell, seed in bare])


def trace_all(nursery: Nursery, library: Library, candidates: Sequence[Candidate]) -> list[Trace]:
    """Have problems reasoned through, by teacher and form of answers."""
    groups: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for one in candidates:
        groups[nursery.who(one.place.path).reason, library.form(one.place.cell).kind.name].append(one)
    made: list[Trace] = []
    with nursery.stage("trace", len(candidates)) as watcher:
        for (name, _), some in sorted(groups.items()):
            for at in range(0, len(some), _CALLS):
                part = some[at : at + _CALLS]
                made += _traced(nursery, library, name, part)
                watcher.advance(len(part))
    return made


def _traced(nursery: Nursery, library: Library, name: str, part: Sequence[Candidate]) -> list[Trace]:
    how = nursery.config.trace
    temperature, form = _TRACING if how.samples > 1 else 0.0, library.form(part[0].place.cell)
    return trace(
        part,
        form,
        nursery.models[name],
        Sampling(temperature=temperature, max_tokens=nursery.sampling[name].max_tokens),
        samples=how.samples,
        choice=cast("Choice", how.traces),
        scorer=nursery.scorer,
        program=program_in(nursery.programs, "reason", form),
        seed=nursery.config.curate.seed,
    )


def _as_answered(cell: Cell, seed: Problem) -> Place:
    """Give the place of a seed in the form that it is answered in, whatever the cells are divided by."""
    return Place.of(cell._replace(form=seed.labels.get("form", "")))


def _seed_candidate(seed: Problem, place: Place) -> Candidate:
    """Let a seed be voted on as a candidate is."""
    return Candidate(
        id=seed.id,
        problem=seed,
        place=place,
        seed="",
        root=seed.id,
        generation=0,
        order="",
        index=0,
        program="",
        model="",
        call="",
    )


def as_ordered(orders: Sequence[Order]) -> Callable[[Order], int]:
    """Keep the order in which they were drawn."""
    places = {order.id: at for at, order in enumerate(orders)}
    return lambda order: places[order.id]


def as_rejected(row: Rejected) -> tuple[str, int, str, str]:
    """Sort rejected rows by order and place in the reply."""
    return row.order, -1 if row.candidate is None else row.candidate.index, row.reason, row.text
