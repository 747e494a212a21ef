"""The command `selfimprove compile`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import click

from selfimprove import progress
from selfimprove.commands.options import (
    data_dir_option,
    ledger_of,
    option_option,
    path_type,
    quiet_option,
    student_of,
    task_of,
)
from selfimprove.errors import InputError, nearest

if TYPE_CHECKING:
    from selfimprove.compiling.compiling import Work
    from selfimprove.ledger import Ledger
    from selfimprove.programs.cases import Case
    from selfimprove.protocols import LanguageModel, Task, Teacher
    from selfimprove.records import Problem


_TASK: Final = "arithmetic"
_FOR_ALL: Final = frozenset({"label", "check_label"})
"""Programs that speak of a taxonomy and of no task: they are saved for every task."""


@click.command(name="compile")
@click.argument("program")
@click.option(
    "--task",
    show_default=_TASK,
    help="Whose training problems it is compiled on, and whose dev and test no case may hold; --cases needs it.",
)
@option_option
@data_dir_option
@click.option("--problems-file", type=path_type, help="A file of problems to compile on; default: the task's own.")
@click.option("--cases", "cases_file", type=path_type, help="A file of inputs and wanted outputs instead of problems.")
@click.option("--problems", type=click.IntRange(8), default=200, show_default=True, help="Problems that are drawn.")
@click.option("--optimizer", default="gepa", show_default=True, help="gepa, mipro or bootstrap.")
@click.option("--metric", help="accuracy, valid, balanced_accuracy, asking, match, or package.module:Name.")
@click.option("--model", help="What runs the program, MODEL or MODEL@URL; default: the student's own engine.")
@click.option("--writer", help="What writes instructions, MODEL or MODEL@URL; default: what runs the program.")
@click.option("--solver", help="What checks generated problems, MODEL or MODEL@URL; default: what runs the program.")
@click.option("--teacher", default="reference", show_default=True, help="Who answers questions: MODEL or MODEL@URL.")
@click.option("--student", default="smollm2-135m", show_default=True, help="Who drafts, asks, solves and rewrites.")
@click.option("--adapter", type=path_type, help="The student's adapter.")
@click.option("--calls", type=click.IntRange(1), default=300, show_default=True, help="Replies to optimise on, about.")
@click.option("--demos", type=click.IntRange(0, 16), default=4, show_default=True, help="Worked examples, at most.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Longest reply.")
@click.option("--budget-usd", type=click.FloatRange(0), help="The most that all calls may cost, with earlier ones.")
@click.option("--input-price", type=click.FloatRange(0), help="Dollars per million prompt tokens, where not known.")
@click.option("--output-price", type=click.FloatRange(0), help="Dollars per million completion tokens.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--dtype", default="auto", show_default=True, help="Of the student.")
@click.option("--device", default="auto", show_default=True, help="Of the student.")
@click.option("--ledger", "ledger_file", type=path_type, default=Path("runs/compile/ledger.sqlite"), show_default=True)
@click.option("--out", type=path_type, default=Path("programs"), show_default=True, help="Folder of saved programs.")
@quiet_option
def compile_program(program: str, out: Path, quiet: bool, **how: Any) -> None:  # noqa: FBT001 - click
    """Optimise PROGRAM's prompt on training problems, and save it with a card that says what it gained.

    Calls are kept in the ledger: at the budget it stops, and the same command goes on with a higher one.
    """
    from selfimprove.compiling.compiling import compile_cases
    from selfimprove.compiling.users import use_of
    from selfimprove.live import showing
    from selfimprove.programs.saved import place_of, save_program
    from selfimprove.teachers.named import check_models

    _see(program, how)
    task = task_of(how)
    with showing(quiet=quiet):
        given = _given(program, task, how)
        problems = [] if given is not None else _problems(task, how)
        named = {how["model"], how["writer"], how["solver"], how["teacher"]}
        check_models(named - {None, "reference"}, **_prices(how))
        with ledger_of(how) as ledger:
            work, cases = _work(program, task, problems, given, ledger, how)
            made = compile_cases(work, cases)
        place = place_of(program, "" if program in _FOR_ALL else task.name, out)
        said = f"{made.card.sentence()}\n\nInstruction: {made.program.instructions}\n\n"
        if not made.card.proven and _is_proven(place):
            click.echo(f"{said}Not saved: {place} holds a program that is proven, and this one shows no gain.")
            return
        save_program(made.program, made.card, place)
    click.echo(f"{said}Saved: {place}\n{use_of(made.card, place)}")


def _is_proven(place: Path) -> bool:
    from selfimprove.programs.saved import load_saved

    try:
        return load_saved(place).card.proven
    except InputError:  # there is none, or none that could be used
        return False


def _see(program: str, how: dict[str, Any]) -> None:
    """Refuse names that mean nothing, before anything is loaded or written."""
    from selfimprove.compiling.metrics import check_metric, usual_metric
    from selfimprove.programs import SIGNATURES
    from selfimprove.programs.optimise import check_optimizer

    if program not in SIGNATURES:
        raise InputError(f'there is no program "{program}"; {nearest(program, SIGNATURES)}')
    check_optimizer(how["optimizer"])
    if how["cases_file"] and not how["task"]:
        raise InputError("--cases needs --task: name the task whose dev and test none of the cases may hold")
    how["task"] = how["task"] or _TASK
    how["metric"] = how["metric"] or ("match" if how["cases_file"] else usual_metric(program))
    check_metric(how["metric"], program)
    if how["cases_file"] and how["metric"] != "match" and ":" not in how["metric"]:
        raise InputError(f'the metric "{how["metric"]}" needs problems; take match for cases that come with outputs')
    if how["metric"] == "match" and not how["cases_file"]:
        raise InputError(f"the metric match needs cases of {program} that come with outputs; name a file with --cases")


def _given(program: str, task: Task, how: dict[str, Any]) -> list[Case] | None:
    """Read the cases that are given; the guard looks at each text in them, and at all that a case tells together."""
    from selfimprove.compiling.compiling import check_enough
    from selfimprove.compiling.making import read_cases
    from selfimprove.records import Problem

    file: Path | None = how["cases_file"]
    if file is None:
        return None
    cases = read_cases(file, program, outputs=how["metric"] == "match")
    check_enough(case.problem for case in cases)
    texts = dict.fromkeys(text for case in cases for text in _texts(case) if text.strip())
    _check_disjoint([Problem.of(text, "") for text in texts], task, how, file)
    return cases


def _texts(case: Case) -> Iterator[str]:
    values = [*case.inputs.values(), *case.gold.values()]
    some = [str(each) for value in values for each in (value if isinstance(value, list) else [value])]
    yield from (*some, "\n".join(some))


def _check_disjoint(found: list[Problem], task: Task, how: dict[str, Any], file: Path) -> None:
    """Refuse what stands in dev, in test, or in a public test set of the task's family."""
    from selfimprove.compiling.guarding import check_disjoint
    from selfimprove.graphs.guarding import public_of

    guarded, _ = public_of(task, how["data_dir"])
    check_disjoint(found, task, [held for each in guarded for held in each.held_out], str(file))
    public = "".join(f", nor of {each.name}" for each in guarded)
    progress.current().say(f"{file} holds nothing of dev and test of {task.name}{public}")


