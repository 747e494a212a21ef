"""A reference answer that cannot be read stops the task at the door; it is never scored."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from selfimprove.errors import InputError
from selfimprove.tasks import load_task

GOOD: Mapping[str, Mapping[str, object]] = {
    "gsm8k": {"question": "How many?", "answer": "2 + 2 = 4\n#### 4"},
    "math": {"problem": "How many?", "solution": r"It is $\boxed{4}$."},
    "strategyqa": {"question": "Is it?", "answer": True, "facts": ["It is."]},
    "mmlu": {"question": "Which?", "choices": ["w", "x", "y", "z"], "answer": 2},
}
FILES = {
    "gsm8k": ("train.jsonl", "test.jsonl"),
    "math": ("train.jsonl", "math500.jsonl"),
    "strategyqa": ("train.json", "dev.json"),
    "mmlu": ("train.jsonl", "dev.jsonl", "test.jsonl"),
}
BAD = [
    *(("gsm8k", {"answer": answer}) for answer in (
        "no line", "#### ", "#### four", "#### 4 or 5", "#### 1,2", "#### 4^4", "#### not 4", "#### 1.2.3", "#### 10^10^10", 4, None, "",
    )),
    *(("math", {"solution": solution}) for solution in (
        "no box", r"\boxed{}", r"\boxed{4", r"\boxed{\frac{1}{}+}", r"\boxed{3+}", r"\boxed{?!}", r"\boxed{\sqrt}",
        r"\boxed{" + "{" * 30 + "4" + "}" * 30 + "}", r"\boxed{" + "4" * 1001 + "}",
    )),
    *(("math", {"answer": answer}) for answer in (r"\frac{1}{2", "4 =", "}{", "...", "x" * 1001)),
    *(("strategyqa", {"answer": answer}) for answer in ("yes", 1, None, "", "maybe", [True])),
    *(("mmlu", {"answer": answer}) for answer in ("E", 4, -1, True, None, "", "A or B", "none of them", 1.0)),
    *(("mmlu", {"choices": choices}) for choices in (["w"], "wxyz", ["w", "x", None, "z"], ["w", "x", {}, "z"], ["w", "x", " ", "z"], list("abcdefghijk"))),
]  # fmt: skip


def _folder(tmp_path: Path, name: str, change: Mapping[str, object]) -> Path:
    (tmp_path / name).mkdir()
    for file in FILES[name]:
        rows = [{**GOOD[name], ("problem" if name == "math" else "question"): f"{file} {n}?"} for n in range(6)]
        rows[3] = {**rows[3], **change}
        whole = json.dumps(rows, indent=0) if file.endswith(".json") else "\n".join(map(json.dumps, rows))
        (tmp_path / name / file).write_text(whole)
    return tmp_path


@pytest.mark.parametrize("name", GOOD)
def test_good_rows_load(tmp_path: Path, name: str):
    """The rows that the bad ones differ from in one field are fine."""
    options = {} if name == "mmlu" else {"dev_size": 2}
    task = load_task(name, data_dir=_folder(tmp_path, name, {}), options=options)
    assert len(list(task.problems("test"))) == 6


@pytest.mark.parametrize(("name", "change"), BAD, ids=[f"{i}-{case[0]}" for i, case in enumerate(BAD)])
def test_unreadable_reference_is_refused(tmp_path: Path, name: str, change: Mapping[str, object]):
    """One sentence names the file and the row, before anything is scored."""
    options = {} if name == "mmlu" else {"dev_size": 2}
    with pytest.raises(InputError, match=r"(?:line|row) 4: ") as error:
        list(load_task(name, data_dir=_folder(tmp_path, name, change), options=options).problems("test"))
    assert "\n" not in str(error.value)


JSONL: Sequence[tuple[str, object]] = [
    *(("number", answer) for answer in ("four", "4 or 5", "1/0", "", None, True, [4], {"a": 4}, "10^10^10", "4^4", "more than 4", "9" * 500)),
    *(("expression", answer) for answer in (r"\frac{1}{", "3 +", "}{", "?", "x" * 1001, "(" * 40 + "x" + ")" * 40)),
    *(("yes_no", answer) for answer in ("maybe", "yes and no", "1", 1, "", None)),
    *(("text", answer) for answer in ("", " ", None, ["Paris"])),
]  # fmt: skip


def _file(tmp_path: Path, kind: str, raw: str) -> Path:
    good = {"number": 4, "expression": "x^2", "yes_no": "yes", "text": "Paris"}[kind]
    rows = [json.dumps({"question": f"What is {n}?", "answer": good}) for n in range(60)]
    rows[3] = f'{{"question": "Which?", "answer": {raw}}}'
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize(("kind", "answer"), JSONL, ids=[f"{i}-{case[0]}" for i, case in enumerate(JSONL)])
def test_unreadable_answer_of_a_file_is_refused(tmp_path: Path, kind: str, answer: object):
    """Each kind of a user's file refuses what it cannot read, by line."""
    path = _file(tmp_path, kind, json.dumps(answer))
    with pytest.raises(InputError, match="line 4: ") as error:
        list(load_task(str(path), options={"kind": kind}).problems("train"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
@pytest.mark.parametrize("kind", ["number", "text"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, kind: str, raw: str):
    """What JSON writers put for a missing number, and what Python cannot read, is no answer of any kind."""
    with pytest.raises(InputError, match="line 4: "):
        list(load_task(str(_file(tmp_path, kind, raw)), options={"kind": kind}).problems("train"))
