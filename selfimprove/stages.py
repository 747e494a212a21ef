"""Single stages of the loop as commands: mine a pool, grade it into the student's library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from selfimprove.config import Config, changed, load_config, write_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.grading import build_grading
from selfimprove.graphs.mining import STEPS, MiningTotals, build_mining, mining_place, sentence
from selfimprove.graphs.wiring import seldom_collected
from selfimprove.ledger import Ledger
from selfimprove.mining.library import count_levels, load_library
from selfimprove.mining.patterns import ALL, Patterns
from selfimprove.programs import SIGNATURES, program_for
from selfimprove.protocols import LanguageModel, StepScorer, Student, Task, Teacher
from selfimprove.records import Adapter, TrainingJob
from selfimprove.scorers.names import full_name
from selfimprove.scorers.trust import check_card
from selfimprove.store import RunFolder

_SHOWN: Final = 8
_FREE: Final = ("grade", "select", "train", "teacher", "gate", "evaluate", "track", "lesson")
"""Sections that mining does not depend on."""


class _NoTrainer:
    def train(self, job: TrainingJob) -> Adapter:
        raise InputError(f"a single stage trains nothing, so {job.out} cannot be made; use selfimprove run")


def sampled(config: Config) -> Config:
    """Fill in what `[mine]` leaves open: 4 to 16 samples, and twice the tokens for what was cut off.

    Who mines alone wants to know more of each problem than a campaign does.
    """
    given, mine = config.mine.model_fields_set, config.mine
    samples = mine.samples if "samples" in given else 4
    filled = {"samples": samples, "most": 16 if samples else 0, "longer": 2.0}
    more: dict[str, object] = {key: value for key, value in filled.items() if key not in given}
    more["library"] = None  # where a campaign starts from; mining makes one
    return config.model_copy(update={"mine": mine.model_copy(update=more)})


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
    with _crew(config, out, task, student, adapter) as crew:
        _run(build_mining(crew), adapter)
        place = mining_place(1)
        totals = crew.folder.record(f"{place}/totals.json", MiningTotals)
        return f"{sentence(totals)}\n{_table(crew.folder.record(f'{place}/patterns.json', Patterns))}"


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
    with _crew(config, out, task, student, adapter) as crew:
        if scorer is None and config.grade.scorer and not config.grade.trust:
            check_card(full_name(config.grade.scorer, config.teacher), crew.task.problems("train"))
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
    config: Config, out: Path, task: Task | None, student: Student | None, adapter: Path | None
) -> Iterator[Crew]:
    """Give the parts that single stages need, in a folder that is theirs."""
    from selfimprove.campaign import Campaign

    config = sampled(config)
    campaign = Campaign(config, task=task, student=student, out=out)
    made = campaign.load_task()
    folder = RunFolder(out)
    with closing(folder), closing(Ledger.of(out / "ledger.sqlite", config.campaign)) as ledger:
        _claim(folder, config, adapter)
        yield Crew(
            config=config,
            folder=folder,
            ledger=ledger,
            task=made,
            student=student or _student(config),
            teacher_for=_nobody,
            trainer=_NoTrainer(),
            programs={name: program_for(name, made) for name in SIGNATURES},
        )


def _student(config: Config) -> Student:
    from selfimprove.students import load_student

    served = config.campaign.student.startswith("openai-server:")
    own = config.student
    return load_student(
        config.campaign.student, **({} if served else {"dtype": own.dtype, "device": own.device, "slots": own.slots})
    )


def _nobody(_model: LanguageModel, _round: int) -> Teacher:
    raise InputError("a single stage has no teacher; use selfimprove run")


def _claim(folder: RunFolder, config: Config, adapter: Path | None) -> None:
    """Take a folder for these settings and this adapter, or see that it was mined under the same."""
    if folder.has("campaign.toml"):
        raise RunFolderError(f"{folder.path} holds a campaign, which mines by itself; name another folder")
    if folder.has("stage.toml"):
        rows = changed(load_config(folder.checked("stage.toml")), config)
        rows = [row for row in rows if row.partition(".")[0] not in _FREE]
        if rows:
            raise RunFolderError(
                f"{folder.path} was mined under other settings ({'; '.join(rows[:3])}); name another folder"
            )
    _claim_adapter(folder, adapter)
    folder.write_text("stage.toml", write_config(config))


def _claim_adapter(folder: RunFolder, adapter: Path | None) -> None:
    from selfimprove.students.adapters import adapter_hash

    given = adapter_hash(adapter) if adapter is not None else ""
    held = folder.json("adapter.json")["hash"] if folder.has("adapter.json") else ""
    if folder.has("stage.toml") and held != given:
        raise RunFolderError(
            f"{folder.path} was mined {'with another adapter' if held else 'without an adapter'}; "
            "give the one that it was mined with, or name another folder"
        )
    if given:
        folder.write_json("adapter.json", {"hash": given})


def _table(patterns: Patterns) -> str:
    """Write the groups that fail most, of each kind of group."""
    rows = [("", "", "failed", "of", "share", "no verdict")]
    seen: dict[str, int] = {}
    for group in sorted(patterns.groups, key=lambda g: (g.by != ALL, g.by, -g.rate)):
        seen[group.by] = seen.get(group.by, 0) + 1
        if seen[group.by] <= _SHOWN:
            counts = (str(group.failed), str(group.tried), f"{100 * group.rate:.0f} %", str(group.technical))
            rows.append((group.by, group.value, *counts))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
            + [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)
