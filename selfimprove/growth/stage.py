"""Run a curation, from the start or from where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from selfimprove import progress
from selfimprove.config.curating import CurateConfig
from selfimprove.curating.checks import load_checks
from selfimprove.curating.near import Embed
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.seeds import read_seeds, refuse_barren, wanted_of
from selfimprove.curating.writing import FIGURES, Figures, guarded
from selfimprove.errors import InputError
from selfimprove.graphs.curate import STEPS, build_curate
from selfimprove.graphs.curate_votes import round_place
from selfimprove.graphs.guarding import read_public
from selfimprove.graphs.wiring import seldom_collected
from selfimprove.growth.page import write_page
from selfimprove.growth.people import growers_of, members_of
from selfimprove.growth.settings import FILE, claim
from selfimprove.label_commands import taxonomy_named
from selfimprove.labels import quotas
from selfimprove.labels.taxonomy import Cell, Taxonomy
from selfimprove.leakage import Guard, HeldOut
from selfimprove.leakage.public import FAMILIES
from selfimprove.ledger import Caps, Ledger
from selfimprove.plugs import load_plug
from selfimprove.protocols import LanguageModel, StepScorer
from selfimprove.records import Problem
from selfimprove.scorers.names import scorer_named
from selfimprove.store import RunFolder
from selfimprove.tasks.source import read_rows

_LEDGER: Final = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")


def curate(config: CurateConfig, out: Path) -> Figures:
    """Grow a library to its quotas, and give what it came to.

    The same call again goes on where it was ended: finished rounds are read, answered calls found in the ledger.

    Args:
        config: the settings.
        out: folder of the curation.

    Raises:
        InputError: a file, a label or a model cannot be used, or the generator writes nothing; what was begun is taken
            away, but for a ledger with paid calls.
        CapReachedError: the budget ends; the same call with more goes on.
    """
    taxonomy = taxonomy_named(config.curate.taxonomy)
    wanted = wanted_of(quotas(taxonomy, config.curate.by), config.curate.only, taxonomy)
    seeds = read_seeds(Path(config.curate.seeds), taxonomy, config.curate.by)
    wanted = refuse_barren(wanted, seeds, skip=config.curate.without_seeds == "skip")
    _refuse_narrow(config, wanted)
    held = held_out(config)
    if not held:
        progress.current().say(guarded(0))
    growers_of(config, taxonomy)
    load_checks(config.admit.checks)
    with _kept_clean(out), closing(RunFolder(out)) as folder, closing(_ledger(config, out)) as ledger:
        nursery = _nursery(config, folder, ledger, taxonomy, wanted, seeds, held)
        claim(folder, config)
        grow(nursery)
        figures = folder.record(FIGURES, Figures)
        write_page(figures, folder.at("report/index.html"))
    return figures


def grow(nursery: Nursery) -> None:
    """Run the graph of a curation to its end."""
    with seldom_collected():
        build_curate(nursery).compile().invoke({}, {"recursion_limit": STEPS})


def held_out(config: CurateConfig) -> list[HeldOut]:
    """Read what nothing may be near.

    Raises:
        InputError: a file cannot be read.
    """
    found: list[HeldOut] = []
    for name in config.curate.held_out:
        if name in FAMILIES:
            found += chain.from_iterable(each.held_out for each in read_public([name], config.curate.data_dir)[0])
            continue
        for row in read_rows(Path(name)):
            problem = Problem.of(
                row.text("question"), "", choices=row.texts("choices"), context=_context(row.texts("context"))
            )
            found.append(HeldOut.of(problem, Path(name).name))
    return found


def _context(texts: Sequence[str]) -> str:
    return "\n".join(texts)


def _nursery(
    config: CurateConfig,
    folder: RunFolder,
    ledger: Ledger,
    taxonomy: Taxonomy,
    wanted: dict[Cell, int],
    seeds: Sequence[Problem],
    held: Sequence[HeldOut],
) -> Nursery:
    members = members_of(config, taxonomy, ledger)
    models: dict[str, LanguageModel] = {name: member.model for name, member in members.items()}
    guard = Guard(held)
    guard.learn(seed.question for seed in seeds)
    return Nursery(
        config=config,
        folder=folder,
        ledger=ledger,
        taxonomy=taxonomy,
        quotas=wanted,
        seeds=seeds,
        models=models,
        sampling={name: member.sampling for name, member in members.items()},
        who=growers_of(config, taxonomy),
        guard=guard,
        held_out=[Problem.of(each.text, "") for each in held],
        check_of=load_checks(config.admit.checks),
        embed=_embed(config.grow.embed),
        scorer=_scorer(config, ledger),
    )


def _embed(name: str | None) -> Embed | None:
    if name is None:
        return None
    found: Callable[..., object] = load_plug(name, "embedding")
    if not callable(found):
        raise InputError(f'grow.embed: "{name}" is no function from texts to vectors; name one')
    return found  # type: ignore[return-value]


def _scorer(config: CurateConfig, ledger: Ledger) -> StepScorer | None:
    how = config.trace
    if how.traces == "best_scored" and how.scorer is None:
        raise InputError('trace.traces = "best_scored" needs trace.scorer; name what scores steps')
    return scorer_named(how.scorer, ledger) if how.scorer is not None and how.traces != "off" else None


def _ledger(config: CurateConfig, out: Path) -> Ledger:
    own = config.curate
    return Ledger(out / _LEDGER[0], own.budget_usd, caps=Caps(None, own.max_calls, own.max_tokens, own.max_hours))


def _refuse_narrow(config: CurateConfig, wanted: dict[Cell, int]) -> None:
    """Refuse quotas that the most rounds cannot meet, however good every problem is."""
    most, needed = config.grow.rounds * config.grow.window, sum(wanted.values())
    if most < needed:
        raise InputError(
            f"the quotas want {needed} problems, and grow.rounds = {config.grow.rounds} of grow.window = "
            f"{config.grow.window} order {most} at most; raise one of them, or narrow curate.only"
        )


@contextmanager
def _kept_clean(out: Path) -> Iterator[None]:
    """Take away what a curation that is refused before its first round ends has begun; paid calls stay."""
    fresh, before = not out.exists(), (out / FILE).exists()
    try:
        yield
    except InputError:
        if not before and not (out / round_place(1) / "yield.json").exists() and out.is_dir():
            _clear(out, fresh=fresh)
        raise


def _clear(out: Path, *, fresh: bool) -> None:
    shutil.rmtree(out / round_place(1), ignore_errors=True)
    for name in (FILE, "known.jsonl", "manifest.json", "run.lock"):
        (out / name).unlink(missing_ok=True)
    if not _paid(out / _LEDGER[0]):
        for name in _LEDGER:
            (out / name).unlink(missing_ok=True)
    if fresh and not any(out.iterdir()):
        out.rmdir()


def _paid(path: Path) -> bool:
    if not path.is_file():
        return False
    with closing(Ledger(path, reader=True)) as ledger:
        kept = bool(ledger.totals().teacher_calls)
    if kept:
        progress.current().say(f"{path} keeps what was paid for")
    return kept
