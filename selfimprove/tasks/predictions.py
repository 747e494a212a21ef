"""Predictions in the forms that others write them, as one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from selfimprove.errors import InputError
from selfimprove.records import Attempt
from selfimprove.tasks.source import Row, read_rows, read_text

_TEXT_FIELDS = ("text", "completion", "prediction", "output", "response", "generated_text")
ID_FIELDS = ("problem", "id", "qid", "_id", "problem_id")


@dataclass(frozen=True)
class Prediction:
    """A text to be read, or a bare answer, for a problem named by id, by question or by order."""

    where: str
    identity: str = ""
    question: str = ""
    position: int | None = None
    """Place in the file, from 0."""
    document: int | None = None
    """Place of the problem in its split as the file says it, from 0: a harness's `doc_id`."""
    text: str | None = None
    answer: str | None = None
    finish_reason: str = "stop"


def predictions_in(path: Path) -> Iterator[Prediction]:
    """Walk the predictions of a file, whichever form it has.

    Raises:
        InputError: the file cannot be read, or a row holds no prediction.
    """
    text = read_text(path).strip()
    if text.startswith("{"):
        try:
            listed = json.loads(text)
        except json.JSONDecodeError:
            listed = None  # many objects, one a line
        if isinstance(listed, dict) and not set(listed) & {*_TEXT_FIELDS, *ID_FIELDS, "resps", "question"}:
            inner = listed.get("answer")
            yield from _by_id(inner if isinstance(inner, dict) else listed, path)
            return
    for index, row in enumerate(read_rows(path)):
        yield _prediction(row, index)


def _by_id(listed: Mapping[str, object], path: Path) -> Iterator[Prediction]:
    """Walk `{id: answer}` or `{id: {"answer": answer, ...}}`."""
    for identity, value in listed.items():
        answer = value.get("answer") if isinstance(value, dict) else value
        where = f'{path}, "{identity}"'
        if answer is None or isinstance(answer, list | dict):
            raise InputError(f"{where}: no answer but {json.dumps(value)[:80]}; give text, a number, true or false")
        yield Prediction(where, identity=identity, answer=_said(answer))


def _prediction(row: Row, index: int) -> Prediction:
    """Read one row: an attempt of ours, a harness sample, or a plain object."""
    fields = row.fields
    if "completion" in fields and isinstance(fields["completion"], dict):
        try:
            attempt = Attempt.model_validate(fields)
        except ValidationError as error:
            reason = error.errors()[0]
            place = ".".join(map(str, reason["loc"]))
            raise InputError(f"{row.where}: not a row of predictions.jsonl ({place}: {reason['msg']})") from error
        done = attempt.completion
        return Prediction(row.where, identity=attempt.problem, text=done.text, finish_reason=done.finish_reason)
    identity = next((str(fields[name]) for name in ID_FIELDS if fields.get(name) is not None), "")
    document = fields.get("doc")
    asking = document if isinstance(document, dict) else fields
    asked = asking.get("question") or asking.get("problem") or ""  # MATH's rows have a "problem"
    at = fields.get("doc_id")
    text = _first(fields.get("resps")) or next(
        (str(fields[n]) for n in _TEXT_FIELDS if isinstance(fields.get(n), str)), None
    )
    bare = fields.get("answer") if fields.get("answer") is not None else _first(fields.get("filtered_resps"))
    if text is None and (bare is None or isinstance(bare, list | dict)):
        wanted = ", ".join(f'"{name}"' for name in (*_TEXT_FIELDS[:3], "answer"))
        raise InputError(f"{row.where}: no prediction; give one of {wanted}")
    return Prediction(
        row.where,
        identity,
        str(asked),
        position=index,
        document=at if isinstance(at, int) else None,
        text=text,
        answer=None if text is not None else _said(bare),
    )


def _first(nested: object) -> str | None:
    """Give the first text of a harness's list of lists."""
    while isinstance(nested, list) and nested:
        nested = nested[0]
    return nested if isinstance(nested, str) else None


def _said(answer: object) -> str:
    return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)
