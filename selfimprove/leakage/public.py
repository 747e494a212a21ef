"""The public test sets of a task's family: guarded even where a campaign does not evaluate on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from selfimprove.answers.kinds import guess
from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.leakage.held_out import HeldOut
from selfimprove.records import Problem


@dataclass(frozen=True)
class PublicSet:
    """A test set that is published.

    Attributes:
        name: as the report calls it.
        file: where a data folder holds it.
        hub: its id on the hub; empty: it is not there.
        split: on the hub.
        configs: on the hub; all are read.
        field: with the question.
        choices: field with the options; empty: none.
    """

    name: str
    file: str
    hub: str
    split: str = "test"
    configs: tuple[str | None, ...] = (None,)
    field: str = "question"
    choices: str = ""


class Guarded(NamedTuple):
    """A test set that could be read."""

    name: str
    held_out: list[HeldOut]


class NotGuarded(NamedTuple):
    """A test set that could not, and why."""

    name: str
    why: str


Read = Callable[[PublicSet], Sequence[Mapping[str, object]]]
"""Gives a test set's rows, from a data folder or the hub."""

_TOPICS: Final = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
_PROCESS: Final = "Qwen/ProcessBench"
FAMILIES: Final[Mapping[str, tuple[PublicSet, ...]]] = {
    "gsm8k": (
        PublicSet("GSM8K test", "gsm8k/test.jsonl", "openai/gsm8k", configs=("main",)),
        PublicSet("ProcessBench GSM8K", "processbench/gsm8k.json", _PROCESS, split="gsm8k", field="problem"),
    ),
    "math": (
        PublicSet("MATH-500", "math/math500.jsonl", "HuggingFaceH4/MATH-500", field="problem"),
        PublicSet("MATH test", "math/test.jsonl", "EleutherAI/hendrycks_math", configs=_TOPICS, field="problem"),
        PublicSet("ProcessBench MATH", "processbench/math.json", _PROCESS, split="math", field="problem"),
    ),
    "strategyqa": (
        PublicSet("StrategyQA dev", "strategyqa/dev.json", "ChilleD/StrategyQA"),
        PublicSet("StrategyQA test", "strategyqa/test.json", ""),
    ),
    "mmlu": (PublicSet("MMLU test", "mmlu/test.jsonl", "cais/mmlu", configs=("all",), choices="choices"),),
}
_OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "choice": ("mmlu",),
    "yes_no": ("strategyqa",),
    "number": ("gsm8k", "math"),
}


def families_of(task: str, problems: Sequence[Problem]) -> tuple[str, ...]:
    """Say whose public test sets a task must not be trained on.

    A known task has its own. Others go by their reference answers: numbers GSM8K and MATH, yes and no StrategyQA,
    options MMLU, formulas MATH. Procedural tasks have none, as their questions are drawn, not published.

    Args:
        task: its name.
        problems: some of its problems.
    """
    if task in FAMILIES:
        return (task,)
    if not problems or all(p.canonical for p in problems):
        return ()
    kind = guess([p.answer for p in problems], choices=all(p.choices for p in problems))
    if kind in _OF_KIND:
        return _OF_KIND[kind]
    return ("math",) if any("$" in p.question or "\\" in p.question for p in problems) else ()


def public_tests(families: Iterable[str], read: Read) -> tuple[list[Guarded], list[NotGuarded]]:
    """Read the public test sets of families.

    Args:
        families: names from `FAMILIES`.
        read: gives the rows of a set; it may refuse with `InputError` or `MissingDependencyError`.

    Returns:
        The sets that are guarded, and those that are not.
    """
    guarded: list[Guarded] = []
    missing: list[NotGuarded] = []
    for each in dict.fromkeys(public for family in families for public in FAMILIES[family]):
        try:
            rows = read(each)
        except (InputError, MissingDependencyError) as error:
            missing.append(NotGuarded(each.name, str(error)))
            continue
        held = [HeldOut.of(problem, each.name) for row in rows if (problem := _problem(each, row)) is not None]
        if held:
            guarded.append(Guarded(each.name, held))
        else:
            missing.append(NotGuarded(each.name, f'no row has "{each.field}" as text'))
    return guarded, missing


def _problem(public: PublicSet, row: Mapping[str, object]) -> Problem | None:
    """Take the question of a row, and its options; the answer is not needed and not kept."""
    question = row.get(public.field)
    if not isinstance(question, str) or not question.strip():
        return None
    listed = row.get(public.choices) if public.choices else ()
    choices = tuple(map(str, listed)) if isinstance(listed, list | tuple) else ()
    return Problem.of(question.strip(), "", choices=choices)
