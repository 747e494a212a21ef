"""Growing a library of problems to its quotas, a round at a time.

::

    open -> plan -> (orders? generate : finish) -> screen -> solve -> (votes open? solve : check) -> (open? check : admit)
    admit -> trace -> plan

State holds the number of the round; rows are in its folder. A round that has its last file is over; a process that was
killed goes on in the round it was in: what is written is read, every paid call is found in the ledger, and what was
asked of a model that answers batch by batch is asked again from the batch it was in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final, Literal, TypedDict, cast

from langgraph.graph import END, START, StateGraph

from selfimprove import progress
from selfimprove.curating.admitting import Panel, admit, screen
from selfimprove.curating.diversity import collapsed
from selfimprove.curating.forms import form_of
from selfimprove.curating.library import Library, leaf_name
from selfimprove.curating.making import Ordered
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.orders import deficits, order_round
from selfimprove.curating.rows import Candidate, Grown, Order, Place, Rejected, Trace, Vote
from selfimprove.curating.tracing import Choice, trace
from selfimprove.curating.trust import Prior, Rule, estimate, pattern_of
from selfimprove.curating.voting import Ballot
from selfimprove.curating.writing import write_curated
from selfimprove.curating.yields import RoundYield, count_round, given_up
from selfimprove.errors import InputError
from selfimprove.graphs.wiring import add_nodes
from selfimprove.labels.taxonomy import Path
from selfimprove.records import Problem, Sampling, digest

STEPS: Final = 1_000_000
"""Recursion limit that no curation reaches."""
_CALLS: Final = 256
"""Orders, or problems to trace, under way together."""
_ALARMS: Final = 3
_TRACING: Final = 0.7
Role = Literal["solve", "check"]
_ROLES: Final[tuple[Role, ...]] = ("solve", "check")
_PRIORS: Final[dict[Role, Prior]] = {"solve": Prior(), "check": Prior(right=0.85, wrong=0.2, share=0.85)}
"""Of voters, before any vote."""
_SETTLED: Final = 2_000
"""Candidates whose votes say enough of the voters: from then on they are judged by finished rounds alone."""


class CurateState(TypedDict, total=False):
    """Handles of a curation; nothing need be given."""

    round: int
    orders: int
    """Calls of the generator in this round."""
    open: int
    """Votes that the next pass asks for."""
    ended: str
    """Why no more is ordered; empty while there is."""


def round_place(round_: int) -> str:
    """Give a round's folder, relative to the folder of the curation."""
    return f"round-{round_:03d}"


def build_curate(nursery: Nursery) -> StateGraph[Any]:
    """Wire a curation; compile it with or without a checkpointer, and invoke it with `recursion_limit=STEPS`."""
    work = _Work(nursery)
    graph: StateGraph[Any] = StateGraph(CurateState)
    names = ("open", "plan", "generate", "screen", "solve", "check", "admit", "trace", "finish")
    add_nodes(graph, {name: getattr(work, f"{name}_") for name in names})
    graph.add_edge(START, "open")
    graph.add_edge("open", "plan")
    graph.add_conditional_edges("plan", lambda state: "generate" if state["orders"] else "finish", ["generate", "finish"])
    graph.add_edge("generate", "screen")
    graph.add_edge("screen", "solve")
    graph.add_conditional_edges("solve", lambda state: "solve" if state["open"] else "check", ["solve", "check"])
    graph.add_conditional_edges("check", lambda state: "check" if state["open"] else "admit", ["check", "admit"])
    graph.add_edge("admit", "trace")
    graph.add_edge("trace", "plan")
    graph.add_edge("finish", END)
    return graph


@dataclass
class _Round:
    """What is held of the round under way."""

    number: int
    candidates: list[Candidate]
    rules: dict[Role, Rule]
    panels: dict[Role, Panel] = field(default_factory=dict)
    votes: dict[Role, dict[str, list[Vote]]] = field(default_factory=lambda: {"solve": {}, "check": {}})
    passes: dict[Role, int] = field(default_factory=lambda: {"solve": 0, "check": 0})


