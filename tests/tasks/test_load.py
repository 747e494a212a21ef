import sys
from pathlib import Path

import pytest

from selfimprove.errors import InputError
from selfimprove.protocols import Task
from selfimprove.tasks import load_task

CUSTOM = """
from selfimprove.records import Parsed, Problem, Verdict

class Mine:
    name = "mine"
    instruction = "Say it."
    def __init__(self, count=5):
        self.count = count
    def problems(self, split):
        return iter([Problem.of(f"{split} {n}", "yes") for n in range(self.count)])
    def parse(self, text):
        return Parsed(answer=text)
    def compare(self, answer, problem):
        return Verdict.CORRECT
    def conclude(self, rationale, answer):
        return answer

class NotATask:
    name = "not"

ready = Mine(3)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make an importable module with a task."""
    (tmp_path / "my_own_tasks.py").write_text(CUSTOM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_own_tasks", raising=False)
    return "my_own_tasks"


def test_class_object_and_options(module: str):
    """A class is made with the options, an object is taken as it is."""
    assert len(list(load_task(f"{module}:Mine", options={"count": 7}).problems("train"))) == 7
    ready = load_task(f"{module}:ready")
    assert len(list(ready.problems("train"))) == 3
    assert load_task(ready) is ready


def test_sizes_limit_a_task_that_knows_no_sizes(module: str):
    """Any task can be limited, and is still a task."""
    limited = load_task(f"{module}:Mine", sizes={"train": 2})
    assert isinstance(limited, Task)
    assert (limited.name, limited.instruction) == ("mine", "Say it.")
    assert len(list(limited.problems("train"))) == 2
    assert len(list(limited.problems("dev"))) == 5


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("gsm9k", {}, r'there is no task "gsm9k"; did you mean "gsm8k"\?'),
        ("whatever", {}, r"there is no task .* known: arithmetic"),
        ("gsm8k", {"dev_sise": 3}, r'task gsm8k has no option "dev_sise"; did you mean "dev_size"\?'),
        ("gsm8k", {"dev_size": "many"}, r"task gsm8k: dev_size = 'many'"),
        ("no_such_package.x:Task", {}, r"there is no module no_such_package"),
        ("my_own_tasks:Mime", {}, r'my_own_tasks has no "Mime"; did you mean "Mine"\?'),
        ("my_own_tasks:NotATask", {}, r"is no Task: it lacks instruction, problems"),
        ("my_own_tasks:ready", {"count": 3}, r"takes no options: count"),
        ("my_own_tasks:Mine", {"cuont": 3}, r'no option "cuont"; did you mean "count"\?'),
        ("reasoning_gym:chain_som", {}, r'no data set "chain_som"; did you mean "chain_sum"\?'),
        ("reasoning_gym:chain_sum", {"min_term": 2}, r'no setting "min_term"; did you mean "min_terms"\?'),
        ("reasoning_gym:chain_sum", {"min_terms": -2}, r"refuses"),
        ("reasoning_gym:composite", {"datasets": ["chain_sum"]}, r"refuses"),
        ("arithmetic", {"level": [1]}, r'task arithmetic has no option "level"; did you mean "levels"\?'),
    ],
)
def test_wrong_specs_are_refused(module: str, spec: str, options: dict[str, object], message: str):
    """One sentence says what is wrong and the nearest right name."""
    assert module
    with pytest.raises(InputError, match=message) as error:
        load_task(spec, options=options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("sizes", [{"trian": 3}, {"train": -1}, {"train": True}])
def test_wrong_sizes_are_refused(sizes: dict[str, int]):
    """Only splits have sizes, and they are counts."""
    with pytest.raises(InputError, match="sizes"):
        load_task("gsm8k", sizes=sizes)  # type: ignore[arg-type]


def test_missing_file_names_the_nearest(tmp_path: Path):
    """A mistyped file name is met with the right one."""
    (tmp_path / "problems.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r'did you mean "problems.jsonl"\?'):
        list(load_task(str(tmp_path / "problem.jsonl")).problems("train"))


@pytest.mark.parametrize("name", ["gsm8k", "strategyqa", "math", "mmlu"])
def test_wrong_data_folder_is_refused(tmp_path: Path, name: str):
    """A named folder without the files is an error, not a reason to ask the hub."""
    with pytest.raises(InputError, match=r"does not exist; data_dir must be a folder that holds"):
        list(load_task(name, data_dir=tmp_path).problems("test"))


def test_unreachable_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without folder and hub one sentence names the two ways out."""
    datasets = pytest.importorskip("datasets")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    monkeypatch.setenv("SELFIMPROVE_DATA", str(tmp_path))  # has no gsm8k in it
    with pytest.raises(InputError, match=r"no network.*set data_dir or SELFIMPROVE_DATA to a folder") as error:
        list(load_task("gsm8k").problems("test"))
    assert "\n" not in str(error.value)


def test_hub_rows_become_problems(monkeypatch: pytest.MonkeyPatch):
    """What `datasets` gives is read like the files."""
    datasets = pytest.importorskip("datasets")
    rows = {
        "train": [{"question": f"Train {n}?", "answer": f"<<1+1=2>>2\n#### {n}"} for n in range(9)],
        "test": [{"question": "Test?", "answer": "#### 1,000"}],
    }

    def load(repository: str, config: str, *, split: str) -> list[dict[str, str]]:
        assert (repository, config) == ("openai/gsm8k", "main")
        return rows[split]

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.delenv("SELFIMPROVE_DATA", raising=False)
    task = load_task("gsm8k", options={"dev_size": 3})
    assert [len(list(task.problems(split))) for split in ("train", "dev", "test")] == [6, 3, 1]
    assert next(task.problems("test")).answer == "1000"
