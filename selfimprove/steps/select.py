"""Select: which of the tried problems become lessons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, Literal, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.mining.levels import HARDEST
from selfimprove.mining.library import Graded
from selfimprove.mining.quotas import Filled, apportion, fill, stratified
from selfimprove.records import Attempt, Grade, Record, TrackRow, Verdict

Policy = Literal["random", "p_eval", "curriculum", "uniform", "easy", "band", "steps", "weights"]
Order = Literal["shuffled", "easy_to_hard"]

_WEIGHTS: Final[Mapping[str, tuple[float, ...]]] = {
    "curriculum": (0, 5, 4, 3, 2, 1),
    "uniform": (1, 1, 1, 1, 1, 1),
    "easy": (1, 1, 0, 0, 0, 0),
    "steps": (1, 1, 1),
    "band": (1,),
    "random": (1,),
}
_LEVELS: Final = tuple(f"level {level}" for level in range(HARDEST + 1))
_STEPS: Final = ("0-2 steps", "3-5 steps", "6+ steps")
_BAND: Final = "pass rate near 0.5"
_ANY: Final = "any level"
_WIDTH: Final = 0.3


class Quota(Record):
    """One part of a selection."""

    name: str
    """A level, or a range of reasoning steps."""
    asked: int
    there: int
    taken: int


class Selection(Record):
    """Which problems are chosen, and how that differs from what was asked for."""

    policy: str
    ids: tuple[str, ...]
    """Of the problems, in order."""
    quotas: tuple[Quota, ...]
    notes: tuple[str, ...] = ()
    """What was short, and where it was filled from: one sentence each."""


class _Bucket(NamedTuple):
    name: str
    rows: list[Graded]
    weight: float


def choose(
    graded: Sequence[Graded],
    policy: Policy,
    count: int,
    *,
    weights: Sequence[float] | None = None,
    own: Sequence[Graded] = (),
    stratify: str | None = None,
    order: Order = "shuffled",
    seed: int = 0,
) -> Selection:
    """Choose exactly `count` graded problems by a policy, or all where there are fewer.

    Problems without a grade are not among them: no verdict is no level.

    Args:
        graded: the library, see `library.load_library`.
        policy: `random`, `curriculum` (levels 1 to 5, ever fewer), `uniform` (all levels alike), `easy` (0 and 1),
            `p_eval` (the levels as `own` has them), `band` (pass rates nearest to one half), `steps` (0-2, 3-5 and 6 or
            more reasoning steps alike), `weights` (as given).
        count: problems wanted.
        weights: of the levels 0 to 5, or with `steps` of its three ranges; over the policy's own.
        own: with `p_eval`: grades of a pool of its own, that nothing is chosen from, decided on or tested with; empty:
            there is none, and the levels are those of `graded`.
        stratify: a label; its values keep the shares that they have in `graded`, within each quota.
        order: how the ids are put.
        seed: decides which, and the order.

    Raises:
        InputError: the weights will not do.
    """
    rng = Random(f"choose {policy} {seed}")
    rows = sorted(graded, key=lambda row: row.problem)
    buckets = _buckets(rows, policy, weights, own or rows)
    size = min(count, len(rows))
    asked = apportion(size, [bucket.weight for bucket in buckets])
    filled = fill(asked, [len(bucket.rows) for bucket in buckets])
    draw = _drawer(rows, policy, stratify, rng)
    parts = [draw(bucket.rows, taken) for bucket, taken in zip(buckets, filled.taken, strict=True)]
    chosen = [row for part in parts for row in part]
    rng.shuffle(chosen)
    if order == "easy_to_hard":
        chosen.sort(key=lambda row: (row.difficulty, -row.pass_rate))
    notes = _notes(buckets, filled, chosen, count, policy)
    if policy == "p_eval" and weights is None and not own:
        notes.append("no graded problem is to spare, so the levels are those of what is chosen from")
    for note in notes:
        progress.current().say(f"select {policy}: {note}")
    quotas = [
        Quota(name=bucket.name, asked=want, there=len(bucket.rows), taken=taken)
        for bucket, want, taken in zip(buckets, asked, filled.taken, strict=True)
    ]
    return Selection(policy=policy, ids=tuple(r.problem for r in chosen), quotas=tuple(quotas), notes=tuple(notes))


def _notes(
    buckets: Sequence[_Bucket], filled: Filled, chosen: Sequence[Graded], count: int, policy: Policy
) -> list[str]:
    """Say what could not be had as asked."""
    names = [bucket.name for bucket in buckets]
    notes = [f"{names[short]} is short of {n}, filled from {names[other]}" for short, other, n in filled.moved]
    if len(chosen) < count:
        notes.append(f"{count} problems were wanted and {len(chosen)} are graded, so all of them are taken")
    if policy == "band" and (far := sum(abs(_rate(row) - 0.5) > _WIDTH for row in chosen)):
        notes.append(f"{far} of {len(chosen)} have a pass rate under 0.2 or over 0.8, as nearer ones ran out")
    return notes


def _buckets(
    rows: Sequence[Graded], policy: Policy, weights: Sequence[float] | None, own: Sequence[Graded]
) -> list[_Bucket]:
    """Part the rows by what the policy weighs."""
    names = {"steps": _STEPS, "band": (_BAND,), "random": (_ANY,)}.get(policy, _LEVELS)
    if policy == "p_eval" and weights is None:
        found = Counter(row.difficulty for row in own)
        weights = [found[level] for level in range(len(_LEVELS))] if own else [1.0] * len(_LEVELS)
    weights = weights if weights is not None else _WEIGHTS.get(policy)
    if weights is None or len(weights) != len(names) or min(weights) < 0 or not sum(weights) > 0:
        given = "none" if weights is None else ", ".join(f"{weight:g}" for weight in weights)
        raise InputError(
            f'select.weights for policy "{policy}" are {given}; give {len(names)} numbers of at least 0, not all 0, '
            f"for {names[0]} to {names[-1]}"
        )
    parts: list[list[Graded]] = [[] for _ in names]
    for row in rows:
        parts[_range_of_steps(row) if policy == "steps" else 0 if len(names) == 1 else row.difficulty].append(row)
    return [_Bucket(name, part, weight) for name, part, weight in zip(names, parts, weights, strict=True)]


def _drawer(
    rows: Sequence[Graded], policy: Policy, stratify: str | None, rng: Random
) -> Callable[[list[Graded], int], list[Graded]]:
    """Give what draws from one bucket."""

    def stratum(row: Graded) -> str:
        return row.labels.get(stratify or "", "")

    shares: Counter[str] = Counter(stratum(row) for row in rows)

    def pick(part: list[Graded], taken: int) -> list[Graded]:
        shuffled = rng.sample(part, len(part))
        return sorted(shuffled, key=lambda row: abs(_rate(row) - 0.5))[:taken] if policy == "band" else shuffled[:taken]

    return lambda part, taken: pick(part, taken) if stratify is None else stratified(part, taken, stratum, shares, pick)


def _range_of_steps(row: Graded) -> int:
    return 0 if row.steps <= 2 else 1 if row.steps <= 5 else 2  # noqa: PLR2004 - the ranges of _STEPS


def _rate(row: Graded) -> float:
    """Give the expected pass rate under a uniform prior, so that 0 of 1 is nearer to one half than 0 of 16."""
    return (row.pass_rate * row.samples + 1) / (row.samples + 2)


def select(attempts: Sequence[Sequence[Attempt]], *, solved: float, seed: int, most: int | None = None) -> list[str]:
    """Choose failures first, then a share of what was solved; give problem ids.

    A problem whose greedy attempt has no verdict is neither: it was not shown to be hard, and its completion is never
    trained on. It is chosen only to be taught, after the failures.

    Args:
        attempts: shape `[P][1 + samples]`, the greedy one first.
        solved: solved problems kept, as a share of those that are taught; where none is taught, none is kept.
        seed: decides which ones.
        most: problems chosen in all, failures and solved in proportion.
    """
    greedy = [some[0] for some in attempts]
    failed = [a.problem for a in greedy if a.verdict is Verdict.WRONG]
    undecided = [a.problem for a in greedy if not a.verdict.decided]
    passed = [a.problem for a in greedy if a.verdict is Verdict.CORRECT]
    rng = Random(f"select {seed}")
    size = len(greedy) if most is None else most
    kept = min(len(passed), round(size * solved / (1 + solved)))
    taught = _some(failed, size - kept, rng)
    taught = [*taught, *_some(undecided, size - kept - len(taught), rng)]
    if len(taught) < size - kept:
        kept = min(kept, round(solved * len(taught)))
    return taught + _some(passed, kept, rng)


def easy_to_hard(rows: Sequence[TrackRow], grades: Mapping[tuple[int, str], Grade]) -> list[TrackRow]:
    """Put training rows in order: by level, within a level what was solved more often first; ungraded ones last.

    Args:
        rows: of this round and of earlier ones.
        grades: by round and problem: a row is as hard as its problem was in the round that the row comes from.
    """

    def hardness(row: TrackRow) -> tuple[int, float, str]:
        grade = grades.get((row.round, row.problem))
        return (HARDEST + 1, 0.0, row.id) if grade is None else (grade.difficulty, -grade.pass_rate, row.id)

    return sorted(rows, key=hardness)


def _some(ids: list[str], most: int, rng: Random) -> list[str]:
    return ids if len(ids) <= most else sorted(rng.sample(ids, max(0, most)))
