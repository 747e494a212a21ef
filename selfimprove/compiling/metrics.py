"""What programs are optimised for. A metric gives at most 1 a case; the mean over cases is what it is named after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from selfimprove.answers.text import normalised
from selfimprove.compiling.asking import Asking
from selfimprove.compiling.generating import Generated
from selfimprove.errors import InputError, nearest
from selfimprove.plugs import load_plug, said
from selfimprove.programs import Complaint, Program, Read
from selfimprove.programs.cases import Case, Mark, Metric, Outputs
from selfimprove.programs.forms import read_form, read_verdict
from selfimprove.programs.program import ANSWERING, CONCLUDING
from selfimprove.protocols import LanguageModel, Task, Teacher
from selfimprove.records import Completion, Problem, Sampling
from selfimprove.scorers.judge import read_judgement
from selfimprove.scorers.steps import split_steps
from selfimprove.steps.verify import verify

_UNREAD: Final = "It could not be read: "
_REASONING: Final = frozenset({"reason", "rationalise"})
_BARE: Final = "The reply gives an answer and no reasons for it."
_CONFIDENCE: Final = re.compile(r"\s*\|\s*[\d.]+\s*%?\s*$")


@dataclass(frozen=True)
class Solved:
    """Share of right answers, as a student's drafts are measured: no reply is asked for again.

    With `strict`, only those in the form asked for, whole: verified-right and valid. What is to give reasons is not
    valid as a bare answer: as an example in a prompt it would teach to give none.
    """

    task: Task
    problems: Mapping[str, Problem]
    strict: bool = False

    @property
    def name(self) -> str:
        """As the command line names it."""
        return "valid" if self.strict else "accuracy"

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:  # noqa: ARG002 - as `Metric`
        """With `strict`, refuse what is empty, cut off, gives no reasons, or no answer in the form asked for."""
        if not self.strict:
            return outputs
        found = read_form(program, outputs, reply, self.task)
        bare = program.name in _REASONING and len(split_steps(reply.text)) == 1
        return Complaint(_BARE) if bare and not isinstance(found, Complaint) else found

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:
        """Compare each answer with the reference."""
        return [self._one(program, case, reply) for case, reply in zip(cases, replies, strict=True)]

    def _one(self, program: Program, case: Case, reply: Read[Outputs]) -> Mark:
        if self.strict and reply.value is None:
            return Mark(0.0, f"{_UNREAD}{reply.complaint} {case.reference}")
        problem, first = self.problems[case.problem], next(iter(program.predict.signature.output_fields))
        text = str(program.parse(reply.completion.text)[first])
        made = verify(self.task, problem, reply.completion, text)
        if (made.strict if self.strict else made.verdict) == "correct":
            return Mark(1.0, "Right.")
        said = f'the answer read was "{made.answer}"' if made.answer is not None else "no answer was found"
        return Mark(0.0, f"Wrong: {said}. {case.reference}")


@dataclass(frozen=True)
class Agreement:
    """Balanced accuracy of a judge against verified verdicts: cases hold as many right solutions as wrong ones."""

    name: str = "balanced_accuracy"

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:
        """Refuse what holds no verdict."""
        if program.name == "judge_steps":
            found = read_judgement(outputs, len(case.inputs["steps"]))
            return found if isinstance(found, Complaint) else outputs
        return read_form(program, outputs, reply)

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:
        """Compare each verdict with the verified one."""
        return [self._one(program, case, reply) for case, reply in zip(cases, replies, strict=True)]

    def _one(self, program: Program, case: Case, reply: Read[Outputs]) -> Mark:
        right = bool(case.gold["right"])
        truth = f"The solution is {'right' if right else 'wrong'}. {case.reference}"
        if reply.value is None:
            return Mark(0.0, f"{_UNREAD}{reply.complaint} {truth}")
        if program.name == "judge_steps":
            found = read_judgement(reply.value, len(case.inputs["steps"]))
            said = None if isinstance(found, Complaint) else found.first_wrong is None
        else:
            said = read_verdict(str(reply.value["verdict"]))
        return Mark(1.0, "The verdict is right.") if said is right else Mark(0.0, f"The verdict is wrong. {truth}")


@dataclass(frozen=True)
class Match:
    """Share of the lines of known outputs that stand in the outputs: for programs whose cases come with outputs.

    Of several lines that begin with one name and a colon the last counts, as where labels are read; a confidence behind
    a bar is not looked at.
    """

    name: str = "match"

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:  # noqa: ARG002 - as `Metric`
        """Refuse what is empty or cut off."""
        return read_form(program, outputs, reply)

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:  # noqa: ARG002 - as `Metric`
        """Look for each known line at the beginning of a line."""
        return [self._one(case, reply) for case, reply in zip(cases, replies, strict=True)]

    def _one(self, case: Case, reply: Read[Outputs]) -> Mark:
        if reply.value is None:
            return Mark(0.0, f"{_UNREAD}{reply.complaint}")
        wanted = [(field, *said) for field, value in case.gold.items() for said in _said(value).items()]
        there = {field: _said(reply.value.get(field, "")) for field in case.gold}
        missing = [line for field, name, line in wanted if there[field].get(name) != line]
        if not missing:
            return Mark(1.0, "Right.")
        return Mark(1 - len(missing) / len(wanted), f"These lines were wanted and are missing: {'; '.join(missing)}")


def _said(value: Any) -> dict[str, str]:
    """Give the last line of each name, normalised; a line without a name goes by itself."""
    found = dict[str, str]()
    for line in map(str, value if isinstance(value, list | tuple) else str(value).splitlines()):
        text, name = _CONFIDENCE.sub("", line), line.partition(":")[0] if ":" in line else ""
        if said := normalised(text):
            found[normalised(name) or said] = said
    return found


@dataclass(frozen=True)
class Parts:
    """What metrics are made of.

    Attributes:
        problems: by id, of all cases.
        student: whose rewrites are counted.
        teacher: who answers questions.
        programs: of the loop, besides the one that is compiled.
        sampling: of the student.
        solver: solves generated problems; None where nobody does.
    """

    task: Task
    problems: Mapping[str, Problem]
    student: LanguageModel | None
    teacher: Teacher | None
    programs: Mapping[str, Program]
    sampling: Sampling
    solver: LanguageModel | None = None


METRICS: Final = ("accuracy", "valid", "balanced_accuracy", "asking", "match")
_SOLVING: Final = CONCLUDING | ANSWERING
_FITS: Final[Mapping[str, frozenset[str]]] = {
    "accuracy": _SOLVING,
    "valid": _SOLVING | {"generate"},
    "balanced_accuracy": frozenset({"judge", "judge_steps"}),
    "asking": frozenset({"ask", "answer_question"}),
}
_USUAL: Final = {
    "judge": "balanced_accuracy",
    "judge_steps": "balanced_accuracy",
    "ask": "asking",
    "answer_question": "asking",
    "reason": "valid",
    "rationalise": "valid",
    "generate": "valid",
}


def usual_metric(program: str) -> str:
    """Name the metric that a program is optimised for where none is named.

    >>> usual_metric("judge"), usual_metric("solve"), usual_metric("label")
    ('balanced_accuracy', 'accuracy', 'match')
    """
    return _USUAL.get(program, "accuracy" if program in _SOLVING else "match")


def check_metric(name: str, program: str) -> None:
    """Refuse a metric that there is none of, or that says nothing of a program.

    Raises:
        InputError: see above; what `package.module:Name` names cannot be had.
    """
    if ":" in name:
        load_plug(name, "metric")
        return
    if name not in METRICS:
        raise InputError(
            f'there is no metric "{name}"; {nearest(name, METRICS)} (or name your own: package.module:Name)'
        )
    if program not in _FITS.get(name, {program}):
        raise InputError(
            f'the metric "{name}" says nothing of the program "{program}"; it is of {", ".join(sorted(_FITS[name]))}'
        )


def metric_named(name: str, program: str, parts: Parts) -> Metric:
    """Make a metric.

    Args:
        program: what is marked.
        name: one of `METRICS`, or `package.module:Name`: an object or what makes one of the `Parts`.
        parts: what it is made of.

    Raises:
        InputError: there is none, it lacks a part, or it fails when it is made.
    """
    if ":" in name:
        return _plugged(name, parts)
    if name == "asking":
        if parts.student is None or parts.teacher is None:
            raise InputError("the metric asking needs a student that asks and a teacher that answers; name both")
        return Asking(
            parts.task, parts.problems, parts.student, parts.teacher, parts.programs["rewrite"], parts.sampling
        )
    if program == "generate" and name == "valid":
        if parts.solver is None:
            raise InputError("generated problems are verified by a model that solves them; name one with --solver")
        return Generated(parts.task, parts.solver, parts.programs["solve_independently"], parts.sampling)
    if name == "balanced_accuracy":
        return Agreement()
    return Match() if name == "match" else Solved(parts.task, parts.problems, strict=name == "valid")


def _plugged(path: str, parts: Parts) -> Metric:
    found = load_plug(path, "metric")
    try:
        made = found(parts) if isinstance(found, type) else found
    except Exception as error:  # somebody else's code
        raise InputError(f'metric "{path}" fails when it is made, with {said(error)}; mend that') from error
    lacking = [part for part in ("name", "read", "mark") if not hasattr(made, part)]
    if lacking:
        raise InputError(f'metric "{path}" lacks {" and ".join(lacking)}; see selfimprove.programs.cases.Metric')
    own: Metric = made
    return own
