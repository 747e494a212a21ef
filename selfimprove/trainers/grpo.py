"""Group relative policy optimisation of an adapter over TRL (arXiv:2402.03300), as a process of its own.

Started as `python -m selfimprove.trainers.grpo JOB.json FOLDER`; rows are `PracticeRow`s, see `coach`. Writes what
`trainers.sft` writes; tokens that carry loss are those generated. With `trained_tokens`, training stops behind the step
that reaches them. Each step logs its reward parts, entropy and completion lengths; `kl` only with `beta` above 0 (the
default here is 0.0), as there is no reference otherwise.
"""

from __future__ import annotations

import sys
from typing import Any

from trl import GRPOConfig, GRPOTrainer

from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.only_moving import OnlyMoving
from selfimprove.trainers.practising import Generated, Practised, practise
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.resuming import Resumes


class EngineTrainer(OnlyMoving, CompletionHead, Generated, Practised, Resumes, FullSteps, GRPOTrainer):
    """TRL's trainer over our engine, which its `rollout_func` has a place for; over vLLM where that is asked for."""


def _made(coach: Any, **how: Any) -> Any:
    made = EngineTrainer(rollout_func=None if how["args"].use_vllm else coach.rollout, **how)
    made.coach = coach
    return made


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    practise(job_file, folder, GRPOConfig, _made)


if __name__ == "__main__":
    main(*sys.argv[1:])
