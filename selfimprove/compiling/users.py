"""Who runs a program once it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from selfimprove.programs.saved import Card, saved_for

_CAMPAIGNS: Final = "campaigns of {task}"
_CURATIONS: Final = "curations whose seeds are {seeds}.jsonl"
_LABELS: Final = "selfimprove label"
_RUN_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "reason": (_CAMPAIGNS, _CURATIONS),
    "judge_steps": (_CAMPAIGNS, _CURATIONS, "selfimprove prm evaluate"),
    "generate": (_CURATIONS,),
    "solve_independently": (_CURATIONS,),
    "label": (_LABELS,),
    "check_label": (_LABELS, "curations that vote on labels"),
    "judge": (),
}
"""Of those not named here campaigns alone."""


def use_of(card: Card, place: Path) -> str:
    """Say in a sentence who takes a program that was saved from here on, with any model."""
    if not card.proven:
        return "Nobody takes it, as it shows no gain."
    who = [each.format(task=card.task, seeds=place.parent.name) for each in _RUN_BY.get(card.program, (_CAMPAIGNS,))]
    if not who:
        return f"Nothing runs {card.program} but what compiles and measures it: steps are judged by judge_steps."
    if place.resolve() not in {found.resolve() for found in saved_for(card.program, card.task)}:
        return f"Nobody looks for it there; in the folder programs it is taken by {', '.join(who)}."
    return f"From here on it is taken by {', '.join(who)}."
