"""Settings of what finds what is hard, and chooses of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from selfimprove.config.section import Section


class MineConfig(Section):
    """How the student's failures are found."""

    pool: Annotated[int, Field(ge=1)] = 400
    """Training problems tried a round, fresh ones first; a ladder tries as many on each of its rungs."""
    library: Annotated[str, Field(min_length=1)] | None = None
    """What `selfimprove grade` wrote for this student (its folder or its grades.jsonl): round 1 chooses from that and
    mines nothing; unset: round 1 mines."""
    samples: Annotated[int, Field(ge=0, le=64)] = 4
    """Sampled completions a problem gets in any case, besides the greedy one."""
    most: Annotated[int, Field(ge=0, le=1024)] = 0
    """The most samples a problem gets while its kind of failure is open; not over `samples`: all get as many."""
    step: Annotated[int, Field(ge=1, le=64)] = 2
    """Further samples a problem gets at a time while its kind is open."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """A kind is settled when the pass rate lies on one side of its bound with this chance."""
    rare: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """A failed problem whose pass rate is over this is `inconsistent`, else `wrong`."""
    lucky: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A solved problem whose pass rate is under this is `lucky`."""
    scattered: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Answers that agree less than this, from 0 (as little as can be) to 1, are `inconsistent`."""
    longer: Annotated[float, Field(ge=1, le=64)] = 2.0
    """Attempts without a verdict get a second chance: truncated ones with this many times student.max_tokens,
    unreadable ones by another reading; 1: no second chance."""
    temperature: Annotated[float, Field(gt=0)] = 0.7
    """Of the sampled completions."""
    wording: Annotated[int, Field(ge=0, le=100)] = 0
    """Groups of problems by their wording (TF-IDF), for where failures lie; 0: none."""
    window: Annotated[int, Field(ge=1)] = 2000
    """Problems that `selfimprove mine` and `selfimprove grade` hold in memory at once."""


class GradeConfig(Section):
    """How hard a failed problem is, from 1 to 5."""

    scorer: str | None = None
    """What scores steps: a folder or `FAMILY:MODEL` (a reward model), `judge` (the teacher's), `judge:MODEL[@URL]`,
    `monte-carlo[:ROLLOUTS]`, `exact`, `package.module:Name`; unset: levels come from the pass rate."""
    trust: bool = False
    """Use the scorer though it was not shown to be better than chance, see `selfimprove prm evaluate`."""
    aggregate: Literal["mean", "min", "product", "last"] = "mean"
    """One score of an attempt's step scores; the others say little where a wrong one surely ends wrong."""
    bins: Literal["width", "quantiles"] = "quantiles"
    """Levels are equal parts of [0, 1], or fifths of the pool."""
    screen: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """With a scorer: the share of failed problems, those of which samples and log-probability expect least, that it is
    not asked about: they are level 5. 0: it is asked about all."""
    prior: bool = True
    """For levels without a scorer, and for the screen: add the greedy attempt's log-probability to the samples, as far
    as it is seen to tell the pass rate (without samples: whether greedy attempts are right); fewer than 40 problems
    with both tell nothing."""


class SelectConfig(Section):
    """Which tried problems become lessons."""

    policy: Literal[
        "failures",
        "ladder",
        "probe",
        "random",
        "p_eval",
        "curriculum",
        "uniform",
        "easy",
        "band",
        "steps",
        "weights",
    ] = "curriculum"
    """`failures`: what is wrong and a share of what is solved. `ladder`: up to a frontier that moves up as it is
    mastered. `probe`: some policies are tried on at most 5 % of the rows, and the best is taken. The others take exact
    quotas of the graded pool: `random`, `p_eval` as the student's levels lie, `curriculum` (fewer the harder),
    `uniform` over levels, `easy` (levels 0 and 1), `band` (pass rate near one half), `steps` (by reasoning steps),
    `weights` (given)."""
    order: Literal["shuffled", "easy_to_hard"] = "shuffled"
    """How a round's rows are trained on: mixed, or by the level and pass rate that their problems had when tried. The
    control is always mixed."""
    candidates: Annotated[
        tuple[Literal["failures", "random", "p_eval", "curriculum", "uniform", "easy", "band", "steps"], ...],
        Field(min_length=2),
    ] = ("curriculum", "failures", "random", "band")
    """Probe: what is tried; the first is taken unless another is better beyond noise."""
    probe: Annotated[int, Field(ge=20)] = 200
    """Probe: training problems, which no candidate is trained on, that the candidates are compared on."""
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Quotas: shares of levels 0 to 5, over the policy's own; with `steps`, of 0-2, 3-5 and 6 or more steps."""
    stratify: str | None = None
    """Quotas: a label whose values keep the pool's shares within each quota."""
    own: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """`p_eval`: share of the pool that only tells the levels and is not chosen from."""
    label: str = "level"
    """Ladder: the label whose values are the rungs, lowest first."""
    first: Annotated[int, Field(ge=1)] = 2
    """Ladder: how many of the lowest rungs the first round works on."""
    width: Annotated[int, Field(ge=1)] = 1
    """Ladder: unmastered rungs that are worked on at once."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Ladder: a rung whose pass rate reaches this is mastered."""
    lessons: Annotated[int, Field(ge=1)] | None = None
    """Most tried problems that become lessons in a round, failures first; unset: all that are chosen. Quotas choose
    exactly as many; unset: as many as did not come out right, so that `curriculum` takes all of them."""
    solved: Annotated[float, Field(ge=0, le=1)] = 0.5
    """`failures` and `ladder`: share of solved problems kept beside the failures, at most one each."""
    replay: Annotated[float, Field(ge=0, le=5)] = 0.5
    """Rows of earlier rounds, as a share of this round's."""

    @field_validator("candidates")
    @classmethod
    def _each_once(cls, candidates: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(candidates)) < len(candidates):
            raise ValueError("name each policy once")
        return candidates
