"""The programs of a campaign: frozen when it begins, and optimised between rounds where it asks for that."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from selfimprove import progress
from selfimprove.compiling.compiling import Work, compile_cases
from selfimprove.compiling.making import Source, make_cases
from selfimprove.compiling.metrics import Parts, metric_named, usual_metric
from selfimprove.config import Config
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import Node, round_folder
from selfimprove.programs import Program
from selfimprove.programs.in_force import FROZEN, Frozen, InForce
from selfimprove.programs.optimise import How, check_optimizer
from selfimprove.programs.saved import Compiled, programs_for, proven_for
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Sampling
from selfimprove.store import RunFolder
from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

_TEACHERS: Final = frozenset({"answer_question", "reason", "rationalise"})
_APART: Final = frozenset({"judge", "label", "check_label", "generate", "solve_independently"})
"""Programs that no round runs."""


def programs_of(folder: RunFolder, task: Task, config: Config) -> InForce:
    """Give the programs that a campaign or a stage begins with: those of its folder, else the ones in force now.

    Raises:
        InputError: a saved program cannot be used.
        RunFolderError: the folder's own cannot be read.
    """
    bare = programs_for(task)
    if folder.has("campaign.toml") or folder.has("stage.toml"):
        kept = folder.record(FROZEN, Frozen)
        return InForce({**bare, **kept.thaw()}, kept.cards)
    run = [name for name in bare if name not in _APART]
    saved = {} if config.campaign.programs == "plain" else proven_for(run, task.name, [task])
    return InForce(
        {**bare, **{name: each.program for name, each in saved.items()}},
        {name: each.card for name, each in saved.items()},
    )


def freeze_programs(crew: Crew) -> None:
    """Keep the programs in force in the run folder."""
    cards = crew.programs.cards if isinstance(crew.programs, InForce) else {}
    crew.folder.write_json(FROZEN, Frozen.of(crew.programs, cards))


def check_compiled(crew: Crew) -> None:
    """Refuse programs to optimise that no model is there for.

    Raises:
        InputError: see above; an optimiser's package is missing.
    """
    wanted = crew.config.campaign.compile
    if not wanted:
        return
    check_optimizer(crew.config.compiling.optimizer)
    if not crew.config.data.train >= crew.config.compiling.problems:
        raise InputError(
            f"compiling.problems = {crew.config.compiling.problems} is more than data.train = {crew.config.data.train}"
        )
    teachers = [name for name in wanted if name in _TEACHERS]
    if teachers and not isinstance(crew.teacher_for(crew.model(""), 2), LiteLLMTeacher):
        raise InputError(
            f"campaign.compile names {teachers[0]}, a prompt of a teacher that is a model, and teacher.model = "
            f'"{crew.config.teacher.model}" is none; leave it out, or name a LiteLLM model'
        )


def take_compiled(crew: Crew, round_: int) -> None:
    """Put the programs in force that the rounds so far have optimised, the given one counted in where it has."""
    if isinstance(crew.programs, InForce):
        crew.programs.take(_compiled(crew, round_).thaw())


def _compiled(crew: Crew, round_: int) -> Frozen:
    files = (f"{round_folder(r)}/{FROZEN}" for r in range(round_, 0, -1))
    found = next((file for file in files if crew.folder.has(file)), None)
    return crew.folder.record(found, Frozen) if found else Frozen(programs={})


def compile_node(crew: Crew) -> Node:
    """Optimise programs for the student as it now is, from the second round on; those that gain are put in force."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        round_, here = state["round"], round_folder(state["round"])
        if round_ > 1 and not crew.folder.has(f"{here}/{FROZEN}"):
            before = _compiled(crew, round_ - 1)
            changed, cards = before.thaw(), dict(before.cards)
            for name in crew.config.campaign.compile:
                made = _one(crew, name, round_, state["best"])
                if made is None:
                    continue
                crew.folder.write_json(f"{here}/compiled/{name}.card.json", made.card)
                progress.current().say(f"round {round_}: {made.card.sentence()}")
                if made.card.proven:
                    changed[name], cards[name] = made
            crew.folder.write_json(f"{here}/{FROZEN}", Frozen.of(changed, cards))
        take_compiled(crew, round_)
        return {}

    return node


def _one(crew: Crew, name: str, round_: int, best: str) -> Compiled | None:
    """Optimise one program; None where there is nothing to learn from, which is said."""
    config, seed = crew.config, crew.config.campaign.seed
    with crew.stage(f"compile {name}"):
        student = crew.model(best)
        teacher = crew.teacher_for(student, round_)
        train = crew.problems("train")
        problems = Random(f"compile {seed} {round_}").sample(train, min(config.compiling.problems, len(train)))
        programs: Mapping[str, Program] = dict(crew.programs)
        source = Source(crew.task, student, teacher, programs, crew.greedy(), seed)
        parts = Parts(crew.task, {p.id: p for p in problems}, student, teacher, programs, crew.greedy())
        model, writer, sampling = _models(crew, name, teacher, student)
        own = config.compiling
        work = Work(
            programs[name],
            crew.task,
            model,
            writer,
            metric_named(usual_metric(name), name, parts),
            sampling,
            How(own.optimizer, own.calls, own.demos, seed=seed),
        )
        try:
            made = compile_cases(work, make_cases(name, problems, source))
        except InputError as error:
            progress.current().say(f"round {round_}: {name} stays as it was: {error}")
            return None
    # The day would differ between a run and the same run after a crash.
    return made._replace(card=made.card.model_copy(update={"date": ""}))


def _models(
    crew: Crew, name: str, teacher: object, student: LanguageModel
) -> tuple[LanguageModel, LanguageModel, Sampling]:
    """Give what runs a program, what writes its instructions, and how its replies are drawn."""
    if not isinstance(teacher, LiteLLMTeacher):
        return student, student, crew.greedy()
    if name not in _TEACHERS:
        return student, teacher.reason_model, crew.greedy()
    model = teacher.answer_model if name == "answer_question" else teacher.reason_model
    return model, teacher.reason_model, Sampling(max_tokens=crew.config.teacher.max_tokens)
