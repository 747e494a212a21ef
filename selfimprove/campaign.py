"""A campaign: baseline, rounds until a stop rule, and a report. The same call again goes on after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfimprove import progress
from selfimprove.begun import LEDGER, files_in, nothing_left
from selfimprove.checks import (
    check_distilled,
    check_named,
    check_rendered,
    check_room,
    check_scoring,
    check_splits,
    check_trained,
    check_training,
    data_dir,
)
from selfimprove.config import Config, changed, load_config, write_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.given import OBJECTS, check_objects, config_of, name_objects, objects_of
from selfimprove.graphs.compiling import check_compiled, freeze_programs
from selfimprove.graphs.crew import Crew
from selfimprove.ledger import CapReachedError, Ledger
from selfimprove.programs.in_force import FROZEN
from selfimprove.protocols import Student, Task, Teacher, Trainer
from selfimprove.report.schema import Summary
from selfimprove.store import RunFolder, check_campaign
from selfimprove.track import Told, tracked

if TYPE_CHECKING:
    from selfimprove.planning.plans import Plan
    from selfimprove.planning.probing import Probe

_PROCEDURAL = ("arithmetic", "reasoning_gym:")
_BEGUN = {"run.lock", "campaign.log", "plan.json", "manifest.json", FROZEN, OBJECTS, "wandb", *LEDGER}
"""What a campaign writes before its settings."""


class Campaign:
    """Improve a student at a task, round after round.

    Args:
        config: a TOML file or a `Config`; the keywords below go over it.
        task: a name, a file of problems, `package.module:Name`, your own `Task`, or settings of `[task]`.
        student: a hub id, a folder, `openai-server:MODEL@URL`, your own `Student`, or settings of `[student]`.
        teacher: `reference`, `self`, any LiteLLM model, `package.module:Name`, your own `Teacher`, or settings of
            `[teacher]`.
        trainer: your own `Trainer`; default: a process of its own over TRL.
        out: the run folder; default: `runs/<name of the file>`, and `runs/<task>` where `config` is no file.
        sections: settings of any section, where its keyword holds a name or an object.
        settings: keys of `[campaign]` such as `rounds`, `seed`, `budget_usd`; or `data={...}`, `mine={...}`, ...

    Raises:
        InputError: a setting will not do.
    """

    def __init__(
        self,
        config: Path | str | Config | None = None,
        *,
        task: str | Path | Task | Mapping[str, Any] | None = None,
        student: str | Path | Student | Mapping[str, Any] | None = None,
        teacher: str | Teacher | Mapping[str, Any] | None = None,
        trainer: Trainer | None = None,
        out: Path | str | None = None,
        sections: Mapping[str, Mapping[str, Any]] | None = None,
        **settings: Any,
    ) -> None:
        plugs: dict[str, Any] = {"task": task, "student": student, "teacher": teacher, "trainer": trainer}
        self._given = objects_of(plugs)
        self.config = config_of(config, plugs, settings, sections or {})
        named = Path(config).stem if isinstance(config, str | Path) else _safe(self.config.campaign.task)
        self.out = Path(out) if out is not None else Path("runs") / named

    def plan(self, *, probe: bool = True) -> Plan:
        """Say what the campaign will take, before anything is spent; print it for a table.

        Args:
            probe: let the student try a few problems, which takes seconds and tells hours; without it they are unknown.

        Raises:
            InputError: the student cannot be had, the teacher's price is not known, or the settings name what is not
                there.
        """
        from selfimprove.planning.plans import plan

        task = self.load_task()
        check_splits(task, self.config)
        check_training(self.config, task, own="task" in self._given)
        check_named(self.config, self._given)
        check_trained(self.config, self._given)
        return plan(self.config, task, self._probe(task, self._learner()) if probe else None)

    def _learner(self) -> Student:
        """Give the student, once it can be trained under its template and has room for its completions."""
        student = self.load_student()
        check_room(student, self.config.student.max_tokens)
        if "trainer" not in self._given:
            check_rendered(student)
        return student

    def _probe(self, task: Task, student: Student) -> Probe:
        from selfimprove.planning.probing import probe
        from selfimprove.programs import SIGNATURES, program_for

        programs = {name: program_for(name, task) for name in SIGNATURES}
        some = list(islice(task.problems("train"), 40))
        return probe(student, programs, task, some, self.config)

    def run(self) -> Summary:
        """Run to the end, or go on from where a run was ended.

        Raises:
            InputError: the run folder belongs to another campaign, or a part cannot be had.
            BudgetExceededError: the budget's end; raise it, or give the rounds that are decided, and run again.
            TeacherError, StudentError, TrainingError: see there; what was done is kept.
        """
        from selfimprove.graphs.deciding import decisions_of
        from selfimprove.graphs.forked import forked
        from selfimprove.graphs.library import check_library
        from selfimprove.graphs.places import decided_rounds
        from selfimprove.graphs.run import run_campaign
        from selfimprove.graphs.watching import check_watched
        from selfimprove.planning.plans import Plan, plan
        from selfimprove.report.summary import summarise

        there = files_in(self.out)
        with (
            closing(RunFolder(self.out)) as folder,
            nothing_left(self.out, there, _BEGUN),  # while the folder is locked: another process's files stay
            closing(Ledger.of(self.out / "ledger.sqlite", self.config.campaign)) as ledger,
        ):
            self._check(folder)
            if _finished(folder, self.config):
                return summarise(folder, ledger)
            with tracked(folder, self.config) as told, ledger.span("campaign"):
                crew = self._crew(folder, ledger, told)
                check_compiled(crew)
                check_splits(crew.task, self.config)
                check_library(crew)
                check_watched(crew)
                if not folder.has("plan.json"):
                    begun = forked(folder)
                    taken = begun.round if begun else None
                    before = decisions_of(folder, taken or 0)
                    made = plan(self.config, crew.task, self._probe(crew.task, crew.student), taken, before)
                    folder.write_json("plan.json", made)
                    if made.shortage:
                        progress.current().say(made.shortage)
                if not folder.has("campaign.toml"):
                    freeze_programs(crew)
                name_objects(folder, self._given)
                # Only now, when every part was found: a mistake must not bind the folder to its settings.
                folder.write_text("campaign.toml", write_config(self.config))
                try:
                    run_campaign(crew, folder.at("graph.sqlite"))
                except CapReachedError as error:
                    planned = error.as_planned(folder.record("plan.json", Plan).teaching)
                    raise planned.or_ended(decided_rounds(folder)) from None
            summary = summarise(folder, ledger)
            folder.write_json("report/summary.json", summary)
            return summary

    def _check(self, folder: RunFolder) -> None:
        """Refuse a folder that holds another campaign, or other files."""
        check_objects(folder.path, self._given)
        if folder.has("campaign.toml"):
            rows = changed(load_config(folder.checked("campaign.toml")), self.config)
            if rows:
                raise RunFolderError(
                    f"{folder.path} holds another campaign ({'; '.join(rows[:3])}); "
                    "name another folder, or give the settings it was started with"
                )
        elif any(path.name not in _BEGUN for path in folder.path.iterdir()):
            raise RunFolderError(f"{folder.path} holds other files and no campaign; name an empty or new folder")

    def load_task(self) -> Task:
        """Give the task that the settings name.

        Raises:
            InputError: there is no such task, option or file.
        """
        from selfimprove.tasks import load_task

        data, options = self.config.data, dict(self.config.task)
        given = self._given.get("task", self.config.campaign.task)
        if isinstance(given, str) and given.startswith(_PROCEDURAL):
            if data.data_dir and not self.config.gate.tasks:
                raise InputError(f'data.data_dir = "{data.data_dir}": {given} draws its problems; leave it out')
            options.setdefault("seed", self.config.campaign.seed)
        sizes = {"train": data.train, "dev": data.dev, "test": data.test}
        return load_task(given, data_dir=data_dir(self.config), options=options, sizes=sizes)  # type: ignore[arg-type]

    def load_student(self) -> Student:
        """Give the student that the settings name.

        Raises:
            InputError: there is no such model, or no such server; or a setting for loading one stands beside an object.
        """
        from selfimprove.students import load_student

        own, name = self.config.student, self.config.campaign.student
        how = {"dtype": own.dtype, "slots": own.slots, "max_length": own.max_length}
        if "student" not in self._given:
            return load_student(name, device=own.device, max_tokens=own.max_tokens, **how)
        for key, value in how.items():
            if value not in {None, "auto"}:
                raise InputError(
                    f"student.{key} = {value!r} cannot be set beside a student that is an object, which was loaded "
                    "already; leave it out"
                )
        given: Student = self._given["student"]
        return given

    def _crew(self, folder: RunFolder, ledger: Ledger, told: Told) -> Crew:
        from selfimprove.graphs.compiling import programs_of
        from selfimprove.students.fetch import fetch
        from selfimprove.teachers.by_round import teachers_by_round
        from selfimprove.trainers.launching import launcher_of
        from selfimprove.trainers.process import ProcessTrainer
        from selfimprove.trainers.refusing import asks_teacher

        config, task = self.config, self.load_task()
        check_training(config, task, own="task" in self._given)
        if "track_b_given" in config.campaign.arms and not next(iter(task.problems("dev"))).rationale:
            raise InputError(
                f"the arm track_b_given shows reference rationales, and those of {task.name} have none; leave it out"
            )
        asked = asks_teacher(config)
        programs = programs_of(folder, task, config)
        student = self._learner()
        if weights := getattr(student, "folder", None):
            check_distilled(config, weights, fetch)
        check_scoring(config, task, student, programs, ledger)
        teacher_for = teachers_by_round(config, self._given.get("teacher"), task, programs, ledger)
        check_trained(config, self._given)
        return Crew(
            config=config,
            folder=folder,
            ledger=ledger,
            task=task,
            student=student,
            teacher_for=teacher_for,
            trainer=self._given.get("trainer")
            or ProcessTrainer(
                shared=launcher_of(config.train.accelerate, quantize=config.train.quantize),
                after_step=told.after_step,
                teacher=teacher_for(student, config.campaign.rounds + 1) if asked else None,
            ),
            programs=programs,
            model_folder=str(getattr(student, "folder", "")),
            chat_template=chat_template_of(student),
            after_round=told.after_round,
        )


def chat_template_of(student: Student) -> str:
    """Give the chat template of a student that runs here; empty: it has none, or runs elsewhere."""
    return str(getattr(getattr(student, "tokenizer", None), "chat_template", "") or "")


def read_summary(out: Path) -> Summary:
    """Sum up a run folder without changing it, finished or not.

    Raises:
        InputError: there is no campaign in it.
    """
    from selfimprove.report.summary import summarise

    check_campaign(out)
    budget = load_config(out / "campaign.toml").campaign.budget_usd
    with closing(Ledger(out / "ledger.sqlite", budget, reader=True)) as ledger:
        return summarise(RunFolder(out, writer=False), ledger)


def _safe(task: str) -> str:
    """Make a folder's name of a task's; a file's ending is left out.

    >>> _safe("data/own.jsonl"), _safe("plugs.tasks:Easy")
    ('own', 'plugs-tasks-Easy')
    """
    from selfimprove.tasks.load import FILE_ENDINGS

    named = Path(task).stem if task.endswith(FILE_ENDINGS) else Path(task).name
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in named) or "run"


def _finished(folder: RunFolder, config: Config) -> bool:
    """Say whether all that the config asks for is there, or as much of it as its caps let be."""
    if not folder.has("finished.json"):
        return False
    from selfimprove.graphs.campaign import reached
    from selfimprove.graphs.control import has_risen

    ended, campaign = folder.json("finished.json"), config.campaign
    if ended.get("stopped") == "budget" or has_risen(config, ended.get("control", {})):
        return False
    enough = reached(campaign.target, ended.get("accuracy", 0.0))
    return bool(ended["rounds"] >= campaign.rounds or ended["idle"] >= campaign.patience or enough)
