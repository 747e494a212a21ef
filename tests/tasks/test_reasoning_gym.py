import pytest

from selfimprove.protocols import Task
from selfimprove.records import Split, Verdict
from selfimprove.tasks import load_task

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
