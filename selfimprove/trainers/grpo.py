"""Group relative policy optimisation of an adapter over TRL (arXiv:2402.03300), as a process of its own.

Started as `python -m selfimprove.trainers.grpo JOB.json FOLDER`; rows are `PracticeRow`s, see `coach`. Writes what
`trainers.sft` writes; tokens that carry loss are those generated. With `trained_tokens`, training stops behind the step
that comes nearest to them. Each step logs its reward parts, entropy and completion lengths; `kl` only with `beta` above
0 (the default here is 0.0), as there is no reference otherwise.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from trl import GRPOConfig, GRPOTrainer

from selfimprove.records import TrainingJob
from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.only_moving import OnlyMoving
from selfimprove.trainers.practising import Generated, Practised, practise, reinforced
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.resuming import Resumes


class EngineTrainer(OnlyMoving, CompletionHead, Generated, Practised, Resumes, FullSteps, GRPOTrainer):
    """TRL's trainer over our engine, in the place of its own way to generate; over vLLM where that is asked for."""

    scored: ClassVar[bool] = True


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    practise(job_file, folder, _trainer)


def _trainer(job: TrainingJob) -> Any:
    return reinforced(job, GRPOConfig, EngineTrainer)


if __name__ == "__main__":
    main(*sys.argv[1:])
