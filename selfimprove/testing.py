"""Public fakes: a campaign without a model, for tests of one's own plugs and for looking at the graphs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from selfimprove.protocols import Task
from selfimprove.records import (
    Adapter,
    Answer,
    Completion,
    PracticeRow,
    PreferenceRow,
    Problem,
    Question,
    Rationale,
    Request,
    TrackRow,
    TrainingJob,
    VerdictRow,
    digest,
)


@dataclass
class ScriptedStudent:
    """A student that answers from the task's own references, correctly with a known chance.

    Each adapter that `NullTrainer` makes raises the chance. Whether a problem is answered correctly depends on the
    problem and the sample alone, so a campaign is the same every time.
    """

    task: Task
    skill: float = 0.2
    adapter: str = ""
    folder: str = "scripted"
    """Stands for the model's files, so that `NullTrainer` is asked to train it."""
    asks: str = "Which number comes first?"
    calls: int = 0
    _known: dict[str, Problem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self._known:
            self._known = {p.id: p for split in ("train", "dev", "test") for p in self.task.problems(split)}

    @property
    def identity(self) -> str:
        """Name the skill, which is all the weights there are."""
        return f"scripted/{digest(self.skill, self.adapter)}"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request by its role."""
        self.calls += len(requests)
        return [self._one(request) for request in requests]

    def with_adapter(self, path: Path | None) -> ScriptedStudent:
        """Read the skill that `NullTrainer` wrote."""
        skill = json.loads((path / "metrics.json").read_text())["skill"] if path else self.skill
        return replace(self, skill=skill, adapter=str(path.name) if path else "", calls=0)

    def _one(self, request: Request) -> Completion:
        problem = self._known[request.problem]
        if request.role == "ask":
            text = self.asks
        else:
            luck = int(digest("luck", problem.id, request.sample), 16) / 16**16
            right = luck < self.skill
            text = self.task.conclude(problem.rationale, problem.answer if right else "0")
        return Completion(
            text=text,
            prompt_tokens=sum(len(m.content.split()) for m in request.messages),
            completion_tokens=len(text.split()),
            sampling=request.sampling,
            sample=request.sample,
            model=self.identity,
        )


@dataclass(frozen=True)
class FixedTeacher:
    """A teacher that gives every question the same answer and every problem its reference rationale."""

    task: Task
    reply: str = "Look at the first number."

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Give the one reply."""
        return [Answer(text=self.reply, model="fixed") for _ in asked]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Give the reference rationale, once."""
        given = [
            Rationale(text=self.task.conclude(p.rationale, p.answer), answer=p.answer, source="fixed") for p in problems
        ]
        return [[one][:samples] for one in given]


@dataclass(frozen=True)
class NullTrainer:
    """A trainer that learns nothing but writes what a trainer writes, a little more skilled each time."""

    gain: float = 0.2

    def train(self, job: TrainingJob) -> Adapter:
        """Write the metrics of an adapter."""
        out = Path(job.out)
        if not (out / "metrics.json").is_file():
            rows = [_target(job, line) for line in Path(job.rows).read_bytes().splitlines()]
            before = json.loads((Path(job.start) / "metrics.json").read_text())["skill"] if job.start else 0.2
            tokens = job.trained_tokens or sum(len(text.split()) for text in rows)
            out.mkdir(parents=True)
            metrics = {
                "rows": len(rows),
                "trained_tokens": tokens,
                "seen_tokens": 2 * tokens,
                "steps": 1,
                "loss": 1.0,
                "render_hash": job.render_hash,
                "skill": min(1.0, before + self.gain),
            }
            (out / "metrics.json").write_text(json.dumps(metrics, sort_keys=True))
        made = json.loads((out / "metrics.json").read_text())
        return Adapter(path=str(out), **{k: v for k, v in made.items() if k != "skill"})


def _target(job: TrainingJob, line: bytes) -> str:
    """Give the text of a row that would carry loss."""
    if job.method == "dpo":
        pair = PreferenceRow.model_validate_json(line)
        return f"{pair.chosen} {pair.rejected}"
    if job.method == "kto":
        return VerdictRow.model_validate_json(line).text
    if job.method in {"grpo", "rloo", "distill"}:
        return PracticeRow.model_validate_json(line).problem.rationale
    return TrackRow.model_validate_json(line).target
