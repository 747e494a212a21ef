"""Accuracy of completions, read and compared as selfimprove does, as a metric of Hugging Face's `evaluate`."""

from __future__ import annotations

from typing import Any, get_args

import datasets
import evaluate

from selfimprove.answers.kinds import KindName
from selfimprove.answers.kinds import kind as kind_of
from selfimprove.errors import InputError, nearest
from selfimprove.records import Problem, Verdict
from selfimprove.stats import wilson

_DESCRIPTION = "Share of completions whose final answer is correct, with Wilson's 95 % interval."
_INPUTS = """
Args:
    predictions (`list` of `str`): whole completions; the final answer is found in them.
    references (`list` of `str`): reference answers, in the same order.
    kind (`str`): how answers are read and compared: number (default), expression, yes_no, choice, text.
    strict (`bool`): count only answers in the form that the kind asks for. Default: the last thing that can be one.

Returns:
    accuracy, interval_low, interval_high: shares in [0, 1].
    correct, n, no_verdict: counts; a completion without an answer has no verdict and is not correct.
"""


class SelfimproveAccuracy(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """What `evaluate.load` gives for this file's path."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(
        self, predictions: list[str], references: list[str], kind: KindName = "number", *, strict: bool = False
    ) -> dict[str, float | int]:
        """Read, compare and count.

        Raises:
            InputError: there is no such kind.
        """
        if kind not in get_args(KindName):
            raise InputError(f'there is no kind of answer "{kind}"; {nearest(kind, get_args(KindName))}')
        reader, verdicts = kind_of(kind), []
        for text, reference in zip(predictions, references, strict=True):
            parsed = reader.read(text)
            found = parsed.strict if strict else parsed.answer
            answer = Problem(id="", question="", answer=reference)
            verdicts.append(Verdict.UNPARSEABLE if found is None else reader.compare(found, answer))
        correct, n = verdicts.count(Verdict.CORRECT), len(verdicts)
        between = wilson(correct, n)
        return {
            "accuracy": correct / n if n else 0.0,
            "interval_low": between.low,
            "interval_high": between.high,
            "correct": correct,
            "n": n,
            "no_verdict": sum(not verdict.decided for verdict in verdicts),
        }
