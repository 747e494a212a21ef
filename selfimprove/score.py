"""Score a file of predictions against a task, whoever made them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import ValidationError

from selfimprove.errors import InputError
from selfimprove.formats import aligned, percent
from selfimprove.protocols import Task
from selfimprove.records import Problem, Record, Score, Split, Verdict
from selfimprove.stats import wilson
from selfimprove.tasks.cuts import squeezed
from selfimprove.tasks.predictions import ID_FIELDS, Prediction, predictions_in
from selfimprove.tasks.source import Row, read_rows


class ScoreReport(Record):
    """What a file of predictions is worth."""

    task: str
    predictions: str
    gold: str
    lenient: Score
    strict: Score | None
    """None when no prediction has a text: bare answers have no form to be strict about."""
    by_label: Mapping[str, Mapping[str, Score]]
    """By the lenient reading."""
    verdicts: Mapping[str, int]
    """How many of each, by the lenient reading."""
    missing: int
    """Problems without a prediction; they count as not correct, with no verdict."""
    unknown: int
    """Predictions that name no problem; left out."""
    repeated: int
    """Predictions that say the same again; left out."""

    def table(self) -> str:
        """Give the report as plain text."""
        rows = [("", "accuracy", "95 % interval", "correct", "n", "no verdict"), _cells("lenient", self.lenient)]
        rows += [_cells("strict", self.strict)] if self.strict else []
        for label, scores in self.by_label.items():
            rows += [_cells(f"{label} = {value}", score) for value, score in scores.items()]
        lines = [f"{self.task}: {self.predictions} against {self.gold}", *aligned(rows)]
        notes = [
            (self.missing, "problems have no prediction and count as not correct"),
            (self.unknown, "predictions name no problem and are left out"),
            (self.repeated, "predictions repeat another and are left out"),
        ]
        lines += [f"{count} {said}" for count, said in notes if count]
        undecided = ", ".join(f"{count} {name}" for name, count in self.verdicts.items() if not Verdict(name).decided)
        return "\n".join([*lines, *([f"no verdict: {undecided}"] if undecided else [])])


@runtime_checkable
class _ReadsRows(Protocol):
    """A task that can turn a row of its data set into a problem."""

    def problem(self, row: Row) -> Problem: ...


def score(
    task: Task, predictions: Path, gold: Path | None = None, *, split: Split = "test", confidence: float = 0.95
) -> ScoreReport:
    """Read, compare and count predictions.

    Args:
        task: says how answers are read and compared.
        predictions: JSON Lines with a text or a bare answer a row, named by id, question or order: our
            `predictions.jsonl`, `{"id": ..., "text": ...}`, lm-evaluation-harness samples; or a JSON object from ids to
            answers, as StrategyQA's and HotpotQA's own evaluations take.
        gold: problems to score against, our data or the data set's own file; None: the task's split.
        split: which split, without `gold`.
        confidence: coverage of the intervals.

    Raises:
        InputError: the file cannot be read, no prediction fits, or two for one problem differ.
    """
    problems, aliases = _gold(task, gold, split)
    said = f"{gold}" if gold else f"{task.name} {split}"
    found, unknown, repeated = _matched(list(predictions_in(predictions)), problems, aliases, said, predictions)
    judged = {problem.id: _judged(task, problem, found.get(problem.id)) for problem in problems}
    lenient = {identity: verdicts[0] for identity, verdicts in judged.items()}
    groups: dict[str, dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for problem in problems:
        for label, value in problem.labels.items():
            groups[label][value].append(lenient[problem.id])
    formed = any(prediction.text is not None for prediction in found.values())
    return ScoreReport(
        task=task.name,
        predictions=str(predictions),
        gold=said,
        lenient=_score(list(lenient.values()), confidence),
        strict=_score([verdicts[1] for verdicts in judged.values()], confidence) if formed else None,
        by_label={
            label: {value: _score(verdicts, confidence) for value, verdicts in sorted(values.items(), key=_natural)}
            for label, values in sorted(groups.items())
        },
        verdicts=dict(sorted(Counter(verdict.value for verdict in lenient.values()).items())),
        missing=len(problems) - len(found),
        unknown=unknown,
        repeated=repeated,
    )


def _gold(task: Task, gold: Path | None, split: Split) -> tuple[list[Problem], Mapping[str, str]]:
    """Give the problems to score against, and what else they are called."""
    if gold is None:
        aliases = getattr(task, "aliases", {})
        return list(task.problems(split)), aliases if isinstance(aliases, Mapping) else {}
    problems: list[Problem] = []
    named: dict[str, str] = {}
    for row in read_rows(gold):
        problem = _problem(task, row)
        problems.append(problem)
        named |= {str(row.fields[name]): problem.id for name in ID_FIELDS if name in row.fields}
    return list({problem.id: problem for problem in problems}.values()), named


def _problem(task: Task, row: Row) -> Problem:
    try:
        return Problem.model_validate(row.fields)
    except ValidationError:
        if isinstance(task, _ReadsRows):
            return task.problem(row)
    raise InputError(
        f"{row.where}: no problem of {task.name}; give a data file of a run, or none to use the task's own"
    )


def _matched(
    predictions: Sequence[Prediction], problems: Sequence[Problem], aliases: Mapping[str, str], said: str, path: Path
) -> tuple[dict[str, Prediction], int, int]:
    """Find each prediction's problem: by id, else by question, else by order when nothing names any."""
    ids = {problem.id for problem in problems}
    asked: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        asked[squeezed(problem.question)].append(problem.id)
    ordered = not any(prediction.identity or prediction.question for prediction in predictions)
    if ordered and len(predictions) != len(problems):
        raise InputError(
            f"{path} has {len(predictions)} rows without an id, {said} has {len(problems)} problems; "
            'give each row an "id"'
        )
    found: dict[str, Prediction] = {}
    unknown: list[Prediction] = []
    repeated = 0
    for prediction in predictions:
        identity = aliases.get(prediction.identity, prediction.identity)
        if identity not in ids:
            identity = _of_question(prediction, asked.get(squeezed(prediction.question), []), problems)
        at = prediction.position if prediction.document is None else prediction.document
        if ordered and at is not None and 0 <= at < len(problems):
            identity = problems[at].id
        if identity not in ids:
            unknown.append(prediction)
            continue
        first = found.setdefault(identity, prediction)
        repeated += first is not prediction
        if (first.text, first.answer) != (prediction.text, prediction.answer):
            raise InputError(
                f"{prediction.where}: another prediction for the problem of {first.where}; keep one of them"
            )
    if not found:
        name = (unknown[0].identity or unknown[0].question)[:60] if unknown else ""
        raise InputError(
            f'{path}: no prediction names a problem of {said} (the first is for "{name}"); give its predictions'
        )
    return found, len(unknown), repeated


