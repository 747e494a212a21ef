"""What a student may not lose: a text's loss and other tasks, frozen with the splits and measured beside every arm.

Both are compared with the base student, not with the round before: many small falls would add up unseen. Labels and
pass@k on dev are compared with both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from selfimprove.arms import program_of
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.panel import panel_watched
from selfimprove.leakage import HeldOut
from selfimprove.programs import program_for
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Problem, Record, Verdict, Watched, digest
from selfimprove.steps.watch import watch_breadth, watch_labels, watch_task, watch_text
from selfimprove.store import RunFolder

_PASSAGES: Final = 64
_FEWEST: Final = 20
_CHARACTERS: Final = 1_000
_FROZEN: Final = "data/watched.json"


class Frozen(Record):
    """What is watched, the same in all rounds. A file."""

    passages: tuple[str, ...] = ()
    tasks: Mapping[str, tuple[Problem, ...]] = {}


class Panel(Record):
    """What one student did on it. A file."""

    model: str = ""
    """Identity of the student."""
    losses: tuple[float, ...] = ()
    """Nats a token, a passage each."""
    tasks: Mapping[str, Mapping[str, bool]] = {}
    """Task to problem to whether it was solved."""


def freeze_watched(crew: Crew) -> Frozen:
    """Take the passages and the other tasks' problems, once.

    Raises:
        InputError: the text is too short or cannot be read, or there is no such task.
    """
    gate = crew.config.gate
    kept = crew.folder.found(_FROZEN, Frozen)
    if kept is not None:
        return kept
    tasks = {name: tuple(islice(_task(crew, name).problems("dev"), gate.task_problems)) for name in gate.tasks}
    made = Frozen(passages=passages_of(Path(gate.text)) if gate.text else (), tasks=tasks)
    if made != Frozen():
        crew.folder.write_json(_FROZEN, made)
    return made


def held_out(watched: Frozen) -> Iterator[HeldOut]:
    """Give what is watched to the guard: nothing of it may be trained on."""
    for text in watched.passages:
        yield HeldOut(id=digest(text), where="gate.text", text=text)
    for name, problems in watched.tasks.items():
        yield from (HeldOut.of(problem, f"{name} dev") for problem in problems)


def passages_of(path: Path) -> tuple[str, ...]:
    """Cut a text into passages of about a thousand characters at the ends of paragraphs, and take some all over it.

    Raises:
        InputError: it cannot be read, or is too short.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"gate.text = {path} cannot be read: {reason}; name a plain text file") from error
    found = list[str]()
    for paragraph in text.split("\n\n"):
        if found and len(found[-1]) < _CHARACTERS:
            found[-1] += f"\n\n{paragraph.strip()}"
        else:
            found.append(paragraph.strip())
    whole = [passage for passage in found if len(passage) >= _CHARACTERS // 2]
    if len(whole) < _FEWEST:
        raise InputError(
            f"gate.text = {path} holds {len(whole)} passages of {_CHARACTERS} characters, which tells too little; "
            f"name a text of {_FEWEST} or more, paragraphs apart by an empty line"
        )
    step = len(whole) / min(len(whole), _PASSAGES)
    return tuple(whole[int(at * step)] for at in range(min(len(whole), _PASSAGES)))


def check_watched(crew: Crew) -> None:
    """Refuse, before anything runs, what cannot be watched.

    Raises:
        InputError: the student tells no losses, the text will not do, or there is no such task.
    """
    gate = crew.config.gate
    if gate.text and not hasattr(crew.student, "losses"):
        raise InputError("gate.text needs a student that runs here; leave it out, or name a hub id or a folder")
    if gate.text and not crew.folder.has(_FROZEN):
        passages_of(Path(gate.text))
    for name in gate.tasks:
        if next(iter(_task(crew, name).problems("dev")), None) is None:
            raise InputError(f'gate.tasks: the task "{name}" has no dev problems; leave it out')


def _task(crew: Crew, name: str) -> Task:
    from selfimprove.tasks import load_task

    data_dir = crew.config.data.data_dir
    return load_task(name, data_dir=Path(data_dir) if data_dir else None)


def measure_panel(crew: Crew, adapter: str, arm: str, place: str) -> None:
    """Measure a student on what is watched outside of its task, and write `panel.json`; nothing where none is.

    Other tasks are asked under the prompt that the arm was trained under, as its own task is.
    """
    frozen = crew.folder.found(_FROZEN, Frozen) or Frozen()
    identity = crew.model(adapter).identity
    if frozen == Frozen() or _panel(crew.folder, place).model == identity:
        return
    with crew.stage("watch", sum(map(len, frozen.tasks.values()))):
        losses = tuple(crew.losses(frozen.passages, adapter)) if frozen.passages else ()
        tasks = {task: _solved(crew, task, problems, adapter, arm) for task, problems in frozen.tasks.items()}
    crew.folder.write_json(f"{place}/panel.json", Panel(model=identity, losses=losses, tasks=tasks))


def _solved(crew: Crew, name: str, problems: Sequence[Problem], adapter: str, arm: str) -> dict[str, bool]:
    task = _task(crew, name)
    made = replace(crew, task=task).solve(problems, adapter, program_for(program_of(arm), task))
    return {problem.id: some[0].verdict is Verdict.CORRECT for problem, some in zip(problems, made, strict=True)}


def watched(
    crew: Crew, place: str, new: Sequence[Attempt], old: Sequence[Attempt], base: Sequence[Attempt] = ()
) -> tuple[Watched, ...]:
    """Compare an arm with what it may not lose; two comparisons on dev share a level (Bonferroni).

    Args:
        crew: the campaign's parts.
        place: the arm's folder.
        new: what it is decided on: its attempts at dev, one or several a problem.
        old: those of the best student so far.
        base: those of the base student; empty where it is the best so far.
    """
    gate = crew.config.gate
    found = _on_dev(crew, new, old, gate.fall / 2 if base else gate.fall)
    if base:
        since = _on_dev(crew, new, base, gate.fall / 2)
        found += [each.model_copy(update={"name": f"{each.name} since the base"}) for each in since]
    found += panel_watched(crew, place)
    panel, first = _panel(crew.folder, place), _panel(crew.folder, "round-00")
    if panel.losses:
        found.append(watch_text(panel.losses, first.losses, gate.text_rise, gate.fall))
    frozen = crew.folder.record(_FROZEN, Frozen) if panel.tasks else Frozen()
    level = gate.fall / max(1, len(panel.tasks))
    for name, solved in panel.tasks.items():
        found.append(watch_task(name, solved, first.tasks[name], frozen.tasks[name], level))
    return tuple(found)


def _on_dev(crew: Crew, new: Sequence[Attempt], old: Sequence[Attempt], level: float) -> list[Watched]:
    """Compare two students within each label, and where several samples are drawn by what any of them solves."""
    dev = crew.problems("dev")
    found = watch_labels(new, old, dev, level)
    return [*found, watch_breadth(new, old, dev, level)] if crew.config.evaluate.samples else found


def _panel(folder: RunFolder, place: str) -> Panel:
    return folder.found(f"{place}/panel.json", Panel) or Panel()


def decided_on(crew: Crew, place: str) -> list[Attempt]:
    """Read what an arm is decided on: its samples where there are some, else its greedy attempts."""
    name = "samples" if crew.config.evaluate.samples else "predictions"
    return crew.folder.rows(f"{place}/{name}.jsonl", Attempt)
