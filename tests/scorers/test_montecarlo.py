from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from selfimprove.programs import program_for
from selfimprove.records import Completion, Problem, Request, Sampling, StepItem, digest
from selfimprove.scorers.exact import first_wrong
from selfimprove.scorers.montecarlo import MonteCarlo, search_labels
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(kinds=("sum", "story", "equation"), levels=(8,), sizes={"train": 60})
PROBLEMS = list(TASK.problems("train"))
BY_ID = {problem.id: problem for problem in PROBLEMS}


@dataclass
class Continuing:
    """Goes on from a prefix: never right behind a wrong step, else right with a known chance."""

    skill: float = 0.7
    finish_reason: str = "stop"
    asked: list[Request] = field(default_factory=list)
    identity: str = "continuing"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [self.one(request) for request in requests]

    def one(self, request: Request) -> Completion:
        problem = BY_ID[request.problem]
        before = StepItem(problem=problem, steps=tuple(request.prefix.splitlines()))
        luck = int(digest(request.prefix, request.problem, request.sample), 16) / 16**16
        right = first_wrong(before) is None and luck < self.skill
        text = "" if self.finish_reason != "stop" else f"Answer: {problem.answer if right else -1}"
        return Completion(text=text, finish_reason=self.finish_reason)


def scorer(model: Continuing, rollouts: int = 8) -> MonteCarlo:
    return MonteCarlo(model, TASK, program_for("solve", TASK), rollouts=rollouts)


def spoiled(problem: Problem, rng: Random) -> tuple[StepItem, int]:
    """A solution whose wrong step is carried on faithfully to a wrong answer."""
    steps = problem.rationale.splitlines()
    wrong = rng.randrange(len(steps))
    left, _, right = steps[wrong].rpartition("= ")
    steps[wrong] = f"{left}= {int(right) + 1}"
    return StepItem(problem=problem, steps=(*steps, f"Answer: {int(problem.answer) + 1}")), wrong


def test_scores_are_pass_rates_of_what_comes_after() -> None:
    """Each step's score is the share of its rollouts that end right; a stated answer needs no rollout."""
    model = Continuing()
    item, wrong = spoiled(PROBLEMS[0], Random(3))
    scores = scorer(model).score([item])[0]
    assert scores is not None
    assert all(score > 0 for score in scores[:wrong])
    assert scores[wrong:] == [0.0] * (len(item.steps) - wrong)
    assert len(model.asked) == 8 * (len(item.steps) - 1)
    prefix = "".join(f"{step}\n" for step in item.steps[:2])
    same = [request for request in model.asked if request.prefix == prefix]
    assert [request.sample for request in same] == list(range(8))
    assert scores[1] == sum(model.one(request).text != "Answer: -1" for request in same) / 8


def test_binary_search_finds_the_first_wrong_step_with_less_than_half_of_the_rollouts() -> None:
    """The search agrees with the exact check on nine-step solutions and asks for far fewer rollouts than scoring."""
    rng = Random(0)
    made = [spoiled(problem, rng) for problem in PROBLEMS]
    items, expected = [item for item, _ in made], [wrong for _, wrong in made]
    assert [first_wrong(item) for item in items] == expected
    searching, scoring = Continuing(), Continuing()
    found = scorer(searching).first_wrong(items)
    scores = scorer(scoring).score(items)
    assert found == expected
    assert [next(i for i, one in enumerate(each or ()) if one == 0) for each in scores] == expected
    most = 1 + math.ceil(math.log2(len(items[0].steps)))
    assert len(searching.asked) <= 8 * most * len(items)
    share = len(searching.asked) / len(scoring.asked)
    assert share < 0.45, share


def test_the_cost_of_scoring_is_known_before() -> None:
    """`cost` is the number of rollouts that scoring then asks for; a stated answer and no steps cost nothing."""
    rng, model = Random(2), Continuing()
    items = [spoiled(problem, rng)[0] for problem in PROBLEMS[:5]]
    items += [StepItem(problem=PROBLEMS[6], steps=("1 + 1 = 2",)), StepItem(problem=PROBLEMS[7], steps=())]
    expected = scorer(model).cost(items)
    scorer(model).score(items)
    assert len(model.asked) == expected == 8 * (5 * 8 + 1)


