"""Cut problems into splits that never move: a hash decides, so neither order nor seed of a run matters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimprove.errors import InputError, nearest
from selfimprove.protocols import Task
from selfimprove.records import Parsed, Problem, Split, Verdict, digest

SPLITS: tuple[Split, ...] = ("train", "dev", "test")
Splits = Mapping[Split, tuple[Problem, ...]]


def same_question(problem: Problem) -> str:
    """Give what two problems share when they ask the same, but for case and spacing."""
    parts = (problem.context, problem.question, *problem.choices)
    return "\n".join(map(squeezed, parts))


def squeezed(text: str) -> str:
    """Take case and spacing out of a text."""
    return " ".join(text.casefold().split())


def same_words(problem: Problem) -> str:
    """Give what two problems share when they ask the same in the same words, whatever the signs between them.

    >>> same_words(Problem.of("Is $x^2 + 1$ prime?", "no")) == same_words(Problem.of("is x^2 - 1 prime", "no"))
    True
    """
    return " ".join(re.findall(r"\w+", same_question(problem)))


def divide(
    pools: Mapping[Split, Sequence[Problem]],
    *,
    name: str,
    dev_size: int,
    sizes: Mapping[Split, int] | None = None,
    key: Callable[[Problem], str] = same_question,
    stratum: Callable[[Problem], str] = lambda _: "",
) -> Splits:
    """Make disjoint splits.

    A question that is also in test is left out of dev, one that is also in dev or test out of train. Without a dev
    pool, dev is cut from train by the hash of the question, in each stratum by its share.

    Args:
        pools: what the source holds.
        name: the task's name, for messages.
        dev_size: how many dev problems are cut from train; more when `sizes` asks for more.
        sizes: the most problems to give a split; which ones is decided by hash too.
        key: what makes two questions the same.
        stratum: what dev keeps the shares of.

    Raises:
        InputError: sizes that make no sense, or more dev problems than train can give.
    """
    wanted = checked_sizes(sizes or {})
    test = _distinct(pools.get("test", ()), set())
    banned = {key(problem) for problem in test}
    dev = _distinct(pools.get("dev", ()), banned, key)
    train = _distinct(pools.get("train", ()), banned | {key(problem) for problem in dev}, key)
    if "dev" not in pools and train:
        count = max(dev_size, wanted.get("dev", 0))
        if count >= len(train):
            raise InputError(f"{name}: dev of {count} cannot be cut from {len(train)} train problems; ask for fewer")
        chosen = _stratified(train, count, key, stratum)
        dev = [problem for problem in train if key(problem) in chosen]
        train = [problem for problem in train if key(problem) not in chosen]
    whole: dict[Split, list[Problem]] = {"train": train, "dev": dev, "test": test}
    return {split: take(problems, wanted.get(split)) for split, problems in whole.items()}


def checked_sizes(sizes: Mapping[Split, int]) -> Mapping[Split, int]:
    """Give the sizes back when they name splits and count problems.

    Raises:
        InputError: they do not.
    """
    for split, size in sizes.items():
        if split not in SPLITS:
            raise InputError(f'sizes: there is no split "{split}"; {nearest(split, SPLITS)}')
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InputError(f"sizes: {split} = {size!r} must be a number of problems, 0 or more")
    return sizes


def take(problems: Sequence[Problem], size: int | None) -> tuple[Problem, ...]:
    """Give at most `size` problems in their order; a hash of the id decides which, all when None."""
    if size is None or size >= len(problems):
        return tuple(problems)
    chosen = {problem.id for problem in sorted(problems, key=lambda problem: digest("take", problem.id))[:size]}
    return tuple(problem for problem in problems if problem.id in chosen)


def _distinct(
    problems: Iterable[Problem], banned: set[str], key: Callable[[Problem], str] = same_question
) -> list[Problem]:
    """Drop questions that are banned, and problems that are there already."""
    kept = {problem.id: problem for problem in reversed(list(problems)) if not banned or key(problem) not in banned}
    return list(reversed(kept.values()))


def _stratified(
    problems: Sequence[Problem], count: int, key: Callable[[Problem], str], stratum: Callable[[Problem], str]
) -> set[str]:
    """Choose `count` questions by hash, from each stratum its share, what rounding leaves from the largest rests."""
    ranked: dict[str, list[str]] = defaultdict(list)
    for question, group in sorted(
        {(key(problem), stratum(problem)) for problem in problems}, key=lambda p: digest("dev", p[0])
    ):
        ranked[group].append(question)
    total = sum(map(len, ranked.values()))
    quota = {group: count * len(questions) // total for group, questions in ranked.items()}
    by_rest = sorted(ranked, key=lambda group: (-(count * len(ranked[group]) % total), group))
    for group in by_rest[: count - sum(quota.values())]:
        quota[group] += 1
    return {question for group, questions in ranked.items() for question in questions[: quota[group]]}


@dataclass(frozen=True)
class Limited:
    """A task of which only so many problems a split are used."""

    task: Task
    sizes: Mapping[Split, int]

    def __post_init__(self) -> None:
        checked_sizes(self.sizes)

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def instruction(self) -> str:
        """The task's instruction."""
        return self.task.instruction

    def problems(self, split: Split) -> Iterator[Problem]:
        """Walk the part of the split that is used, in the task's order."""
        yield from take(list(self.task.problems(split)), self.sizes.get(split))

    def parse(self, text: str) -> Parsed:
        """Find the answer in a completion."""
        return self.task.parse(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare a found answer with the reference."""
        return self.task.compare(answer, problem)

    def conclude(self, rationale: str, answer: str) -> str:
        """Write a rationale and an answer in the strict form."""
        return self.task.conclude(rationale, answer)
