"""Mining a pool of any size, a window of problems at a time.

::

    cut -> draw -> (kinds still open? draw : judge) -> (windows left? draw : patterns) -> end

A pass of `draw` is one batch: the greedy attempts first, then samples of the problems whose kind the posterior has not
settled, and among them the second chance of what had no verdict. Memory is that of one window; a replayed node
finds its completions in the ledger and writes the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.finding import draw_of, rule_of
from selfimprove.graphs.places import round_folder
from selfimprove.graphs.wiring import add_nodes
from selfimprove.mining.kinds import Mined, summarise
from selfimprove.mining.patterns import Found, Patterns, Tally
from selfimprove.mining.wording import FITTED_ON, Wording
from selfimprove.records import Attempt, Problem, Record
from selfimprove.steps.mine import Trial, one_pass


class MiningState(TypedDict, total=False):
    """Handles of a pool; `round` and `best` are given, the rest is found."""

    round: int
    best: str
    """The student's adapter, relative to the run folder; empty: the base."""
    place: str
    """Folder of the windows, relative to the run folder."""
    windows: int
    window: int
    passes: int
    """Made in this window."""
    open: int
    """Attempts that the next pass draws."""


class MiningTotals(Record):
    """What mining a pool came to."""

    problems: int
    windows: int
    kinds: dict[str, int]
    samples: int
    """Sampled completions, greedy attempts not counted."""
    rerun: int
    """Attempts that had no verdict and were tried again."""
    technical: int
    """Problems whose greedy attempt has no verdict after that."""
    unsettled: int
    """Problems whose kind the samples did not settle."""


def build_mining(crew: Crew, source: Callable[[], Iterable[Problem]] | None = None) -> StateGraph[Any]:
    """Wire mining; compile it with or without a checkpointer, and invoke it with `recursion_limit=STEPS`.

    Args:
        crew: the parts; its teacher and trainer are not used.
        source: walks the problems; default: the run folder's training split, else the task's.
    """
    graph: StateGraph[Any] = StateGraph(MiningState)
    nodes = {
        "cut": _cut(crew, source or (lambda: _training(crew))),
        "draw": _draw(crew),
        "judge": _judge(crew),
        "patterns": _patterns(crew),
    }
    add_nodes(graph, nodes)
    graph.add_edge(START, "cut")
    graph.add_edge("cut", "draw")
    graph.add_conditional_edges("draw", lambda state: "draw" if state["open"] else "judge", ["draw", "judge"])
    graph.add_conditional_edges("judge", _more_windows, ["draw", "patterns"])
    graph.add_edge("patterns", END)
    return graph


def mining_place(round_: int) -> str:
    """Give the folder of a round's windows, relative to the run folder."""
    return f"{round_folder(round_)}/mining"


def window_folder(place: str, window: int) -> str:
    """Give a window's folder, relative to the run folder."""
    return f"{place}/{window:04d}"


def totals_of(crew: Crew, round_: int) -> MiningTotals:
    """Read what mining a round's pool came to.

    Raises:
        InputError: none was mined.
    """
    made = crew.folder.found(f"{mining_place(round_)}/totals.json", MiningTotals)
    if made is None:
        raise InputError(f"{crew.folder.path} holds no mined pool; run selfimprove mine on it first")
    return made


def trials_in(crew: Crew, here: str, problems: Sequence[Problem], passes: int | None = None) -> list[Trial]:
    """Read what a window's passes drew, by default all of them, shape `[P]`."""
    trials = {problem.id: Trial(problem) for problem in problems}
    for number in count() if passes is None else range(passes):
        name = f"{here}/pass-{number:03d}.jsonl"
        if passes is None and not crew.folder.has(name):
            break
        for attempt in crew.folder.rows(name, Attempt):
            trials[attempt.problem].add(attempt)
        for problem, samples in crew.folder.json(f"{here}/again-{number:03d}.json").items():
            trials[problem].repeated.update(samples)
    return list(trials.values())


def _training(crew: Crew) -> Iterable[Problem]:
    if crew.folder.has("data/train.jsonl"):
        return crew.problems("train")
    return islice(crew.task.problems("train"), crew.config.data.train)


def _more_windows(state: MiningState) -> str:
    return "draw" if state["window"] < state["windows"] else "patterns"


def _cut(crew: Crew, source: Callable[[], Iterable[Problem]]) -> Callable[[MiningState], dict[str, Any]]:
    def node(state: MiningState) -> dict[str, Any]:
        place, problems, windows = mining_place(state["round"]), iter(source()), 0
        while part := list(islice(problems, crew.config.mine.window)):
            distinct = {p.id: p for p in part}
            crew.folder.write_rows(
                f"{window_folder(place, windows)}/problems.jsonl", distinct.values(), by=lambda p: p.id
            )
            windows += 1
        if not windows:
            raise InputError(f'task "{crew.task.name}" has no problems to mine; give it some')
        return {"place": place, "windows": windows, "window": 0, "passes": 0, "open": 0}

    return node


