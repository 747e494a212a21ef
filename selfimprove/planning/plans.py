"""What a campaign will take and can show, before anything is spent: calls, tokens, dollars, hours, disk.

Estimates, from the settings, the price table and a probe of the student. A round is taken to leave half of what failed
before it. What paid calls can cost at most is a bound: every answer as long as allowed, every problem of a pool failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import Field

from selfimprove.arms import ARMS, in_turn
from selfimprove.config import Config
from selfimprove.formats import duration, percent
from selfimprove.graphs.phases import largest_pool
from selfimprove.ledger import Used
from selfimprove.planning.estimate import most_usd, stages
from selfimprove.planning.expected import Expected, Line, expect, total
from selfimprove.planning.finding import most_tries
from selfimprove.planning.probing import Probe
from selfimprove.planning.sizes import Sizes
from selfimprove.protocols import Task
from selfimprove.records import Decision, Record, Split
from selfimprove.stats import smallest_gain, usual_spread
from selfimprove.steps.decide import alpha_left

_OFFERED: Final = 4
_BYTES_A_ROW: Final = 2_000
_ADAPTER_MB: Final = 25.0
_HOUR_S: Final = 3600.0
_CUT_OFF: Final = 0.25
"""Share of tries that the token limit cut off from which on a plan warns of it."""


class Plan(Record):
    """What a campaign will take."""

    lines: tuple[Line, ...]
    usd_at_most: float
    budget_usd: float | None
    disk_mb: float
    models: int = 0
    """Whole models to be kept of which nobody knows the size, beside that."""
    smallest_gains: tuple[float, float]
    """True gain on dev that shows at 80 % power in the first and in the last round, in points."""
    offered: tuple[int, float] | None = None
    """So many samples a dev problem, and the gain that would show with them in the last round; None: they are drawn."""
    dev: int
    dev_groups: int = 0
    """Groups of dev problems that belong together; 0: each stands alone."""
    grouped_gain: float = 0.0
    """The gain that shows in the last round where a group's problems all rise and fall together, in points."""
    short: Mapping[Split, tuple[int, int]] = Field(default_factory=dict)
    """Problems that there are and that were asked for, of each split that has fewer."""
    rounds: int
    probe: Probe | None
    tries_at_most: int | None = None
    """Attempts that mining makes at most; None: as many as planned, whatever they come to."""
    first: int = 1
    """The first round that is made: a fork took those before it over."""
    whole_models: int = 0
    """Models of the student's size that are written but not counted in `disk_mb`, as that size is not known."""
    own_teacher: bool = False
    """Somebody's own teaches, whose price nobody knows."""

    @property
    def seconds(self) -> float | None:
        """Time in all, None where the student was not probed."""
        known = [line.seconds for line in self.lines if line.seconds is not None]
        return sum(known) if self.probe else None

    @property
    def teaching(self) -> Used:
        """What counts against the campaign's caps, without the tokens, of which the student's do not count."""
        usd = sum(line.usd for line in self.lines)
        calls = sum(line.teacher_calls for line in self.lines)
        return Used(usd=usd, calls=calls, hours=(self.seconds or 0.0) / _HOUR_S)

    @property
    def shortage(self) -> str:
        """Say which splits have fewer problems than were asked for; empty where none has."""
        told = ", ".join(f"{split} {there} of {asked}" for split, (there, asked) in self.short.items())
        return f"Problems: {told}: there are no more" if told else ""

    def __str__(self) -> str:
        """Write it as a table and a few lines."""
        return "\n".join(_written(self))


def plan(
    config: Config,
    task: Task,
    probe: Probe | None = None,
    taken: int | None = None,
    before: Sequence[Decision] = (),
) -> Plan:
    """Work out a plan.

    Args:
        config: the campaign's settings.
        task: gives the problems.
        probe: what the student did on some of them; None: no hours, and the rest is guessed.
        taken: the last round that a fork took over, which is not paid for again; None: it is no fork.
        before: the decisions that it took over: what they promoted gives its alpha back.

    Raises:
        InputError: the teacher's price is not known, a split is empty, or there is no such library.
    """
    from selfimprove.teachers.load import is_own

    config = _widest(config)
    expected = expect(config, task, probe, taken)
    lines = tuple(stages(expected))
    calls, begins = sum(line.student_calls for line in lines), min(expected.rounds.start, config.campaign.rounds)
    whole = probe.weights_mb if probe else None
    models, each = _models(expected), whole if config.train.full else _ADAPTER_MB
    asked = sum(not ARMS[arm].told for arm in in_turn(config.campaign.arms))
    first = alpha_left(config.gate.alpha, before, asked)
    last = first * 0.5 ** (config.campaign.rounds - begins)  # where no round promotes
    samples, dev = config.evaluate.samples, expected.sizes.dev
    return Plan(
        lines=lines,
        usd_at_most=most_usd(expected),
        budget_usd=config.campaign.budget_usd,
        disk_mb=calls * _BYTES_A_ROW / 1e6 + models * (each or 0.0),
        smallest_gains=(_gain(dev, samples, first), _gain(dev, samples, last)),
        offered=None if samples else (_OFFERED, _gain(dev, _OFFERED, last)),
        dev=dev,
        dev_groups=expected.sizes.dev_groups,
        grouped_gain=_gain(expected.sizes.dev_groups, samples, last) if expected.sizes.dev_groups else 0.0,
        short=_short(config, expected.sizes),
        rounds=config.campaign.rounds,
        probe=probe,
        tries_at_most=most_tries(expected),
        first=begins,
        whole_models=models if each is None else 0,
        own_teacher=any(is_own(expected.teacher(round_)) for round_ in expected.rounds),
    )


