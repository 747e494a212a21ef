"""What was measured of a step scorer: its figures on steps with known labels, and the card that keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from selfimprove.records import Interval, Record
from selfimprove.scorers.auc import auc, auc_gap, auc_in_place, auc_interval
from selfimprove.scorers.metrics import Calibration, ProcessBench, calibration, first_below, first_error_accuracy

Labels = Sequence[Sequence[bool | None]]
"""Which steps are right, shape `[solutions][steps]`; None where it is not known."""
Scores = Sequence[Sequence[float] | None]
"""Scores a step, shape `[solutions][steps]`; None is no verdict on that solution."""
FEWEST: Final = 20
"""Solutions with a right step, and with a wrong one, below which an AUC says nothing."""
_CHANCE: Final = 0.5


class StepFigures(Record):
    """How well a scorer tells right steps from wrong ones."""

    solutions: int
    """Those with a verdict and a known step."""
    holding_right: int
    """Solutions that hold a right step."""
    holding_wrong: int
    steps: int
    """Steps with a known label."""
    right: float
    """Share of them that are right, in [0, 1]."""
    auc: float
    """Chance that a right step scores above a wrong one."""
    interval: Interval
    """95 % bootstrap interval of it, whole solutions drawn."""
    in_place: float | None
    """The AUC among steps that stand at the same place of their solutions; None where no place holds both kinds."""
    in_place_interval: Interval | None
    auc_to_error: float | None
    """The same without the steps behind a solution's first wrong one, which are wrong because of it."""
    calibration: Calibration
    threshold: float
    """A step that scores below it is called wrong."""
    first_error: float | None
    """Share of solutions with a wrong step whose first wrong one was named exactly; None where none has one."""

    @property
    def enough(self) -> bool:
        """There are solutions enough of both kinds for an interval to mean something, and steps to compare."""
        return min(self.holding_right, self.holding_wrong) >= FEWEST and self.in_place_interval is not None

    @property
    def above_chance(self) -> bool:
        """Among steps at the same place the AUC lies above 0.5 with 95 % confidence; so it does not by place alone."""
        return self.enough and self.in_place_interval is not None and self.in_place_interval.low > _CHANCE


class Ranks(Record):
    """Rank correlation (Spearman) of the score of a solution with the pass rate of its problem."""

    aggregate: str
    """How step scores became one score."""
    problems: int
    all: float | None
    """None where there are fewer than ten problems, or all are alike."""
    failed: float | None = None
    """The same among failed attempts alone, which is what the levels 1 to 5 put in order."""
    failed_problems: int = 0
    within: Mapping[str, float | None]
    """The same within each kind of problem."""
    mean_within: float | None
    """Their mean, weighted by problems."""


class Figures(Record):
    """What was measured of one scorer on one set of solutions."""

    scorer: str
    """Its identity."""
    no_verdict: int = 0
    """Solutions that it gave no scores for; in no other figure but ProcessBench's."""
    steps: StepFigures | None = None
    """None where no step has a known label, or all have the same."""
    ranks: tuple[Ranks, ...] = ()
    processbench: ProcessBench | None = None


class Gap(Record):
    """One scorer's AUC less a baseline's, on the same steps."""

    difference: float
    interval: Interval
    """95 % paired bootstrap interval, whole solutions drawn."""