def _of_question(prediction: Prediction, named: Sequence[str], problems: Sequence[Problem]) -> str:
    """Give the problem that a question names, of several the one in its place."""
    if len(named) < 2:  # noqa: PLR2004
        return next(iter(named), "")
    at = prediction.document
    if at is None or not 0 <= at < len(problems) or problems[at].id not in named:
        raise InputError(
            f'{prediction.where}: {len(named)} problems ask "{prediction.question[:60]}"; '
            'name one of them with its "id" or its "doc_id"'
        )
    return problems[at].id


def _judged(task: Task, problem: Problem, prediction: Prediction | None) -> tuple[Verdict, Verdict]:
    """Give the lenient and the strict verdict."""
    if prediction is None:
        return Verdict.UNPARSEABLE, Verdict.UNPARSEABLE
    if prediction.answer is not None:
        parsed = task.parse(prediction.answer)  # it may be a worked answer under the name "answer"
        verdict = task.compare(prediction.answer if parsed.strict is None else parsed.strict, problem)
        if verdict is Verdict.UNPARSEABLE and parsed.answer is not None:
            verdict = task.compare(parsed.answer, problem)
        return verdict, verdict
    if prediction.finish_reason == "error":
        return Verdict.ERROR, Verdict.ERROR
    parsed = task.parse(prediction.text or "")
    if parsed.strict is None and prediction.finish_reason == "length":  # what stands last is no answer but a step
        return Verdict.TRUNCATED, Verdict.TRUNCATED
    lenient = task.compare(parsed.answer, problem) if parsed.answer is not None else Verdict.UNPARSEABLE
    if parsed.strict == parsed.answer:
        return lenient, lenient
    return lenient, task.compare(parsed.strict, problem) if parsed.strict is not None else Verdict.UNPARSEABLE


def _score(verdicts: Sequence[Verdict], confidence: float) -> Score:
    """Count; what has no verdict stays in `n`, so that saying nothing never helps."""
    correct, n = sum(verdict is Verdict.CORRECT for verdict in verdicts), len(verdicts)
    return Score(
        n=n,
        correct=correct,
        accuracy=correct / n if n else 0.0,
        interval=wilson(correct, n, confidence),
        no_verdict=sum(not verdict.decided for verdict in verdicts),
    )


def _natural(item: tuple[str, object]) -> tuple[int, str]:
    """Sort "2" before "10"."""
    return (int(item[0]), "") if item[0].isdecimal() else (1 << 30, item[0])


def _cells(name: str, counted: Score) -> tuple[str, ...]:
    low, high = counted.interval.low, counted.interval.high
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return (
        name,
        percent(counted.accuracy),
        interval,
        str(counted.correct),
        str(counted.n),
        str(counted.no_verdict),
    )
