"""What is refused before a curation begins, as no model could help it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from selfimprove.config.curating import CurateConfig
from selfimprove.curating.orders import deficits
from selfimprove.errors import InputError
from selfimprove.labels.taxonomy import Cell, Taxonomy
from selfimprove.leakage import Guard
from selfimprove.records import Problem


def refuse_narrow(config: CurateConfig, wanted: Mapping[Cell, int], seeds: Sequence[Problem], there: Taxonomy) -> None:
    """Refuse quotas that the most rounds cannot meet, however good every problem is.

    Args:
        config: the settings.
        wanted: problems by cell.
        seeds: the user's own; they count where the settings say so.
        there: the taxonomy, which knows their cells.

    Raises:
        InputError: see above.
    """
    own = Counter(there.cell_of(seed.labels, config.curate.by) for seed in seeds if config.curate.count_seeds)
    missing = sum(need.missing for need in deficits(wanted, {cell: own[cell] for cell in wanted}))
    most = config.grow.rounds * config.grow.window
    if most < missing:
        raise InputError(
            f"the quotas want {missing} problems more than the seeds, and grow.rounds = {config.grow.rounds} of "
            f"grow.window = {config.grow.window} order {most} at most; raise one of them, or narrow curate.only"
        )


def refuse_few_votes(config: CurateConfig, solve: Sequence[str], check: Sequence[str], where: str = "") -> None:
    """Refuse fewer votes than voters: each of them is asked once before anything is decided.

    Args:
        config: the settings.
        solve: who votes on answers.
        check: who votes on labels, where they are checked.
        where: the part of the taxonomy, as words to append.

    Raises:
        InputError: see above.
    """
    admit = config.admit
    for key, most, voters in (("votes", admit.votes, solve), ("label_votes", admit.label_votes, check)):
        if most < len(voters) and not (key == "label_votes" and most == 0):
            verb = "solve" if key == "votes" else "check labels"
            raise InputError(
                f"admit.{key} = {most} is less than the {len(voters)} models that {verb}{where}, and each is asked "
                f"once; set it to {len(voters)} or more, or name fewer models"
            )


def refuse_leaked(seeds: Sequence[Problem], guard: Guard, where: str) -> None:
    """Refuse seeds that are held out: they stand in what is written, and what grows from them is near them.

    Args:
        seeds: the user's own.
        guard: knows what is held out.
        where: the seeds' file.

    Raises:
        InputError: one is held out.
    """
    hits = [(seed, hit) for seed in seeds if (hit := guard.leak_of(seed)) is not None]
    if hits:
        seed, hit = hits[0]
        some = "1 problem" if len(hits) == 1 else f"{len(hits)} problems"
        raise InputError(
            f'{where} holds {some} of {hit.where}, which is held out, such as "{seed.question:.60}"; take them out of '
            "the seeds"
        )