class Measured(Record):
    """A set of solutions, and what came out on it."""

    on: str
    """What it is, such as `arithmetic train` or a file's name."""
    data: str
    """Hash of problems, steps and labels."""
    student: str = ""
    """Identity of who wrote the solutions, where that is known."""
    solutions: int
    own: Figures
    baselines: Mapping[str, Figures] = {}
    gaps: Mapping[str, Gap] = {}
    """The scorer beside each baseline."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


class ScorerCard(Record):
    """What is known of a scorer: `measured.json` beside it."""

    scorer: str
    """Its identity: another model, or other weights, is another scorer."""
    measured: tuple[Measured, ...]

    @property
    def proof(self) -> Measured | None:
        """Give the first set of solutions that can say whether the scorer is to be trusted."""
        return next((one for one in self.measured if one.own.steps and one.own.steps.enough), None)


def step_figures(
    scores_S_T: Scores,  # noqa: N803 - ragged axes: solutions, steps
    labels_S_T: Labels,  # noqa: N803
    *,
    threshold: float = 0.5,
    named: Sequence[int | None] | None = None,
    resamples: int = 1000,
) -> StepFigures | None:
    """Measure scores against known labels; None where the known steps are all right or all wrong.

    Args:
        scores_S_T: scores in [0, 1]; solutions without a verdict are left out.
        labels_S_T: which steps are right.
        threshold: a step below it is called wrong, unless `named` says which step is.
        named: the first wrong step of each solution as the scorer names it itself, None for none.
        resamples: draws of the interval.
    """
    scored = [i for i, some in enumerate(scores_S_T) if some is not None and _known(labels_S_T[i])]
    given: list[Sequence[float]] = [scores_S_T[i] or () for i in scored]
    known = [_known(labels_S_T[i]) for i in scored]
    scores = [[some[at] for at in places] for some, places in zip(given, known, strict=True)]
    right = [[bool(labels_S_T[i][at]) for at in places] for i, places in zip(scored, known, strict=True)]
    flat, flags = [s for some in scores for s in some], [r for some in right for r in some]
    if len(set(flags)) < 2:  # noqa: PLR2004 - right and wrong
        return None
    wrong = [next((at for at, label in enumerate(labels_S_T[i]) if label is False), None) for i in scored]
    in_place = auc_in_place(scores, right, known)
    said = [first_below(some, threshold) for some in given] if named is None else [named[i] for i in scored]
    return StepFigures(
        solutions=len(scored),
        holding_right=sum(any(some) for some in right),
        holding_wrong=sum(not all(some) for some in right),
        steps=len(flags),
        right=sum(flags) / len(flags),
        auc=auc(flat, flags),
        interval=auc_interval(scores, right, resamples=resamples),
        in_place=in_place,
        in_place_interval=None if in_place is None else auc_interval(scores, right, known, resamples=resamples),
        auc_to_error=_auc_to_error(scores, right),
        calibration=calibration(flat, flags),
        threshold=threshold,
        first_error=first_error_accuracy(said, wrong) if any(w is not None for w in wrong) else None,
    )


def gap_of(one_S_T: Scores, other_S_T: Scores, labels_S_T: Labels) -> Gap | None:  # noqa: N803 - ragged axes
    """Compare two scorers' AUC on the solutions that both have a verdict on; None where that cannot be told."""
    rows = [
        ([one[at] for at in known], [other[at] for at in known], [bool(labels[at]) for at in known])
        for one, other, labels in zip(one_S_T, other_S_T, labels_S_T, strict=True)
        if one is not None and other is not None and (known := _known(labels))
    ]
    a, b, right = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    flags = [r for some in right for r in some]
    if len(set(flags)) < 2:  # noqa: PLR2004 - right and wrong
        return None
    difference = auc([s for some in a for s in some], flags) - auc([s for some in b for s in some], flags)
    return Gap(difference=difference, interval=auc_gap(a, b, right))


def _known(labels: Sequence[bool | None]) -> list[int]:
    return [at for at, label in enumerate(labels) if label is not None]


def _auc_to_error(scores: Sequence[Sequence[float]], right: Sequence[Sequence[bool]]) -> float | None:
    flat, flags = list[float](), list[bool]()
    for some, labels in zip(scores, right, strict=True):
        upto = labels.index(False) + 1 if False in labels else len(labels)
        flat += some[:upto]
        flags += labels[:upto]
    return auc(flat, flags) if len(set(flags)) == 2 else None  # noqa: PLR2004 - right and wrong
