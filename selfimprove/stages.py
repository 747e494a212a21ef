"""Single stages of the loop as commands: mine a pool, grade it into the student's library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from selfimprove.begun import LEDGER, files_in, nothing_left
from selfimprove.campaign import Campaign, chat_template_of
from selfimprove.checks import check_scoring
from selfimprove.config import Config, changed, load_config, write_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.formats import aligned, percent
from selfimprove.graphs.compiling import freeze_programs, programs_of
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.grading import build_grading
from selfimprove.graphs.mining import build_mining, mining_place, sentence, totals_of
from selfimprove.graphs.wiring import STEPS, seldom_collected
from selfimprove.ledger import Ledger
from selfimprove.mining.library import count_levels, load_library
from selfimprove.mining.patterns import ALL, Patterns
from selfimprove.programs.in_force import FROZEN
from selfimprove.protocols import LanguageModel, StepScorer, Student, Task, Teacher
from selfimprove.records import Adapter, TrainingJob
from selfimprove.store import RunFolder
from selfimprove.students.adapters import adapter_hash, prompt_hash

_SHOWN: Final = 8
_SETTINGS: Final = "stage.toml"
_ADAPTER: Final = "adapter.json"
_BEGUN: Final = {"run.lock", "manifest.json", _ADAPTER, FROZEN, *LEDGER}
"""What a stage writes before its settings."""
_MOST: Final = 16
_FREE: Final = ("grade", "select", "train", "teacher", "gate", "evaluate", "track", "lesson")
"""Sections that mining does not depend on."""


class _NoTrainer:
    def train(self, job: TrainingJob) -> Adapter:
        raise InputError(f"a single stage trains nothing, so {job.out} cannot be made; use selfimprove run")


def sampled(config: Config) -> Config:
    """Draw up to 16 samples of a problem that fewer do not settle, where `[mine]` leaves that open.

    Who mines alone wants to know more of each problem than a campaign does.
    """
    mine = config.mine
    most = mine.most if "most" in mine.model_fields_set or not mine.samples else _MOST
    # No library: a campaign starts from one, mining makes one.
    return config.model_copy(update={"mine": mine.model_copy(update={"most": most, "library": None})})


def mine_stage(
    config: Config, out: Path, *, task: Task | None = None, student: Student | None = None, adapter: Path | None = None
) -> str:
    """Mine the training problems of a task, and give what was found as text.

    The same call again goes on where it was ended: what was generated is found in the ledger.

    Args:
        config: the settings; `[mine]` says how, see `sampled`.
        out: the run folder.
        task: default: the one that the settings name.
        student: default: the one that the settings name.
        adapter: the student's; None: the base is mined.

    Raises:
        InputError: a part cannot be had, or the folder belongs to other settings or another adapter.
    """
    with _crew(config, out, task, student, adapter, _check_problems) as crew:
        _run(build_mining(crew), adapter)
        found = crew.folder.record(f"{mining_place(1)}/patterns.json", Patterns)
        return f"{sentence(totals_of(crew, 1))}\n{_table(found)}"


def grade_stage(
    config: Config,
    out: Path,
    *,
    task: Task | None = None,
    student: Student | None = None,
    scorer: StepScorer | None = None,
    adapter: Path | None = None,
) -> str:
    """Grade a mined pool into the student's library, and give its levels as text.

    Args:
        config: the settings; `[grade]` says how.
        out: the run folder that `mine_stage` wrote.
        task: default: the one that the settings name.
        student: default: the one that the settings name.
        scorer: default: the one that the settings name, if any.
        adapter: the one that the student was mined with.

    Raises:
        InputError: a part cannot be had, or nothing was mined there.
    """

    def see(crew: Crew) -> None:
        totals_of(crew, 1)  # it refuses a folder without a pool
        if scorer is None:
            check_scoring(crew.config, crew.task, crew.student, crew.programs, crew.ledger)

    with _crew(config, out, task, student, adapter, see) as crew:
        state = _run(build_grading(crew, scorer), adapter)
        path = crew.folder.at(state["library"])
        counts = count_levels(load_library(path, crew.model(_best(adapter)).identity), config.select.label)
        return f"{counts.table()}\n\n{counts.plot()}\n\nLibrary: {path}"


def _run(graph: Any, adapter: Path | None) -> dict[str, Any]:
    with seldom_collected():
        return dict(graph.compile().invoke({"round": 1, "best": _best(adapter)}, {"recursion_limit": STEPS}))


def _best(adapter: Path | None) -> str:
    """Name an adapter as a graph's state does; one that is not in the run folder by its whole path."""
    return str(adapter.resolve()) if adapter is not None else ""


