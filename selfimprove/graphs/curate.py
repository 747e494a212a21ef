"""Growing a library of problems to its quotas, a round at a time.

::

    open -> plan -> (orders? generate : finish) -> screen -> solve -> (votes open? solve : check)
    check -> (votes open? check : admit) -> trace -> plan

State holds the number of the round; rows are in its folder. A round that has its last file is over; a process that was
killed goes on in the round it was in: what is written is read, every paid call is found in the ledger, and what was
asked of a model that answers batch by batch is asked again from the batch it was in.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any, Final, TypedDict

from langgraph.graph import END, START, StateGraph

from selfimprove import progress
from selfimprove.curating.admitting import admit, screen
from selfimprove.curating.diversity import collapsed
from selfimprove.curating.library import Library, leaf_name
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.orders import deficits, order_round
from selfimprove.curating.rows import Candidate, Grown, Order, Rejected, Vote
from selfimprove.curating.writing import SEED_TRACES, write_curated
from selfimprove.curating.yields import RoundYield, count_round, given_up
from selfimprove.graphs.curate_calls import as_ordered, as_rejected, solve_seeds, trace_all, trace_seeds, write_orders
from selfimprove.graphs.curate_votes import Polling, round_place
from selfimprove.graphs.wiring import add_nodes

_ALARMS: Final = 3


class CurateState(TypedDict, total=False):
    """Handles of a curation; nothing need be given."""

    round: int
    orders: int
    """Calls of the generator in this round."""
    open: int
    """Votes that the next pass asks for."""
    ended: str
    """Why no more is ordered; empty while there is."""


def build_curate(nursery: Nursery) -> StateGraph[Any]:
    """Wire a curation; compile it with or without a checkpointer, and invoke it with `recursion_limit=STEPS`."""
    work = _Work(nursery)
    graph: StateGraph[Any] = StateGraph(CurateState)
    nodes = {
        "open": work.open,
        "plan": work.plan,
        "generate": work.generate,
        "screen": work.screen,
        "solve": work.solve,
        "check": work.check,
        "admit": work.admit,
        "trace": work.trace,
        "finish": work.finish,
    }
    add_nodes(graph, nodes)
    graph.add_edge(START, "open")
    graph.add_edge("open", "plan")
    graph.add_conditional_edges(
        "plan", lambda state: "generate" if state["orders"] else "finish", ["generate", "finish"]
    )
    graph.add_edge("generate", "screen")
    graph.add_edge("screen", "solve")
    graph.add_conditional_edges("solve", lambda state: "solve" if state["open"] else "check", ["solve", "check"])
    graph.add_conditional_edges("check", lambda state: "check" if state["open"] else "admit", ["check", "admit"])
    graph.add_edge("admit", "trace")
    graph.add_edge("trace", "plan")
    graph.add_edge("finish", END)
    return graph


def finished(nursery: Nursery) -> Library:
    """Read what is known after the finished rounds."""
    library, folder = nursery.library(), nursery.folder
    for number in count(1):
        place = round_place(number)
        if not folder.has(f"{place}/yield.json"):
            break
        library.finish(
            number,
            folder.rows(f"{place}/orders.jsonl", Order),
            folder.rows(f"{place}/grown.jsonl", Grown),
            folder.rows(f"{place}/rejected.jsonl", Rejected),
            folder.record(f"{place}/yield.json", RoundYield),
        )
    return library


def write_capped(nursery: Nursery) -> bool:
    """Write what the finished rounds of a curation at its cap came to, and say whether there was one."""
    library = finished(nursery)
    if library.yields:
        with nursery.stage("write"):
            write_curated(nursery, library, len(library.yields), "budget")
    return bool(library.yields)


class _Work:
    """The nodes, and what they remember; all of it can be read again from the files."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery = nursery
        self.folder = nursery.folder
        self._library: Library | None = None
        self.polling = Polling(nursery, lambda: self.library)

    @property
    def library(self) -> Library:
        """What is known after the finished rounds."""
        if self._library is None:
            self._library = finished(self.nursery)
        return self._library

    def open(self, _: CurateState) -> dict[str, Any]:
        """Take finished rounds in; let solvers show on the seeds how right they are; have seeds reasoned through."""
        library = self.library
        if not self.folder.has("known.jsonl"):
            with self.nursery.stage("solve seeds", len(self.nursery.seeds)):
                self.folder.write_rows(
                    "known.jsonl", solve_seeds(self.nursery, library), by=lambda vote: (vote.candidate, vote.voter)
                )
        if self.nursery.config.trace.traces != "off" and not self.folder.has(SEED_TRACES):
            self.folder.write_rows(SEED_TRACES, trace_seeds(self.nursery, library))
        paths = {seed.id: path for path, some in library.seeds.items() for seed in some}
        for vote in self.folder.rows("known.jsonl", Vote):
            if vote.verdict.decided:
                library.answers.add_known(
                    leaf_name(paths[vote.candidate]), vote.voter, agrees=vote.verdict == "correct"
                )
        return {"round": len(library.yields) + 1, "orders": 0, "open": 0, "ended": ""}

    def plan(self, state: CurateState) -> dict[str, Any]:
        """Order what the largest deficits take, or say why nothing more is ordered."""
        number, library, grow = state["round"], self.library, self.nursery.config.grow
        name = f"{round_place(number)}/orders.jsonl"
        if self.folder.has(name) and number <= grow.rounds:
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
        self.folder.write_rows(name, orders, by=as_ordered(orders))
        wanted = sum(order.variants for order in orders)
        progress.current().say(f"round {number}: {len(needs)} cells lack problems, {wanted} are ordered")
        return {"orders": len(orders)}

    def generate(self, state: CurateState) -> dict[str, Any]:
        """Have the orders written."""
        place = round_place(state["round"])
        if self.folder.has(f"{place}/unread.jsonl"):
            return {}
        orders = self.folder.rows(f"{place}/orders.jsonl", Order)
        made = write_orders(self.nursery, self.library, orders, state["round"])
        self.folder.write_rows(f"{place}/candidates.jsonl", made.candidates, by=lambda c: (c.order, c.index))
        self.folder.write_rows(f"{place}/unread.jsonl", made.rejected, by=lambda r: (r.order, r.reason, r.text))
        return {}

    def screen(self, state: CurateState) -> dict[str, Any]:
        """Refuse what needs no votes."""
        number, place, nursery = state["round"], round_place(state["round"]), self.nursery
        if not self.folder.has(f"{place}/refused.jsonl"):
            candidates = self.folder.rows(f"{place}/candidates.jsonl", Candidate)
            with nursery.stage("screen", len(candidates)):
                found = screen(candidates, self.library.seen, nursery.guard, nursery.check_of, number)
            self.folder.write_rows(f"{place}/screened.jsonl", found.passed, by=lambda c: (c.order, c.index))
            self.folder.write_rows(f"{place}/refused.jsonl", found.rejected, by=as_rejected)
        self.polling.begin(number)
        return {}

    def solve(self, state: CurateState) -> dict[str, Any]:
        """Ask for the votes on answers that are wanted, once."""
        now = self.polling.now(state["round"])
        open_ = [one for one in now.candidates if not self.polling.shown_by(one.problem, one.place.path)]
        forms = {one.id: self.library.form(one.place.cell) for one in open_}
        return self.polling.vote("solve", now, open_, partial(self.nursery.solvers().vote, forms=forms))

    def check(self, state: CurateState) -> dict[str, Any]:
        """Ask for the votes on labels that are wanted, once, of what has a right answer."""
        now = self.polling.now(state["round"])
        if not self.nursery.config.admit.label_votes:
            return {"open": 0}
        votes, answers = now.votes["solve"], now.panels["solve"]
        right = [
            one
            for one in now.candidates
            if self.polling.shown_by(one.problem, one.place.path)
            or answers.ruling(one, votes.get(one.id, ()))[1] == "yes"
        ]
        return self.polling.vote("check", now, right, self.nursery.checkers().vote)

    def admit(self, state: CurateState) -> dict[str, Any]:
        """Let in what is right, up to the quotas, and write why the rest is not."""
        now, place, library = self.polling.now(state["round"]), round_place(state["round"]), self.library
        room = {cell: wanted - library.there[cell] for cell, wanted in self.nursery.quotas.items()}
        made = admit(
            now.candidates,
            now.panels["solve"],
            now.votes["solve"],
            now.panels["check"] if self.nursery.config.admit.label_votes else None,
            now.votes["check"],
            self.polling.shown_by,
            room,
            now.number,
        )
        before = [row for name in ("unread", "refused") for row in self.folder.rows(f"{place}/{name}.jsonl", Rejected)]
        rejected = [*before, *made.rejected]
        self.folder.write_rows(f"{place}/grown.jsonl", made.grown, by=lambda g: (g.candidate.order, g.candidate.index))
        self.folder.write_rows(f"{place}/rejected.jsonl", rejected, by=as_rejected)
        missing = sum(max(0, left) for left in room.values()) - len(made.grown)
        progress.current().say(f"round {now.number}: {len(made.grown)} admitted, {missing} still missing")
        self.polling.over()
        return {}

    def trace(self, state: CurateState) -> dict[str, Any]:
        """Have what was admitted reasoned through, where asked for; count the round, which is over then."""
        number, place = state["round"], round_place(state["round"])
        orders = self.folder.rows(f"{place}/orders.jsonl", Order)
        grown = self.folder.rows(f"{place}/grown.jsonl", Grown)
        rejected = self.folder.rows(f"{place}/rejected.jsonl", Rejected)
        if self.nursery.config.trace.traces != "off" and not self.folder.has(f"{place}/traces.jsonl"):
            admitted = [row.candidate for row in grown]
            self.folder.write_rows(f"{place}/traces.jsonl", trace_all(self.nursery, self.library, admitted))
        counted = count_round(number, orders, grown, rejected)
        self.folder.write_json(f"{place}/yield.json", counted)
        self.library.finish(number, orders, grown, rejected, counted)
        self._warn()
        return {"round": number + 1}

    def finish(self, state: CurateState) -> dict[str, Any]:
        """Write the library and what became of every candidate."""
        with self.nursery.stage("write"):
            write_curated(self.nursery, self.library, len(self.library.yields), state["ended"])
        return {}

    def _warn(self) -> None:
        """Say where the newest problems repeat each other."""
        newest = {one.generation for one in self.library.yields[-1].yields}
        spreads = [one for one in self.library.spread.spreads() if one.generation in {0, 1, *newest}]
        for alarm in collapsed(spreads, self.nursery.config.grow.collapse)[:_ALARMS]:
            progress.current().say(alarm)
