"""GSM8K: 8,792 grade-school word problems with worked answers (Cobbe et al. 2021, arXiv:2110.14168)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from selfimprove.answers import gsm8k, number
from selfimprove.errors import InputError
from selfimprove.records import Parsed, Problem, Split, Verdict
from selfimprove.tasks.cuts import Splits, divide, same_words
from selfimprove.tasks.source import Row, find, from_hub, read_rows

_CALCULATOR = re.compile(r"<<[^\n]*?>>")


@dataclass(frozen=True)
class Gsm8k:
    """The test split is the data set's own; dev is cut from its train.

    Args:
        data_dir: folder that holds `gsm8k/train.jsonl` and `gsm8k/test.jsonl`; None: the hub's `openai/gsm8k`.
        sizes: the most problems to give a split.
        dev_size: problems cut from train by the hash of their question.
    """

    data_dir: Path | None = None
    sizes: Mapping[Split, int] = field(default_factory=dict)
    dev_size: int = 400

    name = "gsm8k"
    instruction = 'Reason step by step, one step a line. End with a line "#### " and the final number.'

    def problems(self, split: Split) -> Iterator[Problem]:
        """Walk a split, in the order of its file."""
        yield from self._splits[split]

    def parse(self, text: str) -> Parsed:
        """Read as lm-evaluation-harness does, see `answers.gsm8k`."""
        return gsm8k.read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare by value."""
        return gsm8k.compare(answer, problem.answer)

    def conclude(self, rationale: str, answer: str) -> str:
        """Write the steps and the `####` line."""
        return gsm8k.conclude(rationale, answer)

    def problem(self, row: Row) -> Problem:
        """Turn one row of the data set into a problem.

        Raises:
            InputError: a field is missing, or the worked answer does not end in `#### N`.
        """
        worked, mark, final = row.text("answer").rpartition("####")
        answer = number.canonical(final)
        if not mark or answer is None:
            raise InputError(f'{row.where}: "answer" must end in a line "#### " and a number; correct it')
        rationale = _CALCULATOR.sub("", worked).strip()
        steps = len([line for line in rationale.splitlines() if line.strip()])
        return Problem.of(row.text("question"), answer, rationale=rationale, labels={"steps": str(steps)})

    @cached_property
    def _splits(self) -> Splits:
        local = find(self.data_dir, "gsm8k", "train.jsonl", "test.jsonl")
        if local:
            train, test = (read_rows(path) for path in local)
        else:
            files = "gsm8k/train.jsonl and gsm8k/test.jsonl"
            train, test = (from_hub("openai/gsm8k", split, "main", files=files) for split in ("train", "test"))
        pools: Mapping[Split, list[Problem]] = {
            "train": [*map(self.problem, train)],
            "test": [*map(self.problem, test)],
        }
        return divide(pools, name=self.name, dev_size=self.dev_size, sizes=self.sizes, key=same_words)
