"""Turn the teacher's configuration into a teacher."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

from selfimprove.config import TeacherConfig, TeacherRole
from selfimprove.errors import InputError, nearest
from selfimprove.ledger import Caps, Ledger
from selfimprove.plugs import load_plug, said
from selfimprove.programs import Program
from selfimprove.protocols import Task, Teacher
from selfimprove.teachers.deployment import provider_of
from selfimprove.teachers.gate import Gates, Limits
from selfimprove.teachers.litellm import LiteLLMModel
from selfimprove.teachers.own import OwnTeacher
from selfimprove.teachers.prices import Price, dearest, find_price, given_price, is_here, listed_price, unknown_price
from selfimprove.teachers.reference import ReferenceTeacher

_NAMED: Final = ("reference", "self")
_IMPORT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_METHODS: Final = ("answer", "reason")

Role = Literal["answer", "reason", "judge"]
_LESSON_ROLES: Final[tuple[Role, ...]] = ("answer", "reason")


def load_teacher(
    config: TeacherConfig,
    task: Task,
    programs: Mapping[str, Program],
    ledger: Ledger,
    seed: int = 0,
) -> Teacher:
    """Give the teacher that a configuration means; `self` is made of the student, see `SelfTeacher`.

    Args:
        config: `model` is `reference`, a LiteLLM model, or `package.module:Name` (a Teacher, or what makes one when
            called with the task or with nothing).
        task: reads and compares answers.
        programs: compiled programs by name; the plain one stands in for each that is missing.
        ledger: journals the calls.
        seed: the campaign's.

    Raises:
        InputError: there is no such teacher, or it lacks a key, a price or a method.
    """
    model = config.model
    if model == "reference":
        return ReferenceTeacher(task)
    if model == "self":
        raise InputError('teacher "self" is the student: make a SelfTeacher of it, or name another teacher')
    if is_own(model):
        return own_teacher(_made(load_plug(model, "teacher"), task, model), model, config, ledger)
    _refuse_typo(model)
    from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

    gates = gates_of(config)
    answering, reasoning = (load_model(config, role, ledger, gates) for role in _LESSON_ROLES)
    return LiteLLMTeacher(task, programs, answering, reasoning, config, seed)


def gates_of(config: TeacherConfig) -> Gates:
    """Give the gates that the roles of one teacher share: a provider counts them together."""
    return Gates(Limits(config.concurrency, config.requests_per_minute, config.tokens_per_minute))


def load_model(
    config: TeacherConfig,
    role: Role,
    ledger: Ledger,
    gates: Gates | None = None,
    *,
    api_key: str | None = None,
    called: str = "",
) -> LiteLLMModel:
    """Give one role's LiteLLM model with its fallbacks, and cap what the role may spend.

    Args:
        config: of the teacher.
        role: which of its roles.
        ledger: journals the calls.
        gates: shared with other roles, see `gates_of`; default: its own.
        api_key: where the configuration names none; None: the provider's usual one.
        called: what messages and the ledger call it; default: its role.

    Raises:
        InputError: no such provider, no key, no price.
    """
    if config.api_key_env is not None:
        api_key = os.environ.get(config.api_key_env)
        if not api_key:
            # What is not written as variables are may be the key itself.
            name = config.api_key_env if config.api_key_env.isupper() else "a variable"
            raise InputError(f"teacher.api_key_env names {name}, which is not set; put the key into that variable")
    models = _models(config, getattr(config, role))
    _cap(config, role, ledger)
    return LiteLLMModel(
        called or role,
        models,
        ledger,
        owner=_owner(config, models),
        base_url=config.base_url,
        api_key=api_key,
        timeout_s=config.timeout_s,
        deadline_s=config.deadline_s,
        retries=config.retries,
        gates=gates or gates_of(config),
        input_price=config.input_price,
        output_price=config.output_price,
        parameters=config.parameters,
    )


def own_teacher(made: object, name: str, config: TeacherConfig, ledger: Ledger) -> Teacher:
    """Give a plugged-in object as a Teacher behind the ledger, with its roles' caps; ours know their own ways.

    Raises:
        InputError: it lacks a method.
    """
    from selfimprove.teachers.litellm_teacher import LiteLLMTeacher
    from selfimprove.teachers.self_taught import SelfTeacher

    teacher = checked(made, name)
    if isinstance(teacher, ReferenceTeacher | LiteLLMTeacher | SelfTeacher):
        return teacher
    for role in _LESSON_ROLES:
        _cap(config, role, ledger)
    return OwnTeacher(teacher, name, ledger)


def _cap(config: TeacherConfig, role: Role, ledger: Ledger) -> None:
    own: TeacherRole = getattr(config, role)
    ledger.cap(role, Caps(own.budget_usd, own.max_calls, own.max_tokens, own.max_hours))


def of_another(teacher: TeacherConfig, model: str, address: str | None) -> TeacherConfig:
    """Give a teacher's settings for another model than its own.

    Only limits and caps go over: not its key, its parameters (which may hold one), the models of its roles, or its
    price, where the other's is known.

    Args:
        teacher: the teacher's settings.
        model: LiteLLM's name of the other.
        address: of its server; None: its provider's.
    """
    alone = {"model": None, "fallbacks": ()}
    own: dict[str, object] = {
        "model": model,
        "base_url": address,
        "api_key_env": None,
        "parameters": {},
        "fallbacks": (),
    }
    own |= {role: getattr(teacher, role).model_copy(update=alone) for role in get_args(Role)}
    elsewhere = address != teacher.base_url
    if (elsewhere and is_here(address)) or listed_price(model, {}) is not None:
        own |= {"input_price": None, "output_price": None}
    return teacher.model_copy(update=own)


def price_of(config: TeacherConfig, roles: Sequence[Role] = _LESSON_ROLES) -> Price:
    """Give the most that a token of a teacher can cost, over roles and their fallbacks; needs no key.

    Args:
        config: of the teacher.
        roles: those of its lessons by default.

    Raises:
        InputError: a model has no known price.
    """
    given = given_price(config.input_price, config.output_price)
    found = [Price(0.0, 0.0)]
    for models in (_models(config, getattr(config, role)) for role in roles):
        if not is_model(models[0]):
            continue
        _refuse_typo(models[0])
        owner = _owner(config, models)
        for model in models:
            address = config.base_url if provider_of(model) == provider_of(owner) else None
            price = find_price(model, address, given, config.parameters, named=model == owner)
            if price is None:
                raise unknown_price(model)
            found.append(price)
    return dearest(found)


def is_model(name: str) -> bool:
    """Say whether a teacher's name means a LiteLLM model.

    >>> is_model("openai/gpt-4o"), is_model("reference"), is_model("my_module:Teacher")
    (True, False, False)
    """
    return name not in _NAMED and not is_own(name)


def is_own(name: str) -> bool:
    """Say whether a teacher's name means somebody's own.

    >>> is_own("openai/gpt-4o"), is_own("reference"), is_own("my_module:Teacher")
    (False, False, True)
    """
    return bool(_IMPORT.fullmatch(name))


def _models(config: TeacherConfig, role: TeacherRole) -> tuple[str, ...]:
    fallbacks = config.fallbacks if role.fallbacks is None else role.fallbacks
    return (role.model or config.model, *fallbacks)


def _owner(config: TeacherConfig, models: Sequence[str]) -> str:
    """Give the model that a teacher's address, key and price belong to: its own, or its role's where it is none."""
    return config.model if is_model(config.model) else models[0]


def _refuse_typo(model: str) -> None:
    """Catch a misspelt built-in name before LiteLLM is asked for it."""
    close = difflib.get_close_matches(model.casefold(), _NAMED, n=1, cutoff=0.7)
    if close:
        raise InputError(f'there is no teacher "{model}"; {nearest(model.casefold(), _NAMED)}')


def _made(found: Any, task: Task, path: str) -> object:
    """Give the object itself, or what a class or function makes of the task."""
    if not isinstance(found, type) and isinstance(found, Teacher):
        return found
    if not callable(found):
        return found
    try:
        inspect.signature(found).bind(task)
    except TypeError:
        try:
            inspect.signature(found).bind()
        except TypeError as error:
            raise InputError(f'teacher "{path}" must be callable with the task or with nothing ({error})') from error
        return _called(found, path)
    return _called(found, path, task)


def _called(found: Any, path: str, *given: Task) -> object:
    try:
        return found(*given)
    except Exception as error:  # somebody else's code
        raise InputError(f'teacher "{path}" fails when it is made, with {said(error)}; mend that') from error


def checked(made: object, name: str) -> Teacher:
    """Give a plugged-in object as a Teacher.

    Raises:
        InputError: it lacks a method.
    """
    missing = [each for each in _METHODS if not callable(getattr(made, each, None))]
    if missing or not isinstance(made, Teacher):
        raise InputError(
            f'teacher "{name}" is no Teacher: it lacks the method {" and ".join(missing)}; add it, see '
            "selfimprove.protocols.Teacher"
        )
    return made
