"""What a readable reply of each program is, and the sentence that is said of one that is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from selfimprove.programs.program import ANSWERING, CONCLUDING, Program
from selfimprove.programs.run import Complaint
from selfimprove.protocols import Task
from selfimprove.records import Completion

Outputs = Mapping[str, Any]

_SAID: Final = "yes|no|correct|wrong|incorrect|right"
_VERDICT: Final = re.compile(rf"verdict\W*({_SAID})\b(?!\W*(?:or\b|/)\W*(?:{_SAID})\b)", re.IGNORECASE)
"""A verdict; both of them, as an instruction that is said again has, are none."""
_BARE: Final = re.compile(r"^\W*(yes|no)\b\W*$", re.IGNORECASE)
_RIGHT: Final = frozenset({"yes", "correct", "right"})


def read_verdict(text: str) -> bool | None:
    """Read the last verdict of a judge; None where there is none.

    >>> read_verdict("2 + 2 is 4. Verdict: yes"), read_verdict("**Verdict:** No."), read_verdict("Verdict: yes or no")
    (True, False, None)
    """
    found = _VERDICT.findall(text) or _BARE.findall(text)
    return found[-1].lower() in _RIGHT if found else None


def read_form(program: Program, outputs: Outputs, reply: Completion, task: Task | None = None) -> Outputs | Complaint:
    """Give the outputs of a reply, or say what its form lacks.

    Args:
        program: whose reply it is.
        outputs: as they were parsed.
        reply: with how it ended.
        task: says the form of an answer; None: the answer is not looked at.
    """
    if reply.finish_reason == "length":
        return Complaint("The reply was cut off; it must be shorter.")
    first = next(iter(program.predict.signature.output_fields))
    if not outputs[first] and outputs[first] != []:
        return Complaint(f"The reply holds no {first.replace('_', ' ')}.")
    if program.name == "judge" and read_verdict(str(outputs["verdict"])) is None:
        return Complaint('The last line must be "Verdict: yes" or "Verdict: no".')
    if task is not None and program.name in CONCLUDING | ANSWERING and task.parse(str(outputs[first])).strict is None:
        return Complaint(f"The reply states no answer in the form that was asked for. {task.instruction}")
    return outputs


def form_reader(
    program: Program, task: Task | None = None, *, anywhere: bool = False
) -> Callable[[int, Outputs, Completion], Outputs | Complaint]:
    """Give what `run_read` reads with: what states no answer is asked for once more, what was cut off is not.

    Args:
        program: whose replies are read.
        task: says the form of an answer; None: any words will do.
        anywhere: an answer that can be found will do, where it does not stand in the form asked for.
    """

    def read(_: int, outputs: Outputs, reply: Completion) -> Outputs | Complaint:
        if reply.finish_reason == "length":
            return outputs
        found = read_form(program, outputs, reply, task)
        if anywhere and task is not None and isinstance(found, Complaint):
            first = next(iter(program.predict.signature.output_fields))
            return found if task.parse(str(outputs[first])).answer is None else outputs
        return found

    return read
