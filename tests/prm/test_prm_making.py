"""`selfimprove prm label` and `selfimprove prm train`: labels of a student's rollouts, a scorer of them, guarded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from fake_server import Reply, serving
from warm_trainer import Warm

from selfimprove.cli import main
from selfimprove.errors import InputError
from selfimprove.leakage import Guard, HeldOut
from selfimprove.prm.labelling import label_problems, trainable
from selfimprove.prm.training import guard_for, screened, train_scorer
from selfimprove.records import Completion, Problem, Request, StepItem, digest
from selfimprove.scorers.exact import first_wrong
from selfimprove.scorers.labels import LabelledSteps, read_labels
from selfimprove.scorers.trained import TrainedScorer
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.process import ProcessTrainer

TASK = Arithmetic(kinds=("sum",), levels=(6,), sizes={"train": 60, "dev": 20, "test": 20})
BY_ID = {problem.id: problem for problem in TASK.problems("train")}


class Carrying:
    """Writes solutions, half of them with a wrong step; goes on rightly from right steps, never from wrong ones."""

    identity = "carrying"

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [Completion(text=self.one(BY_ID[r.problem], r.prefix, r.sample), sample=r.sample) for r in requests]

    def one(self, problem: Problem, prefix: str, sample: int) -> str:
        lucky = int(digest(problem.id, prefix, sample), 16) % 2 == 0
        if prefix:
            right = lucky and first_wrong(StepItem(problem=problem, steps=tuple(prefix.splitlines()))) is None
            return f"Answer: {problem.answer if right else -1}"
        steps, answer = problem.rationale.splitlines(), int(problem.answer)
        if not lucky:
            at = Random(f"{problem.id} {sample}").randrange(len(steps))
            steps[at], answer = f"{steps[at].rpartition('= ')[0]}= {answer + 90}", answer + 91
        return TASK.conclude("\n".join(steps), str(answer))


def steps(question: str, right: float = 1.0, **more: str) -> LabelledSteps:
    return LabelledSteps(question=question, steps=("one", "two"), labels=(1.0, right), **more)


def test_labels_name_the_first_wrong_step_by_few_rollouts() -> None:
    """Right solutions need no rollout; wrong ones are right up to the step from which nothing ends well."""
    student = Carrying()
    made = label_problems(list(BY_ID.values()), student, TASK, tries=2, rollouts=8)
    wrong = {(row.problem, row.steps): row.labels.index(0.0) for row in made.rows if 0.0 in row.labels}
    assert len(made.rows) - len(wrong) == made.solved > 40
    assert len(wrong) > 40
    exact = {(item.problem.id, item.steps): first_wrong(item) for item in made.failed}
    agreeing = sum(exact[key] == at for key, at in wrong.items())
    assert agreeing >= 0.95 * len(wrong)
    assert 0 < made.rollouts == sum(r.role == "rollout" for r in student.asked) < 0.6 * made.full
    assert f"{made.solved} right solutions" in str(made)
    assert all(row.canonical == BY_ID[row.problem].canonical for row in made.rows)


def test_a_student_that_solves_nothing_teaches_no_scorer() -> None:
    """All wrong, or all right: nothing to tell apart, said in one sentence."""

    class Lost(Carrying):
        def one(self, problem: Problem, prefix: str, sample: int) -> str:
            return "1 + 1 = 2\nAnswer: -5"

    with pytest.raises(InputError, match="nothing to tell apart"):
        label_problems(list(BY_ID.values())[:5], Lost(), TASK)


def test_held_out_problems_are_not_drawn() -> None:
    """A training problem that dev or test holds is no problem to label."""
    asked = [f"A farmer counts {n} sheep and {n + 1} goats on the {n}th hill; how many animals?" for n in range(20, 60)]

    class Leaky(Arithmetic):
        name = "leaky"

        def problems(self, split: str) -> Iterator[Problem]:
            part = {"train": asked[:30], "dev": asked[28:35], "test": asked[35:]}[split]
            return iter([Problem.of(one, "1") for one in part])

    drawn = trainable(Leaky(), 100)
    assert {p.question for p in drawn} == set(asked[:28])


def test_rows_that_hold_held_out_problems_are_refused() -> None:
    """In the question, in the steps, or as the same sum in another order."""
    question = "A baker sells twelve loaves in the morning and seven in the afternoon. How many loaves in all?"
    problem = next(TASK.problems("test"))
    guard = Guard([HeldOut.of(Problem.of(question, "19"), "test"), HeldOut.of(problem, "test")])
    quoted = LabelledSteps(question="Solve it.", steps=("First,", question), labels=(1.0, 0.0))
    rows = [steps(question), quoted, steps("What is 2?", canonical=problem.canonical), steps("What is three?")]
    kept, refused = screened(rows, guard)
    assert kept == rows[3:]
    assert [one.field for one in refused] == ["question", "steps", "question"]


@pytest.fixture
def _warm_training(warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin training processes in a moment; `tests/scorers/test_prm_training.py` begins one as a user's is."""
    monkeypatch.setattr("selfimprove.trainers.process.ProcessTrainer", partial(ProcessTrainer, launcher=warm.launcher))


