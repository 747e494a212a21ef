import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from selfimprove.errors import InputError
from selfimprove.protocols import Task
from selfimprove.records import Split, Verdict
from selfimprove.tasks import load_task
from selfimprove.tasks.jsonl import JsonlTask

Write = Callable[..., Path]
Rows = Sequence[Mapping[str, object]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows to a file and give its path."""

    def _write(rows: Rows, name: str = "problems.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return _write


def _sums(count: int) -> list[dict[str, object]]:
    return [{"question": f"What is {n} + 1?", "answer": n + 1} for n in range(count)]


def _ids(task: Task, split: Split) -> list[str]:
    return [problem.id for problem in task.problems(split)]


def test_one_file_is_cut_into_disjoint_splits(write: Write):
    """All rows are used, none twice, in about the asked shares."""
    task = load_task(str(write(_sums(400))))
    splits = {split: _ids(task, split) for split in ("train", "dev", "test")}
    assert sum(map(len, splits.values())) == len({identity for ids in splits.values() for identity in ids}) == 400
    assert 35 < len(splits["dev"]) < 90
    assert 35 < len(splits["test"]) < 90


def test_problems_stay_in_their_split_when_rows_are_added(write: Write):
    """Adding and reordering rows moves no problem to another split."""
    few = JsonlTask(write(_sums(100), "few.jsonl"))
    many = JsonlTask(write(list(reversed(_sums(200))), "many.jsonl"))
    assert set(_ids(few, "dev")) <= set(_ids(many, "dev"))
    assert set(_ids(few, "test")) <= set(_ids(many, "test"))


def _grown(roots: int, each: int) -> list[dict[str, object]]:
    """Give rows as curate writes them: the same question with other numbers, from so many seeds."""
    return [
        {"question": f"What is {n} + {root}00?", "answer": n + 100 * root, "lineage": {"root": f"r{root}"}}
        for root in range(roots)
        for n in range(each)
    ]


def _roots(task: Task, rows: Rows) -> dict[str, set[str]]:
    """Give the seeds that each split's problems were grown from."""
    root = {str(row["question"]): str(row["lineage"]["root"]) for row in rows}  # type: ignore[index]
    return {split: {root[p.question] for p in task.problems(split)} for split in ("train", "dev", "test")}


def test_no_seed_is_in_two_splits(write: Write):
    """All variants of one seed fall into one split, and all rows are used."""
    rows = _grown(80, 10)
    task = load_task(str(write(rows)))
    found = _roots(task, rows)
    assert sum(map(len, found.values())) == len(set().union(*found.values())) == 80
    assert sum(len(_ids(task, split)) for split in ("train", "dev", "test")) == 800
    assert all(len(found[split]) > 4 for split in found)
    alone = _roots(load_task(str(write(rows)), options={"group_field": ""}), rows)
    assert alone["test"] <= alone["train"]


def test_a_seed_of_the_test_file_is_left_out_of_the_others(write: Write):
    """With a file of its own too, no variant of a test problem is trained on or decided on."""
    rows = _grown(40, 10)
    train, test = write(rows[10:], "train.jsonl"), write(rows[:35], "test.jsonl")
    found = _roots(load_task(str(train), options={"test": str(test)}), rows)
    assert found["test"] == {"r0", "r1", "r2", "r3"}
    assert not found["test"] & (found["train"] | found["dev"])
    assert not found["train"] & found["dev"]


def test_rows_are_grouped_by_any_field(write: Write):
    """The field is named; one that no row has, one that holds a list, and too few groups are refused."""
    rows = [row | {"page": row["lineage"]["root"]} for row in _grown(40, 5)]  # type: ignore[index]
    plain = [{name: row[name] for name in ("question", "answer", "page")} for row in rows]
    found = _roots(load_task(str(write(plain)), options={"group_field": "page"}), rows)
    assert sum(map(len, found.values())) == 40
    with pytest.raises(InputError, match='no row has "pge"; did you mean "page"'):
        _ids(load_task(str(write(plain)), options={"group_field": "pge"}), "train")
    with pytest.raises(InputError, match='"page" must be one text or number'):
        _ids(load_task(str(write([row | {"page": [1]} for row in plain])), options={"group_field": "page"}), "train")
    with pytest.raises(InputError, match=r'there are 1 groups of one "lineage\.root"'):
        _ids(load_task(str(write(_grown(1, 50)))), "train")


def test_separate_files(write: Write):
    """Dev and test come from their own files; a test question that is also in train is left out of train."""
    train, dev, test = write(_sums(30), "a.jsonl"), write(_sums(40)[30:], "b.jsonl"), write(_sums(60)[25:30], "c.jsonl")
    task = load_task(str(train), options={"dev": str(dev), "test": str(test)})
    assert [len(_ids(task, split)) for split in ("train", "dev", "test")] == [25, 10, 5]


def test_sizes_limit(write: Write):
    """At most so many problems are given, in the order of the file."""
    path = write(_sums(200))
    limited = load_task(str(path), sizes={"train": 7})
    ids = _ids(limited, "train")
    assert len(ids) == 7
    whole = _ids(load_task(str(path)), "train")
    assert [identity for identity in whole if identity in ids] == ids


def test_bom_crlf_and_blank_lines(tmp_path: Path):
    """A file from Windows is read like any other."""
    path = tmp_path / "p.jsonl"
    lines = [json.dumps(row) for row in _sums(50)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, "", ""]).encode())
    task = load_task(str(path))
    assert sum(len(_ids(task, split)) for split in ("train", "dev", "test")) == 50