def _short(config: Config, sizes: Sizes) -> dict[Split, tuple[int, int]]:
    """Give what there is and what was asked for, of each split that has fewer problems."""
    data = config.data
    there: dict[Split, tuple[int, int]] = {
        "train": (sizes.train + sizes.aside, data.train),
        "dev": (sizes.dev, data.dev),
        "test": (sizes.test, data.test),
    }
    return {split: (found, asked) for split, (found, asked) in there.items() if found < asked}


def _models(expected: Expected) -> int:
    """Count the adapters or models that are written: of each arm and round, of the control, of what is probed."""
    config = expected.config
    probed = len(config.select.candidates) if expected.probes else 0
    return len(expected.rounds) * len(in_turn(config.campaign.arms)) + ("control" in config.campaign.arms) + probed


def _widest(config: Config) -> Config:
    """Give the settings of the phase that takes most: a campaign with phases is planned as if all of it were that."""
    asked = [phase.lessons or config.select.lessons for phase in config.phases] or [config.select.lessons]
    known = [count for count in asked if count is not None]
    mine = config.mine.model_copy(update={"pool": largest_pool(config)})
    select = config.select.model_copy(update={"lessons": max(known) if len(known) == len(asked) else None})
    return config.model_copy(update={"mine": mine, "select": select})


def _gain(problems: int, samples: int, alpha: float) -> float:
    """Give the smallest gain that shows, in points."""
    return 100 * smallest_gain(problems, usual_spread(samples), alpha)


def _written(plan: Plan) -> Iterator[str]:
    yield f"{'stage':<12}{'student calls':>15}{'teacher calls':>15}{'tokens':>13}{'dollars':>10}{'time':>13}"
    for line in (*plan.lines, total([line.model_copy(update={"stage": "in all"}) for line in plan.lines])):
        yield (
            f"{line.stage:<12}{line.student_calls:>15,}{line.teacher_calls:>15,}{line.tokens:>13,}{line.usd:>10.2f}"
            f"{'-' if line.seconds is None else duration(line.seconds):>13}"
        )
    yield ""
    if plan.own_teacher:
        yield "Your own teacher: its dollars are unknown before its calls are made; max_calls caps those"
    if plan.usd_at_most:
        cap = "no budget is set" if plan.budget_usd is None else f"the budget stops it at {plan.budget_usd:.2f}"
        yield f"Dollars: at most {plan.usd_at_most:.2f}; {cap}"
    elif not plan.own_teacher:
        yield "Dollars: 0, this teacher makes no paid calls"
    yield (
        f"Hours: {plan.seconds / _HOUR_S:.2f} on this machine"
        if plan.seconds is not None
        else "Hours: unknown, as the student was not tried"
    )
    if plan.tries_at_most is not None:
        mined = plan.lines[0].student_calls
        about = f"about {mined:,} calls, " if mined < plan.tries_at_most else ""
        yield f"Mining: {about}at most {plan.tries_at_most:,} calls, by how the tries come out"
    if plan.probe and plan.probe.cut_off > _CUT_OFF:
        yield (
            f"The token limit cut off {percent(plan.probe.cut_off, 0)} of the student's tries: raise "
            "student.max_tokens, or part of a gain may be that answers grow shorter"
        )
    whole = f", and {plan.whole_models} whole models of the student's size" if plan.whole_models else ""
    yield f"Disk: about {plan.disk_mb:,.0f} MB{whole}"
    if plan.shortage:
        yield plan.shortage
    later = f", {plan.smallest_gains[1]:.1f} in round {plan.rounds}" if plan.rounds > plan.first else ""
    yield (
        f"Smallest true gain that {plan.dev} dev problems show at 80 % power: {plan.smallest_gains[0]:.1f} points in "
        f"round {plan.first}{later} (where the students differ on 20 % of problems)"
    )
    if plan.dev_groups:
        yield (
            f"They are of {plan.dev_groups} groups: if the problems of a group rise and fall together, it takes up to "
            f"{plan.grouped_gain:.1f} points in round {plan.rounds}"
        )
    if plan.offered:
        yield (
            f"With evaluate.samples = {plan.offered[0]} it would be {plan.offered[1]:.1f} points there (where half of "
            "that difference is the luck of one draw)"
        )
