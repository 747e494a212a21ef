"""Who teaches a campaign: one teacher, another in the first round, or the student itself as it then is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selfimprove.config import Config, TeacherConfig
from selfimprove.ledger import Ledger
from selfimprove.programs import Program
from selfimprove.protocols import LanguageModel, Task, Teacher
from selfimprove.records import Sampling
from selfimprove.teachers.deployment import provider_of
from selfimprove.teachers.load import is_model, load_teacher, of_another, own_teacher
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
    later = _reached(config, named, given, task, programs, ledger)
    first = later
    if named.first and named.first != named.model:
        first = _reached(config, first_of(named), None, task, programs, ledger)
    each_round = max(config.mine.samples, config.mine.most) or config.lesson.rationales
    sampling = Sampling(temperature=config.mine.temperature, max_tokens=config.student.max_tokens)

    def choose(student: LanguageModel, round_: int) -> Teacher:
        found, sample = first if round_ == 1 else later, 1 + (round_ - 1) * each_round
        return found or SelfTeacher(student, task, programs, sampling, config.campaign.seed, sample)

    return choose


def first_of(teacher: TeacherConfig) -> TeacherConfig:
    """Give the settings of the first round's teacher.

    Beside a later one that is a model they are those of another, see `of_another`, but for address, key and parameters
    where both have one provider.
    """
    first = teacher.first or teacher.model
    if first == teacher.model or not (is_model(first) and is_model(teacher.model)):
        return teacher.model_copy(update={"model": first})
    if provider_of(first) != provider_of(teacher.model):
        return of_another(teacher, first, None)
    kept = {"api_key_env": teacher.api_key_env, "parameters": teacher.parameters}
    return of_another(teacher, first, teacher.base_url).model_copy(update=kept)


def _reached(
    config: Config, named: TeacherConfig, given: Any, task: Task, programs: Mapping[str, Program], ledger: Ledger
) -> Teacher | None:
    """Load a teacher and see that it can be reached; None for the student itself."""
    if given is None and named.model == "self":
        return None
    teacher = (
        load_teacher(named, task, programs, ledger, config.campaign.seed)
        if given is None
        else own_teacher(given, named.model, named, ledger)
    )
    check = getattr(teacher, "check", None)
    if check is not None:
        check()
    return teacher