KINDS = [
    ("number", ["12", 3.5, "$1,000"], "12.0", "13"),
    ("yes_no", [True, "no", "Yes"], "Yes", "no"),
    ("expression", [r"\frac{1}{2}x", "x^2", "3"], r"\dfrac12 x", "x"),
    ("text", ["Paris", "Rome", "7 hills"], "paris", "Lyon"),
]


@pytest.mark.parametrize(("kind", "answers", "right", "wrong"), KINDS)
def test_kind_is_found(write: Write, kind: str, answers: list[object], right: str, wrong: str):
    """The narrowest kind that fits the references reads and compares."""
    rows = [{"question": f"Question {n}?", "answer": answers[n % 3]} for n in range(60)]
    task = JsonlTask(write(rows))
    assert task._kind.name == kind
    first = next(p for split in ("train", "dev", "test") for p in task.problems(split) if p.question == "Question 0?")
    assert task.compare(right, first) is Verdict.CORRECT
    assert task.compare(wrong, first) is Verdict.WRONG


def test_choices_and_other_fields(write: Write):
    """Letters, indices and option texts mean options; every named field arrives."""
    options = ["red", "green", "blue"]
    rows = [
        {
            "q": f"Colour {n}?",
            "a": ["B", 1, "green"][n % 3],
            "options": options,
            "why": "It is.",
            "known": ["Grass is green.", "So are leaves."],
            "passage": "A text.",
            "topic": "colours",
        }
        for n in range(60)
    ]
    fields = {
        "question": "q",
        "answer": "a",
        "rationale": "why",
        "facts": "known",
        "choices": "options",
        "context": "passage",
    }
    names = {f"{name}_field": field for name, field in fields.items()}
    task = load_task(str(write(rows)), options={**names, "label_fields": ["topic"]})
    for problem in task.problems("train"):
        assert (problem.answer, problem.choices, problem.rationale) == ("B", tuple(options), "It is.")
        assert (problem.facts[1], problem.context, problem.labels) == (
            "So are leaves.",
            "A text.",
            {"topic": "colours"},
        )
        assert task.compare("Green", problem) is Verdict.CORRECT


def _with(rows: Rows, at: int, **changes: object) -> list[dict[str, object]]:
    changed = [dict(row) for row in rows]
    changed[at] |= changes
    return changed


BAD = [
    (_with(_sums(50), 40, answer=None), {}, r'line 41: "answer" must be text, not null'),
    ([*_sums(40), {"question": "What?"}], {}, r'line 41: "answer" is missing; each line needs "question" and "answer"'),
    ([*_sums(40), {"answer": 3}], {}, r'line 41: "question" is missing.*question_field = '),
    (_with(_sums(50), 3, question="  "), {}, r'line 4: "question" must be text'),
    (
        _with(_sums(50), 3, answer="lots"),
        {"kind": "number"},
        r'line 4: "answer" is \'lots\', which cannot be read as number',
    ),
    (_with(_sums(50), 3, answer="maybe"), {"kind": "yes_no"}, r"cannot be read as yes_no"),
    ([*_sums(50), {"question": "What is 3 + 1?", "answer": 5}], {}, r"line 51: the question of line 4 again"),
    (_with(_sums(50), 3, facts=[1, 2]), {}, r'line 4: "facts" must be a list of texts'),
    (_sums(50), {"rationale_field": "rational"}, r'no row has "rational"; known: answer, question'),
    (_sums(50), {"question_feild": "q"}, r'no option "question_feild"; did you mean "question_field"\?'),
    (_sums(50), {"kind": "numbers"}, r"kind = 'numbers'"),
    (_sums(50), {"dev_share": 0.7, "test_share": 0.5}, r"must add up to less than 1"),
    (_sums(1), {}, r"no problem falls into"),
    (
        [{"question": "Which?", "answer": "D", "choices": ["a", "b"]}] * 3,
        {},
        r'"answer" must be a letter from "A" to "B"',
    ),
    ([{"question": "Which?", "answer": "A", "choices": ["a"]}] * 3, {}, r"must be a list of 2 to 10 options"),
]


@pytest.mark.parametrize(("rows", "options", "message"), BAD)
def test_bad_rows_are_refused(write: Write, rows: Rows, options: dict[str, object], message: str):
    """One sentence says the file, the line, the field and what to do."""
    path = write(rows)
    with pytest.raises(InputError, match=message) as error:
        list(load_task(str(path), options=options).problems("train"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"\n\n", "holds no rows"),
        (b'{"question": "a"', r"line 1: not JSON"),
        (b'{"question": "a", "answer": 1}\n[1]', r"line 2: not a JSON object"),
        (b'{"question": "\xff"}', "not UTF-8"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes, message: str):
    """What is no JSON Lines file is refused with its line."""
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(load_task(str(path)).problems("train"))


def test_same_question_with_an_equal_answer_is_kept_once(write: Write):
    """Two ways to write one answer are no contradiction."""
    rows = [*_sums(60), {"question": "what is 3  + 1?", "answer": "4.0"}]
    task = load_task(str(write(rows)))
    asked = [" ".join(p.question.lower().split()) for split in ("train", "dev", "test") for p in task.problems(split)]
    assert asked.count("what is 3 + 1?") == 1


def test_own_ids_name_problems(write: Write):
    """The id field leads to the problem; an id for two problems is refused."""
    rows = [{**row, "id": f"p{n}"} for n, row in enumerate(_sums(60))]
    task = JsonlTask(write(rows))
    assert len(task.aliases) == 60
    with pytest.raises(InputError, match="names another problem already"):
        assert JsonlTask(write(_with(rows, 5, id="p4"), "twice.jsonl")).aliases