class _Work:
    """The nodes, and what they remember; all of it can be read again from the files."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery = nursery
        self.folder = nursery.folder
        self._library: Library | None = None
        self._round: _Round | None = None

    @property
    def library(self) -> Library:
        """What is known after the finished rounds."""
        if self._library is None:
            self._library = self.nursery.library()
        return self._library

    def open_(self, _: CurateState) -> dict[str, Any]:
        """Take the finished rounds in, and let solvers show on the seeds how right they are."""
        library, done = self.library, len(self.library.yields)
        for number in count(done + 1):
            if not self.folder.has(f"{round_place(number)}/yield.json"):
                break
            self._take_in(number)
        if not self.folder.has("known.jsonl"):
            with self.nursery.stage("solve seeds", len(self.nursery.seeds)):
                self.folder.write_rows("known.jsonl", self._known(), by=lambda vote: (vote.candidate, vote.voter))
        paths = {seed.id: path for path, some in library.seeds.items() for seed in some}
        for vote in self.folder.rows("known.jsonl", Vote):
            if vote.verdict.decided:
                library.answers.add_known(leaf_name(paths[vote.candidate]), vote.voter, agrees=vote.verdict == "correct")
        return {"round": len(library.yields) + 1, "orders": 0, "open": 0, "ended": ""}

    def plan_(self, state: CurateState) -> dict[str, Any]:
        """Order what the largest deficits take, or say why nothing more is ordered."""
        number, library, grow = state["round"], self.library, self.nursery.config.grow
        name = f"{round_place(number)}/orders.jsonl"
        if self.folder.has(name):
            orders = self.folder.rows(name, Order)
            library.note(number, orders, drawn=False)
            return {"orders": len(orders)}
        closed = given_up(library.yields, grow.floor, grow.floor_after)
        needs = deficits(self.nursery.quotas, library.there, closed)
        ended = "" if needs else "yield" if deficits(self.nursery.quotas, library.there) else "quotas"
        if number > grow.rounds:
            ended = ended or "rounds"
        if ended:
            return {"orders": 0, "ended": ended}
        seed = self.nursery.config.curate.seed
        orders = order_round(needs, library.herds, library.by_cell(), self.nursery.growth(), seed)
        library.note(number, orders, drawn=True)
        self.folder.write_rows(name, orders, by=_as_ordered(orders))
        wanted = sum(order.variants for order in orders)
        progress.current().say(f"round {number}: {len(needs)} cells lack problems, {wanted} are ordered")
        return {"orders": len(orders)}

    def generate_(self, state: CurateState) -> dict[str, Any]:
        """Have the orders written."""
        place = round_place(state["round"])
        if self.folder.has(f"{place}/unread.jsonl"):
            return {}
        candidates: list[Candidate] = []
        rejected: list[Rejected] = []
        ordered = [self._shown(order) for order in self.folder.rows(f"{place}/orders.jsonl", Order)]
        with self.nursery.stage("generate", len(ordered)) as watcher:
            for name, some in self._by_generator(ordered):
                for at in range(0, len(some), _CALLS):
                    made = self.nursery.generator(name).generate(some[at : at + _CALLS], state["round"])
                    candidates += made.candidates
                    rejected += made.rejected
                    watcher.advance(len(some[at : at + _CALLS]))
        if not candidates and not self.library.yields:
            self._refuse_silent(rejected)
        self.folder.write_rows(f"{place}/candidates.jsonl", candidates, by=lambda c: (c.order, c.index))
        self.folder.write_rows(f"{place}/unread.jsonl", rejected, by=lambda r: (r.order, r.reason, r.text))
        return {}

    def screen_(self, state: CurateState) -> dict[str, Any]:
        """Refuse what needs no votes."""
        number, place, nursery = state["round"], round_place(state["round"]), self.nursery
        if not self.folder.has(f"{place}/refused.jsonl"):
            candidates = self.folder.rows(f"{place}/candidates.jsonl", Candidate)
            with nursery.stage("screen", len(candidates)):
                found = screen(candidates, self.library.seen, nursery.guard, nursery.check_of, leaf_name, number)
            self.folder.write_rows(f"{place}/screened.jsonl", found.passed, by=lambda c: (c.order, c.index))
            self.folder.write_rows(f"{place}/refused.jsonl", found.rejected, by=_as_rejected)
        self._begin(number)
        return {}

    def solve_(self, state: CurateState) -> dict[str, Any]:
        """Ask for the votes on answers that are wanted, once."""
        now = self._now(state["round"])
        open_ = [one for one in now.candidates if not self._is_known(one.problem, one.place.path)]
        forms = {one.id: self.library.form(one.place.cell) for one in open_}
        return self._vote("solve", now, open_, partial(self.nursery.solvers().vote, forms=forms))

    def check_(self, state: CurateState) -> dict[str, Any]:
        """Ask for the votes on labels that are wanted, once, of what has a right answer."""
        now = self._now(state["round"])
        if not self.nursery.config.admit.label_votes:
            return {"open": 0}
        votes, answers = now.votes["solve"], now.panels["solve"]
        right = [
            one
            for one in now.candidates
            if self._is_known(one.problem, one.place.path) or answers.ruling(one, votes.get(one.id, ()))[1] == "yes"
        ]
        return self._vote("check", now, right, self.nursery.checkers().vote)

    def admit_(self, state: CurateState) -> dict[str, Any]:
        """Let in what is right, up to the quotas, and write why the rest is not."""
        now, place, library = self._now(state["round"]), round_place(state["round"]), self.library
        room = {cell: wanted - library.there[cell] for cell, wanted in self.nursery.quotas.items()}
        made = admit(
            now.candidates,
            now.panels["solve"],
            now.votes["solve"],
            now.panels["check"] if self.nursery.config.admit.label_votes else None,
            now.votes["check"],
            self._is_known,
            room,
            now.number,
        )
        before = [row for name in ("unread", "refused") for row in self.folder.rows(f"{place}/{name}.jsonl", Rejected)]
        rejected = [*before, *made.rejected]
        self.folder.write_rows(f"{place}/grown.jsonl", made.grown, by=lambda g: (g.candidate.order, g.candidate.index))
        self.folder.write_rows(f"{place}/rejected.jsonl", rejected, by=_as_rejected)
        missing = sum(max(0, left) for left in room.values()) - len(made.grown)
        progress.current().say(f"round {now.number}: {len(made.grown)} admitted, {missing} still missing")
        self._round = None
        return {}

    def trace_(self, state: CurateState) -> dict[str, Any]:
        """Have what was admitted reasoned through, where asked for; count the round, which is over then."""
        number, place = state["round"], round_place(state["round"])
        orders = self.folder.rows(f"{place}/orders.jsonl", Order)
        grown = self.folder.rows(f"{place}/grown.jsonl", Grown)
        rejected = self.folder.rows(f"{place}/rejected.jsonl", Rejected)
        if self.nursery.config.trace.traces != "off" and not self.folder.has(f"{place}/traces.jsonl"):
            self.folder.write_rows(f"{place}/traces.jsonl", self._traces(grown))
        counted = count_round(number, orders, grown, rejected)
        self.folder.write_json(f"{place}/yield.json", counted)
        self.library.finish(number, orders, grown, rejected, counted)
        self._warn()
        return {"round": number + 1}

    def finish_(self, state: CurateState) -> dict[str, Any]:
        """Write the library and what became of every candidate."""
        with self.nursery.stage("write"):
            write_curated(self.nursery, self.library, len(self.library.yields), state["ended"])
        return {}

    def _take_in(self, number: int) -> None:
        place = round_place(number)
        self.library.finish(
            number,
            self.folder.rows(f"{place}/orders.jsonl", Order),
            self.folder.rows(f"{place}/grown.jsonl", Grown),
            self.folder.rows(f"{place}/rejected.jsonl", Rejected),
            self.folder.record(f"{place}/yield.json", RoundYield),
        )

    def _warn(self) -> None:
        """Say where the newest problems repeat each other."""
        newest = {one.generation for one in self.library.yields[-1].yields}
        spreads = [one for one in self.library.spread.spreads() if one.generation in {0, 1, *newest}]
        for alarm in collapsed(spreads, self.nursery.config.grow.collapse)[:_ALARMS]:
            progress.current().say(alarm)

    def _known(self) -> Iterator[Vote]:
        """Let every solver of its sub-type solve each seed once."""
        nursery, library = self.nursery, self.library
        ballots, forms = [], {}
        for cell in {cell.path: cell for cell in nursery.quotas}.values():
            for seed in library.seeds[cell.path]:
                one = _seed_candidate(seed, Place.of(cell))
                forms[seed.id] = form_of(cell._replace(form=seed.labels.get("form", "")), library.seeds[cell.path])
                ballots += [Ballot(one, voter, 0) for voter in nursery.who(cell.path).solve]
        for votes in nursery.solvers().vote(ballots, forms):
            progress.current().advance(len(votes))
            yield from votes

    def _shown(self, order: Order) -> Ordered:
        """Give an order with what its call shows: its seed, and a few more of the sub-type."""
        library, cell = self.library, order.place.cell
        others = [each for each in library.seeds[cell.path] if each.id != order.seed]
        start = int(digest(order.id), 16) % max(1, len(others))
        examples = [*others[start:], *others[:start]][: self.nursery.config.grow.examples]
        return Ordered(order, library.problem(order.seed), tuple(examples), library.form(cell))

    def _by_generator(self, ordered: Sequence[Ordered]) -> list[tuple[str, list[Ordered]]]:
        groups: dict[str, list[Ordered]] = defaultdict(list)
        for one in ordered:
            groups[self.nursery.who(one.order.place.path).generate].append(one)
        return list(groups.items())

    def _refuse_silent(self, rejected: Sequence[Rejected]) -> None:
        """Refuse a generator whose every reply of the first round holds nothing."""
        first = next((row for row in rejected), None)
        said = f"; the first: {first.detail}, {first.text[:80]!r}" if first else ""
        raise InputError(
            f"no problem could be read in the replies to {len(rejected)} orders{said}; see that the generator (who.generate) "
            "answers, give it more max_tokens, or name another model"
        )

    def _is_known(self, problem: Problem, path: Path) -> bool:
        """Say whether a check shows the stated answer to be right, so that nobody need vote."""
        check = self.nursery.check_of(path)
        return check is not None and check(problem) is True

    def _begin(self, number: int) -> _Round:
        """Hold the round that is to be voted on, with the votes that were written."""
        nursery, place = self.nursery, round_place(number)
        rules = dict(zip(_ROLES, nursery.rules(), strict=True))
        now = _Round(number, self.folder.rows(f"{place}/screened.jsonl", Candidate), rules)
        for role, votes in now.votes.items():
            while self.folder.has(name := f"{place}/{role}-{now.passes[role]:02d}.jsonl"):
                for vote in self.folder.rows(name, Vote):
                    votes.setdefault(vote.candidate, []).append(vote)
                now.passes[role] += 1
            self._learn(now, role)
        self._round = now
        return now

    def _learn(self, now: _Round, role: Role) -> None:
        """Judge voters by all votes so far: while there are few, those of the round under way are among them."""
        tally = self.library.answers if role == "solve" else self.library.labels
        if role in now.panels and tally.size >= _SETTLED:
            return
        if tally.size < _SETTLED:
            paths = {one.id: one.place.path for one in now.candidates}
            tally = tally.copy()
            for candidate, votes in now.votes[role].items():
                tally.add(leaf_name(paths[candidate]), pattern_of(votes))
        known = estimate(tally, now.rules[role], _PRIORS[role])
        now.panels[role] = Panel(self.nursery.voters(role), known, now.rules[role], leaf_name)

    def _now(self, number: int) -> _Round:
        found = self._round
        return found if found is not None and found.number == number else self._begin(number)

    def _vote(
        self,
        role: Role,
        now: _Round,
        candidates: Sequence[Candidate],
        ask: Callable[[Sequence[Ballot]], Iterator[list[Vote]]],
    ) -> dict[str, Any]:
        """Ask for one pass of votes and write them; `open` counts those that the next pass asks for."""
        wanted = now.panels[role].wanted(candidates, now.votes[role])
        if not wanted:
            return {"open": 0}
        made: list[Vote] = []
        with self.nursery.stage(role, len(wanted)) as watcher:
            for votes in ask(wanted):
                made += votes
                watcher.advance(len(votes))
        name = f"{round_place(now.number)}/{role}-{now.passes[role]:02d}.jsonl"
        made.sort(key=lambda vote: (vote.candidate, vote.voter, vote.sample))  # as they are read from the file
        self.folder.write_rows(name, made, by=lambda vote: (vote.candidate, vote.voter, vote.sample))
        now.passes[role] += 1
        for vote in made:
            now.votes[role].setdefault(vote.candidate, []).append(vote)
        self._learn(now, role)
        return {"open": len(now.panels[role].wanted(candidates, now.votes[role]))}

    def _traces(self, grown: Sequence[Grown]) -> list[Trace]:
        """Have admitted problems reasoned through, by teacher and form of answers."""
        nursery, how = self.nursery, self.nursery.config.trace
        groups: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
        for row in grown:
            one = row.candidate
            groups[nursery.who(one.place.path).reason, self.library.form(one.place.cell).kind.name].append(one)
        made: list[Trace] = []
        with nursery.stage("trace", len(grown)) as watcher:
            for (name, _), some in sorted(groups.items()):
                form = self.library.form(some[0].place.cell)
                sampling = Sampling(temperature=_TRACING if how.samples > 1 else 0, max_tokens=nursery.sampling[name].max_tokens)
                for at in range(0, len(some), _CALLS):
                    part = some[at : at + _CALLS]
                    made += trace(
                        part,
                        form,
                        nursery.models[name],
                        sampling,
                        samples=how.samples,
                        choice=cast("Choice", how.traces),
                        scorer=nursery.scorer,
                        programs=nursery.programs,
                        seed=nursery.config.curate.seed,
                    )
                    watcher.advance(len(part))
        return made


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


def _as_ordered(orders: Sequence[Order]) -> Callable[[Order], int]:
    """Keep the order in which they were drawn."""
    places = {order.id: at for at, order in enumerate(orders)}
    return lambda order: places[order.id]


def _as_rejected(row: Rejected) -> tuple[str, int, str, str]:
    return row.order, -1 if row.candidate is None else row.candidate.index, row.reason, row.text
