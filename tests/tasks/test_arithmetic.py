from __future__ import annotations

import re

import pytest

from selfimprove.errors import InputError
from selfimprove.records import Problem, Verdict
from selfimprove.tasks.arithmetic import Arithmetic, split_of
from selfimprove.tasks.arithmetic_kinds import KINDS

EVERYTHING = Arithmetic(
    kinds=tuple(KINDS), levels=(1, 2, 3, 4, 5, 6, 7, 8), sizes={"train": 400, "dev": 200, "test": 200}
)


def problems(task: Arithmetic) -> list[Problem]:
    return [p for split in ("train", "dev", "test") for p in task.problems(split)]  # type: ignore[arg-type]


def test_every_step_is_true() -> None:
    """Each worked step is an equation that holds, and the last one gives the answer."""
    for problem in problems(EVERYTHING):
        steps = problem.rationale.splitlines()
        for step in steps:
            left, right = step.split(" = ")
            assert eval(left) == int(right), step  # noqa: S307 - digits and signs that this library wrote
        assert steps[-1].endswith(f"= {problem.answer}")


def test_equation_is_solved_by_its_answer() -> None:
    """Putting the answer for x makes both sides of an equation equal."""
    for problem in problems(Arithmetic(kinds=("equation",), levels=(1, 2, 5), sizes={"train": 60})):
        left, right = problem.question.removeprefix("Solve for x: ").split(" = ")
        assert eval(left.replace("x", problem.answer)) == int(right)  # noqa: S307 - as above


@pytest.mark.parametrize("seed", [0, 1])
def test_splits_share_no_canonical_form_for_any_seed(seed: int) -> None:
    """No seed's training problems hold another seed's dev or test problems, in any order of operands."""
    train = {p.canonical for p in Arithmetic(seed=seed, sizes={"train": 2000}).problems("train")}
    for other in (0, 1, 2):
        task = Arithmetic(seed=other, sizes={"dev": 400, "test": 400})
        assert not train & {p.canonical for split in ("dev", "test") for p in task.problems(split)}  # type: ignore[arg-type]


def test_reordered_operands_are_the_same_problem() -> None:
    """The same numbers in another order, or told as a story, have one canonical form and so one split."""
    forms: dict[tuple[str, ...], set[str]] = {}
    for problem in problems(Arithmetic(kinds=("sum", "story"), levels=(2,), sizes={"train": 1000})):
        numbers = tuple(sorted(re.findall(r"[-+]\d+", problem.canonical)))
        forms.setdefault(numbers, set()).add(problem.canonical)
    assert all(len(found) == 1 for found in forms.values())
    assert split_of("sum -3 +5 +8") == split_of("sum -3 +5 +8")


def test_same_seed_draws_the_same() -> None:
    """Problems, ids and order depend on the seed alone."""
    assert [p.id for p in Arithmetic().problems("dev")] == [p.id for p in Arithmetic().problems("dev")]
    assert [p.id for p in Arithmetic(seed=1).problems("dev")] != [p.id for p in Arithmetic().problems("dev")]


def test_kinds_and_levels_come_in_equal_shares() -> None:
    """Each kind and level has its share of every split."""
    found = [p.labels["kind"] + p.labels["level"] for p in EVERYTHING.problems("train")]
    assert {found.count(cell) for cell in set(found)} == {10}


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("3 + 4 = 7\nAnswer: 7", "7", "7"),
        ("so it is 7.", None, "7"),
        ("Answer: 1,024", "1024", "1024"),
        ("answer: -3", "-3", "-3"),
        ("Answer: 7.5", "7.5", "7.5"),
        ("none", None, None),
        ("Answer: 7\nAnswer: 8", None, None),
        ("Answer: 7\nNo, 3 + 5 is 8.\nAnswer: 8", "8", "8"),
    ],
)
def test_answers_are_read(text: str, strict: str | None, lenient: str | None) -> None:
    """The strict reading wants the answer line, the lenient one takes the last number."""
    parsed = Arithmetic().parse(text)
    assert (parsed.strict, parsed.answer) == (strict, lenient)


def test_reference_passes_its_own_task() -> None:
    """Every worked solution is read as correct, strictly."""
    for problem in EVERYTHING.problems("dev"):
        text = EVERYTHING.conclude(problem.rationale, problem.answer)
        assert EVERYTHING.compare(EVERYTHING.parse(text).strict or "", problem) is Verdict.CORRECT


@pytest.mark.parametrize("options", [{"kinds": ("sums",)}, {"levels": (0,)}, {"levels": ()}, {"levels": (9,)}])
def test_unknown_kinds_and_levels_are_refused(options: dict[str, tuple[object, ...]]) -> None:
    """A kind or level that does not exist is one sentence."""
    with pytest.raises(InputError):
        Arithmetic(**options)  # type: ignore[arg-type]


def test_asking_for_more_than_there_are_is_refused() -> None:
    """A cell that runs out says so instead of repeating itself."""
    with pytest.raises(InputError, match="no further sum question"):
        list(Arithmetic(kinds=("sum",), levels=(1,), sizes={"test": 5000}).problems("test"))
