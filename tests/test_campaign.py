from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selfimprove import Campaign, InputError
from selfimprove.campaign import read_summary
from selfimprove.config import load_config
from selfimprove.progress import Nobody, watched_by
from selfimprove.tasks import load_task
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, NullTrainer, ScriptedStudent

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "arithmetic.toml"
SMALL: dict[str, Any] = {
    "rounds": 1,
    "arms": ["track_b"],
    "data": {"train": 60, "dev": 20, "test": 20},
    "mine": {"pool": 20, "samples": 0},
}


class Named(FixedTeacher):
    """A teacher with a name of its own, which is a model's."""

    name = "openai/gpt-4o"


def test_a_teacher_that_is_an_object_teaches(tmp_path: Path) -> None:
    """Task, student and teacher as objects are planned with, run to the end, and found finished when run again."""
    task = Arithmetic()
    plugs = {"task": task, "student": ScriptedStudent(task), "teacher": Named(task), "trainer": NullTrainer()}
    campaign = Campaign(out=tmp_path / "run", budget_usd=5.0, **plugs, **SMALL)
    assert "its dollars are unknown" in str(campaign.plan())
    made = campaign.run()
    assert made.state == "finished"
    assert made.rounds[0].rows
    assert made.teacher == "test_campaign:Named"
    said = str(made).splitlines()
    assert (said[0], said[3]) == (made.sentence, f"Next: {made.next_step}")
    assert said[1].startswith("dev (problems ")
    assert said[2].endswith("): opened once")
    assert Campaign(out=tmp_path / "run", budget_usd=5.0, **plugs, **SMALL).run().sentence == made.sentence
    assert read_summary(tmp_path / "run").cost.budget_usd == made.cost.budget_usd == 5.0


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ({"max_tokens": 4000}, "student.max_tokens = 4000 leaves no room for a prompt: the student takes 256 tokens"),
        ({"max_tokens": 64, "max_length": 64}, "max_length = 64 leaves no room for a prompt before max_tokens = 64"),
    ],
)
def test_completions_that_leave_no_room_for_a_prompt_are_refused(
    family: Any, tmp_path: Path, student: dict[str, Any], said: str
) -> None:
    """A completion as long as all that the model takes would be cut short without a word."""
    with pytest.raises(InputError, match=said):
        Campaign(
            task="arithmetic",
            student=str(family("llama")),
            teacher="reference",
            out=tmp_path / "run",
            sections={"student": student},
        ).plan()


def test_campaigns_of_two_files_or_tasks_do_not_meet_in_a_folder(tmp_path: Path) -> None:
    """A file's campaign lies under the file's name; without one the task names the folder, whole but for a file's end."""
    (tmp_path / "mine.toml").write_text('[campaign]\ntask = "arithmetic"\n')
    made = {
        Campaign(tmp_path / "mine.toml"): "mine",
        Campaign(str(EXAMPLE), task="gsm8k"): "arithmetic",
        Campaign(task="plugs.tasks:Easy"): "plugs-tasks-Easy",
        Campaign(task="plugs.tasks:Hard"): "plugs-tasks-Hard",
        Campaign(task="data/own.jsonl"): "own",
    }
    assert [str(campaign.out) for campaign in made] == [f"runs/{name}" for name in made.values()]


