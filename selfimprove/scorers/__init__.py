"""Process reward models: what scores each step of a solution, in [0, 1].

Everything here satisfies `StepScorer`. `ExactSteps` is the truth on the arithmetic task, `MonteCarlo` the student's own
chances, `StepJudge` a language model's opinion, `TrainedScorer` a reward model: a public one, or one trained here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError, nearest
from selfimprove.plugs import load_plug, said
from selfimprove.protocols import StepScorer
from selfimprove.scorers.families import ENCODERS
from selfimprove.scorers.steps import split_steps

__all__ = ["check_weights", "load_scorer", "split_steps"]


_IMPORT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load_scorer(spec: str, **settings: Any) -> StepScorer:
    """Make a scorer of what a config file names.

    Args:
        spec: `FAMILY:MODEL`, such as `math-shepherd:peiyi9979/math-shepherd-mistral-7b-prm`, the folder of a scorer
            that was trained here, or `package.module:Name`, an object or a class that is made without arguments.
        settings: keyword arguments of `TrainedScorer`; a plug takes none.

    Raises:
        InputError: there is no such family, model, folder or module, or what it names scores no steps.
    """
    from selfimprove.scorers.trained import TrainedScorer

    family, model = _family(spec)
    return TrainedScorer(family, model, **settings) if family else _plugged(spec)


def check_weights(spec: str) -> None:
    """Fetch what `load_scorer` would load, or import it.

    Raises:
        InputError: as `load_scorer`.
    """
    from selfimprove.scorers.trained import read_card
    from selfimprove.students.fetch import fetch

    check_spec(spec)
    family, model = _family(spec)
    if not family:
        _plugged(spec)
    else:
        fetch(read_card(Path(model)).base if family == "own" else model)


def check_spec(spec: str) -> None:
    """Refuse what names no scorer that `load_scorer` knows; nothing is fetched or loaded.

    Raises:
        InputError: see above.
    """
    family, _ = _family(spec)
    if family and family not in ENCODERS:
        raise InputError(f'there is no family of reward models "{family}"; {nearest(family, ENCODERS)}')


def _family(spec: str) -> tuple[str, str]:
    """Give a scorer's family, and its model or folder; no family: it is a plug."""
    from selfimprove.scorers.trained import CARD

    family, colon, model = spec.partition(":")
    if (Path(spec) / CARD).is_file():
        return "own", spec
    if family not in ENCODERS and _IMPORT.fullmatch(spec):
        return "", spec
    if not colon:
        known = ", ".join(name for name in ENCODERS if name != "own")
        raise InputError(
            f'the scorer "{spec}" is neither a folder with {CARD}, nor FAMILY:MODEL, nor package.module:Name; '
            f"the families are {known}"
        )
    return family, model


def _plugged(path: str) -> StepScorer:
    found = load_plug(path, "step scorer")
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:  # a class of somebody else's: anything may happen in it
        raise InputError(f'the step scorer "{path}" cannot be made without arguments: {said(error)}') from error
    if not isinstance(made, StepScorer):
        raise InputError(f'the step scorer "{path}" lacks identity or score(); see selfimprove.protocols.StepScorer')
    return made