@pytest.mark.usefixtures("_warm_training")
def test_a_scorer_is_trained_without_them_and_found_again(family: Callable[[str], Path], tmp_path: Path) -> None:
    """The folder holds the rows, the refused ones and the scorer; the same call trains nothing, another is refused."""
    held = "How many loaves does the baker sell when twelve and then seven of them leave the shop?"
    rows = [steps(f"What is {n} plus {n}?", right=n % 2, problem=str(n)) for n in range(24)]
    guard = Guard([HeldOut.of(Problem.of(held, "19"), "test")])
    settings = {"prm": {"num_train_epochs": 1}, "lora": {"r": 4}, "max_length": 64}

    def train(some: list[LabelledSteps]) -> Any:
        return train_scorer(some, str(family("llama")), tmp_path / "own", guard=guard, settings=settings)

    made = train([*rows, steps(held, problem="held")])
    assert (made.rows, made.refused) == (24, 1)
    assert "held" not in TrainedScorer("own", made.folder).trained_on
    assert json.loads((tmp_path / "own" / "refused.jsonl").read_text())["problem"] == "held"
    written = (made.folder / "metrics.json").stat().st_mtime_ns
    assert train([*rows, steps(held, problem="held")]) == made
    assert (made.folder / "metrics.json").stat().st_mtime_ns == written
    with pytest.raises(InputError, match="holds a scorer of other rows"):
        train(rows[:12])
    with pytest.raises(InputError, match="may be trained on"):
        train_scorer([steps(held)], str(family("llama")), tmp_path / "none", guard=guard)


def test_the_public_test_sets_are_guarded_where_they_can_be_read(tmp_path: Path) -> None:
    """ProcessBench is among what a scorer of GSM8K does not learn from; a task's dev and test can be named too."""
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "processbench").mkdir()
    one = "Ann has nine red apples and buys eleven green ones at the market; how many apples has she?"
    two = "Bob walks three miles to school and four miles to the lake; how many miles does he walk in all?"
    (tmp_path / "gsm8k" / "test.jsonl").write_text(json.dumps({"question": one, "answer": "#### 20"}) + "\n")
    (tmp_path / "processbench" / "gsm8k.json").write_text(json.dumps([{"problem": two, "steps": ["x"], "label": -1}]))
    guard = guard_for(["gsm8k", "arithmetic"], tmp_path)
    kept, refused = screened([steps(one), steps(two), steps("What is it?")], guard)
    assert [row.question for row in kept] == ["What is it?"]
    assert [row.hit.where for row in refused] == ["GSM8K test", "ProcessBench GSM8K"]
    with pytest.raises(InputError, match="gsm9k"):
        guard_for(["gsm9k"], tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["selfimprove", "prm", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.usefixtures("_warm_training")
def test_label_then_train_from_the_command_line(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A student behind a server is labelled once; the labels train a scorer that loads."""
    monkeypatch.chdir(tmp_path)
    by_question, carrying = {p.question: p for p in BY_ID.values()}, Carrying()

    def student(body: dict[str, Any]) -> Reply:
        last = body["messages"][-1]
        prefix = last["content"] if last["role"] == "assistant" else ""
        asked = body["messages"][-2 if prefix else -1]["content"]
        problem = next(p for question, p in by_question.items() if question in asked)
        return Reply(carrying.one(problem, prefix, int(body["seed"])))

    options = ("--option", 'kinds=["sum"]', "--option", "levels=[6]", "--option", "sizes={train=60,dev=20,test=20}")
    with serving(student) as server:
        words = ("label", "arithmetic", *options, "--student", f"openai-server:m@{server.url}", "--problems", "40")
        assert run(monkeypatch, *words, "--quiet", "--tries", "1", "--rollouts", "4") == 0
        said, asked = capsys.readouterr().out, server.calls
        assert "right solutions" in said
        assert run(monkeypatch, *words, "--quiet", "--tries", "1", "--rollouts", "4", "--out", "again.jsonl") == 0
        assert server.calls == asked
        capsys.readouterr()
        assert run(monkeypatch, *words, "--quiet", "--tries", "1", "--rollouts", "4", "--seed", "1") == 2
        assert "labels.jsonl holds labels of another task, student or search; give an" in capsys.readouterr().err
        assert server.calls == asked
    assert Path("again.jsonl").read_bytes() == Path("runs/prm/labels.jsonl").read_bytes()
    rows = read_labels(Path("again.jsonl"))
    assert len(rows) > 20
    more = (
        "--base",
        family("llama"),
        "--guard",
        "none",
        "--set",
        "num_train_epochs=1",
        "--lora",
        "r=4",
        "--quiet",
        "--set",
        "gradient_checkpointing=true",
    )
    assert run(monkeypatch, "train", "again.jsonl", *more) == 0
    assert "runs/prm/own/scorer" in capsys.readouterr().out
    assert TrainedScorer("own", "runs/prm/own/scorer").trained_on == {row.problem for row in rows}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "gone.jsonl", "--guard", "none"), "gone.jsonl cannot be read"),
        (("train", "rows.jsonl", "--guard", "none", "--format", "stepz"), 'did you mean "steps"'),
        (("train", "rows.jsonl", "--guard", "none", "--format", "prm800k"), "not of the format"),
        (("train", "rows.jsonl", "--guard", "gsm9k"), "gsm9k"),
        (("train", "rows.jsonl", "--guard", "none", "--set", "epochs"), "write KEY=VALUE"),
        (
            ("train", "rows.jsonl", "--guard", "none", "--set", "disable_tqdm=false"),
            "disable_tqdm is set by the trainer",
        ),
        (("train", "rows.jsonl", "--guard", "none", "--lora", "rank=4"), 'there is no setting "rank"'),
        (("label", "arithmetik"), 'did you mean "arithmetic"'),
        (("label", "arithmetic", "--option", f"levels={'[' * 3000}"), "levels = '[[["),
        (("label", "arithmetic", "--option", f"levels={'9' * 5000}"), "levels = '999"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one sentence, and nothing trained."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(steps("What is 1?").model_dump_json() + "\n")
    assert run(monkeypatch, *words, "--quiet") == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not Path("runs/prm/own").exists()
