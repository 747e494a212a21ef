"""The reward for asking: what counts as useful, and the line on which a training process reaches the teacher."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tokenizer
from warm_trainer import Warm

import selfimprove
from selfimprove.errors import BudgetExceededError, InputError, TrainingError
from selfimprove.programs import program_for, stated
from selfimprove.records import Answer, Attempt, Completion, PracticeRow, Problem, Question, TrainingJob, Verdict
from selfimprove.students.engine import Generated
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.teachers.reference import ReferenceTeacher
from selfimprove.testing import FixedTeacher
from selfimprove.trainers.line import LINE, Caller, answering
from selfimprove.trainers.process import ProcessTrainer
from selfimprove.trainers.rewards import REWARDS, Tried, weighted
from selfimprove.trainers.worth import Worth

TASK = Arithmetic(levels=(2,), sizes={"train": 12})
SHEEP = Problem.of("Is a sheep heavier than a mouse with a hat?", "7", facts=("A sheep weighs 60 kilograms.",))
WORDS = tokenizer()


def draft(verdict: Verdict, *questions: str) -> Attempt:
    return Attempt(
        problem=SHEEP.id,
        completion=Completion(text="So it is 3."),
        verdict=verdict,
        strict=verdict,
        questions=questions,
    )


class Rewrites:
    """A student that is right when its prompt holds a word."""

    def __init__(self, word: str) -> None:
        self.word, self.prompts = word, list[str]()

    def __call__(self, prompts: Sequence[Sequence[int]]) -> list[Generated]:
        self.prompts += (asked := [WORDS.decode(ids) for ids in prompts])
        texts = [f"Answer: {SHEEP.answer if self.word in text else 3}" for text in asked]
        return [Generated(text, 3, "stop", 0.0, 0.0, ()) for text in texts]


def worth(word: str, teacher: Any = None, most: int = 100) -> Worth:
    return Worth(teacher or ReferenceTeacher(TASK), TASK, program_for("rewrite", TASK), WORDS, Rewrites(word), most)


ASKS = "How much does a sheep weigh?"


def test_a_question_whose_answer_mends_the_draft_is_useful() -> None:
    """The reference's fact is told, and the rewrite is right with it and wrong without."""
    asked = worth("60 kilograms")
    assert asked.of([SHEEP], [draft(Verdict.WRONG, ASKS)]) == [1.0]
    assert asked.asked == 1
    with_answer, without = asked.generate.prompts  # type: ignore[attr-defined]
    assert "A sheep weighs 60 kilograms." in with_answer
    assert "60 kilograms" not in without


@pytest.mark.parametrize(
    ("word", "questions", "teacher"),
    [
        ("nothing of it", (ASKS,), None),  # the answer helps nothing
        ("heavier", (ASKS,), None),  # it comes right anyway
        ("heavier", (), None),  # nothing is asked
        ("heavier", ("A sheep weighs much.",), None),  # no question
        ("heavier", ("Who wrote the Odyssey?",), None),  # nobody knows
        ("Answer", (ASKS,), FixedTeacher(TASK, reply="The answer is 7.")),  # told, and not let through
    ],
)
def test_what_is_not_useful_earns_nothing(word: str, questions: tuple[str, ...], teacher: Any) -> None:
    """A second try, a question nobody can answer, and an answer that gives the solution away are worth nothing."""
    assert worth(word, teacher).of([SHEEP], [draft(Verdict.WRONG, *questions)]) == [0.0]


def test_where_nothing_is_to_mend_nothing_is_said() -> None:
    """A right draft had nothing to ask, one that was cut off is nobody's fault, and behind the cap nobody is asked."""
    drafts = [draft(Verdict.CORRECT, ASKS), draft(Verdict.TRUNCATED, ASKS), *[draft(Verdict.WRONG, ASKS)] * 3]
    asked = worth("60 kilograms", most=2)
    assert asked.of([SHEEP] * 5, drafts) == [None, None, 1.0, 1.0, None]
    assert asked.asked == 2


def test_the_reward_is_of_what_was_found() -> None:
    """It is a plain function like the others, and never pays as much as being right."""
    right = Tried(draft(Verdict.WRONG, ASKS), 10, 100, worth=1.0)
    assert REWARDS["questions"](right) == 1.0
    assert list(weighted({"correct": 1.0, "questions": 0.5})) == ["correct", "questions"]
    with pytest.raises(InputError, match="being wrong and asking would pay as well as being right"):
        weighted({"form": 1.0, "questions": 0.5})