def _problems(task: Task, how: dict[str, Any]) -> list[Problem]:
    """Draw the problems to compile on; the guard has looked at all of them."""
    from selfimprove.compiling.compiling import check_enough
    from selfimprove.prm.labelling import trainable
    from selfimprove.tasks import load_task

    file: Path | None = how["problems_file"]
    if file is None:
        return trainable(task, how["problems"], how["data_dir"], how["seed"])
    if not file.is_file():
        raise InputError(f"{file} is not there; name a file of problems, .jsonl")
    made = load_task(str(file))
    found = list(chain.from_iterable(made.problems(split) for split in ("train", "dev", "test")))
    found = Random(f"compile {how['seed']}").sample(found, min(len(found), how["problems"]))
    check_enough(problem.id for problem in found)
    _check_disjoint(found, task, how, file)
    return found


def _work(
    program: str,
    task: Task,
    problems: list[Problem],
    given: list[Case] | None,
    ledger: Ledger,
    how: dict[str, Any],
) -> tuple[Work, list[Case]]:
    """Load what is named, and make the cases."""
    from selfimprove.compiling.compiling import Work
    from selfimprove.compiling.making import MAKERS, Source, make_cases
    from selfimprove.compiling.metrics import Parts, metric_named
    from selfimprove.programs.optimise import How
    from selfimprove.programs.saved import programs_for
    from selfimprove.records import Sampling

    programs, sampling = programs_for(task), Sampling(max_tokens=how["max_tokens"])
    needed = not how["model"] or how["metric"] == "asking" or (program in MAKERS and given is None)
    student = student_of(how, ledger)[0] if needed else None
    model = _model(how["model"], program, ledger, how) if how["model"] else student
    writer = _model(how["writer"], "write_instructions", ledger, how) if how["writer"] else model
    if model is None or writer is None:
        raise InputError("nothing runs the program; name it with --model or --student")
    teacher = _teacher(task, ledger, how)
    solver = _model(how["solver"], "solve", ledger, how) if how["solver"] else model
    parts = Parts(task, {p.id: p for p in problems}, student, teacher, programs, sampling, solver)
    metric = metric_named(how["metric"], program, parts)  # what is refused is refused before anything is paid for
    source = Source(task, student, teacher, programs, sampling, how["seed"])
    cases = given if given is not None else make_cases(program, problems, source)
    plan = How(how["optimizer"], how["calls"], how["demos"], seed=how["seed"])
    return Work(programs[program], task, model, writer, metric, sampling, plan), cases


def _model(named: str, role: str, ledger: Ledger, how: dict[str, Any]) -> LanguageModel:
    """Load a model behind LiteLLM, and see that it answers."""
    from selfimprove.teachers.named import model_named

    return model_named(named, ledger, role=role, **_prices(how))


def _prices(how: dict[str, Any]) -> dict[str, Any]:
    return {"input_price": how["input_price"], "output_price": how["output_price"]}


def _teacher(task: Task, ledger: Ledger, how: dict[str, Any]) -> Teacher:
    """Give who answers questions: the data set, or a model."""
    from selfimprove.config import TeacherConfig
    from selfimprove.teachers.litellm_teacher import LiteLLMTeacher
    from selfimprove.teachers.reference import ReferenceTeacher

    if how["teacher"] == "reference":
        return ReferenceTeacher(task)
    model = _model(how["teacher"], "answer", ledger, how)
    return LiteLLMTeacher(task, {}, model, model, TeacherConfig(max_tokens=how["max_tokens"]), how["seed"])