@contextmanager
def _crew(
    config: Config,
    out: Path,
    task: Task | None,
    student: Student | None,
    adapter: Path | None,
    see: Callable[[Crew], None],
) -> Iterator[Crew]:
    """Give the parts that single stages need, in a folder that is theirs once nothing is wrong with them."""
    config = sampled(config)
    campaign = Campaign(config, task=task, student=student, out=out)
    made, there = campaign.load_task(), files_in(out)
    with (
        closing(RunFolder(out)) as folder,
        nothing_left(out, there, _BEGUN, _SETTINGS),
        closing(Ledger.of(out / "ledger.sqlite", config.campaign)) as ledger,
    ):
        _check_settings(folder, config)
        _check_adapter(folder, adapter)
        found = campaign.load_student()
        crew = Crew(
            config=config,
            folder=folder,
            ledger=ledger,
            task=made,
            student=found,
            teacher_for=_nobody,
            trainer=_NoTrainer(),
            programs=programs_of(folder, made, config),
            chat_template=chat_template_of(found),
        )
        crew.model(_best(adapter))
        _check_prompt(crew, adapter)
        see(crew)
        _claim(crew, adapter)
        yield crew


def _nobody(_model: LanguageModel, _round: int) -> Teacher:
    raise InputError("a single stage has no teacher; use selfimprove run")


def _check_problems(crew: Crew) -> None:
    if next(iter(crew.task.problems("train")), None) is None:
        raise InputError(f'task "{crew.task.name}" has no problems to mine; give it some')


def _check_settings(folder: RunFolder, config: Config) -> None:
    """See that a folder is new, or was mined under the same settings."""
    if folder.has("campaign.toml"):
        raise RunFolderError(f"{folder.path} holds a campaign, which mines by itself; name another folder")
    if folder.has(_SETTINGS):
        rows = changed(load_config(folder.checked(_SETTINGS)), config)
        rows = [row for row in rows if row.partition(".")[0] not in _FREE]
        if rows:
            raise RunFolderError(
                f"{folder.path} was mined under other settings ({'; '.join(rows[:3])}); name another folder"
            )


def _check_adapter(folder: RunFolder, adapter: Path | None) -> None:
    """See that a folder is new, or was mined with the same adapter."""
    given = adapter_hash(adapter) if adapter is not None else ""
    held = folder.json(_ADAPTER)["hash"] if folder.has(_ADAPTER) else ""
    if folder.has(_SETTINGS) and held != given:
        raise RunFolderError(
            f"{folder.path} was mined {'with another adapter' if held else 'without an adapter'}; "
            "give the one that it was mined with, or name another folder"
        )


def _check_prompt(crew: Crew, adapter: Path | None) -> None:
    """Refuse an adapter that was trained under another prompt than the one it would be mined under."""
    trained = prompt_hash(adapter) if adapter is not None else ""
    asked = crew.programs["solve"].hash(crew.chat_template)
    if trained and trained != asked:
        raise InputError(
            f"{adapter} was trained under prompt {trained} and would be mined under {asked}; name one of track B "
            "of this task, and give the prompts that it was trained with (campaign.programs, or what programs/ holds)"
        )


def _claim(crew: Crew, adapter: Path | None) -> None:
    """Take a folder for these settings, this adapter and the prompts now in force."""
    if not crew.folder.has(_SETTINGS):
        freeze_programs(crew)
    if adapter is not None:
        crew.folder.write_json(_ADAPTER, {"hash": adapter_hash(adapter)})
    crew.folder.write_text(_SETTINGS, write_config(crew.config))


def _table(patterns: Patterns) -> str:
    """Write the groups that fail most, of each kind of group."""
    rows = [("", "", "failed", "of", "share", "no verdict")]
    seen: dict[str, int] = {}
    for group in sorted(patterns.groups, key=lambda g: (g.by != ALL, g.by, -g.rate)):
        seen[group.by] = seen.get(group.by, 0) + 1
        if seen[group.by] <= _SHOWN:
            counts = (str(group.failed), str(group.tried), percent(group.rate, 0), str(group.technical))
            rows.append((group.by, group.value, *counts))
    return "\n".join(aligned(rows, names=2))
