"""Your own problems, from JSON Lines files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from selfimprove.answers.kinds import Kind, KindName, guess, kind
from selfimprove.errors import InputError, nearest
from selfimprove.records import Problem, Split, Verdict, digest
from selfimprove.tasks.choice import options, right_option
from selfimprove.tasks.cuts import Splits, divide, same_question
from selfimprove.tasks.groups import GROUP, group_of, kept_apart, move_nearest
from selfimprove.tasks.of_kind import OfKind
from selfimprove.tasks.source import Row, read_rows

_OPTIONAL = ("rationale_field", "facts_field", "choices_field", "context_field", "id_field")
_BUCKETS = 10_000
_LONGEST_NAME = 80
_BROKEN = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no name holds that a message could repeat."""
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class JsonlTask(OfKind):
    """Problems of a file, cut into splits by the hash of the question or of its group, or of a file a split.

    A question stays in its split when rows are added. Rows of one group, such as the variants of one problem, are
    never in two splits: of a group that a file of dev or test problems holds, nothing is taken from the others. Where
    groups are so few that none falls into dev or test, the one whose hash is nearest to it goes there.

    Args:
        path: the file; all splits are cut from it unless `dev` or `test` name their own.
        dev: file of dev problems.
        test: file of test problems.
        dev_share: share of `path` that becomes dev, in [0, 1); not used when `dev` is given.
        test_share: share of `path` that becomes test, in [0, 1); not used when `test` is given.
        kind: how answers are read and compared; `auto` takes the narrowest that fits all reference answers.
        question_field: field with the question.
        answer_field: field with the reference answer: text, number, true or false; for choices a letter, an index from
            0, or the option's text.
        rationale_field: field with a worked solution, without the final answer.
        facts_field: field with a list of facts.
        choices_field: field with a list of options.
        context_field: field with a text that the question is about.
        id_field: field with your own id, by which predictions may name a problem.
        group_field: field that is the same in rows which must stay together, dots before a field in a field; rows
            without it stand alone. By default where the rows of `curate` have the seed that they were grown from;
            empty: each question stands alone.
        label_fields: fields that results are grouped by.
        sizes: the most problems to give a split.
        name: the task's name; empty: the file's.
    """

    path: Path
    dev: Path | None = None
    test: Path | None = None
    dev_share: float = 0.15
    test_share: float = 0.15
    kind: Literal["auto", "number", "expression", "yes_no", "choice", "text"] = "auto"
    question_field: str = "question"
    answer_field: str = "answer"
    rationale_field: str = "rationale"
    facts_field: str = "facts"
    choices_field: str = "choices"
    context_field: str = "context"
    id_field: str = "id"
    group_field: str = GROUP
    label_fields: tuple[str, ...] = ()
    sizes: Mapping[Split, int] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.dev_share < 1 and 0 <= self.test_share < 1 and self.dev_share + self.test_share < 1):
            raise InputError(f"dev_share {self.dev_share} and test_share {self.test_share} must add up to less than 1")
        for name in ("path", "dev", "test"):
            if _BROKEN.search(str(getattr(self, name))):
                raise InputError(f"{name} = {str(getattr(self, name))!r:.80} is no name of a file; correct it")
        for name in ("question_field", "answer_field", *_OPTIONAL, "group_field", "label_fields"):
            given = getattr(self, name)
            for text in (given,) if isinstance(given, str) else given:
                if _BROKEN.search(text) or len(text) > _LONGEST_NAME:
                    raise InputError(f"{name} = {text!r:.80} is no name of a field; correct it")
        object.__setattr__(self, "name", self.name or Path(self.path).stem)

    def problem(self, row: Row) -> Problem:
        """Turn one row into a problem.

        Raises:
            InputError: a field is missing, or the reference answer cannot be read.
        """
        both = f'"{self.question_field}" and "{self.answer_field}"'
        advice = f"each line needs {both}; add it, or name the field that holds it with "
        question = row.text(self.question_field, f'{advice}question_field = "..."')
        choices = options(row, self.choices_field) if self._kind.name == "choice" else ()
        if len(set(choices)) < len(choices):
            raise InputError(f'{row.where}: "{self.choices_field}" holds the same option twice; make them differ')
        if choices:
            answer: str | None = right_option(row, self.answer_field, choices)
        else:
            answer = self._kind.canonical(_said(row, self.answer_field, f'{advice}answer_field = "..."'), ())
        if answer is None:
            value = row.fields[self.answer_field]
            raise InputError(
                f'{row.where}: "{self.answer_field}" is {value!r:.80}, which cannot be read as {self._kind.name}; '
                f'correct it, or choose another kind, such as kind = "text"'
            )
        _whole(row, self.answer_field, [answer])
        return Problem.of(
            question,
            answer,
            choices=_whole(row, self.choices_field, choices),
            rationale="\n".join(_whole(row, self.rationale_field, row.texts(self.rationale_field))),
            facts=_whole(row, self.facts_field, row.texts(self.facts_field)),
            context="\n".join(_whole(row, self.context_field, row.texts(self.context_field))),
            labels={
                name: _whole(row, name, [str(row.fields[name])])[0] for name in self.label_fields if name in row.fields
            },
        )

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Your own ids, each with the id of its problem."""
        named: dict[str, str] = {}
        for row in (row for rows in self._rows.values() for row in rows if row.fields.get(self.id_field) is not None):
            own, identity = str(row.fields[self.id_field]), self.problem(row).id
            if named.setdefault(own, identity) != identity:
                raise InputError(
                    f'{row.where}: "{self.id_field}" {own!r} names another problem already; give each its own'
                )
        return named

    @cached_property
    def _rows(self) -> Mapping[Split, list[Row]]:
        files: Mapping[Split, Path | None] = {"train": self.path, "dev": self.dev, "test": self.test}
        rows = {split: read_rows(Path(path)) for split, path in files.items() if path is not None}
        fields = {name for row in rows["train"] for name in row.fields}
        if self.group_field not in ("", GROUP) and not any(group_of(row, self.group_field) for row in rows["train"]):
            known = [each for each in fields if not _BROKEN.search(each)]
            raise InputError(f'{self.path}: no row has "{self.group_field}"; {nearest(self.group_field, known)}')
        named = {name: getattr(self, name) for name in _OPTIONAL} | {name: name for name in self.label_fields}
        for setting, name in named.items():
            default = type(self).__dataclass_fields__[setting].default if setting in _OPTIONAL else None
            if name not in fields and name != default:
                known = [each for each in fields if not _BROKEN.search(each)]
                raise InputError(f'{self.path}: no row has "{name}"; {nearest(name, known)}')
        return rows

    @cached_property
    def _kind(self) -> Kind:
        if self.kind != "auto":
            return kind(self.kind)
        rows = [row for each in self._rows.values() for row in each]
        if all(row.fields.get(self.choices_field) for row in rows):
            return kind("choice")
        given = [str(_plain(row.fields[self.answer_field])) for row in rows if self.answer_field in row.fields]
        found: KindName = guess(given, choices=False) if given else "text"
        return kind(found)

    @cached_property
    def _splits(self) -> Splits:
        pools: dict[Split, list[tuple[str, Problem]]] = {"train": [], "dev": [], "test": []}
        _ = self.aliases  # two problems of one id are found before anything is asked
        for split, rows in self._rows.items():
            for row, problem in _once(self._kind, rows, [self.problem(row) for row in rows]):
                group = group_of(row, self.group_field)
                pool = pools[self._cut(group, problem) if split == "train" else split]
                pool.append((group, problem.model_copy(update={"group": group})))
        for split, share in self._shares.items():
            if share and not pools[split]:
                move_nearest(pools, split, _place)
        apart = kept_apart(pools)
        divided = divide(apart, name=self.name, dev_size=0, sizes=self.sizes)
        for split, problems_of in apart.items():
            if not problems_of:
                groups = len({group for pool in pools.values() for group, _ in pool if group})
                of = f' (there are {groups} groups of one "{self.group_field}")' if groups else ""
                raise InputError(
                    f"{self.path}: no problem falls into {split}{of}; "
                    "give more rows, another share, or a file of its own"
                )
        return divided

    def _cut(self, group: str, problem: Problem) -> Split:
        place, shares = _place(group or same_question(problem), grouped=bool(group)), self._shares
        if place < shares["test"]:
            return "test"
        return "dev" if place < shares["test"] + shares["dev"] else "train"

    @property
    def _shares(self) -> Mapping[Split, float]:
        """What is cut from `path`."""
        return {
            "test": 0.0 if self.test is not None else self.test_share,
            "dev": 0.0 if self.dev is not None else self.dev_share,
        }


def _place(text: str, *, grouped: bool = True) -> float:
    """Give a text its place between the splits, in [0, 1)."""
    return int(digest("jsonl group" if grouped else "jsonl", text), 16) % _BUCKETS / _BUCKETS


def _plain(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _said(row: Row, name: str, advice: str) -> str:
    """Give the reference answer as text; numbers and booleans are answers too."""
    value = _plain(row.fields.get(name))
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f'{row.where}: "{name}" is {value}, which is no answer; correct it')
    return (
        str(value)
        if isinstance(value, int | float)
        else value
        if isinstance(value, str) and value
        else row.text(name, advice)
    )


def _whole(row: Row, name: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Give the texts of a field back, where a run folder can hold them."""
    if any(_UNWRITABLE.search(text) for text in texts):
        raise InputError(f'{row.where}: "{name}" holds half a character or a NUL; correct it')
    return tuple(texts)


def _once(answers: Kind, rows: list[Row], problems: list[Problem]) -> list[tuple[Row, Problem]]:
    """Keep each question once; refuse one with two different reference answers."""
    first: dict[str, tuple[Row, Problem]] = {}
    for row, problem in zip(rows, problems, strict=True):
        known_row, known = first.setdefault(same_question(problem), (row, problem))
        if known.answer != problem.answer and answers.compare(problem.answer, known) is not Verdict.CORRECT:
            raise InputError(
                f"{row.where}: the question of {known_row.where.rpartition(', ')[2]} again, with the answer "
                f"{problem.answer!r:.40} instead of {known.answer!r:.40}; keep the right one"
            )
    return list(first.values())
