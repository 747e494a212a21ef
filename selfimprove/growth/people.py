"""Who works on a curation: names in the settings to language models behind the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from selfimprove.config import TeacherConfig
from selfimprove.config.curating import BranchConfig, CurateConfig, WhoConfig
from selfimprove.config.teaching import TeacherRole
from selfimprove.curating.checks import best_part, part_of
from selfimprove.curating.nursery import Growers
from selfimprove.errors import InputError, nearest
from selfimprove.growth.refusing import refuse_few_votes
from selfimprove.labels.taxonomy import Path, Taxonomy
from selfimprove.ledger import Journaled, Ledger
from selfimprove.plugs import load_plug, said
from selfimprove.protocols import LanguageModel
from selfimprove.records import Sampling
from selfimprove.teachers.deployment import NO_KEY
from selfimprove.teachers.litellm import LiteLLMModel
from selfimprove.teachers.load import load_model
from selfimprove.teachers.named import SERVED_S, parted

_IMPORT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Member(NamedTuple):
    """A model, and how long its answers may be."""

    model: LanguageModel
    sampling: Sampling


def growers_of(config: CurateConfig, taxonomy: Taxonomy) -> Callable[[Path], Growers]:
    """Say who works on each part of the taxonomy.

    Raises:
        InputError: a part is not in the taxonomy, nobody generates or solves, one solver is named twice, or there are
            more voters than votes.
    """
    parts: dict[tuple[str, ...], WhoConfig] = {}
    for branch in config.branches:
        if not taxonomy.leaves_under(part := part_of(branch.at)):
            raise InputError(f'branches: "{branch.at}" is not in the taxonomy "{taxonomy.name}"; name a part of it')
        parts[part] = branch
    made = {part: _growers(config, who) for part, who in [((), config.who), *parts.items()]}

    def who(path: Path) -> Growers:
        found = best_part(made, path)
        if found is None:
            raise InputError(f"nobody works on {' > '.join(path)}; set who.generate and who.solve")
        return found

    return who


def _growers(config: CurateConfig, own: WhoConfig) -> Growers:
    def of(name: str) -> Any:
        value = getattr(own, name)
        return getattr(config.who, name) if value is None else value

    where = f' of "{own.at}"' if isinstance(own, BranchConfig) else ""
    generate, solve = of("generate"), of("solve")
    if not generate:
        raise InputError(f'nobody writes problems{where}; set who.generate = "MODEL"')
    if not solve:
        raise InputError(f'nobody solves problems{where}; set who.solve = ["STRONG", "CHEAP"]')
    check = of("check") or solve
    for name, some in (("solve", solve), ("check", check)):
        if len(set(some)) < len(some):
            raise InputError(f"who.{name}{where} names a model twice, which would be one vote twice; name each once")
    refuse_few_votes(config, solve, check, where)
    return Growers(generate, tuple(solve), tuple(check), of("reason") or solve[0])


def members_of(config: CurateConfig, taxonomy: Taxonomy, ledger: Ledger) -> dict[str, Member]:
    """Make every model that somebody works with.

    Raises:
        InputError: there is no such model, key or price, or its server does not answer.
    """
    who = growers_of(config, taxonomy)
    named: dict[str, None] = {}
    for leaf in taxonomy.leaves:
        growers = who(leaf.path)
        wanted = [growers.generate, *growers.solve]
        wanted += growers.check if config.admit.label_votes else ()
        wanted += [growers.reason] if config.trace.traces != "off" else []
        named |= dict.fromkeys(wanted)
    return {name: _member(name, config, ledger) for name in named}


def _member(name: str, config: CurateConfig, ledger: Ledger) -> Member:
    settings = config.models.get(name) or _unnamed(name, config)
    sampling = Sampling(max_tokens=settings.max_tokens)
    if _IMPORT.fullmatch(settings.model):
        _refuse_uncounted(name, config)
        return Member(Journaled(_plugged(settings.model), ledger), sampling)
    role = next((role for role in ("answer", "reason", "judge") if getattr(settings, role) != TeacherRole()), None)
    if role:
        raise InputError(
            f"models.{name}.{role} is a role of a campaign's teacher; here [who] gives roles, and [curate] holds "
            "the caps of all calls; leave it out"
        )
    if settings.model in {"reference", "self"}:
        raise InputError(f'models.{name}.model = "{settings.model}" writes and solves nothing new; name a model')
    keyless = settings.base_url and name not in config.models
    model: LiteLLMModel = load_model(settings, "reason", ledger, api_key=NO_KEY if keyless else None, called=name)
    model.check()
    return Member(model, sampling)


def _refuse_uncounted(name: str, config: CurateConfig) -> None:
    """Refuse a cap beside a model that is an object: its calls are kept, and none is counted against a cap."""
    for cap in ("budget_usd", "max_calls", "max_tokens"):
        if getattr(config.curate, cap) is not None:
            raise InputError(
                f'curate.{cap} counts the calls of models behind a server or provider, and "{name}" is an object '
                "of your own, which would go past it; leave the cap out, or give the model an address"
            )


def _unnamed(name: str, config: CurateConfig) -> TeacherConfig:
    """Give the settings of a model that [models] does not hold: a LiteLLM name, MODEL@URL, or an import path."""
    if "/" not in name and ":" not in name and "@" not in name and config.models:
        raise InputError(f'there is no model "{name}" in [models]; {nearest(name, config.models)}')
    model, address = parted(name)
    wait = {"timeout_s": SERVED_S} if address else {}
    return TeacherConfig(model=model, base_url=address, **wait)


def _plugged(path: str) -> LanguageModel:
    found = load_plug(path, "model")
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:  # somebody else's code
        raise InputError(f'model "{path}" fails when it is made, with {said(error)}; mend that') from error
    if not isinstance(made, LanguageModel):
        raise InputError(
            f'model "{path}" is no LanguageModel: it lacks identity or complete; see selfimprove.protocols'
        )
    return made
