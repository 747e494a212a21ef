"""Settings of `selfimprove curate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from selfimprove.config.section import Section
from selfimprove.config.teaching import TeacherConfig

Share = Annotated[float, Field(ge=0, le=1)]
Path = Annotated[str, Field(min_length=1)]


class SourcesConfig(Section):
    """What is grown, from what, and for how much."""

    seeds: Path
    """File of problems with labels, as JSON Lines; what grows is grown from these."""
    taxonomy: Path
    """TOML file of the taxonomy with its quotas, or the bare name of one that comes with the library."""
    by: tuple[Literal["form", "difficulty", "key_stage"], ...] = ("form",)
    """What quotas are divided by, beside the sub-type."""
    only: tuple[str, ...] = ()
    """Parts of the taxonomy that are grown, such as "Maths > Number"; unset: all."""
    count_seeds: bool = True
    """Seeds are part of the library: they count towards the quotas and stand in what is written."""
    without_seeds: Literal["refuse", "skip"] = "refuse"
    """What becomes of a sub-type that has a quota and no seed."""
    held_out: tuple[str, ...] = ()
    """What nothing may be near: files of test problems, or the public test sets of gsm8k, math, strategyqa or mmlu."""
    data_dir: str | None = None
    """Folder with local copies of the public test sets; unset: `SELFIMPROVE_DATA`, else the hub."""
    programs: Literal["saved", "plain"] = "saved"
    """Prompts: those that `selfimprove compile` improved for the seeds, where a card proves it, or all as written."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Every draw follows from it."""
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    """The most that all calls may cost, in dollars; unset: no cap."""
    max_calls: Annotated[int, Field(ge=0)] | None = None
    """The most requests sent, each try counted; unset: no cap."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """The most tokens that models read and write; unset: no cap."""
    max_hours: Annotated[float, Field(gt=0)] | None = None
    """The longest that it runs, in hours, over all its processes; unset: no cap."""


class GrowConfig(Section):
    """How fast and how far problems are grown."""

    variants: Annotated[int, Field(ge=1, le=50)] = 5
    """Problems asked for in one call."""
    factor: Annotated[float, Field(gt=1, le=1000)] = 10.0
    """What one round's orders may multiply the problems of a sub-type by, for each of its cells and at the yield that
    is expected: about 10, 100, 1000 with 10; 2 about doubles."""
    depth: Annotated[int, Field(ge=1, le=20)] = 3
    """Generations, at most: problems of the last one are not varied again."""
    window: Annotated[int, Field(ge=1)] = 4000
    """Problems ordered in one round, at most, over all sub-types; decides memory."""
    rounds: Annotated[int, Field(ge=1)] = 1000
    """Rounds, at most."""
    floor: Share = 0.05
    """A cell of which less than this share of what is ordered is admitted is given up."""
    floor_after: Annotated[int, Field(ge=1)] = 100
    """Ordered problems over which that is looked at."""
    examples: Annotated[int, Field(ge=0, le=10)] = 2
    """Further problems of the sub-type that a call shows beside the one that is varied."""
    numbers_only: Literal["allow", "refuse"] = "allow"
    """Whether a problem may differ from another in its numbers alone."""
    near: Share = 0.8
    """Similarity of word 3-grams from which two problems are near duplicates; 0: only equal ones are."""
    embed: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    """`package.module:Name` of a function from a list of texts to their vectors; unset: meaning is not compared."""
    near_meaning: Share = 0.95
    """Cosine of vectors from which two problems of a sub-type are near duplicates, or any and a held-out one."""
    collapse: Share = 0.6
    """Alarm where a generation has less than this share of the first one's distinct 3-grams."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """Of the generator."""


class AdmitConfig(Section):
    """How sure an answer and a label must be."""

    precision: Annotated[float, Field(gt=0.5, lt=1)] = 0.99
    """Chance that an admitted problem has the right answer and the right label; each of both gets half of the doubt."""
    refuse: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Chance of being right at which a problem is refused without further votes."""
    votes: Annotated[int, Field(ge=1, le=64)] = 16
    """Solutions of one problem, at most; what is not decided by then is refused. No fewer than there are solvers."""
    label_votes: Annotated[int, Field(ge=0, le=64)] = 8
    """Checks of one problem's label, at most, and no fewer than there are checkers; 0: labels are not checked."""
    label_from: Annotated[int, Field(ge=0, le=4)] = 1
    """Levels of the taxonomy that a check of labels takes as known: 1 is the subject."""
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """How much the votes of one model on one problem resemble each other: 0 they are independent."""
    temperature: Annotated[float, Field(ge=0)] = 0.7
    """Of solvers and of checkers."""
    checks: Mapping[str, str] = Field(default_factory=dict)
    """Exact checks by part of the taxonomy: `"Maths > Number" = "package.module:Name"`, a function from a problem to
    true, false, or None where it cannot tell; `arithmetic` is built in."""


class TraceConfig(Section):
    """Chains of thought for what is admitted, and for seeds that count and bring none."""

    traces: Literal["off", "shortest", "first", "best_scored"] = "off"
    """Which verified one of several is kept: small students learn more from short ones."""
    samples: Annotated[int, Field(ge=1, le=32)] = 4
    """Chains of thought asked for, a problem."""
    scorer: Annotated[str, Field(min_length=1)] | None = None
    """What scores steps under `best_scored`, see grade.scorer."""


class WhoConfig(Section):
    """Who does what: names of [models], any LiteLLM model, MODEL@URL, or `package.module:Name`."""

    generate: Path | None = None
    """Writes problems."""
    solve: tuple[str, ...] | None = None
    """Solve them independently; ask a strong model and a cheap one."""
    check: tuple[str, ...] | None = None
    """Check labels; unset: those who solve."""
    reason: Path | None = None
    """Writes chains of thought; unset: the first who solves."""


class BranchConfig(WhoConfig):
    """Who does what in a part of the taxonomy; what is unset is as in [who]."""

    at: Path
    """The part, such as "Reasoning" or "Maths > Number"; where several fit, the longest holds."""


class CurateConfig(Section):
    """A whole curation."""

    curate: SourcesConfig
    grow: GrowConfig = GrowConfig()
    admit: AdmitConfig = AdmitConfig()
    trace: TraceConfig = TraceConfig()
    who: WhoConfig = WhoConfig()
    branches: tuple[BranchConfig, ...] = ()
    models: Mapping[str, TeacherConfig] = Field(default_factory=dict)
    """Models by a name of your own, each with what [teacher] takes: address, key, prices, limits."""


RESUMABLE = {
    *(("curate", cap) for cap in ("budget_usd", "max_calls", "max_tokens", "max_hours")),
    *(("grow", name) for name in ("rounds", "floor", "floor_after")),
}
"""What may change when a folder is gone on with, beside limits, prices and keys of [models]."""
