"""Who teaches a campaign: one teacher, another in the first round, or the student itself as it then is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selfimprove.config import Config
from selfimprove.ledger import Ledger
from selfimprove.programs import Program
from selfimprove.protocols import LanguageModel, Task, Teacher
from selfimprove.records import Sampling
from selfimprove.teachers.load import load_teacher, own_teacher
from selfimprove.teachers.self_taught import SelfTeacher


def teachers_by_round(
    config: Config, given: Any, task: Task, programs: Mapping[str, Program], ledger: Ledger
) -> Callable[[LanguageModel, int], Teacher]:
    """Give what gives the teacher of a round, knowing the student as it now is.

    Args:
        config: names the teachers.
        given: a teacher that is an object, in the place of `teacher.model`; None: there is none.
        task: reads and compares answers.
        programs: compiled programs by name.
        ledger: journals the calls.

    Raises:
        InputError: a teacher cannot be had, or be reached.
    """
    named = config.teacher
    later = _reached(config, named.model, given, task, programs, ledger)
    first = later
    if named.first and named.first != named.model:
        first = _reached(config, named.first, None, task, programs, ledger)
    each_round = max(config.mine.samples, config.mine.most) or config.lesson.rationales
    sampling = Sampling(temperature=config.mine.temperature, max_tokens=config.student.max_tokens)

    def choose(student: LanguageModel, round_: int) -> Teacher:
        found, sample = first if round_ == 1 else later, 1 + (round_ - 1) * each_round
        return found or SelfTeacher(student, task, programs, sampling, config.campaign.seed, sample)

    return choose


def _reached(
    config: Config, model: str, given: Any, task: Task, programs: Mapping[str, Program], ledger: Ledger
) -> Teacher | None:
    """Load a teacher and see that it can be reached; None for the student itself."""
    if given is None and model == "self":
        return None
    own = config.teacher.model_copy(update={"model": model})
    teacher = (
        load_teacher(own, task, programs, ledger, config.campaign.seed)
        if given is None
        else own_teacher(given, model, own, ledger)
    )
    check = getattr(teacher, "check", None)
    if check is not None:
        check()
    return teacher
