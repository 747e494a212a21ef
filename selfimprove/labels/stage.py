"""Label a file of problems twice, independently, and say how far the two agree with each other and with gold labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from selfimprove.labels.agreement import Agreement, agreements
from selfimprove.labels.given import Given, joined, unlabelled
from selfimprove.labels.labelling import Labelled, Labeller
from selfimprove.labels.taxonomy import DIMENSIONS, Taxonomy
from selfimprove.made_of import check_made_of, mark_made_of
from selfimprove.records import Record, digest
from selfimprove.store import write_whole

LABELLED: Final = "labelled.jsonl"
DISAGREEMENTS: Final = "disagreements.jsonl"
AGREEMENT: Final = "agreement.json"
MADE_OF: Final = "labelled.hash"
CONFUSION: Final = "confusion.csv"


class LabelReport(Record):
    """What labelling a file came to."""

    taxonomy: str
    taxonomy_hash: str
    model: str
    """Identity of what labelled."""
    check_model: str
    """Identity of what checked."""
    prompts: Mapping[str, str]
    """Hash of each judgement's prompt."""
    problems: int
    whole: int
    """Problems with a verdict in every dimension."""
    disputed: int
    """Problems where the two judgements differ, or the check has a verdict that the first lacks."""
    checks: tuple[Agreement, ...]
    """The check held against the first judgement, by dimension."""
    gold: tuple[Agreement, ...]
    """The first judgement held against the file's own labels, by dimension; empty where there are none."""
    gold_of_check: tuple[Agreement, ...]
    """The check held against them."""


class _Judged(NamedTuple):
    given: Given
    first: Labelled
    second: Labelled

    @property
    def disputed(self) -> list[str]:
        """The dimensions on which the judgements differ, in order."""
        one, two = self.first.labels, self.second.labels
        return [name for name in DIMENSIONS if one.get(name) != two.get(name)]


def label_file(given: Sequence[Given], first: Labeller, second: Labeller, out: Path) -> LabelReport:
    """Label problems by two judgements and write what they say into a folder.

    `labelled.jsonl` holds each row with its labels under the names of `DIMENSIONS` (its own where it has them, else the
    first judgement's as far as these fit the own ones, see `joined`), and beside them what was said, how sure and what
    is disputed; `disagreements.jsonl` the disputed ones; `agreement.json` this report; `confusion.csv` a row for each
    pair of names. Neither judgement is told a problem's own labels, so that it can be measured against them. Files are
    written at the end, each whole or not at all; a run that was cut off finds its calls in the ledger.

    Args:
        given: the problems; labels of their own have been `checked`, or taken away where they are not to count.
        first: whose labels are kept.
        second: the independent check.
        out: the folder.

    Raises:
        InputError: the folder holds labels of other problems, or by another taxonomy, model or prompt.
        BudgetExceededError: the cap is reached.
        MissingDependencyError: scikit-learn is not installed.
    """
    made_of = digest([[one.row.fields, one.problem.id, one.labels] for one in given], *map(_judges, (first, second)))
    refusal = f"{out} holds labels of other problems, or by another taxonomy, model or prompt; give another --out"
    check_made_of(out / LABELLED, out / MADE_OF, made_of, refusal)
    problems = [one.problem for one in given]
    rows = [_Judged(*each) for each in zip(given, first.label(problems), second.label(problems), strict=True)]
    said, checked = [row.first.labels for row in rows], [row.second.labels for row in rows]
    own = [row.given.labels for row in rows]
    report = LabelReport(
        taxonomy=first.taxonomy.name,
        taxonomy_hash=first.taxonomy.hash,
        model=first.model.identity,
        check_model=second.model.identity,
        prompts={each.judgement: each.prompt.hash() for each in (first, second)},
        problems=len(rows),
        whole=sum(row.first.whole for row in rows),
        disputed=sum(bool(row.disputed) for row in rows),
        checks=tuple(agreements(said, checked)),
        gold=tuple(agreements(own, said)),
        gold_of_check=tuple(agreements(own, checked)),
    )
    mark_made_of(out / MADE_OF, made_of)
    _write_lines(out / LABELLED, (_labelled_row(row, first.taxonomy) for row in rows))
    _write_lines(out / DISAGREEMENTS, (_disagreement(row) for row in rows if row.disputed))
    write_whole(out / CONFUSION, _confusions(report).encode())
    write_whole(out / AGREEMENT, (report.model_dump_json(indent=1) + "\n").encode())
    return report


def _judges(judge: Labeller) -> tuple[object, ...]:
    """Give what a judgement depends on beside the problems."""
    return judge.taxonomy.hash, judge.model.identity, judge.prompt.hash(), judge.widest


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def _labelled_row(row: _Judged, taxonomy: Taxonomy) -> dict[str, Any]:
    """Give a row of the file with what was said of it."""
    labels = joined(row.given.labels, row.first.labels, taxonomy)
    return {
        **unlabelled(row.given.row.fields),
        **labels,
        "label_said": dict(row.first.labels),
        "label_confidence": dict(row.first.confidence),
        "label_disputed": row.disputed,
        "label_complaint": row.first.complaint or _left_out(row.first.labels, labels),
    }


def _left_out(said: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Say what of a judgement is not among a row's labels, in a sentence; empty where all of it is."""
    names = ", ".join(name for name in DIMENSIONS if name in said and name not in labels)
    return f"What was said of {names} does not fit the row's own labels." if names else ""


def _disagreement(row: _Judged) -> dict[str, Any]:
    """Give what the judgements say of a problem where they differ."""
    one, two = row.first, row.second
    return {
        "problem": one.problem,
        "where": row.given.row.where,
        "question": row.given.problem.question,
        "dimensions": row.disputed,
        "first": {name: one.labels.get(name) for name in row.disputed},
        "second": {name: two.labels.get(name) for name in row.disputed},
        "confidence_first": {name: one.confidence.get(name) for name in row.disputed},
        "confidence_second": {name: two.confidence.get(name) for name in row.disputed},
        "gold": {name: row.given.labels[name] for name in row.disputed if name in row.given.labels},
        "calls": [*one.calls, *two.calls],
    }


def _confusions(report: LabelReport) -> str:
    """Write every pair of names with its count, a row each."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["held_against", "dimension", "true", "said", "problems"])
    for against, found in (("gold", report.gold), ("first judgement", report.checks)):
        for one in found:
            for name, counts in zip(one.names, one.matrix, strict=False):  # no matrix where nothing was compared
                for other, count in zip(one.names, counts, strict=True):
                    if count:
                        table.writerow([against, one.dimension, name, other, count])
    return text.getvalue()
