"""Refuse what could not run, in one sentence each and before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from selfimprove.config import Config
from selfimprove.errors import InputError
from selfimprove.ledger import Ledger
from selfimprove.plugs import load_plug
from selfimprove.programs import Program
from selfimprove.protocols import Student, Task
from selfimprove.records import Message, Split
from selfimprove.splits import values_of
from selfimprove.students import SERVER

if TYPE_CHECKING:
    from selfimprove.render import ChatTokenizer

_SPLITS: Final[tuple[Split, ...]] = ("train", "dev", "test")


def check_splits(task: Task, config: Config) -> None:
    """Refuse a task with a split that is empty or cannot be read, or whose problems lack a label to choose them by."""
    for split in _SPLITS:
        if next(iter(task.problems(split)), None) is None:
            raise InputError(f'task "{task.name}" has no {split} problems; give it some')
    if config.select.stratify is not None:
        values_of(islice(task.problems("train"), config.data.train), "select.stratify", config.select.stratify)


def data_dir(config: Config) -> Path | None:
    """Give the folder of the task's data; None: the hub, or what the environment names."""
    place = Path(config.data.data_dir) if config.data.data_dir else None
    if place is not None and not place.is_dir():
        raise InputError(f'data.data_dir = "{place}" is no folder; correct it, or leave it out')
    return place


def check_named(config: Config, given: Container[str]) -> None:
    """Refuse what the settings name and is not there, as far as that takes no key, no server and no download.

    Args:
        config: the settings.
        given: the plugs that are objects, which nothing has to be found for.
    """
    from selfimprove.graphs.watching import passages_of
    from selfimprove.scorers.names import check_name
    from selfimprove.students import check_student
    from selfimprove.students.fetch import at_hand
    from selfimprove.tasks import load_task
    from selfimprove.teachers.deployment import check_address
    from selfimprove.teachers.load import is_own

    check_address(config.teacher.base_url)
    if "student" not in given:
        check_student(config.campaign.student)
        check_distilled(config, config.campaign.student, at_hand)
    teachers = [config.teacher.first, None if "teacher" in given else config.teacher.model]
    for name in filter(None, teachers):
        if is_own(name):
            load_plug(name, "teacher")
    if config.grade.scorer:
        check_name(config.grade.scorer, config.teacher)
    if config.gate.text:
        passages_of(Path(config.gate.text))
    for name in config.gate.tasks:
        load_task(name, data_dir=data_dir(config))


def check_trained(config: Config, given: Mapping[str, object]) -> None:
    """Refuse a student that nothing could train, and processes that a trainer of one's own does not know of.

    Args:
        config: the settings.
        given: the plugs that are objects.
    """
    own, name = given.get("student"), config.campaign.student
    weights = not name.startswith(SERVER) if own is None else bool(getattr(own, "folder", ""))
    if not weights and "trainer" not in given:
        who = "a student behind a server" if own is None else f"the student {type(own).__name__}"
        raise InputError(
            f"{who} has no weights here that could be trained, and serves mine and grade alone; name a hub id or a "
            "folder as campaign.student, or give a trainer of your own in Python"
        )
    if config.train.accelerate is not None and "trainer" in given:
        raise InputError(
            f"train.accelerate = {config.train.accelerate!r} cannot be set beside a trainer that is an object, which "
            "launches its own processes; leave it out"
        )


def check_rendered(student: Student) -> None:
    """Refuse a student whose chat template writes another prompt once a reply follows, or drops part of the reply.

    Raises:
        InputError: so it is, and what it would be trained on is not what it is asked.
    """
    from selfimprove.render import training_example

    tokenizer = getattr(student, "tokenizer", None)
    if getattr(tokenizer, "chat_template", None):
        asked = (Message(role="system", content="instruction"), Message(role="user", content="question"))
        training_example(cast("ChatTokenizer", tokenizer), asked, "reply")


def check_room(student: Student, max_tokens: int) -> None:
    """Refuse completions that leave no room for a prompt.

    Raises:
        InputError: the student takes no more tokens than a completion may have.
    """
    takes = getattr(student, "max_length", None)
    if takes is not None and takes <= max_tokens:
        raise InputError(
            f"student.max_tokens = {max_tokens} leaves no room for a prompt: the student takes {takes} tokens, prompt "
            "and completion together"
        )


def check_distilled(config: Config, student: str | Path, find: Callable[[str | Path], Path | None]) -> None:
    """Refuse a teacher whose distributions cannot be learned.

    Args:
        config: of the campaign.
        student: its folder or name.
        find: gives a model's folder, None where it is not looked at.
    """
    if "distill" not in config.campaign.arms or config.campaign.student.startswith(SERVER):
        return
    from selfimprove.trainers.vocabulary import check_vocabulary

    named = str(config.train.distill.model_dump()["teacher"])
    mine, theirs = find(student), find(named)
    if mine is not None and theirs is not None:
        check_vocabulary(mine, theirs, named)


def check_training(config: Config, task: Task, *, own: bool) -> None:
    """Refuse ways to train that cannot be had; another process does not find a task that is an object (`own`)."""
    from selfimprove.trainers.refusing import check_processes, refuse_practice
    from selfimprove.trainers.schedules import check_horizons
    from selfimprove.trainers.settings import check_settings

    check_settings(config.train)
    check_horizons(config)
    refuse_practice(config, task.name if own else None)
    check_processes(config)


def check_scoring(
    config: Config, task: Task, student: Student, programs: Mapping[str, Program], ledger: Ledger
) -> None:
    """Refuse a step scorer that cannot be had, or is not to be trusted."""
    from selfimprove.scorers.names import check_scorer, full_name
    from selfimprove.scorers.trust import check_card

    if config.grade.scorer:
        bare, judging_by = student.with_adapter(None), programs["judge_steps"]
        known_as = check_scorer(config.grade.scorer, ledger, config.teacher, bare, judging_by)
        if not config.grade.trust:
            check_card(full_name(config.grade.scorer, config.teacher), task.problems("train"), known_as)
