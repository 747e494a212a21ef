"""Mine: try fresh training problems and find what this student gets wrong, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, NamedTuple

from pydantic import Field

from selfimprove.mining.kinds import KindRule, Mined, settled, summarise
from selfimprove.programs import Item, Program, request_of, stated
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Attempt, Problem, Request, Sampling, Verdict
from selfimprove.steps.rerun import redrawn, reread
from selfimprove.steps.verify import verify

Try = Callable[[Sequence[Problem]], list[list[Attempt]]]
"""Lets the student try problems: one greedy attempt each and, behind it, sampled ones."""


class Pull(NamedTuple):
    """One attempt that is wanted.

    Attributes:
        problem: to try.
        sample: its index; 0 is the greedy attempt.
        longer: with the longer limit, as the one before was cut off.
    """

    problem: Problem
    sample: int
    longer: bool = False


Draw = Callable[[Sequence[Pull]], list[Attempt]]
"""Draws attempts in one batch, in order."""


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

    @property
    def sequential(self) -> bool:
        """Whether sampling goes on while a kind is open."""
        return self.most > self.samples


class Tried(NamedTuple):
    """A mined problem with its attempts, the greedy one first."""

    mined: Mined
    attempts: list[Attempt]


@dataclass
class Trial:
    """A problem that is being tried.

    Attributes:
        problem: what is tried.
        attempts: so far, the greedy one first; a second chance takes the place of the first.
        repeated: sample indices of those that had their second chance.
    """

    problem: Problem
    attempts: list[Attempt] = field(default_factory=list)
    repeated: set[int] = field(default_factory=set)

    def add(self, attempt: Attempt) -> None:
        """Take an attempt in, in the place of one with its index where there is one."""
        sample = attempt.completion.sample
        known = [at for at, other in enumerate(self.attempts) if other.completion.sample == sample]
        if known:
            self.attempts[known[0]] = attempt
            self.repeated.add(sample)
        else:
            self.attempts.append(attempt)

    def wanted(self, rule: MiningRule) -> list[Pull]:
        """Give what the next pass draws; empty when all is done."""
        if not self.attempts:
            sampled = range(rule.first, rule.first + rule.samples) if not rule.sequential else ()
            return [Pull(self.problem, sample) for sample in (0, *sampled)]
        due = [a for a in self.attempts if rule.again and redrawn(a) and a.completion.sample not in self.repeated]
        if due:
            return [Pull(self.problem, a.completion.sample, a.verdict is Verdict.TRUNCATED) for a in due]
        done = len(self.attempts) - 1
        if rule.sequential and not self.attempts[0].verdict.decided:
            more = 0  # its kind is technical, whatever is sampled
        elif done < rule.samples:
            more = rule.samples - done
        else:
            more = 0 if settled(self.attempts, rule) else max(0, min(rule.step, rule.most - done))
        return [Pull(self.problem, rule.first + done + extra) for extra in range(more)]


def mine(problems: Sequence[Problem], draw: Draw, task: Task, rule: MiningRule | None = None) -> list[Tried]:
    """Try each problem greedily and by samples, until the posterior settles how it fails or the cap is reached.

    Each pass is one batch over all problems that are still open, second chances among them, so an engine stays full.

    Args:
        problems: to try, shape `[P]`.
        draw: lets the student try, see `drawing`.
        task: reads and compares.
        rule: when a kind is settled, and how many samples are drawn; default: 4 to 16.

    Returns:
        What was found, in order of problems, shape `[P]`.
    """
    rule = rule or MiningRule()
    trials = [Trial(problem) for problem in problems]
    while one_pass(trials, draw, task, rule):
        pass
    return [Tried(summarise(one.problem, one.attempts, task, rule, len(one.repeated)), one.attempts) for one in trials]


def one_pass(trials: Sequence[Trial], draw: Draw, task: Task, rule: MiningRule) -> list[Attempt]:
    """Draw what is wanted of all problems in one batch, take it in, and give it; nothing when all is done."""
    wanted = [(trial, pull) for trial in trials for pull in trial.wanted(rule)]
    drawn = draw([pull for _, pull in wanted]) if wanted else []
    made = []
    for (trial, pull), attempt in zip(wanted, drawn, strict=True):
        indexed = _indexed(attempt, pull)
        read = reread(pull.problem, indexed, task) if rule.again else indexed
        trial.add(read)
        if read is not indexed:
            trial.repeated.add(pull.sample)
        made.append(read)
    return made


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
    """Give what lets a student try problems: sample 0 greedily, others at a temperature, all in one batch.

    Args:
        student: who tries.
        program: how a problem is put to it.
        task: reads and compares.
        max_tokens: the longest attempt, in tokens.
        longer_tokens: the longest when a truncated one is drawn again.
        temperature: of the samples.
        seed: the campaign's; each (problem, sample) gets its own from it.
    """

    def request(pull: Pull) -> Request:
        item = Item(pull.problem.id, {"problem": stated(pull.problem)}, pull.sample)
        limit = longer_tokens if pull.longer else max_tokens
        sampling = Sampling(temperature=temperature if pull.sample else 0.0, max_tokens=limit)
        return request_of(program, item, sampling, role="solve", seed=seed)

    def draw(wanted: Sequence[Pull]) -> list[Attempt]:
        made = student.complete([request(pull) for pull in wanted])
        return [verify(task, pull.problem, one) for pull, one in zip(wanted, made, strict=True)]

    return draw


def _indexed(attempt: Attempt, pull: Pull) -> Attempt:
    """Give an attempt its sample index, which a student of one's own need not have written down."""
    made = attempt.completion
    if made.sample == pull.sample:
        return attempt
    return attempt.model_copy(update={"completion": made.model_copy(update={"sample": pull.sample})})


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
