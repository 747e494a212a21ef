"""Cases of a task for each program: inputs as the loop gives them, made by student and teacher where it needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from selfimprove.errors import InputError, nearest
from selfimprove.programs import SIGNATURES, Program, stated
from selfimprove.programs.cases import Case
from selfimprove.programs.program import CONCLUDING
from selfimprove.protocols import LanguageModel, Task, Teacher
from selfimprove.records import Attempt, Lesson, Problem, Sampling, Verdict, digest
from selfimprove.scorers.steps import split_steps
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import ask
from selfimprove.steps.draft import draft, solve
from selfimprove.steps.rewrite import shown_to
from selfimprove.tasks.source import Row, read_rows

_SHOWN: Final = 600
_DRAWN: Final = 3
"""Sampled solutions of a problem that a judge's cases are drawn from, besides the greedy one."""
_TEMPERATURE: Final = 0.7
_FEWEST: Final = 2


@dataclass(frozen=True)
class Source:
    """Who makes cases.

    Attributes:
        student: drafts, asks and solves; None where nobody does.
        teacher: answers questions; None where nobody does.
        programs: of the loop.
        sampling: of the student, greedy.
    """

    task: Task
    student: LanguageModel | None
    teacher: Teacher | None
    programs: Mapping[str, Program]
    sampling: Sampling
    seed: int = 0

    def solver(self, program: str) -> LanguageModel:
        """Give the student.

        Raises:
            InputError: there is none.
        """
        if self.student is None:
            raise InputError(f'the cases of the program "{program}" are made by a student; name one with --student')
        return self.student


def make_cases(program: str, problems: Sequence[Problem], source: Source) -> list[Case]:
    """Make the cases of a program out of problems; their order follows the problems'.

    Args:
        program: one of `SIGNATURES`.
        problems: training problems.
        source: who makes what a problem alone does not hold.

    Raises:
        InputError: nothing can be made for this program, or of these problems.
    """
    made = MAKERS[program](problems, source) if program in MAKERS else _bare(program, problems, source)
    if not made:
        raise InputError(
            f'the {len(problems)} problems give no case for the program "{program}": the student solves all of them, '
            "or none, or asks nothing; give more problems, or another student"
        )
    return made


def read_cases(path: Path, program: str, *, outputs: bool) -> list[Case]:
    """Read cases from a file of JSON lines with `inputs` and the wanted `outputs`, each by field of the program.

    Cases with one `problem` among their inputs are of one problem; a case that stands there twice is taken once.

    Args:
        path: the file.
        program: one of `SIGNATURES`.
        outputs: each case must have some, as the metric `match` looks at nothing else.

    Raises:
        InputError: the file cannot be read, a line is no case of this program, or two want different outputs of the
            same inputs.
    """
    signature = SIGNATURES[program]
    found: dict[str, tuple[Case, str]] = {}
    for row in read_rows(path):
        given = _fields(row, "inputs", signature.input_fields, needed=True)
        gold = _fields(row, "outputs", signature.output_fields, needed=outputs)
        case = Case(
            id=digest(given),
            problem=digest(given.get("problem", given)),
            inputs=given,
            gold=gold,
            reference="; ".join(f"{field}: {value}" for field, value in gold.items()),
            outputs=gold if set(gold) == set(signature.output_fields) else {},
        )
        before, where = found.setdefault(case.id, (case, row.where))
        if before.gold != case.gold:
            raise InputError(f"{row.where}: the inputs of {where.rpartition(', ')[2]} with other outputs; keep one")
    return [case for case, _ in found.values()]


def _fields(row: Row, name: str, known: Iterable[str], *, needed: bool) -> dict[str, Any]:
    given = row.fields.get(name)
    if given is None and not needed:
        return {}
    if not isinstance(given, dict) or not any(map(str, given.values())):
        raise InputError(f'{row.where}: "{name}" must hold, by field, some of the program\'s: {", ".join(known)}')
    for field in given:
        if field not in known:
            raise InputError(f'{row.where}: {name} has no field "{field}"; {nearest(field, known)}')
    return given


def _case(name: str, problem: Problem, inputs: Mapping[str, Any], **gold: Any) -> Case:
    told = f"The right answer is {problem.answer}."
    if problem.rationale:
        told += f" It is worked out like this: {problem.rationale[:_SHOWN]}"
    return Case(id=digest(name, problem.id, inputs), problem=problem.id, inputs=dict(inputs), gold=gold, reference=told)


def _to_generate(problem: Problem, source: Source) -> dict[str, Any]:
    """Show one problem as the example of what is to be generated."""
    kind = ", ".join(f"{name} {value}" for name, value in sorted(problem.labels.items())) or source.task.name
    worked = f"Solution: {problem.rationale}\n" if problem.rationale else ""
    return {
        "kind": kind,
        "example": f"Problem: {stated(problem)}\n{worked}Answer: {problem.answer}",
        "form": source.task.instruction,
        "count": "2",
    }


def _bare(program: str, problems: Sequence[Problem], source: Source) -> list[Case]:
    """Make cases of programs that are told a problem alone, or with its answer or rationale."""
    shown: dict[str, Callable[[Problem], dict[str, Any]]] = {
        "solve": lambda p: {"problem": stated(p)},
        "answer_only": lambda p: {"problem": stated(p)},
        "draft_and_ask": lambda p: {"problem": stated(p)},
        "reason": lambda p: {"problem": stated(p)},
        "rationalise": lambda p: {"problem": stated(p), "given": p.answer},
        "solve_independently": lambda p: {"problem": stated(p)},
        "generate": lambda p: _to_generate(p, source),
        "answer_given": lambda p: {"problem": stated(p), "rationale": p.rationale} if p.rationale else {},
    }
    if program not in shown:
        raise InputError(f'the program "{program}" has no cases of its own; give a file of them with --cases')
    told = [(problem, shown[program](problem)) for problem in problems]
    return [
        _case(program, problem, inputs).model_copy(update={"outputs": _worked(program, problem, source.task)})
        for problem, inputs in told
        if inputs
    ]


