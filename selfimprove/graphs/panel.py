"""Problems that the student solved before: set aside from training, and tried again by every arm.

A part of the training split is set aside when the splits are frozen. What the best student solves of it is the panel;
each later best one adds what it solves. How often a problem is solved is measured by samples drawn after it was found
to be solved, so that luck does not count. An arm is compared with the student that a problem came into the panel by,
and not with the round before: many small falls would add up unseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from selfimprove import progress
from selfimprove.arms import program_of
from selfimprove.config import Config
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.phases import largest_pool
from selfimprove.graphs.places import arm_of, round_folder
from selfimprove.records import Attempt, Problem, Record, Verdict, Watched, digest
from selfimprove.steps.watch import watch_solved

FEWEST: Final = 20
"""Problems that tell enough of a fall."""
SHARE: Final = 10
"""At most one training problem in so many is set aside."""
TRIES: Final = range(1, 3)
"""Samples beside the greedy completion by which a problem is found to be solved."""
AGAIN: Final = range(3, 5)
"""Samples by which it is measured how often."""
_ASIDE: Final = "data/aside.jsonl"
_HIGH: Final = 0.5


class Solved(Record):
    """How often a student solves the problems of the panel. A file, of a round and of each arm."""

    model: str = ""
    """Identity of the student; in a round's file, of the last one that was let try what is set aside."""
    rates: Mapping[str, float] = {}
    """Problem to the share of samples that solve it; in a round's file, of the student that it came in by."""


def aside_size(config: Config, train: int) -> int:
    """Give how many of so many training problems are set aside: twice the panel, of what a round can spare; 0: too few.

    Where later rounds meet no new problems for it, they try some again.
    """
    spare = train - largest_pool(config)
    size = min(2 * config.gate.panel, train // SHARE, spare)
    return size if size >= 2 * FEWEST else 0


def set_aside(crew: Crew, train: Sequence[Problem]) -> list[Problem]:
    """Take the panel's problems out of the training split and write them; a hash decides which. Give the others.

    Problems of one group are set aside together: a variant that is trained on would hide that one is forgotten.
    """
    ids = _drawn(train, aside_size(crew.config, len(train)))
    if len(ids) < 2 * FEWEST:
        if crew.config.gate.panel:
            progress.current().say(
                f"{len(train)} training problems are too few to set any aside, so no panel of solved ones is watched"
            )
        return list(train)
    crew.folder.write_rows(_ASIDE, [problem for problem in train if problem.id in ids])
    return [problem for problem in train if problem.id not in ids]


def _drawn(train: Sequence[Problem], size: int) -> set[str]:
    groups = defaultdict[str, list[str]](list)
    for problem in train:
        groups[problem.group or problem.id].append(problem.id)
    ids = set[str]()
    for name in sorted(groups, key=lambda name: digest("aside", name)):
        if len(ids) + len(groups[name]) <= size:
            ids.update(groups[name])
    return ids


def ids_aside(crew: Crew) -> set[str]:
    """Give the problems that are set aside."""
    return {problem.id for problem in _aside(crew)}


def _aside(crew: Crew) -> list[Problem]:
    return crew.folder.rows(_ASIDE, Problem) if crew.folder.has(_ASIDE) else []


def renew_panel(crew: Crew, round_: int, best: str) -> Solved:
    """Give the panel of a round: that of the round before, and what a new best student solves of the rest."""
    name = f"{round_folder(round_)}/solved.json"
    if not crew.folder.has(_ASIDE):
        return Solved()
    kept = crew.folder.found(name, Solved)
    if kept is not None:
        return kept
    before, identity = _read(crew, f"{round_folder(round_ - 1)}/solved.json"), crew.model(best).identity
    room = crew.config.gate.panel - len(before.rates)
    open_ = [problem for problem in _aside(crew) if problem.id not in before.rates]
    if not open_ or room <= 0 or identity == before.model:
        made = before.model_copy(update={"model": identity})
    else:
        with crew.stage("evaluate panel", len(open_)):
            arm = arm_of(best)
            solved = _solved(crew, open_, best, arm)[:room]
            made = Solved(model=identity, rates={**before.rates, **_rates(crew, solved, best, arm)})
        if len(made.rates) < FEWEST:
            progress.current().say(
                f"round {round_}: of the problems set aside {len(made.rates)} were solved; from {FEWEST} on they are "
                "watched"
            )
    crew.folder.write_json(name, made)
    return made


def try_panel(crew: Crew, panel: Solved, adapter: str, arm: str, place: str) -> None:
    """Let an arm solve the panel again, and write `solved.json`; nothing where the panel is too small."""
    name, identity = f"{place}/solved.json", crew.model(adapter).identity
    if len(panel.rates) < FEWEST or _read(crew, name).model == identity:
        return
    problems = [problem for problem in _aside(crew) if problem.id in panel.rates]
    with crew.stage("evaluate panel", len(problems)):
        made = Solved(model=identity, rates=_rates(crew, problems, adapter, arm))
    crew.folder.write_json(name, made)


def panel_watched(crew: Crew, place: str) -> list[Watched]:
    """Compare an arm with those whom its round's panel came in by; nothing where there is none.

    Args:
        crew: the campaign's parts.
        place: the arm's folder.
    """
    rates = _read(crew, f"{place}/solved.json").rates
    if not rates:
        return []
    before, gate = _read(crew, f"{place.partition('/')[0]}/solved.json").rates, crew.config.gate
    old = {problem: before[problem] for problem in rates}
    return [watch_solved(rates, old, _aside(crew), gate.panel_fall, gate.fall)]


def _read(crew: Crew, name: str) -> Solved:
    return crew.folder.found(name, Solved) or Solved()


def _solved(crew: Crew, problems: Sequence[Problem], adapter: str, arm: str) -> list[Problem]:
    """Give the problems that a student solves: greedily, and by half of its samples or more."""
    greedy = [some[0] for some in crew.solve(problems, adapter, crew.programs[program_of(arm)])]
    right = [p for p, attempt in zip(problems, greedy, strict=True) if attempt.verdict is Verdict.CORRECT]
    rates = _rates(crew, right, adapter, arm, TRIES)
    return [problem for problem in right if rates[problem.id] >= _HIGH]


def _rates(
    crew: Crew, problems: Sequence[Problem], adapter: str, arm: str, samples: Sequence[int] = AGAIN
) -> dict[str, float]:
    """Give the share of samples that solve each problem."""
    how = crew.greedy().model_copy(update={"temperature": crew.config.evaluate.temperature})
    made = crew.solve(problems, adapter, crew.programs[program_of(arm)], how, samples)
    return {problem.id: _share(some) for problem, some in zip(problems, made, strict=True)}


def _share(attempts: Sequence[Attempt]) -> float:
    return fmean(attempt.verdict is Verdict.CORRECT for attempt in attempts)
