from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dspy
import pytest

from selfimprove.errors import BudgetExceededError, InputError
from selfimprove.ledger import Journaled, Ledger
from selfimprove.programs import Program, plain
from selfimprove.programs.bench import Bench
from selfimprove.programs.cases import Case, Mark, Outputs
from selfimprove.programs.forms import read_form
from selfimprove.programs.optimise import OPTIMIZERS, How, check_optimizer, optimise, read_instruction
from selfimprove.programs.run import Complaint, Read
from selfimprove.records import Completion, Request, Sampling

GOOD = "Say the number after this one."
GREEDY = Sampling(max_tokens=32)


class Counting:
    """Replies right where the prompt tells how, writes that instruction when asked for one, and counts batches."""

    def __init__(self, right_at_first: int = 2) -> None:
        self.identity = "counting"
        self.batches: list[int] = []
        self.right_at_first = right_at_first
        self.writes = GOOD

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.batches.append(len(requests))
        return [Completion(text=self._one(request), prompt_tokens=9, completion_tokens=3) for request in requests]

    def _one(self, request: Request) -> str:
        if request.role == "write_instructions":
            if "[[ ##" in request.messages[0].content:
                fields = ("observations", "summary", "proposed_instruction")
                return (
                    "\n\n".join(f"[[ ## {field} ## ]]\n{self.writes}" for field in fields) + "\n\n[[ ## completed ## ]]"
                )
            return f"Try this:\n```\n{self.writes}\n```"
        number = int(request.messages[-1].content)
        told = GOOD in request.messages[0].content or len(request.messages) > 2
        return str(number + 1 if told or number < self.right_at_first else number)


class Following:
    name = "following"

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:
        return read_form(program, outputs, reply)

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:
        right = [r.value is not None and r.value["answer"] == c.reference for c, r in zip(cases, replies, strict=True)]
        return [Mark(float(ok), "right" if ok else f"it is {c.reference}") for ok, c in zip(right, cases, strict=True)]


def cases(low: int, high: int) -> list[Case]:
    return [
        Case(id=f"c{n}", problem=f"p{n}", inputs={"problem": str(n)}, reference=str(n + 1)) for n in range(low, high)
    ]


def bench(model: object) -> Bench:
    return Bench(plain("answer_only"), model, Following(), GREEDY)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimiser_finds_what_helps(name: str) -> None:
    """Where an instruction or examples make a model right, the optimised program is right on other cases."""
    model = Counting()
    held = bench(model)
    made = optimise(plain("answer_only"), held, cases(0, 8), cases(20, 28), model, How(name, calls=60))  # type: ignore[arg-type]
    before = [m.score for m in held.marks(plain("answer_only"), cases(40, 50))]
    after = [m.score for m in held.marks(made, cases(40, 50))]
    assert sum(before) == 0
    assert sum(after) == 10
    assert Program.load(made.dump()).hash() == made.hash()


@pytest.mark.parametrize("name", ["mipro", "bootstrap"])
def test_known_replies_show_a_model_that_is_never_right_how(name: str) -> None:
    """Cases that hold right replies demonstrate the form where the model's own replies never could."""
    model = Counting(right_at_first=0)
    model.writes = "Be careful."
    held = bench(model)
    told = [case.model_copy(update={"outputs": {"answer": case.reference}}) for case in cases(0, 8)]
    made = optimise(plain("answer_only"), held, told, cases(20, 28), model, How(name, calls=60))  # type: ignore[arg-type]
    assert 0 < len(made.predict.demos) <= 4
    assert sum(m.score for m in held.marks(made, cases(40, 50))) == 10
    shown = {(demo["problem"], demo["answer"]) for demo in made.predict.demos}
    assert shown <= {(case.inputs["problem"], case.reference) for case in told}
    wrong = [case.model_copy(update={"outputs": {"answer": "-1"}}) for case in told]
    misled = optimise(plain("answer_only"), bench(model), wrong, cases(20, 28), model, How(name, calls=60))  # type: ignore[arg-type]
    assert not misled.predict.demos, "what a case holds is marked too"
    bare = optimise(plain("answer_only"), bench(model), cases(0, 8), cases(20, 28), model, How(name, calls=60))  # type: ignore[arg-type]
    assert not bare.predict.demos


@pytest.mark.parametrize("seed", [0, 9])
def test_each_seed_is_a_seed_of_its_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """DSPy's own default for mipro is 9, which 0 is not taken for."""
    seen = []

    class Watched(dspy.MIPROv2):  # type: ignore[misc]  # DSPy is not typed
        def __init__(self, **how: object) -> None:
            seen.append(how["seed"])
            super().__init__(**how)

    monkeypatch.setattr(dspy, "MIPROv2", Watched)
    model = Counting()
    optimise(plain("answer_only"), bench(model), cases(0, 8), cases(20, 28), model, How("mipro", calls=24, seed=seed))  # type: ignore[arg-type]
    assert seen == [seed]


@pytest.mark.parametrize("name", ["gepa", "mipro"])
def test_evaluations_are_done_in_batches(name: str) -> None:
    """What DSPy walks one by one was asked for at once: the validation cases come as one request to the model."""
    model = Counting()
    optimise(plain("answer_only"), bench(model), cases(0, 8), cases(100, 164), model, How(name, calls=140))  # type: ignore[arg-type]
    assert model.batches.count(64) >= 1
    assert sum(size == 1 for size in model.batches) <= 40  # instructions are written one by one


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_compile_again_asks_nothing_new(name: str, tmp_path: Path) -> None:
    """Requests are the same every time, so a ledger answers all of a compile that is run again."""
    found, asked = [], []
    for _ in range(2):
        model, ledger = Counting(), Ledger(tmp_path / "ledger.sqlite")
        kept = Journaled(model, ledger)
        made = optimise(plain("answer_only"), bench(kept), cases(0, 8), cases(20, 26), kept, How(name, calls=24))  # type: ignore[arg-type]
        found.append(made.dump())
        asked.append(sum(model.batches))
        ledger.close()
    assert found[0] == found[1]
    assert asked[0] > 0
    assert asked[1] == 0


class Capped(Counting):
    """Goes over its cap after some replies."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.left -= len(requests)
        if self.left < 0:
            raise BudgetExceededError("the cap is reached")
        return super().complete(requests)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("most", [4, 18])
def test_a_cap_stops_an_optimiser_at_once(name: str, most: int) -> None:
    """A call that may not be made is no wrong answer: the optimiser ends there, and the error is the ledger's."""
    model = Capped(most)
    if name == "bootstrap" and most > 8:
        pytest.skip("it needs no more than its examples")
    with pytest.raises(BudgetExceededError, match="cap is reached"):
        optimise(plain("answer_only"), bench(model), cases(0, 8), cases(20, 28), model, How(name, calls=60))  # type: ignore[arg-type]
    tried = len(model.batches)
    assert sum(model.batches) <= most
    assert tried <= most


def test_an_unknown_optimiser_is_refused_with_the_nearest() -> None:
    """A misspelt name is answered with the right one."""
    with pytest.raises(InputError, match='did you mean "gepa"'):
        check_optimizer("gepaa")


def test_instructions_are_read_from_fences_or_bare() -> None:
    """A text without end is no instruction."""
    assert read_instruction("```text\nDo it.\n```") == "Do it."
    assert read_instruction("x" * 9000) == ""
