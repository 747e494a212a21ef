"""Is a scorer to be trusted? The gate before grading: one that a config names must be better than chance, measurably.

Better than chance among steps at the same place: the place alone tells much, as an error makes all behind it wrong.

The proof is the card beside the scorer, which `selfimprove prm evaluate` writes. Without a card it is measured on the
first failed attempts that it is given to grade, where their steps can be checked exactly; where they cannot, it is
refused. Too few attempts with right and wrong steps, as of a student that writes no steps, prove nothing either way:
they are graded by the pass rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.protocols import StepScorer
from selfimprove.records import Interval, Problem, StepItem, digest
from selfimprove.scorers.exact import ExactSteps, checkable
from selfimprove.scorers.figures import FEWEST, Figures, Measured, ScorerCard, step_figures
from selfimprove.scorers.scoring import Judgement, card_name, judged, threshold_of
from selfimprove.store import write_whole
from selfimprove.students.fetch import cache_root

MEASURED: Final = "measured.json"
_MOST: Final = 5000
"""Attempts that a gate keeps while it cannot tell."""
_LOOKED_AT: Final = 200
"""Training problems, one of which must be checkable."""


def card_place(named: str) -> Path:
    """Say where the card of a scorer lies, by the name that a config gives it: in its folder, else in the cache."""
    folder = Path(named)
    return folder / MEASURED if folder.is_dir() else cache_root() / "scorers" / f"{digest(named)}.json"


def write_card(card: ScorerCard, place: Path) -> None:
    """Write a card, whole.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    write_whole(place, (card.model_dump_json(indent=1) + "\n").encode())


def read_card(place: Path) -> ScorerCard | None:
    """Read a card, None where there is none.

    Raises:
        InputError: the file is no card.
    """
    try:
        return ScorerCard.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{place} cannot be read: {error.strerror}; make it readable, or remove it") from error
    except ValidationError as error:
        what = error.errors()[0]["msg"]
        raise InputError(f"{place} is no card of a scorer ({what}); remove it and measure the scorer again") from error


def check_card(named: str, problems: Iterable[Problem], identity: str | None = None) -> None:
    """Refuse, before anything is paid, a scorer whose card speaks against it, or that could never be measured.

    Args:
        named: see `names.full_name`.
        problems: whose attempts it is to grade; without a card, it is measured on those that can be checked exactly.
        identity: what its card must be of (`scoring.card_name`), where that can be told before it is loaded.

    Raises:
        InputError: the card is damaged, or it is no better than chance; there is none, and the problems cannot be
            checked.
    """
    card = read_card(card_place(named))
    fitting = card is not None and identity in {None, card.scorer}
    if fitting and card is not None and card.proof is not None:
        _refuse_chance(named, card.proof)
    elif not any(checkable(problem) for problem in islice(problems, _LOOKED_AT)):
        raise _unproven(named, "" if card is None or fitting else card.scorer)


