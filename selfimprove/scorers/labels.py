"""Solutions with labelled steps, in the formats they are published in: what a process reward model learns from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from selfimprove.errors import InputError, nearest
from selfimprove.records import Problem, Record, StepItem
from selfimprove.scorers.families import SHEPHERD_TAG

Format = Literal["steps", "prm800k", "math-shepherd", "processbench"]
_RATED: Final = {-1: 0.0, 0: 1.0, 1: 1.0}
"""PRM800K's ratings: neutral counts as right, as in ProcessBench's own baseline (arXiv:2412.06559, section 4)."""


class LabelledSteps(Record):
    """A solution whose steps are labelled. A row of the format `steps`."""

    question: str
    """The problem as a program shows it."""
    steps: tuple[str, ...]
    labels: tuple[float | None, ...]
    """How right each step is, in [0, 1]; None where nothing is known."""
    problem: str = ""
    """Id of the problem."""
    canonical: str = ""
    """Of a procedural problem, by which it is known when its numbers stand in another order."""
    source: str = ""
    """What labelled it: a data set, or a scorer's identity."""


def labelled(item: StepItem, scores: Sequence[float] | None, question: str, source: str) -> LabelledSteps:
    """Make a training row of a scored solution, such as one scored by Monte Carlo; no verdict labels nothing."""
    labels = tuple(scores) if scores is not None else (None,) * len(item.steps)
    of = item.problem
    return LabelledSteps(
        question=question, steps=item.steps, labels=labels, problem=of.id, canonical=of.canonical, source=source
    )


def read_labels(path: Path, kind: Format = "steps") -> list[LabelledSteps]:
    """Read a file of labelled solutions; those without any label are left out.

    Args:
        path: JSON lines, or one JSON list.
        kind: `steps` (rows of `LabelledSteps`), `prm800k` (`phase*_train.jsonl` of openai/prm800k), `math-shepherd`
            (peiyi9979/Math-Shepherd), or `processbench` (`problem`, `steps`, and the index of the first wrong step
            as `label`, -1 for none; what comes after it is unknown).

    Raises:
        InputError: there is no such file or format, or a row is not of it.
    """
    if kind not in _READERS:
        raise InputError(f'there is no format of step labels "{kind}"; {nearest(kind, _READERS)}')
    found = []
    for number, row in _rows(path):
        try:
            made = list(_READERS[kind](row))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ValidationError) as error:
            what = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InputError(f'{path}, row {number}: not of the format "{kind}" ({what}); name its format') from error
        for one in made:
            if len(one.steps) != len(one.labels) or not all(x is None or 0 <= x <= 1 for x in one.labels):
                raise InputError(f"{path}, row {number}: each step needs one label in [0, 1] or null")
        found += [one for one in made if any(label is not None for label in one.labels)]
    return found


def read_processbench(path: Path) -> list[tuple[StepItem, int]]:
    """Read a ProcessBench file to measure with: solutions, each with the index of its first wrong step, -1 for none.

    Raises:
        InputError: there is no such file, or a row is not of its format.
    """
    found = []
    for row in read_labels(path, "processbench"):
        wrong = row.labels.index(0.0) if 0.0 in row.labels else -1
        found.append((StepItem(problem=Problem.of(row.question, ""), steps=row.steps), wrong))
    return found


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}; name a file of labelled solutions") from error
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), 1)
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}; mend it") from error
        return
    for number, line in enumerate(text.split("\n"), 1):  # a JSON string may hold U+2028
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: not JSON ({error}); mend it") from error


def _own(row: Mapping[str, Any]) -> Iterator[LabelledSteps]:
    yield LabelledSteps.model_validate(row)


def _processbench(row: Mapping[str, Any]) -> Iterator[LabelledSteps]:
    wrong, steps = int(row["label"]), tuple(row["steps"])
    if not -1 <= wrong < len(steps):
        raise ValueError(f"label {wrong} is no step of {len(steps)}")
    known = [1.0] * len(steps) if wrong < 0 else [*([1.0] * wrong), 0.0]
    labels = (*known, *([None] * (len(steps) - len(known))))
    yield LabelledSteps(question=row["problem"], steps=steps, labels=labels, source="processbench")


def _shepherd(row: Mapping[str, Any]) -> Iterator[LabelledSteps]:
    """Read the labels where the step tags of `input` stand in `label`."""
    shown, signed, place = str(row["input"]), str(row["label"]), 0
    texts, labels = [], []
    *parts, _ = shown.split(SHEPHERD_TAG)
    for part in parts:
        place += len(part)
        labels.append({"+": 1.0, "-": 0.0}[signed[place]])
        place += 1
        texts.append(part)
    question, mark, first = texts[0].partition("Step 1:")
    if not mark:
        raise ValueError("no Step 1")
    steps = [re.sub(r"^Step \d+:", "", text.strip()).strip() for text in [f"Step 1:{first}", *texts[1:]]]
    yield LabelledSteps(question=question.strip(), steps=tuple(steps), labels=tuple(labels), source="math-shepherd")


def _prm800k(row: Mapping[str, Any]) -> Iterator[LabelledSteps]:
    """Follow the chosen steps; every other rated completion is a row of its own, of which only its end is labelled."""
    question, path, labels = row["question"]["problem"], list[str](), list[float | None]()
    others = []
    for step in row["label"]["steps"]:
        rated = [(one["text"], _RATED.get(one["rating"])) for one in step["completions"] or ()]
        chosen = step.get("chosen_completion")
        taken = rated[chosen] if chosen is not None else None
        if taken is None and (human := step.get("human_completion")):
            taken = (human["text"] if isinstance(human, dict) else str(human), 1.0)
        for index, (text, label) in enumerate(rated):
            if index != chosen and label is not None:
                others.append(((*path, text), (*([None] * len(path)), label)))
        if taken is None:
            break
        path.append(taken[0])
        labels.append(taken[1])
    if path:
        yield LabelledSteps(question=question, steps=tuple(path), labels=tuple(labels), source="prm800k")
    for steps, known in others:
        yield LabelledSteps(question=question, steps=steps, labels=known, source="prm800k")


_READERS: Final[Mapping[str, Callable[[Any], Iterator[LabelledSteps]]]] = {
    "steps": _own,
    "prm800k": _prm800k,
    "math-shepherd": _shepherd,
    "processbench": _processbench,
}
