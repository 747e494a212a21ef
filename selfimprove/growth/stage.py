"""Run a curation, from the start or from where it stopped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from selfimprove import progress
from selfimprove.begun import LEDGER, files_in
from selfimprove.config.curating import CurateConfig
from selfimprove.curating.checks import load_checks
from selfimprove.curating.forms import Form, form_of
from selfimprove.curating.near import Embed
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.seeds import read_seeds, refuse_barren, wanted_of
from selfimprove.curating.writing import FIGURES, Figures, guarded, sentence
from selfimprove.errors import InputError
from selfimprove.graphs.curate import build_curate, write_capped
from selfimprove.graphs.guarding import read_public
from selfimprove.graphs.wiring import STEPS, seldom_collected
from selfimprove.growth.cleaning import kept_clean
from selfimprove.growth.page import write_page
from selfimprove.growth.people import growers_of, members_of
from selfimprove.growth.prompts import compiled_for
from selfimprove.growth.refusing import refuse_leaked, refuse_narrow
from selfimprove.growth.settings import FILE, claim, refuse_campaign
from selfimprove.labels import quotas
from selfimprove.labels.reading import taxonomy_named
from selfimprove.labels.taxonomy import LEVELS, Cell, Taxonomy
from selfimprove.labels.taxonomy import Path as Branch
from selfimprove.leakage import Guard, HeldOut
from selfimprove.leakage.public import FAMILIES
from selfimprove.ledger import CapReachedError, Caps, Ledger
from selfimprove.plugs import load_plug
from selfimprove.programs.saved import Compiled
from selfimprove.protocols import LanguageModel, StepScorer
from selfimprove.records import Problem
from selfimprove.scorers.names import scorer_named
from selfimprove.store import RunFolder
from selfimprove.tasks.source import read_rows


def curate(config: CurateConfig, out: Path) -> Figures:
    """Grow a library to its quotas, and give what it came to.

    The same call again goes on where it was ended: finished rounds are read, answered calls found in the ledger.

    Args:
        config: the settings.
        out: folder of the curation.

    Raises:
        InputError: a file, a label or a model cannot be used, or the generator writes nothing; what was begun is taken
            away, but for a ledger with paid calls.
        CapReachedError: a cap is reached; what the finished rounds admitted is written, and the same call with a
            higher one goes on.
    """
    taxonomy = taxonomy_named(config.curate.taxonomy)
    wanted = wanted_of(quotas(taxonomy, config.curate.by), config.curate.only, taxonomy)
    seeds = read_seeds(Path(config.curate.seeds), taxonomy, config.curate.by)
    wanted = refuse_barren(wanted, seeds, skip=config.curate.without_seeds == "skip")
    if not (out / FILE).exists():  # one that was begun may be ended early
        refuse_narrow(config, wanted, seeds, taxonomy)
    held = held_out(config)
    guard = _guard(held, seeds)
    refuse_leaked(seeds, guard, config.curate.seeds)
    if not held:
        progress.current().say(guarded(0))
    growers_of(config, taxonomy)
    load_checks(config.admit.checks)
    there = files_in(out)
    with closing(RunFolder(out)) as folder, kept_clean(out, there):
        refuse_campaign(folder)
        compiled = compiled_for(folder, config, _forms(wanted, seeds))
        with closing(ledger_of(config, out)) as ledger:
            nursery = _nursery(config, folder, ledger, taxonomy, wanted, seeds, held, guard, compiled)
            claim(folder, config, compiled)
            return grow(nursery)


def grow(nursery: Nursery) -> Figures:
    """Run the graph of a curation to its end, write its page, and give what it came to.

    Raises:
        CapReachedError: a cap is reached; where a round is finished, library and page are written up to there.
    """
    with seldom_collected():
        try:
            build_curate(nursery).compile().invoke({}, {"recursion_limit": STEPS})
        except CapReachedError:
            if write_capped(nursery):
                progress.current().say(f"{sentence(_paged(nursery.folder))}; see {nursery.folder.path}")
            raise
    return _paged(nursery.folder)


def _paged(folder: RunFolder) -> Figures:
    """Write the page of a curation's figures, and give them."""
    figures = folder.record(FIGURES, Figures)
    write_page(figures, folder.at("report/index.html"))
    return figures


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
                row.text("question"), "", choices=row.texts("choices"), context="\n".join(row.texts("context"))
            )
            found.append(HeldOut.of(problem, Path(name).name))
    return found


def _guard(held: Sequence[HeldOut], seeds: Sequence[Problem]) -> Guard:
    """Give what knows the held-out problems, and what of them every second seed says too."""
    guard = Guard(held)
    guard.learn(seed.question for seed in seeds)
    return guard


def _nursery(
    config: CurateConfig,
    folder: RunFolder,
    ledger: Ledger,
    taxonomy: Taxonomy,
    wanted: dict[Cell, int],
    seeds: Sequence[Problem],
    held: Sequence[HeldOut],
    guard: Guard,
    compiled: Mapping[str, Compiled],
) -> Nursery:
    members = members_of(config, taxonomy, ledger)
    models: dict[str, LanguageModel] = {name: member.model for name, member in members.items()}
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
        scorer=_scorer(config, ledger, compiled),
        programs=compiled,
    )


def _forms(wanted: Mapping[Cell, int], seeds: Sequence[Problem]) -> set[Form]:
    """Give the forms of the answers that are grown."""
    by_path: dict[Branch, list[Problem]] = defaultdict(list)
    for seed in seeds:
        by_path[tuple(seed.labels[level] for level in LEVELS)].append(seed)
    return {form_of(cell, by_path[cell.path]) for cell in wanted}


def _embed(name: str | None) -> Embed | None:
    if name is None:
        return None
    found: Callable[..., object] = load_plug(name, "embedding")
    if not callable(found):
        raise InputError(f'grow.embed: "{name}" is no function from texts to vectors; name one')
    return found  # type: ignore[return-value]


def _scorer(config: CurateConfig, ledger: Ledger, compiled: Mapping[str, Compiled]) -> StepScorer | None:
    how = config.trace
    if how.traces == "best_scored" and how.scorer is None:
        raise InputError('trace.traces = "best_scored" needs trace.scorer; name what scores steps')
    if how.scorer is None or how.traces == "off":
        return None
    judge = compiled.get("judge_steps")
    return scorer_named(how.scorer, ledger, judging_by=judge.program if judge else None)


def ledger_of(config: CurateConfig, out: Path) -> Ledger:
    """Open a curation's ledger with the caps of its settings."""
    own = config.curate
    caps = Caps(None, own.max_calls, own.max_tokens, own.max_hours, section="curate")
    return Ledger(out / LEDGER[0], own.budget_usd, caps=caps)
