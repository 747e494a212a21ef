r"""MATH: competition problems with solutions that end in `\boxed{}` (Hendrycks et al. 2021, arXiv:2103.03874)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from selfimprove.answers.expression import canonical
from selfimprove.answers.kinds import kind
from selfimprove.answers.marks import boxed
from selfimprove.errors import InputError
from selfimprove.records import Problem, Split
from selfimprove.tasks.cuts import Splits, divide, same_words
from selfimprove.tasks.of_kind import OfKind
from selfimprove.tasks.source import Row, find, from_hub, read_rows

_FILES = "math/train.jsonl and math/math500.jsonl"
_TOPICS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


@dataclass(frozen=True)
class HendrycksMath(OfKind):
    r"""Test is MATH-500 (Lightman et al. 2023), dev is cut from MATH's train.

    Left out of train: what has the same words as a test problem, solutions with an empty box, and those with several
    different boxes, whose last box alone is not the answer.

    Args:
        data_dir: folder that holds `math/train.jsonl` and `math/math500.jsonl`; None: the hub's
            `EleutherAI/hendrycks_math` and `HuggingFaceH4/MATH-500`.
        sizes: the most problems to give a split.
        dev_size: problems cut from train by the hash of their question.
    """

    data_dir: Path | None = None
    sizes: Mapping[Split, int] = field(default_factory=dict)
    dev_size: int = 400

    name = "math"
    _kind = kind("expression")

    def problem(self, row: Row) -> Problem:
        r"""Turn one row of MATH or MATH-500 into a problem.

        Raises:
            InputError: a field is missing, the solution has no `\boxed{}`, or the answer is no expression.
        """
        solution = row.text("solution")
        boxes = boxed(solution)
        if not boxes:
            raise InputError(f'{row.where}: "solution" has no closed, non-empty \\boxed{{}}; correct it')
        given = row.fields.get("answer")  # MATH-500 has it, MATH does not
        answer = given.strip() if isinstance(given, str) and given.strip() else boxes[-1]
        if canonical(answer) is None:
            raise InputError(
                f"{row.where}: the answer is {answer!r:.80}, which cannot be read as expression; correct it"
            )
        topic = row.fields.get("type") or row.fields.get("subject") or ""
        level = str(row.fields.get("level", "")).removeprefix("Level ").strip()
        labels = {name: str(value) for name, value in (("level", level), ("topic", topic)) if value}
        return Problem.of(row.text("problem"), answer, rationale=_unboxed(solution), labels=labels)

    @cached_property
    def _splits(self) -> Splits:
        local = find(self.data_dir, "math", "train.jsonl", "math500.jsonl")
        if local:
            train, test = (read_rows(path) for path in local)
        else:
            hub = "EleutherAI/hendrycks_math"
            train = [row for topic in _TOPICS for row in from_hub(hub, "train", topic, files=_FILES)]
            test = from_hub("HuggingFaceH4/MATH-500", "test", files=_FILES)
        pools: Mapping[Split, list[Problem]] = {
            "train": [self.problem(row) for row in train if _one_answer(row)],
            "test": [*map(self.problem, test)],
        }
        return divide(pools, name=self.name, dev_size=self.dev_size, sizes=self.sizes, key=same_words)


def _one_answer(row: Row) -> bool:
    """False when the solution boxes different things, or nothing, as 26 of MATH's train do."""
    return len({canonical(box) for box in boxed(row.text("solution"))}) == 1


def _unboxed(solution: str) -> str:
    r"""Take the `\boxed{}` around the answers off, so that `conclude` puts the only one.

    >>> _unboxed(r"so $x = \boxed{\frac{1}{2}}.$")
    'so $x = \\frac{1}{2}.$'
    """
    for content in boxed(solution):
        for opening in ("\\boxed{", "\\boxed {", "\\fbox{"):
            solution = solution.replace(f"{opening}{content}}}", content)
    return solution.strip()
