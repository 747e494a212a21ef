"""REINFORCE with the other tries as baseline, of an adapter over TRL (arXiv:2402.14740), as a process of its own.

Started as `python -m selfimprove.trainers.rloo JOB.json FOLDER`; rows and files are those of `trainers.grpo`.
"""

from __future__ import annotations

import sys
from typing import Any

from trl import RLOOConfig, RLOOTrainer

from selfimprove.records import TrainingJob
from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.practising import Generated, Practised, practise, reinforced
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.resuming import Resumes


class EngineTrainer(CompletionHead, Generated, Practised, Resumes, FullSteps, RLOOTrainer):
    """TRL's trainer over our engine, in the place of its own way to generate; over vLLM where that is asked for."""


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    practise(job_file, folder, _trainer)


def _trainer(job: TrainingJob) -> Any:
    return reinforced(job, RLOOConfig, EngineTrainer)


if __name__ == "__main__":
    main(*sys.argv[1:])
