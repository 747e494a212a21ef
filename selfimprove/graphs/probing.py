"""`select.policy = "probe"`: some policies are tried on a small part of the budget, and the best is taken.

Each candidate chooses from the first round's pool; what it chose is taught, trained on for as many tokens as the
default's, and tested on training problems that no candidate was trained on. Neither dev nor test is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from random import Random
from typing import Final

from selfimprove import progress
from selfimprove.arms import in_turn, program_of
from selfimprove.graphs.arms import train_arm
from selfimprove.graphs.choosing import choose_by
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.guarding import guarded
from selfimprove.graphs.lesson import give_lessons
from selfimprove.graphs.places import PROBE, Pool, attempts_of, pool_file, round_folder
from selfimprove.mining.library import Graded
from selfimprove.records import Adapter, Attempt, Problem, Record, TrackRow, Verdict
from selfimprove.steps.build import balance, build
from selfimprove.steps.evaluate import grouped
from selfimprove.steps.harvest import harvest
from selfimprove.steps.mine import fresh
from selfimprove.steps.probe import Probed, judge, not_probed, rows_each

_TRY: Final = f"{round_folder(1)}/probe/tried.json"


class _Try(Record):
    """What is tried, and on what. A file of the probe: it stands once it is begun, whatever `rounds` is by then."""

    chosen: dict[str, tuple[str, ...]]
    """Problem ids by policy, the default first."""
    held: tuple[str, ...]
    """The probe set's."""
    budget_rows: int
    """Rows that the settings let the campaign train on."""


def probed(crew: Crew, round_: int, best: str) -> Probed:
    """Give what the campaign's probe came to; the first round makes it.

    Args:
        crew: the campaign's parts.
        round_: that asks.
        best: the student's adapter, relative to the run folder; empty: the base.
    """
    if round_ > 1 or crew.folder.has(PROBE):
        return crew.folder.record(PROBE, Probed)
    with crew.stage("probe"):
        made = _probe(crew, best)
    crew.folder.write_json(PROBE, made)
    progress.current().say(f"select probe: {made.sentence}")
    return made


def _probe(crew: Crew, best: str) -> Probed:
    tried = crew.folder.record(_TRY, _Try) if crew.folder.has(_TRY) else _begun(crew)
    if isinstance(tried, Probed):
        return tried
    rows = _taught(crew, tried, best)
    if not all(rows.values()):
        empty = next(name for name, some in rows.items() if not some)
        return not_probed(next(iter(rows)), len(rows), tried.budget_rows, f"nothing that {empty} chose could be taught")
    right: dict[str, dict[str, list[bool]]] = {}
    trained: dict[str, tuple[int, int]] = {}
    tokens, by_id = 0, {p.id: p for p in crew.problems("train")}
    held = [by_id[i] for i in tried.held]
    for policy, some in rows.items():
        made = train_arm(crew, some, _place(policy), in_turn(crew.config.campaign.arms)[0], "", tokens)
        tokens = tokens or made.trained_tokens
        trained[policy] = (len(some), made.trained_tokens)
        right[policy] = _tested(crew, policy, made, held)
    return judge(right, trained, groups=grouped(held), budget_rows=tried.budget_rows)


def _place(policy: str) -> str:
    return f"{round_folder(1)}/probe/{policy}"


def _begun(crew: Crew) -> _Try | Probed:
    """Say what is tried and write it down, or say why nothing is."""
    how, pool = crew.config.select, crew.folder.record(pool_file(1), Pool)
    budget = crew.config.campaign.rounds * (how.lessons or pool.failures)
    default, each = how.candidates[0], rows_each(budget, len(how.candidates))
    if not each:
        return not_probed(default, len(how.candidates), budget)
    tried = _what(crew, each, budget)
    if min(map(len, tried.chosen.values())) < each or not tried.held:
        why = f"the pool is too small to set {how.probe} probe problems aside and choose {each} others from"
        return not_probed(default, len(how.candidates), budget, why)
    crew.folder.write_json(_TRY, tried)
    return tried


def _what(crew: Crew, each: int, budget: int) -> _Try:
    """Set the probe set aside, problems that were not tried first, and let each candidate choose from the rest.

    Problems that belong together are set aside together, as a variant of a probe problem would tell what it tests.
    """
    how, seed = crew.config.select, crew.config.campaign.seed * 1000 + 1
    train, attempts = crew.problems("train"), {some[0].problem: some for some in attempts_of(crew, 1)}
    together = defaultdict[str, list[Problem]](list)
    for problem in fresh(train, frozenset(attempts), len(train), seed):
        together[problem.group or problem.id].append(problem)
    held = list(chain.from_iterable(together.values()))[: how.probe]
    if len(held) < how.probe:
        held = []
    aside = {p.id for one in held for p in together[one.group or one.id]}
    graded = [g for g in crew.folder.rows(f"{round_folder(1)}/grades.jsonl", Graded) if g.problem not in aside]
    left = [some for i, some in attempts.items() if i not in aside]
    chosen = {
        policy: _some(choose_by(crew.config, policy, graded, left, each, seed).ids, each, seed)
        for policy in how.candidates
    }
    return _Try(chosen=chosen, held=tuple(p.id for p in held), budget_rows=budget)


def _some(ids: Sequence[str], most: int, seed: int) -> tuple[str, ...]:
    return tuple(Random(f"probe {seed}").sample(ids, most) if len(ids) > most else ids)


def _taught(crew: Crew, tried: _Try, best: str) -> dict[str, list[TrackRow]]:
    """Teach what any candidate chose, once, and give each its rows; the round's lessons find the calls again."""
    train = crew.problems("train")
    by_id, wanted = {p.id: p for p in train}, sorted({i for ids in tried.chosen.values() for i in ids})
    lessons = give_lessons(crew, [by_id[i] for i in wanted], f"{round_folder(1)}/probe", best, 1)
    targets, longest = harvest(lessons, by_id, crew.task), crew.config.student.max_tokens
    rows = build(targets, by_id, crew.task, in_turn(crew.config.campaign.arms)[0], round_=1, longest=longest)
    rows = guarded(crew, rows, f"{round_folder(1)}/probe/refused.jsonl")
    seed = crew.config.campaign.seed
    return {
        policy: balance([row for row in rows if row.problem in set(ids)], train, seed=seed)
        for policy, ids in tried.chosen.items()
    }


def _tested(crew: Crew, policy: str, made: Adapter, held: Sequence[Problem]) -> dict[str, list[bool]]:
    """Let the student with a candidate's adapter solve the probe set, each problem once; give what it solves by id."""
    program = crew.programs[program_of(in_turn(crew.config.campaign.arms)[0])]
    progress.current().say(f"select probe: {policy} is trained on {made.trained_tokens} tokens, and tested")
    attempts: list[Attempt] = [some[0] for some in crew.solve(held, f"{_place(policy)}/adapter", program)]
    crew.folder.write_rows(f"{_place(policy)}/predictions.jsonl", attempts)
    return {a.problem: [a.verdict is Verdict.CORRECT] for a in attempts}