def _draw(crew: Crew) -> Callable[[MiningState], dict[str, Any]]:
    def node(state: MiningState) -> dict[str, Any]:
        here, passes = window_folder(state["place"], state["window"]), state["passes"]
        rule = rule_of(crew.config, state["round"])
        trials = trials_in(crew, here, crew.folder.rows(f"{here}/problems.jsonl", Problem), passes)
        before = {one.problem.id: set(one.repeated) for one in trials}
        with crew.stage("mine", sum(len(one.wanted(rule)) for one in trials)):
            made = one_pass(trials, draw_of(crew, state["best"]), crew.task, rule)
        again = {p.id: sorted(some - before[p.id]) for p, some in ((one.problem, one.repeated) for one in trials)}
        crew.folder.write_rows(f"{here}/pass-{passes:03d}.jsonl", made, by=_in_order)
        crew.folder.write_json(f"{here}/again-{passes:03d}.json", {i: some for i, some in again.items() if some})
        return {"passes": passes + 1, "open": sum(len(one.wanted(rule)) for one in trials)}

    return node


def _in_order(attempt: Attempt) -> tuple[str, int]:
    return attempt.problem, attempt.completion.sample


def _judge(crew: Crew) -> Callable[[MiningState], dict[str, Any]]:
    def node(state: MiningState) -> dict[str, Any]:
        here, rule = window_folder(state["place"], state["window"]), rule_of(crew.config, state["round"])
        trials = trials_in(crew, here, crew.folder.rows(f"{here}/problems.jsonl", Problem), state["passes"])
        mined = [summarise(one.problem, one.attempts, crew.task, rule, len(one.repeated)) for one in trials]
        crew.folder.write_rows(f"{here}/mined.jsonl", mined)
        return {"window": state["window"] + 1, "passes": 0, "open": 0}

    return node


def _patterns(crew: Crew) -> Callable[[MiningState], dict[str, Any]]:
    def node(state: MiningState) -> dict[str, Any]:
        kinds, sums = Counter[str](), Counter[str]()
        for window in range(state["windows"]):
            mined = crew.folder.rows(f"{window_folder(state['place'], window)}/mined.jsonl", Mined)
            kinds.update(m.kind.value for m in mined)
            for m in mined:
                sums.update(problems=1, samples=m.samples, rerun=m.rerun, technical=m.kind.technical)
                sums["unsettled"] += not m.settled and not m.kind.technical
        totals = MiningTotals(windows=state["windows"], kinds=dict(sorted(kinds.items())), **_sums(sums))
        crew.folder.write_json(f"{state['place']}/patterns.json", find_groups(crew, state["place"], state["windows"]))
        crew.folder.write_json(f"{state['place']}/totals.json", totals)
        progress.current().say(sentence(totals))
        return {}

    return node


def find_groups(
    crew: Crew, place: str, windows: int, first_wrong: Callable[[str], Mapping[str, int | None]] = lambda _: {}
) -> Patterns:
    """Group a mined pool, a window at a time.

    Args:
        crew: the parts.
        place: the folder of its windows.
        windows: how many.
        first_wrong: gives the first wrong steps by problem in a window's folder, as grading found them; an exact check
            goes before them.
    """
    tally, clusters = Tally(), _wording(crew, place, windows)
    for window in range(windows):
        here = window_folder(place, window)
        problems = crew.folder.rows(f"{here}/problems.jsonl", Problem)
        mined, wrong = crew.folder.rows(f"{here}/mined.jsonl", Mined), first_wrong(here)
        words = clusters.of(problems) if clusters else [""] * len(problems)
        tally.add(
            Found(p, m, m.first_wrong or wrong.get(p.id), w) for p, m, w in zip(problems, mined, words, strict=True)
        )
    return tally.patterns()


def _sums(counted: Counter[str]) -> dict[str, int]:
    return {name: counted[name] for name in ("problems", "samples", "rerun", "technical", "unsettled")}


def sentence(totals: MiningTotals) -> str:
    """Say in one sentence what was found."""
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(totals.kinds.items(), key=lambda pair: -pair[1]))
    each = totals.samples / totals.problems if totals.problems else 0.0
    return f"mined {totals.problems} problems with {each:.1f} samples each: {found}"


def _wording(crew: Crew, place: str, windows: int) -> Wording | None:
    if not crew.config.mine.wording:
        return None
    here = (window_folder(place, window) for window in range(windows))
    every = max(1, windows * crew.config.mine.window // FITTED_ON)
    some = islice(chain.from_iterable(_problems(crew, one) for one in here), 0, None, every)
    return Wording(list(some), crew.config.mine.wording, crew.config.campaign.seed)


def _problems(crew: Crew, here: str) -> Iterator[Problem]:
    yield from crew.folder.rows(f"{here}/problems.jsonl", Problem)
