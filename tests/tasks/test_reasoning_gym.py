from pathlib import Path

import pytest

from selfimprove.protocols import Task
from selfimprove.records import Split, Verdict
from selfimprove.tasks import load_task
from selfimprove.tasks.evaluated import would_run

pytest.importorskip("reasoning_gym")

SIZES: dict[Split, int] = {"train": 60, "dev": 20, "test": 20}


@pytest.fixture(scope="module")
def sums() -> Task:
    """Sums of two terms."""
    return load_task("reasoning_gym:chain_sum", options={"max_terms": 2}, sizes=SIZES)


def test_splits_have_their_sizes_and_share_no_question(sums: Task):
    """Questions are distinct by their canonical text, over all splits."""
    texts = [problem.canonical for split in SIZES for problem in sums.problems(split)]
    assert len(texts) == len(set(texts)) == 100


def test_splits_are_disjoint_across_seeds(sums: Task):
    """A test question of one seed is no train question of another."""
    other = load_task("reasoning_gym:chain_sum", options={"max_terms": 2, "seed": 9}, sizes={"train": 300})
    train = {problem.canonical for problem in other.problems("train")}
    assert not train & {problem.canonical for problem in sums.problems("test")}


def test_same_settings_give_the_same_problems(sums: Task):
    """Drawing is deterministic."""
    again = load_task("reasoning_gym:chain_sum", options={"max_terms": 2}, sizes=SIZES)
    assert list(again.problems("dev")) == list(sums.problems("dev"))


def test_small_question_space_gives_what_there_is():
    """A generator with a hundred questions gives fewer than asked, all distinct."""
    options = {"min_digits": 1, "max_digits": 1, "min_terms": 2, "max_terms": 2}
    task = load_task("reasoning_gym:products", options=options, sizes={"train": 90, "dev": 50, "test": 50})
    counts = {split: len(list(task.problems(split))) for split in SIZES}
    assert 0 < counts["test"] < 50
    assert sum(counts.values()) <= 100


def test_numbers_are_read_and_compared(sums: Task):
    """The bare number goes to the generator's scorer; less than full score is wrong."""
    problem = next(sums.problems("test"))
    parsed = sums.parse(f"Let me see.\nAnswer: {problem.answer}.")
    assert parsed.strict == parsed.answer == problem.answer
    assert sums.compare(parsed.answer, problem) is Verdict.CORRECT
    assert sums.compare(f"{problem.answer}.0", problem) is Verdict.CORRECT
    assert sums.compare(f"{problem.answer}0", problem) is Verdict.WRONG


def test_scorer_accepts_another_right_answer():
    """Where several answers are right, the generator's scorer decides, in another process."""
    task = load_task("reasoning_gym:countdown", sizes={"train": 0, "dev": 0, "test": 1})
    problem = next(task.problems("test"))
    assert task.compare(f"0 + ({problem.answer})", problem) is Verdict.WRONG  # it uses a number that is not given
    assert task.compare(f"({problem.answer})", problem) is Verdict.CORRECT


def test_grids_are_read_to_the_end():
    """A generator whose answers have several lines is read as a block."""
    task = load_task("reasoning_gym:rotate_matrix", sizes={"train": 1, "dev": 0, "test": 1})
    problem = next(task.problems("test"))
    parsed = task.parse(task.conclude("I turn it.", problem.answer))
    assert parsed.strict == problem.answer.strip()
    assert task.compare(parsed.strict or "", problem) is Verdict.CORRECT


@pytest.mark.parametrize("dataset", ["n_queens", "binary_matrix", "countdown", "simple_integration"])
def test_an_answer_is_not_run(dataset: str, tmp_path: Path):
    """What a scorer would run as a program has no verdict, and is not run."""
    task = load_task(f"reasoning_gym:{dataset}", sizes={"train": 0, "dev": 0, "test": 1})
    problem = next(task.problems("test"))
    ran = tmp_path / "ran.txt"
    for program in (
        f"__import__('pathlib').Path('{ran}').write_text('x')",
        f"open('{ran}', 'w')",
        f"open #\n('{ran}', 'w')",
        f"(open)('{ran}', 'w')",
        f"[open][0]('{ran}', 'w')",
        f"ｏｐｅｎ('{ran}', 'w')",  # noqa: RUF001 - Python takes it for the same name
    ):
        assert task.compare(program, problem) is Verdict.UNPARSEABLE
    assert not ran.exists()


@pytest.mark.parametrize(
    ("dataset", "answer"),
    [
        ("countdown", "(3 + 4)*-(2 - (5))"),
        ("puzzle24", "8/(3 - 8/3)"),
        ("simple_integration", "x**2*sin(x) + sqrt (x) - (exp(2*x) + C)"),
        ("intermediate_integration", "-log(cos(x)) + C"),
        ("polynomial_multiplication", "(x + 1)*(y - 2)"),
        ("n_queens", "_ Q _\nQ _ _\n_ _ Q"),
        ("binary_matrix", "[[0, 1], [1, 2]]"),
        ("string_insertion", "['A', 'B']"),
        ("zebra_puzzles", "Peter (the baker)"),
    ],
)
def test_mathematics_is_no_program(dataset: str, answer: str):
    """Brackets, functions and lists go to the scorer, and so does all that no scorer evaluates."""
    assert not would_run(dataset, answer)


def test_text_that_sympy_would_evaluate_is_not_run():
    """Its functions read a string as an expression."""
    assert would_run("countdown", "sqrt('exit' + '%c1%c' % (40, 41))")
    assert would_run("countdown", "eval sin(x)")
