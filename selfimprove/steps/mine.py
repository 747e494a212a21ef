"""Mine: try fresh training problems and find what this student gets wrong, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, NamedTuple

from pydantic import Field

from selfimprove.mining.kinds import KindRule, Mined, settled, summarise
from selfimprove.programs import Item, Program, run, stated
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Attempt, Problem, Sampling
from selfimprove.steps.rerun import Rerun, rerun
from selfimprove.steps.verify import verify

Try = Callable[[Sequence[Problem]], list[list[Attempt]]]
"""Lets the student try problems: one greedy attempt each and, behind it, sampled ones."""

Wanted = Sequence[tuple[Problem, int]]
"""Problems with the index of the sample wanted of each; 0 is the greedy attempt."""

Draw = Callable[[Wanted, bool], list[Attempt]]
"""Draws attempts in one batch, in order; True: with the longer limit."""


class MiningRule(KindRule):
    """How many samples are drawn, and when that is enough."""

    samples: Annotated[int, Field(ge=0)] = 4
    """Sampled completions a problem gets in any case."""
    most: Annotated[int, Field(ge=0)] = 16
    """The most it gets; not more than `samples`: all get as many."""
    step: Annotated[int, Field(ge=1)] = 2
    """Further samples a problem gets at a time, until its kind is settled."""
    first: Annotated[int, Field(ge=1)] = 1
    """Index of the first sample: indices go on over rounds, as a known one is found in the ledger."""
    again: bool = True
    """Attempts without a verdict get a second chance, see `rerun`."""


class Tried(NamedTuple):
    """A mined problem with its attempts, the greedy one first."""

    mined: Mined
    attempts: list[Attempt]


def mine(problems: Sequence[Problem], draw: Draw, task: Task, rule: MiningRule | None = None) -> list[Tried]:
    """Try each problem greedily and by samples, until the posterior settles how it fails or the cap is reached.

    Each pass is one batch over all problems that are still open, so an engine stays full.

    Args:
        problems: to try, shape `[P]`.
        draw: lets the student try, see `drawing`.
        task: reads and compares.
        rule: when a kind is settled, and how many samples are drawn; default: 4 to 16.

    Returns:
        What was found, in order of problems, shape `[P]`.
    """
    rule = rule or MiningRule()
    attempts: list[list[Attempt]] = [[] for _ in problems]
    again = [0] * len(problems)
    while wanted := next_wanted(attempts, rule):
        pairs = [(problems[at], sample) for at, sample in wanted]
        drawn = one_pass(pairs, draw, task, rule)
        for (at, _), attempt, repeated in zip(wanted, drawn.attempts, drawn.repeated, strict=True):
            attempts[at].append(attempt)
            again[at] += repeated
    return [
        Tried(summarise(problem, some, task, rule, times), some)
        for problem, some, times in zip(problems, attempts, again, strict=True)
    ]


def one_pass(pairs: Wanted, draw: Draw, task: Task, rule: MiningRule) -> Rerun:
    """Draw one batch of attempts, and give those without a verdict a second chance."""
    made = draw(pairs, False)  # noqa: FBT003 - a Draw has no names
    return rerun(pairs, made, draw, task) if rule.again else Rerun(made, [False] * len(made))


def next_wanted(attempts: Sequence[Sequence[Attempt]], rule: MiningRule) -> list[tuple[int, int]]:
    """Give what the next pass draws, as problem and sample index; empty when all is done.

    Args:
        attempts: so far, the greedy one first, shape `[P][any]`.
        rule: how many are drawn.
    """
    wanted: list[tuple[int, int]] = []
    for at, some in enumerate(attempts):
        if not some:
            wanted.append((at, 0))
            continue
        done, sequential = len(some) - 1, rule.most > rule.samples
        if sequential and not some[0].verdict.decided:
            more = 0  # its kind is technical, whatever is sampled
        elif done < rule.samples:
            more = rule.samples - done
        else:
            more = 0 if settled(some, rule) else max(0, min(rule.step, rule.most - done))
        wanted += [(at, rule.first + done + extra) for extra in range(more)]
    return wanted


def drawing(
    student: LanguageModel,
    program: Program,
    task: Task,
    *,
    max_tokens: int,
    longer_tokens: int,
    temperature: float,
    seed: int = 0,
) -> Draw:
    """Give what lets a student try problems: sample 0 greedily, others at a temperature.

    Args:
        student: who tries.
        program: how a problem is put to it.
        task: reads and compares.
        max_tokens: the longest attempt, in tokens.
        longer_tokens: the longest when a truncated one is drawn again.
        temperature: of the samples.
        seed: the campaign's; each (problem, sample) gets its own from it.
    """

    def draw(wanted: Wanted, longer: bool) -> list[Attempt]:  # noqa: FBT001 - a Draw
        most = longer_tokens if longer else max_tokens
        made: dict[int, Attempt] = {}
        for warm in (0.0, temperature):
            places = [at for at, (_, sample) in enumerate(wanted) if bool(sample) == bool(warm)]
            items = [Item(wanted[at][0].id, {"problem": stated(wanted[at][0])}, wanted[at][1]) for at in places]
            sampling = Sampling(temperature=warm, max_tokens=most)
            completions = run(program, items, student, sampling, role="solve", seed=seed)
            for at, completion in zip(places, completions, strict=True):
                made[at] = verify(task, wanted[at][0], completion)
        return [made[at] for at in range(len(wanted))]

    return draw


def fresh(problems: Sequence[Problem], tried: frozenset[str], count: int, seed: int) -> list[Problem]:
    """Draw problems not tried before, in an order fixed by the seed; when they run out, tried ones again."""
    order = Random(f"pool {seed}").sample(list(problems), len(problems))
    new = [p for p in order if p.id not in tried]
    old = [p for p in order if p.id in tried]
    return [*new, *old][:count]


def pass_rate(attempts: Sequence[Sequence[Attempt]]) -> float:
    """Give the share of correct ones among all decided attempts, 0 when none is decided."""
    decided = [a for some in attempts for a in some if a.verdict.decided]
    return sum(a.verdict == "correct" for a in decided) / len(decided) if decided else 0.0


def climb(
    problems: Sequence[Problem],
    rung_of: Callable[[Problem], str],
    rungs: Sequence[str],
    mastered: frozenset[str],
    *,
    width: int,
    threshold: float,
    count: int,
    tried: frozenset[str],
    seed: int,
    attempt: Try,
) -> tuple[list[Problem], list[list[Attempt]], frozenset[str]]:
    """Try every rung up to the frontier: the lowest rungs that this student has not mastered.

    Easy-to-hard self-training of this kind: arXiv:2502.01612. A rung whose pass rate reaches the threshold is mastered;
    mastered rungs are tried again every round, as a student that only sees the frontier forgets what is below it
    (level 2 fell from 72 to 35 % after a round of levels 4 to 6).

    Args:
        problems: to draw from.
        rung_of: gives a problem's rung.
        rungs: all of them, the lowest first.
        mastered: in earlier rounds.
        width: unmastered rungs that are worked on at once.
        threshold: pass rate from which a rung is mastered, in (0, 1].
        count: problems to try on each rung.
        tried: ids of problems tried before; fresh ones come first.
        seed: decides which.
        attempt: lets the student try.

    Returns:
        Problems tried, their attempts (shape `[P][1 + samples]`), and the mastered rungs.
    """
    pool: list[Problem] = []
    made: list[list[Attempt]] = []
    still_open = 0
    for rung in rungs:
        if still_open == width:
            break
        here = fresh([p for p in problems if rung_of(p) == rung], tried, count, seed)
        attempts = attempt(here)
        pool += here
        made += attempts
        if rung in mastered or pass_rate(attempts) >= threshold:
            mastered |= {rung}
        else:
            still_open += 1
    return pool, made, mastered
