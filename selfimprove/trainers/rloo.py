"""REINFORCE with the other tries as baseline, of an adapter over TRL (arXiv:2402.14740), as a process of its own.

Started as `python -m selfimprove.trainers.rloo JOB.json FOLDER`; rows and files are those of `trainers.grpo`.
"""

from __future__ import annotations

import sys
from typing import Any

from trl import RLOOConfig, RLOOTrainer

from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.only_moving import OnlyMoving
from selfimprove.trainers.practising import Generated, Practised, practise
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.resuming import Resumes


class EngineTrainer(OnlyMoving, CompletionHead, Generated, Practised, Resumes, FullSteps, RLOOTrainer):
    """TRL's trainer over our engine, in the place of its own way to generate; over vLLM where that is asked for."""


def _made(coach: Any, **how: Any) -> Any:
    made = EngineTrainer(**how)
    made.coach = coach
    return made


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    practise(job_file, folder, RLOOConfig, _made)


if __name__ == "__main__":
    main(*sys.argv[1:])