def _worked(program: str, problem: Problem, task: Task) -> dict[str, str]:
    """Give the reply that the problem's own worked solution makes; empty where it has none, or it is not all."""
    fields = list(SIGNATURES[program].output_fields)
    if program not in CONCLUDING or not problem.rationale or len(fields) > 1:
        return {}
    return {fields[0]: task.conclude(problem.rationale, problem.answer)}


def _drafts(problems: Sequence[Problem], source: Source, program: str) -> list[Lesson]:
    """Give lessons of the problems that the student gets wrong."""
    student = source.solver(program)
    made = draft(problems, student, source.programs, source.task, source.sampling, questions=0, seed=source.seed)
    return [
        Lesson(id=attempt.problem, problem=attempt.problem, round=0, draft=attempt)
        for attempt in made
        if attempt.verdict is Verdict.WRONG
    ]


def _asked(problems: Sequence[Problem], source: Source, program: str) -> list[Lesson]:
    by_id = {problem.id: problem for problem in problems}
    lessons, student = _drafts(problems, source, program), source.solver(program)
    return ask(lessons, by_id, student, source.programs["ask"], source.sampling, seed=source.seed) if lessons else []


def _of_ask(problems: Sequence[Problem], source: Source) -> list[Case]:
    by_id = {problem.id: problem for problem in problems}
    return [
        _case("ask", by_id[x.problem], {"problem": stated(by_id[x.problem]), "draft": x.draft.completion.text})
        for x in _drafts(problems, source, "ask")
    ]


def _of_answering(problems: Sequence[Problem], source: Source) -> list[Case]:
    by_id = {problem.id: problem for problem in problems}
    cases = []
    for lesson in _asked(problems, source, "answer_question"):
        problem, draft_text = by_id[lesson.problem], lesson.draft.completion.text
        for question in lesson.draft.questions:
            inputs = {"problem": stated(problem), "question": question, "refused": ""}
            cases.append(_case("answer_question", problem, inputs, draft=draft_text))
    return cases


def _of_rewriting(problems: Sequence[Problem], source: Source) -> list[Case]:
    if source.teacher is None:
        raise InputError('the cases of the program "rewrite" hold answers; name who gives them with --teacher')
    by_id = {problem.id: problem for problem in problems}
    told = answer(_asked(problems, source, "rewrite"), by_id, source.teacher, source.task)
    able = [lesson for lesson in told if any(one.answer for one in lesson.clarifications)]
    return [_case("rewrite", by_id[x.problem], shown_to(x, by_id[x.problem])) for x in able]


def _of_judging(name: str) -> Callable[[Sequence[Problem], Source], list[Case]]:
    def make(problems: Sequence[Problem], source: Source) -> list[Case]:
        by_id = {problem.id: problem for problem in problems}
        classes = _solutions(name, problems, source)
        size = min(map(len, classes.values()))
        if size < _FEWEST:
            counts = {right: len(some) for right, some in classes.items()}
            raise InputError(
                f"a judge is measured on right and wrong solutions, and the student wrote {counts[True]} right and "
                f"{counts[False]} wrong ones; give more problems, or a student that solves some of them"
            )
        rng = Random(f"judge {source.seed}")
        drawn = {right: rng.sample(some, size) for right, some in classes.items()}
        pairs = [(right, drawn[right][at]) for at in range(size) for right in (True, False)]
        return [_case(name, by_id[a.problem], _shown(name, by_id[a.problem], a), right=right) for right, a in pairs]

    return make


def _solutions(name: str, problems: Sequence[Problem], source: Source) -> dict[bool, list[Attempt]]:
    """Let the student solve, and give different solutions with a verdict, by whether they are right."""
    student, program, drawn = source.solver(name), source.programs["solve"], range(1, 1 + _DRAWN)
    warm = source.sampling.model_copy(update={"temperature": _TEMPERATURE})
    first = solve(problems, student, program, source.task, source.sampling, seed=source.seed)
    more = solve(problems, student, program, source.task, warm, samples=drawn, seed=source.seed)
    classes: dict[bool, list[Attempt]] = {True: [], False: []}
    for one, several in zip(first, more, strict=True):
        seen: dict[bool, Attempt] = {}
        for attempt in (*one, *several):
            if attempt.verdict.decided and split_steps(attempt.text):
                seen.setdefault(attempt.verdict is Verdict.CORRECT, attempt)
        for right, attempt in seen.items():
            classes[right].append(attempt)
    return classes


def _shown(name: str, problem: Problem, attempt: Attempt) -> dict[str, Any]:
    if name == "judge":
        return {"problem": stated(problem), "solution": attempt.text}
    return {"problem": stated(problem), "steps": list(split_steps(attempt.text)), "complaint": ""}


MAKERS: Final[Mapping[str, Callable[[Sequence[Problem], Source], list[Case]]]] = {
    "ask": _of_ask,
    "answer_question": _of_answering,
    "rewrite": _of_rewriting,
    "judge": _of_judging("judge"),
    "judge_steps": _of_judging("judge_steps"),
}
"""Programs whose cases a student makes."""