def test_searched_labels_are_those_of_the_exact_check() -> None:
    """Right solutions are right in all steps, wrong ones from their first wrong step on; no verdict is left out."""
    rng = Random(4)
    made = [spoiled(problem, rng) for problem in PROBLEMS[:20]]
    lost, no_steps = made[0][0].problem, StepItem(problem=PROBLEMS[21], steps=())
    solved = StepItem(problem=PROBLEMS[20], steps=tuple(PROBLEMS[20].rationale.splitlines()))

    class Losing(Continuing):
        def one(self, request: Request) -> Completion:
            return Completion(text="no") if request.problem == lost.id else super().one(request)

    rows = search_labels(scorer(Losing()), [solved, no_steps], [item for item, _ in made])
    assert [row.problem for row in rows] == [solved.problem.id, *(item.problem.id for item, _ in made[1:])]
    assert set(rows[0].labels) == {1.0}
    for row, (item, wrong) in zip(rows[1:], made[1:], strict=True):
        assert row.labels == tuple(float(at < wrong) for at in range(len(item.steps)))
        assert row.question == item.problem.question
        assert row.source.startswith("monte-carlo-8/")


def test_what_says_nothing_is_no_verdict() -> None:
    """Truncated rollouts give None, not 0, in scores and in the search."""
    item, _ = spoiled(PROBLEMS[0], Random(0))
    model = Continuing(finish_reason="length")
    assert scorer(model).score([item, StepItem(problem=PROBLEMS[1], steps=())]) == [None, []]
    assert scorer(model).first_wrong([item, StepItem(problem=PROBLEMS[1], steps=())]) == [None, None]


def test_a_student_that_always_fails_blames_no_step() -> None:
    """When no rollout is right from the bare problem either, the first step is not called wrong."""
    item, _ = spoiled(PROBLEMS[0], Random(0))
    assert scorer(Continuing(skill=0.0)).first_wrong([item]) == [None]


def test_solutions_search_side_by_side() -> None:
    """One batch a halving, whatever the number of solutions."""
    batches: list[int] = []

    class Counting(Continuing):
        def complete(self, requests: Sequence[Request]) -> list[Completion]:
            batches.append(len(requests))
            return super().complete(requests)

    rng = Random(1)
    scorer(Counting()).first_wrong([spoiled(problem, rng)[0] for problem in PROBLEMS])
    assert len(batches) <= 5


def test_a_key_without_a_prefix_stays_what_it_was() -> None:
    """The ledger's key changes with a prefix, and only with one."""
    plain = Request(role="solve", messages=())
    turns: list[tuple[str, str]] = []
    s = plain.sampling
    assert plain.key("m") == digest("solve", turns, "m", (s.temperature, s.top_p, s.max_tokens, s.stop, 0, 0, 0))
    keys = {plain.model_copy(update={"prefix": prefix}).key("m") for prefix in ("", "a", "b")}
    assert len(keys) == 3


def test_a_student_in_this_process_continues_its_prefix(family: Callable[[str], Path]) -> None:
    """The engine's greedy rest of a begun reply is what transformers generates behind the same text."""
    import torch
    from transformers import AutoModelForCausalLM

    from selfimprove.render import prompt_text
    from selfimprove.students.transformers import TransformersStudent

    student = TransformersStudent(family("llama"), dtype="float32")
    messages = program_for("solve", TASK).messages({"problem": "one and two"})
    plain = Request(role="solve", messages=messages, sampling=Sampling(max_tokens=8))
    begun = plain.model_copy(update={"prefix": " one two\nthree"})
    rest, alone = student.complete([begun, plain])
    ids = torch.tensor([student.tokenizer.encode(prompt_text(student.tokenizer, messages) + begun.prefix)])
    model = AutoModelForCausalLM.from_pretrained(student.folder, dtype=torch.float32)
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert rest.text == student.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    assert rest.prompt_tokens == ids.shape[1] > alone.prompt_tokens
    assert rest.text != alone.text


def test_a_server_is_told_to_continue_the_reply() -> None:
    """Behind a server the prefix is the begun last turn; a request without one is sent as ever."""
    from selfimprove.students.openai_server import OpenAIServerStudent

    student = OpenAIServerStudent("m", "http://127.0.0.1:1/v1")
    plain = Request(role="solve", messages=program_for("solve", TASK).messages({"problem": "1 + 1"}))
    sent = student._body(plain.model_copy(update={"prefix": "1 +"}))
    assert sent["messages"][-1] == {"role": "assistant", "content": "1 +"}
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    assert "continue_final_message" not in student._body(plain)