def test_the_parent_answers_on_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several calls on one line, each answered in order; nobody else may enter its folder."""
    with answering(FixedTeacher(TASK, reply="Look \N{EN DASH} there.")) as board:
        assert board is not None
        assert board.address.parent.stat().st_mode & 0o077 == 0
        monkeypatch.setenv(LINE, str(board.address))
        caller = Caller()
        for count in (1, 3):
            told = caller.answer([Question(problem=SHEEP, text=ASKS)] * count)
            assert [answer.text for answer in told] == ["Look \N{EN DASH} there."] * count
    assert not board.address.exists()
    monkeypatch.delenv(LINE)
    with pytest.raises(InputError, match="was given none"):
        Caller()


class Poor:
    """A teacher whose budget is at its end."""

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        raise BudgetExceededError("campaign.budget_usd = 1 is reached")

    def reason(self, *_: Any) -> Any:
        raise AssertionError


CHILD = """
import json, pathlib, sys
from selfimprove.records import Problem, Question
from selfimprove.trainers.line import Caller
told = Caller().answer([Question(problem=Problem.of("How many?", "7"), text="Which?")])
folder = pathlib.Path(sys.argv[-1])
(folder / "told").write_text(told[0].text)
(folder / "adapter_model.safetensors").touch()
made = dict(rows=1, trained_tokens=1, seen_tokens=1, steps=1, loss=0.5, render_hash="h")
(folder / "metrics.json").write_text(json.dumps(made))
"""


def test_a_training_process_is_answered_by_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own asks; where the teacher cannot go on, the campaign stops for the teacher's own reason."""
    monkeypatch.setenv("PYTHONPATH", str(Path(selfimprove.__file__).parents[1]))  # also where another is installed
    (tmp_path / "child.py").write_text(CHILD)
    launcher = (sys.executable, str(tmp_path / "child.py"))

    def train(teacher: Any, out: str) -> Path:
        job = TrainingJob(model="m", rows="r", out=str(tmp_path / out / "adapter"), method="grpo")
        return Path(ProcessTrainer(launcher=launcher, teacher=teacher).train(job).path)

    made = train(FixedTeacher(TASK, reply="The second."), "one")
    assert (made / "told").read_text() == "The second."
    with pytest.raises(BudgetExceededError, match=r"campaign.budget_usd = 1 is reached"):
        train(Poor(), "two")
    with pytest.raises(TrainingError, match="was given none"):
        train(None, "three")


def test_a_student_is_trained_to_ask(family: Callable[[str], Path], tmp_path: Path, warm: Warm) -> None:
    """Both prompts are practised, and what questions were worth is a curve of its own."""
    programs = {name: program_for(name, TASK) for name in ("solve", "draft_and_ask", "rewrite")}
    rows = [
        PracticeRow(id=f"{name}{p.id}", program=name, inputs={"problem": stated(p)}, problem=p, passed=1, failed=1)
        for p in TASK.problems("train")
        for name in ("solve", "draft_and_ask")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    (tmp_path / "letters.py").write_text("")
    grpo = {
        "per_device_train_batch_size": 16, "num_generations": 4, "max_completion_length": 8, "max_steps": 2,
        "rewards": {"correct": 1.0, "form": 0.1, "questions": 0.3}, "mask_truncated_completions": False,
    }  # fmt: skip
    job = TrainingJob(
        model=str(family("llama")), rows=str(tmp_path / "rows.jsonl"), out=str(tmp_path / "adapter"), method="grpo",
        program_state={name: program.dump() for name, program in programs.items()},
        settings={"grpo": grpo, "task": {"name": "arithmetic", "options": {"levels": [2]}}},
        render_hash=programs["solve"].hash(WORDS.chat_template), seed=3,
    )  # fmt: skip
    made = ProcessTrainer(launcher=warm.launcher, teacher=FixedTeacher(TASK)).train(job)
    lines = [json.loads(line) for line in (Path(made.path) / "training.jsonl").read_text().splitlines()]
    assert sum("rewards/questions/mean" in line for line in lines) == 2
