"""Who and what a campaign works with, bound into its graphs when they are built."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfimprove import progress
from selfimprove.config import Config
from selfimprove.ledger import Journaled, Ledger, stage_of_calls
from selfimprove.mining.clusters import guessable
from selfimprove.programs import Program
from selfimprove.protocols import LanguageModel, Student, Task, Teacher, Trainer
from selfimprove.records import Attempt, Completion, Problem, Request, Sampling, Split
from selfimprove.steps.draft import solve
from selfimprove.store import RunFolder


@dataclass(frozen=True)
class Crew:
    """The parts of one campaign.

    Attributes:
        teacher_for: gives the teacher, knowing the student as it now is (it can be its own teacher) and the round.
        model_folder: the base model's files, for training; empty where only a trainer of one's own can train it.
        chat_template: the student's, part of every render hash.
        after_round: told of each finished round, 0 is the baseline; for metrics kept elsewhere.
    """

    config: Config
    folder: RunFolder
    ledger: Ledger
    task: Task
    student: Student
    teacher_for: Callable[[LanguageModel, int], Teacher]
    trainer: Trainer
    programs: Mapping[str, Program]
    model_folder: str = ""
    chat_template: str = ""
    after_round: Callable[[int], None] = lambda _: None
    _engine: threading.Lock = field(default_factory=threading.Lock)

    def model(self, adapter: str) -> LanguageModel:
        """Give the student with an adapter of the run folder (empty: none), behind the ledger."""
        path: Path | None = self.folder.at(adapter) if adapter else None
        return Journaled(_OneAtATime(self.student.with_adapter(path), self._engine), self.ledger)

    @contextmanager
    def stage(self, name: str, total: int = 0) -> Iterator[progress.Watcher]:
        """Name what is being done, to the watcher and to the ledger; a stage inside another counts to that one.

        Args:
            name: of the stage.
            total: items it will do; 0: unknown.
        """
        outer = stage_of_calls.get()
        token = stage_of_calls.set(outer or name)
        watcher = progress.current()
        watcher.stage(name, total)
        watcher.spent(self.ledger.spent_usd, self.ledger.budget_usd)
        try:
            with nullcontext() if outer else self.ledger.span(name):
                yield watcher
        finally:
            watcher.spent(self.ledger.spent_usd, self.ledger.budget_usd)
            stage_of_calls.reset(token)

    def problems(self, split: Split) -> list[Problem]:
        """Read a frozen split."""
        return self.folder.rows(f"data/{split}.jsonl", Problem)

    def lucky(self, problem: Problem) -> bool:
        """Say whether the student's right answer to a problem may be luck, by `lesson.own_words`."""
        how = self.config.lesson.own_words
        return how == "last" or (how == "auto" and guessable(problem))

    def greedy(self) -> Sampling:
        """Give how the student is evaluated and drafts."""
        return Sampling(max_tokens=self.config.student.max_tokens)

    def solve(
        self,
        problems: Sequence[Problem],
        adapter: str,
        program: Program,
        sampling: Sampling | None = None,
        samples: Sequence[int] = (0,),
    ) -> list[list[Attempt]]:
        """Let the student with an adapter solve problems, shape `[P][len(samples)]`."""
        how = sampling or self.greedy()
        seed = self.config.campaign.seed
        return solve(problems, self.model(adapter), program, self.task, how, samples=samples, seed=seed)

    def losses(self, texts: Sequence[str], adapter: str) -> list[float]:
        """Give the mean loss of the student with an adapter on each text, in nats a token."""
        student: Any = self.student.with_adapter(self.folder.at(adapter) if adapter else None)
        with self._engine:
            return [round(loss, 6) for loss in student.losses(texts)]


class _OneAtATime:
    """An engine that several cohorts share: one batch at a time keeps its speed and its bytes."""

    def __init__(self, model: LanguageModel, lock: threading.Lock) -> None:
        self._model = model
        self._lock = lock

    @property
    def identity(self) -> str:
        return self._model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        with self._lock:
            return self._model.complete(requests)
