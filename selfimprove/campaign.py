"""A campaign: baseline, rounds until a stop rule, and a report. The same call again goes on after a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfimprove.config import Config, changed, load_config, make_config, merge, write_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.graphs.compiling import freeze_programs, see_compiled
from selfimprove.graphs.crew import Crew
from selfimprove.ledger import CapReachedError, Ledger
from selfimprove.plugs import see_plug
from selfimprove.programs import Program
from selfimprove.programs.in_force import FROZEN
from selfimprove.protocols import LanguageModel, Student, Task, Teacher, Trainer
from selfimprove.records import Sampling, Split
from selfimprove.report.schema import Summary
from selfimprove.store import RunFolder, see_folder
from selfimprove.track import tracked

if TYPE_CHECKING:
    from selfimprove.planning.plans import Plan
    from selfimprove.planning.probing import Probe

_PLUGS = {"task": Task, "student": Student, "teacher": Teacher, "trainer": Trainer}
_SPLITS: tuple[Split, ...] = ("train", "dev", "test")
_PROCEDURAL = ("arithmetic", "reasoning_gym:")
LEDGER = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")
_BEGUN = {"run.lock", "campaign.log", "plan.json", "manifest.json", FROZEN, *LEDGER}
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
        out: the run folder; default: `runs/<task>`.
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
        plugs: dict[str, Any] = {"task": task, "student": student, "teacher": teacher}
        plain = {name: thing for name, thing in plugs.items() if isinstance(thing, str | Path | Mapping)}
        objects = {name: thing for name, thing in plugs.items() if name not in plain} | {"trainer": trainer}
        self._given = {name: thing for name, thing in objects.items() if thing is not None}
        for name, thing in self._given.items():
            see_plug(thing, _PLUGS[name])
        labels = {name: _label(name, thing) for name, thing in plugs.items() if not isinstance(thing, Mapping)}
        tables = {name: thing for name, thing in plain.items() if isinstance(thing, Mapping)}
        self.config = _merged(_base(config), labels, tables, settings, sections or {})
        self.out = Path(out) if out is not None else Path("runs") / _safe(self.config.campaign.task)

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
        _see(task)
        self._see_training(task)
        self._see_named()
        return plan(self.config, task, self._probe(task, self.load_student()) if probe else None)

    def _see_named(self) -> None:
        """Refuse what the settings name and is not there, as far as that takes no key, no server and no download."""
        from selfimprove.graphs.watching import passages_of
        from selfimprove.plugs import load_plug
        from selfimprove.scorers.names import see_name
        from selfimprove.students import see_student
        from selfimprove.tasks import load_task
        from selfimprove.teachers.deployment import see_address
        from selfimprove.teachers.load import is_model

        config = self.config
        see_address(config.teacher.base_url)
        if "student" not in self._given:
            see_student(config.campaign.student)
        teachers = [config.teacher.first, None if "teacher" in self._given else config.teacher.model]
        for name in filter(None, teachers):
            if ":" in name and not is_model(name):
                load_plug(name, "teacher")
        if config.grade.scorer:
            see_name(config.grade.scorer, config.teacher)
        if config.gate.text:
            passages_of(Path(config.gate.text))
        for name in config.gate.tasks:
            load_task(name, data_dir=self._data_dir())

    def _see_training(self, task: Task) -> None:
        """Refuse ways to train that cannot be had."""
        from selfimprove.trainers.refusing import refuse_packed_order, refuse_practice
        from selfimprove.trainers.settings import check_settings

        check_settings(self.config.train)
        refuse_packed_order(self.config)
        refuse_practice(self.config, None if isinstance(self._given.get("task", ""), str) else task.name)

    def _probe(self, task: Task, student: Student) -> Probe:
        from selfimprove.planning.probing import probe
        from selfimprove.programs import SIGNATURES, program_for

        programs = {name: program_for(name, task) for name in SIGNATURES}
        some = list(islice(task.problems("train"), 40))
        return probe(student, programs, task, some, self.config, str(getattr(student, "device", "cpu")))

    def run(self) -> Summary:
        """Run to the end, or go on from where a run was ended.

        Raises:
            InputError: the run folder belongs to another campaign, or a part cannot be had.
            BudgetExceededError: the budget's end; raise it and run again.
            TeacherError, TrainingError: see there; what was done is kept.
        """
        from selfimprove.graphs.forked import forked
        from selfimprove.graphs.library import see_library
        from selfimprove.graphs.run import run_campaign
        from selfimprove.graphs.watching import see_watched
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
            with tracked(folder, self.config) as after_round, ledger.span("campaign"):
                crew = self._crew(folder, ledger, after_round)
                see_compiled(crew)
                _see(crew.task)
                see_library(crew)
                see_watched(crew)
                if not folder.has("plan.json"):
                    begun = forked(folder)
                    taken = begun.round if begun else None
                    made = plan(self.config, crew.task, self._probe(crew.task, crew.student), taken)
                    folder.write_json("plan.json", made)
                if not folder.has("campaign.toml"):
                    freeze_programs(crew)
                # Only now, when every part was found: a mistake must not bind the folder to its settings.
                folder.write_text("campaign.toml", write_config(self.config))
                try:
                    run_campaign(crew, folder.at("graph.sqlite"))
                except CapReachedError as error:
                    raise error.as_planned(folder.record("plan.json", Plan).teaching) from None
            summary = summarise(folder, ledger)
            folder.write_json("report/summary.json", summary)
            return summary

    def _check(self, folder: RunFolder) -> None:
        """Refuse a folder that holds another campaign, or other files."""
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
            options.setdefault("seed", self.config.campaign.seed)
        sizes = {"train": data.train, "dev": data.dev, "test": data.test}
        return load_task(given, data_dir=self._data_dir(), options=options, sizes=sizes)  # type: ignore[arg-type]

    def _data_dir(self) -> Path | None:
        place = Path(self.config.data.data_dir) if self.config.data.data_dir else None
        if place is not None and not place.is_dir():
            raise InputError(f'data.data_dir = "{place}" is no folder; correct it, or leave it out')
        return place

    def load_student(self) -> Student:
        """Give the student that the settings name.

        Raises:
            InputError: there is no such model, or no such server.
        """
        from selfimprove.students import load_student

        given: Student | None = self._given.get("student")
        own, name = self.config.student, self.config.campaign.student
        served = name.startswith("openai-server:")
        how = {} if served else {"dtype": own.dtype, "device": own.device, "slots": own.slots}
        return given or load_student(name, **how)

    def _teacher_for(
        self, task: Task, programs: Mapping[str, Program], ledger: Ledger
    ) -> Callable[[LanguageModel, int], Teacher]:
        """Give what gives the teacher: one for the whole campaign, unless the student is its own."""
        from selfimprove.teachers.self_taught import SelfTeacher

        config = self.config
        later = self._teacher(config.teacher.model, task, programs, ledger)
        first = self._teacher(config.teacher.first, task, programs, ledger) if config.teacher.first else later
        each_round = max(config.mine.samples, config.mine.most) or config.lesson.rationales
        sampling = Sampling(temperature=config.mine.temperature, max_tokens=config.student.max_tokens)

        def choose(student: LanguageModel, round_: int) -> Teacher:
            found, sample = first if round_ == 1 else later, 1 + (round_ - 1) * each_round
            return found or SelfTeacher(student, task, programs, sampling, config.campaign.seed, sample)

        return choose

    def _teacher(self, model: str, task: Task, programs: Mapping[str, Program], ledger: Ledger) -> Teacher | None:
        """Load a teacher and see that it can be reached; None for the student itself."""
        from selfimprove.teachers.load import load_teacher, own_teacher

        given = self._given.get("teacher") if model == self.config.teacher.model else None
        if given is None and model == "self":
            return None
        config = self.config.teacher.model_copy(update={"model": model})
        teacher = (
            load_teacher(config, task, programs, ledger, self.config.campaign.seed)
            if given is None
            else own_teacher(given, model, config, ledger)
        )
        check = getattr(teacher, "check", None)
        if check is not None:
            check()
        return teacher

    def _crew(self, folder: RunFolder, ledger: Ledger, after_round: Callable[[int], None]) -> Crew:
        from selfimprove.graphs.compiling import programs_of
        from selfimprove.trainers.launching import launcher_of
        from selfimprove.trainers.process import ProcessTrainer
        from selfimprove.trainers.refusing import asks_teacher
        from selfimprove.trainers.vocabulary import see_vocabulary

        config, task = self.config, self.load_task()
        self._see_training(task)
        if "track_b_given" in config.campaign.arms and not next(iter(task.problems("dev"))).rationale:
            raise InputError(
                f"the arm track_b_given shows reference rationales, and those of {task.name} have none; leave it out"
            )
        asked = asks_teacher(config)
        programs = programs_of(folder, task, config)
        student = self.load_student()
        if "distill" in config.campaign.arms and (tokenizer := getattr(student, "tokenizer", None)) is not None:
            see_vocabulary(tokenizer, config.train.distill.model_dump()["teacher"])
        see_scoring(config, task, student, programs, ledger)
        teacher_for = self._teacher_for(task, programs, ledger)
        return Crew(
            config=config,
            folder=folder,
            ledger=ledger,
            task=task,
            student=student,
            teacher_for=teacher_for,
            trainer=self._given.get("trainer")
            or ProcessTrainer(
                shared=launcher_of(config.train.accelerate),
                teacher=teacher_for(student, config.campaign.rounds + 1) if asked else None,
            ),
            programs=programs,
            model_folder=str(getattr(student, "folder", "")),
            chat_template=chat_template_of(student),
            after_round=after_round,
        )


def chat_template_of(student: Student) -> str:
    """Give the chat template of a student that runs here; empty: it has none, or runs elsewhere."""
    return str(getattr(getattr(student, "tokenizer", None), "chat_template", "") or "")


def files_in(out: Path) -> frozenset[str] | None:
    """Name what a folder holds; None where there is no such folder.

    Raises:
        InputError: it is a file.
    """
    see_folder(out)
    return frozenset(path.name for path in out.iterdir()) if out.is_dir() else None


@contextmanager
def nothing_left(
    out: Path, there: frozenset[str] | None, names: Iterable[str], settings: str = "campaign.toml"
) -> Iterator[None]:
    """Take away what a campaign that is refused has begun.

    Args:
        out: the run folder.
        there: what `files_in` gave before; None: the folder goes too, if it is empty by then.
        names: of the files that may go; those that were there before stay.
        settings: the file that is written once nothing is wrong; with it all of them stay.
    """
    try:
        yield
    except InputError:
        if not (out / settings).exists():
            for name in set(names) - (there or frozenset()):
                (out / name).unlink(missing_ok=True)
            if there is None:
                with suppress(OSError):
                    out.rmdir()
        raise


def see_scoring(config: Config, task: Task, student: Student, programs: Mapping[str, Program], ledger: Ledger) -> None:
    """Refuse a step scorer that cannot be had, or is not to be trusted."""
    from selfimprove.scorers.names import full_name, see_scorer
    from selfimprove.scorers.trust import check_card

    if config.grade.scorer:
        bare, judging_by = student.with_adapter(None), programs["judge_steps"]
        known_as = see_scorer(config.grade.scorer, ledger, config.teacher, bare, judging_by)
        if not config.grade.trust:
            check_card(full_name(config.grade.scorer, config.teacher), task.problems("train"), known_as)


def _see(task: Task) -> None:
    """Refuse a task with a split that is empty, or that cannot be read."""
    for split in _SPLITS:
        if next(iter(task.problems(split)), None) is None:
            raise InputError(f'task "{task.name}" has no {split} problems; give it some')


def read_summary(out: Path) -> Summary:
    """Sum up a run folder without changing it, finished or not.

    Raises:
        InputError: there is no campaign in it.
    """
    from selfimprove.report.summary import summarise

    if not (out / "campaign.toml").is_file():
        raise InputError(f"{out} holds no campaign; name a run folder, such as runs/demo")
    with closing(Ledger(out / "ledger.sqlite", reader=True)) as ledger:
        return summarise(RunFolder(out, writer=False), ledger)


def _base(config: Path | str | Config | None) -> dict[str, Any]:
    if config is None:
        return {}
    return (config if isinstance(config, Config) else load_config(Path(config))).model_dump(mode="json")


def _label(plug: str, thing: Any) -> str | None:
    """Name a plug in the settings."""
    if thing is None or isinstance(thing, str):
        return thing
    if isinstance(thing, Path):
        return str(thing)
    if plug == "teacher":  # not by a name of its own, which could be that of a model
        return f"{type(thing).__module__}:{type(thing).__name__}"
    return str(getattr(thing, "name", None) or type(thing).__name__)


def _merged(given: Mapping[str, Any], labels: Mapping[str, str | None], *settings: Mapping[str, Any]) -> Config:
    named = {name: label for name, label in labels.items() if label is not None and name in {"task", "student"}}
    values = merge(given, {"campaign": named})
    if (teacher := labels.get("teacher")) is not None:
        values = merge(values, {"teacher": {"model": teacher}})
    for key, value in (pair for some in settings for pair in some.items()):
        table = key in Config.model_fields or isinstance(value, Mapping)
        values = merge(values, {key: value} if table else {"campaign": {key: value}})
    return make_config(values, "Campaign")


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(name).stem) or "run"


def _finished(folder: RunFolder, config: Config) -> bool:
    """Say whether all that the config asks for is there."""
    if not folder.has("finished.json"):
        return False
    from selfimprove.graphs.campaign import reached

    ended, campaign = folder.json("finished.json"), config.campaign
    if ended.get("stopped") == "budget":
        return False
    enough = reached(campaign.target, ended.get("accuracy", 0.0))
    return bool(ended["rounds"] >= campaign.rounds or ended["idle"] >= campaign.patience or enough)
