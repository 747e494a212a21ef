"""Process reward models: what scores each step of a solution, in [0, 1].

Everything here satisfies `StepScorer`. `ExactSteps` is the truth on the arithmetic task, `MonteCarlo` the student's own
chances, `StepJudge` a language model's opinion, `TrainedScorer` a reward model: a public one, or one trained here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfimprove.errors import InputError
from selfimprove.protocols import StepScorer
from selfimprove.scorers.families import ENCODERS
from selfimprove.scorers.steps import join_steps, split_steps

__all__ = ["join_steps", "load_scorer", "split_steps"]


def load_scorer(spec: str, **settings: Any) -> StepScorer:
    """Make a trained scorer of what a config file names.

    Args:
        spec: `FAMILY:MODEL`, such as `math-shepherd:peiyi9979/math-shepherd-mistral-7b-prm`, or the folder of a scorer
            that was trained here.
        settings: keyword arguments of `TrainedScorer`.

    Raises:
        InputError: there is no such family, model or folder.
    """
    from selfimprove.scorers.trained import CARD, TrainedScorer

    if (Path(spec) / CARD).is_file():
        return TrainedScorer("own", spec, **settings)
    family, colon, model = spec.partition(":")
    if not colon:
        known = ", ".join(name for name in ENCODERS if name != "own")
        raise InputError(
            f'the scorer "{spec}" is neither a folder with {CARD} nor FAMILY:MODEL; the families are {known}'
        )
    return TrainedScorer(family, model, **settings)
