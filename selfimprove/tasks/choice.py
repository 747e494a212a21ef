"""MMLU and data sets of its form: a question, its options, the right one (Hendrycks et al. 2021, arXiv:2009.03300)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from selfimprove.answers.choice import LETTERS, canonical
from selfimprove.answers.kinds import kind
from selfimprove.errors import InputError
from selfimprove.records import Problem, Split
from selfimprove.tasks.cuts import Splits, divide
from selfimprove.tasks.of_kind import OfKind
from selfimprove.tasks.source import Row, find, from_hub, read_rows

_FEWEST = 2
_HUB = "cais/mmlu"
_FILES = "mmlu/train.jsonl, mmlu/dev.jsonl and mmlu/test.jsonl"


@dataclass(frozen=True)
class MultipleChoice(OfKind):
    """Test is MMLU's test, dev its validation, train its auxiliary train (which has no subjects).

    Args:
        data_dir: folder that holds `mmlu/train.jsonl`, `mmlu/dev.jsonl` and `mmlu/test.jsonl`, rows with `question`,
            `choices` and `answer` (a letter, or an index from 0), perhaps `subject`; None: the hub's `cais/mmlu`.
        sizes: the most problems to give a split.
        subject: one of MMLU's 57, for dev and test; "all" for all.
    """

    data_dir: Path | None = None
    sizes: Mapping[Split, int] = field(default_factory=dict)
    subject: str = "all"

    name = "mmlu"
    _kind = kind("choice")

    def problem(self, row: Row) -> Problem:
        """Turn one row of the data set into a problem.

        Raises:
            InputError: a field is missing or the answer is none of the options.
        """
        choices = options(row, "choices")
        letter = right_option(row, "answer", choices)
        subject = row.fields.get("subject")
        labels = {"subject": subject} if isinstance(subject, str) and subject else {}
        return Problem.of(row.text("question"), letter, choices=choices, labels=labels)

    @cached_property
    def _splits(self) -> Splits:
        local = find(self.data_dir, "mmlu", "train.jsonl", "dev.jsonl", "test.jsonl")
        if local:
            train, dev, test = (read_rows(path) for path in local)
            if self.subject != "all":
                dev, test = (_of_subject(rows, self.subject) for rows in (dev, test))
        else:
            train = from_hub(_HUB, "auxiliary_train", "all", files=_FILES)
            dev, test = (from_hub(_HUB, split, self.subject, files=_FILES) for split in ("validation", "test"))
        pools: Mapping[Split, list[Problem]] = {
            "train": [*map(self.problem, train)],
            "dev": [*map(self.problem, dev)],
            "test": [*map(self.problem, test)],
        }
        return divide(pools, name=self.name, dev_size=0, sizes=self.sizes)


def options(row: Row, field: str) -> tuple[str, ...]:
    """Give the options of a row: a list of texts, or `{"text": [...]}` as ARC and CommonsenseQA have it.

    Raises:
        InputError: fewer than two options, more than ten, or one that is no text.
    """
    value = row.fields.get(field)
    listed = value.get("text") if isinstance(value, Mapping) else value
    if not isinstance(listed, list | tuple) or not _FEWEST <= len(listed) <= len(LETTERS):
        raise InputError(
            f'{row.where}: "{field}" must be a list of {_FEWEST} to {len(LETTERS)} options, not {listed!r:.80}'
        )
    for option in listed:
        if not isinstance(option, str | int | float) or not str(option).strip():
            raise InputError(f'{row.where}: "{field}" holds {option!r:.80}, which is no option; give each as text')
    return tuple(str(option).strip() for option in listed)


def right_option(row: Row, field: str, choices: tuple[str, ...]) -> str:
    """Give the letter of the right option, from a letter, an index from 0, or the option's text.

    Raises:
        InputError: it is none of the options.
    """
    value = row.fields.get(field)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
        return LETTERS[value]
    letter = canonical(value, choices) if isinstance(value, str) else None
    if letter is None or LETTERS.index(letter) >= len(choices):
        allowed = f'a letter from "A" to "{LETTERS[len(choices) - 1]}", an index from 0, or the text of an option'
        raise InputError(f'{row.where}: "{field}" must be {allowed}, not {value!r:.80}; correct it')
    return letter


def _of_subject(rows: list[Row], subject: str) -> list[Row]:
    kept = [row for row in rows if row.fields.get("subject") == subject]
    if not kept:
        raise InputError(
            f'mmlu has no subject "{subject}" in {rows[0].where.partition(",")[0]}; name one of its subjects'
        )
    return kept