class Gated:
    """A scorer that scores only once it is known to be better than chance. Satisfies `StepScorer` and `Judging`.

    Until it is, what it scores is kept and measured together, so that it may take several calls to tell.

    Args:
        scorer: what is to score.
        named: as the config names it.
        card: what `card` gave in an earlier round of the campaign; default: the card beside the scorer.

    Raises:
        InputError: its card speaks against it.
    """

    def __init__(self, scorer: StepScorer, named: str, card: ScorerCard | None = None) -> None:
        self._scorer, self._named = scorer, named
        self.card: ScorerCard | None = None
        """What it is trusted by; None: nothing yet."""
        self._seen: list[tuple[StepItem, Sequence[float] | None]] = []
        known = [one for one in (card, read_card(card_place(named))) if one is not None]
        wanted = card_name(scorer)
        fitting = next((one for one in known if one.scorer == wanted), None)
        if known and fitting is None:
            said = (
                f"the card of {named} is of another model or prompt ({known[0].scorer}, not {wanted}) and is not used"
            )
            progress.current().say(said)
        elif fitting is not None and fitting.proof is not None:
            self._take(fitting, fitting.proof)

    @property
    def identity(self) -> str:
        """The scorer's own."""
        return self._scorer.identity

    @property
    def threshold(self) -> float:
        """The scorer's own."""
        return threshold_of(self._scorer)

    def score(self, items: Sequence[StepItem]) -> list[Sequence[float] | None]:
        """Score each step, shape `[items][steps]`; None for all while too few can be checked; errors as `judge`."""
        return [None if one is None else list(one.scores) for one in self.judge(items)]

    def judge(self, items: Sequence[StepItem]) -> list[Judgement | None]:
        """Score each step, with the first wrong one as the scorer names it, shape `[items]`; None as in `score`.

        Raises:
            InputError: the scorer is no better than chance, its scores do not fit, or there is no way to tell.
        """
        if self.card is None and items and not any(checkable(item.problem) for item in items):
            raise _unproven(self._named)
        found = judged(self._scorer, items)
        if self.card is None:
            self._measure(items, [None if one is None else one.scores for one in found])
        return found if self.card is not None else [None] * len(items)

    def _measure(self, items: Sequence[StepItem], scores: Sequence[Sequence[float] | None]) -> None:
        learned: frozenset[str] = getattr(self._scorer, "trained_on", frozenset())
        self._seen += [
            (item, some)
            for item, some in zip(items, scores, strict=True)
            if checkable(item.problem) and item.problem.id not in learned
        ]
        rows = self._seen = self._seen[:_MOST]
        right = [[score > 0 for score in some] for some in ExactSteps().score([item for item, _ in rows])]
        found = step_figures([some for _, some in rows], right)
        if found is None or not found.enough:
            good, bad = (found.holding_right, found.holding_wrong) if found else (0, 0)
            progress.current().say(
                f"{self._named} cannot be measured on these {len(rows)} attempts ({good} hold a right step and {bad} a "
                f"wrong one, {FEWEST} of each are needed), so they are graded by pass rate"
            )
            return
        measured = Measured(
            on="the attempts to be graded",
            data=digest([(item.problem.id, item.steps) for item, _ in rows]),
            solutions=len(rows),
            own=Figures(scorer=self.identity, no_verdict=sum(some is None for _, some in rows), steps=found),
        )
        self._seen = []
        self._take(ScorerCard(scorer=card_name(self._scorer), measured=(measured,)), measured)

    def _take(self, card: ScorerCard, proof: Measured) -> None:
        """Trust the scorer for these figures, or refuse it."""
        said = _refuse_chance(self._named, proof)
        self.card = card
        progress.current().say(f"step scorer {self._named}: {said}")


def gated(scorer: StepScorer, named: str, *, trust: bool = False, card: ScorerCard | None = None) -> StepScorer:
    """Put a scorer that a config names behind the gate, unless told to trust it.

    Args:
        scorer: what the name means.
        named: the name.
        trust: `grade.trust`: use it whatever was measured.
        card: see `Gated`.

    Raises:
        InputError: its card speaks against it.
    """
    if not trust:
        return Gated(scorer, named, card)
    progress.current().say(f"grade.trust = true: {named} scores steps whether or not it is better than chance")
    return scorer


def _unproven(named: str, other: str = "") -> InputError:
    """Say that nothing tells how good a scorer is, and how to find out.

    Args:
        named: as the config names it.
        other: what its card is of instead, if it has one.
    """
    kind = named.partition(":")[0]
    has = f"has a card of another model or prompt ({other}) alone" if other else "has no card that tells how good it is"
    more = {"monte-carlo": " --student STUDENT", "judge": " --program plain|FILE"}.get(kind, "")
    return InputError(
        f'grade.scorer = "{named}" {has}, and the steps of this task cannot be checked exactly; measure it with '
        f"`selfimprove prm evaluate {named} --task arithmetic{more}`, or set grade.trust = true"
    )


def _refuse_chance(named: str, proof: Measured) -> str:
    """Say how good a scorer is, or refuse it."""
    found = proof.own.steps
    if found is None:
        return ""
    said = f"AUC {_with(found.auc, found.interval)} over {found.steps} steps, "
    if found.in_place is not None and found.in_place_interval is not None:
        said += f"{_with(found.in_place, found.in_place_interval)} among those at the same place, "
    said += f"on {proof.on}"
    if not found.above_chance:
        raise InputError(
            f'grade.scorer = "{named}" is no better than chance: {said}; name another scorer, leave it out to grade by '
            "pass rate, or set grade.trust = true"
        )
    return said


def _with(value: float, interval: Interval) -> str:
    return f"{value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
