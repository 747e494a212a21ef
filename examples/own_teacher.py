"""Plug in your own teacher: any object with these two methods.

python examples/own_teacher.py          or, in a TOML file:  [teacher] model = "examples.own_teacher:RuleTeacher"
"""

from __future__ import annotations

from collections.abc import Sequence

from selfimprove import Campaign, Task
from selfimprove.records import Answer, Problem, Question, Rationale


class RuleTeacher:
    """Answers every question with the problem's first worked step, and reasons with the worked steps."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Give a hint that does not hold the final answer."""
        return [Answer(text=f"Begin with: {q.problem.rationale.splitlines()[0]}", model="rules") for q in asked]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Write the steps as the task wants its answers to end."""
        made = [Rationale(text=self.task.conclude(p.rationale, p.answer), source="rules") for p in problems]
        return [[one] * min(1, samples) for one in made]


def main() -> None:
    """Run a small campaign with it."""
    task = Campaign(task="arithmetic").load_task()
    campaign = Campaign(
        task="arithmetic",
        student="smollm2-135m",
        teacher=RuleTeacher(task),
        rounds=1,
        arms=["track_b"],
        out="runs/own_teacher",
        data={"train": 400, "dev": 60, "test": 60},
        mine={"pool": 60},
        sections={"student": {"max_tokens": 96}},
    )
    print(campaign.plan())
    report = campaign.run()
    print(report.sentence)


if __name__ == "__main__":
    main()
