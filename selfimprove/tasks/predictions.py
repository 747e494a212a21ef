"""Predictions in the forms that others write them, as one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from selfimprove.answers.choice import LETTERS
from selfimprove.errors import InputError
from selfimprove.records import Attempt
from selfimprove.tasks.source import Row, read_rows, read_text

_TEXT_FIELDS = (
    *("text", "completion", "prediction", "output", "response", "generated_text"),
    *("generation", "pred", "model_output", "model_answer"),
)
ID_FIELDS = ("problem", "id", "qid", "_id", "problem_id")
_NO_PREDICTIONS = frozenset(  # strings beside an "answer" that is the prediction
    {
        *(*ID_FIELDS, "question", "answer", "canonical", "context", "description", "doc_hash", "filter", "hint"),
        *("category", "date", "difficulty", "finish_reason", "level", "model", "name", "source", "split", "subject"),
        *("task", "term", "topic", "type", "unique_id", "explanation", "rationale", "reasoning", "thought", "thoughts"),
        *("expected", "gold", "label", "reference", "target"),
    }
)


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
    picked = _likeliest(row)
    text = next((str(fields[n]) for n in _TEXT_FIELDS if isinstance(fields.get(n), str)), None)
    text = None if picked else _first(fields.get("resps")) or text
    bare = picked or (_bare(row) if text is None else None)
    return Prediction(
        row.where,
        identity,
        str(asked),
        position=index,
        document=at if isinstance(at, int) else None,
        text=text,
        answer=None if text is not None else _said(bare),
        finish_reason=str(fields.get("finish_reason") or "stop"),
    )


def _bare(row: Row) -> object:
    """Give the answer of a row without a text."""
    fields = row.fields
    answer = fields.get("answer")
    bare = answer if answer is not None else _first(fields.get("filtered_resps"))
    if bare is None or isinstance(bare, list | dict):
        wanted = ", ".join(f'"{name}"' for name in (*_TEXT_FIELDS[:3], "answer"))
        raise InputError(f"{row.where}: no prediction; give one of {wanted}")
    other = next((n for n, value in fields.items() if isinstance(value, str) and n not in _NO_PREDICTIONS), None)
    if answer is not None and other is not None:
        raise InputError(
            f'{row.where}: "answer" or "{other}" may be the prediction; call it "text" if it is "{other}", else take '
            f'"{other}" out'
        )
    return bare


def _likeliest(row: Row) -> str | None:
    """Give the letter of the option that a harness's log-likelihoods are largest for, None where it has none."""
    resps, document = row.fields.get("resps"), row.fields.get("doc")
    likely = [_likelihood(each) for each in resps] if isinstance(resps, list) else []
    found = [each for each in likely if each is not None]
    if not found or len(found) < len(likely):
        return None
    choices = document.get("choices") if isinstance(document, dict) else None
    options = choices.get("text") if isinstance(choices, dict) else choices
    if not isinstance(options, list) or len(options) != len(found) or len(found) > len(LETTERS):
        raise InputError(
            f'{row.where}: log-likelihoods of continuations, and no "choices" of its "doc" that they are of; give the '
            'picked answer as "answer"'
        )
    return LETTERS[found.index(max(found))]


def _likelihood(nested: object) -> float | None:
    """Read `[["-3.5", "False"]]`: a log-likelihood, and whether greedy decoding gives the continuation."""
    while isinstance(nested, list) and len(nested) == 1:
        nested = nested[0]
    if not isinstance(nested, list) or len(nested) != 2 or str(nested[1]) not in {"True", "False"}:  # noqa: PLR2004
        return None
    try:
        return float(str(nested[0]))
    except ValueError:
        return None


def _first(nested: object) -> str | None:
    """Give the first text of a harness's list of lists."""
    while isinstance(nested, list) and nested:
        nested = nested[0]
    return nested if isinstance(nested, str) else None


def _said(answer: object) -> str:
    return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)
