"""What is chosen from a round's pool, and in which order its rows are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import cast

from selfimprove import progress
from selfimprove.config import Config
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import round_folder
from selfimprove.mining.library import Graded
from selfimprove.records import Attempt, TrackRow, Verdict
from selfimprove.steps.select import Policy, Selection, choose, easy_to_hard, select


def choose_by(
    config: Config,
    policy: str,
    graded: Sequence[Graded],
    attempts: Sequence[Sequence[Attempt]],
    count: int | None,
    seed: int,
) -> Selection:
    """Choose lessons by a policy.

    Args:
        config: the settings; its own policy is not looked at.
        policy: any but `probe`.
        graded: the pool's grades.
        attempts: at the pool's problems, the greedy one first: what `failures` and `ladder` choose from.
        count: problems wanted, of those without a verdict as many as graded ones leave room for; None: as many as did
            not come out right, those without a verdict among them.
        seed: decides which.

    Raises:
        InputError: the policy cannot choose so.
    """
    how = config.select
    if policy in {"failures", "ladder"}:
        return Selection(
            policy=policy, ids=tuple(select(attempts, solved=how.solved, seed=seed, most=count)), quotas=()
        )
    own, pool = list[Graded](), list(graded)
    if policy == "p_eval":  # a part of the pool only tells how the levels lie
        mixed = Random(f"own {seed}").sample(pool, len(pool))
        cut = round(len(mixed) * how.own)
        own, pool = mixed[:cut], mixed[cut:]
    if policy == "probe":
        raise InputError('select.policy = "probe" chooses nothing by itself; name one that has quotas')
    undecided = [some[0] for some in attempts if not some[0].verdict.decided]
    wrong = sum(some[0].verdict is Verdict.WRONG for some in attempts)
    weights = how.weights if policy == how.policy else None
    made = choose(
        pool,
        cast("Policy", policy),
        wrong if count is None else count,
        weights=weights,
        own=own,
        stratify=how.stratify,
        order=how.order,
        seed=seed,
    )
    return _filled(made, undecided, wrong + len(undecided) if count is None else count, seed)


def _filled(made: Selection, undecided: Sequence[Attempt], count: int, seed: int) -> Selection:
    """Fill a selection from problems without a grade, which can be taught though nothing is known of them."""
    ids = sorted(a.problem for a in undecided)
    more = Random(f"undecided {seed}").sample(ids, min(len(ids), max(0, count - len(made.ids))))
    if not more:
        return made
    note = f"{len(more)} problems without a verdict are taught too"
    progress.current().say(f"select {made.policy}: {note}")
    return made.model_copy(update={"ids": (*made.ids, *more), "notes": (*made.notes, note)})


def in_order(crew: Crew, rows: Sequence[TrackRow]) -> list[TrackRow]:
    """Put training rows easy to hard, by the grades of the rounds that they come from."""
    grades = {}
    for round_ in sorted({row.round for row in rows}):
        name = f"{round_folder(round_)}/grades.jsonl"
        if crew.folder.has(name):
            grades.update({(round_, g.problem): g for g in crew.folder.rows(name, Graded)})
    return easy_to_hard(rows, grades)