def test_a_run_says_once_that_there_are_no_more_problems(tmp_path: Path) -> None:
    """A file of fewer problems than are asked for: each split's number is told when the run starts, and not again."""
    rows = [{"question": f"What is {n} and {n * n}?", "answer": f"{n + n * n}", "rationale": "Add."} for n in range(90)]
    (tmp_path / "own.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    task = load_task(str(tmp_path / "own.jsonl"))
    said: list[str] = []

    class Hearing(Nobody):
        def say(self, text: str) -> None:
            said.append(text)

    plugs = {"task": task, "student": ScriptedStudent(task), "teacher": FixedTeacher(task), "trainer": NullTrainer()}
    for _ in range(2):
        with watched_by(Hearing()):
            made = Campaign(out=tmp_path / "run", **plugs, **SMALL).run()
    there = {split: len(list(task.problems(split))) for split in ("train", "dev", "test")}
    short = ", ".join(
        f"{split} {n} of {SMALL['data'][split]}" for split, n in there.items() if n < SMALL["data"][split]
    )
    assert short
    assert [line for line in said if "no more" in line] == [f"Problems: {short}: there are no more"]
    assert made.state == "finished"


def test_keywords_go_over_a_file_key_by_key() -> None:
    """What a table of a table does not name stays as the file has it, and a list of tables is a section, too."""
    train = {"sft": {"num_train_epochs": 2}, "grpo": {"temperature": 1.0}}
    made = Campaign(EXAMPLE, train=train, sections={"phases": [{"pool": 300}]}).config
    assert made.train.sft.model_dump() == {**load_config(EXAMPLE).train.sft.model_dump(), "num_train_epochs": 2}
    assert made.train.grpo.model_dump() == {"temperature": 1.0}
    assert made.train.continued == load_config(EXAMPLE).train.continued
    assert made.phases[0].pool == 300


def test_settings_in_the_place_of_a_plug_are_its_sections() -> None:
    """A mapping for task, student or teacher is that section of the settings, beside what `sections` holds of it."""
    teacher = {"model": "self", "max_tokens": 64}
    made = Campaign(EXAMPLE, task={"levels": [2]}, student={"max_tokens": 32}, teacher=teacher)
    config = Campaign(EXAMPLE, student={"max_tokens": 32}, sections={"student": {"dtype": "float32"}}).config
    assert (made.config.campaign.task, made.config.campaign.student) == ("arithmetic", "smollm2-135m")
    assert made.config.task == {**load_config(EXAMPLE).task, "levels": [2]}
    assert (made.config.teacher.model, made.config.teacher.max_tokens) == ("self", 64)
    assert (config.student.max_tokens, config.student.dtype) == (32, "float32")


def test_a_path_is_a_name() -> None:
    """A file of problems and a model's folder may be paths."""
    made = Campaign(task=Path("mine.jsonl"), student=Path("models/small")).config.campaign
    assert (made.task, made.student) == ("mine.jsonl", "models/small")


@pytest.mark.parametrize(
    ("plugs", "said"),
    [
        ({"task": 3}, 'task "int" is no Task: it lacks compare, conclude, instruction, name, parse, problems; add'),
        ({"student": FixedTeacher(Arithmetic())}, 'student "FixedTeacher" is no Student: it lacks complete, identity'),
        ({"teacher": object()}, 'teacher "object" is no Teacher: it lacks answer, reason; add that'),
        ({"teacher": FixedTeacher}, 'teacher "FixedTeacher" is a class; give an object'),
        ({"trainer": "trl"}, 'trainer "str" is no Trainer: it lacks train'),
    ],
)
def test_an_object_that_is_no_plug_is_refused_when_it_is_given(plugs: dict[str, Any], said: str) -> None:
    """What lacks a member of its protocol is named with what it lacks."""
    with pytest.raises(InputError, match=said):
        Campaign(**plugs)


@pytest.mark.parametrize(("key", "value"), [("dtype", "float32"), ("slots", 4), ("max_length", 512)])
def test_how_to_load_a_student_is_refused_beside_one_that_is_there(key: str, value: Any) -> None:
    """It would do nothing; what the campaign itself uses, such as the longest completion, may be set."""
    task = Arithmetic()
    student = ScriptedStudent(task)
    made = Campaign(task=task, student=student, sections={"student": {key: value, "max_tokens": 32}})
    with pytest.raises(InputError, match=f"student.{key} = {value!r} cannot be set beside a student that is an object"):
        made.plan()
    assert Campaign(task=task, student=student, sections={"student": {"max_tokens": 32}}).load_student() is student
