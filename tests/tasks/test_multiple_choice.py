import json
from pathlib import Path

from selfimprove.records import Verdict
from selfimprove.tasks import load_task


def _write(folder: Path, name: str, count: int) -> None:
    rows = [
        {
            "question": f"{name} {n}?",
            "choices": ["w", "x", "y", "z"],
            "answer": [2, "C"][n % 2],
            "subject": "law" if n else "art",
        }
        for n in range(count)
    ]
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_mmlu_from_a_folder(tmp_path: Path):
    """Indices and letters are letters; a subject limits dev and test only."""
    (tmp_path / "mmlu").mkdir()
    for name, count in (("train", 5), ("dev", 4), ("test", 3)):
        _write(tmp_path / "mmlu", name, count)
    task = load_task("mmlu", data_dir=tmp_path, options={"subject": "law"})
    assert [len(list(task.problems(split))) for split in ("train", "dev", "test")] == [5, 3, 2]
    problem = next(task.problems("test"))
    assert (problem.answer, problem.labels) == ("C", {"subject": "law"})
    assert task.compare("y", problem) is Verdict.CORRECT
    parsed = task.parse(task.conclude("Because.", "C"))
    assert (parsed.strict, task.compare(parsed.strict or "", problem)) == ("C", Verdict.CORRECT)
