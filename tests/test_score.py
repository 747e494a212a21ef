import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from selfimprove.errors import InputError
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Completion, Problem, Verdict
from selfimprove.score import score
from selfimprove.tasks import load_task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a small GSM8K and a small StrategyQA."""
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "strategyqa").mkdir()
    for split, count in (("train", 8), ("test", 4)):
        rows = [{"question": f"{split} {n}?", "answer": "a\n" * (n + 1) + f"#### {n}"} for n in range(count)]
        (tmp_path / "gsm8k" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        questions = [
            {
                "qid": f"{split}{n}",
                "question": f"Is {split} {n} so?",
                "answer": n % 2 == 0,
                "facts": ["f"],
                "decomposition": ["d"],
            }
            for n in range(count)
        ]
        name = "dev" if split == "test" else split
        (tmp_path / "strategyqa" / f"{name}.json").write_text(json.dumps(questions))
    return tmp_path


@pytest.fixture
def gsm8k(folder: Path) -> Task:
    """Four test problems with the answers 0 to 3 and 1 to 4 steps."""
    return load_task("gsm8k", data_dir=folder, options={"dev_size": 2})


@pytest.fixture
def strategyqa(folder: Path) -> Task:
    """Four test questions: yes, no, yes, no."""
    return load_task("strategyqa", data_dir=folder, options={"dev_size": 2})


def _lines(path: Path, rows: list[Mapping[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def _texts(task: Task, texts: list[str], **more: object) -> list[Mapping[str, object]]:
    return [
        {"id": problem.id, "text": text, **more} for problem, text in zip(task.problems("test"), texts, strict=False)
    ]


def test_strict_and_lenient_are_counted(gsm8k: Task, tmp_path: Path):
    """A number without the mark is right leniently and unparseable strictly; intervals come along."""
    rows = _texts(gsm8k, ["#### 0", "It is 1", "#### 7", "dunno"])
    report = score(gsm8k, _lines(tmp_path / "p.jsonl", rows))
    assert (report.lenient.correct, report.lenient.n, report.lenient.no_verdict) == (2, 4, 1)
    assert report.strict is not None
    assert (report.strict.correct, report.strict.no_verdict) == (1, 2)
    assert report.lenient.interval.low < 0.5 < report.lenient.interval.high
    assert report.verdicts == {"correct": 2, "unparseable": 1, "wrong": 1}
    assert {label: s.correct for label, s in report.by_label["steps"].items()} == {"1": 1, "2": 1, "3": 0, "4": 0}


def test_our_own_attempts(gsm8k: Task, tmp_path: Path):
    """Rows of predictions.jsonl are read again; a cut-off text has no verdict, one with its answer has."""
    done = [("#### 0", "stop"), ("so 1 and", "length"), ("#### 2\nAnd", "length"), ("", "error")]
    attempts = [
        Attempt(
            problem=problem.id,
            completion=Completion.model_validate({"text": text, "finish_reason": reason}),
            verdict=Verdict.WRONG,
            strict=Verdict.WRONG,
        ).model_dump(mode="json")
        for problem, (text, reason) in zip(gsm8k.problems("test"), done, strict=True)
    ]
    report = score(gsm8k, _lines(tmp_path / "p.jsonl", attempts))
    assert report.verdicts == {"correct": 2, "error": 1, "truncated": 1}


def test_gold_file_and_order(gsm8k: Task, folder: Path, tmp_path: Path):
    """Rows without ids stand in the order of the gold file; bare answers have no strict reading."""
    predictions = _lines(tmp_path / "p.jsonl", [{"answer": answer} for answer in ("0", 1, "2.0", "#### 4")])
    report = score(gsm8k, predictions, folder / "gsm8k" / "test.jsonl")
    assert (report.lenient.correct, report.lenient.n, report.strict) == (3, 4, None)


def test_gold_of_a_run_folder(gsm8k: Task, tmp_path: Path):
    """Problems as a run writes them are gold too."""
    problems: list[Problem] = list(gsm8k.problems("dev"))
    gold = tmp_path / "dev.jsonl"
    gold.write_text("\n".join(problem.model_dump_json() for problem in problems))
    rows: list[Mapping[str, object]] = [{"problem": p.id, "completion": f"#### {p.answer}"} for p in problems]
    assert score(gsm8k, _lines(tmp_path / "p.jsonl", rows), gold).lenient.accuracy == 1.0


def test_harness_samples(gsm8k: Task, tmp_path: Path):
    """lm-evaluation-harness logs a row a filter; both are the same prediction."""
    rows: list[Mapping[str, object]] = [
        {
            "doc_id": n,
            "doc": {"question": f"test {n}?", "answer": f"#### {n}"},
            "resps": [[f"#### {n or 9}"]],
            "filtered_resps": [str(n)],
            "filter": name,
        }
        for name in ("strict-match", "flexible-extract")
        for n in range(4)
    ]
    report = score(gsm8k, _lines(tmp_path / "p.jsonl", rows))
    assert (report.lenient.correct, report.repeated) == (3, 4)


def test_a_worked_answer_is_read(gsm8k: Task, folder: Path, tmp_path: Path):
    """The data set's own rows are right predictions, whatever else stands in their worked answers."""
    gold = folder / "gsm8k" / "test.jsonl"
    assert score(gsm8k, gold).lenient.correct == 4
    worked = [f"They need {n} more because 9 minus {9 - n} equals 26.\n#### {n}" for n in range(4)]
    rows: list[Mapping[str, object]] = [{"answer": answer} for answer in worked]
    assert score(gsm8k, _lines(tmp_path / "p.jsonl", rows), gold).lenient.correct == 4


def test_a_worked_answer_of_a_text_task_is_read(tmp_path: Path):
    """A bare answer is read strictly where it has the strict form, and as it stands where it has not."""
    names = ["Paris", "London", "Rome", "Bern"] * 10
    rows: list[Mapping[str, object]] = [{"question": f"Where is {n}?", "answer": name} for n, name in enumerate(names)]
    task = load_task(
        str(_lines(tmp_path / "data.jsonl", rows)), options={"test": str(_lines(tmp_path / "t.jsonl", rows[:4]))}
    )
    predictions: list[Mapping[str, object]] = [
        {"question": "Where is 0?", "answer": "It lies in France.\nAnswer: Paris"},
        {"question": "Where is 1?", "answer": "london"},
        {"question": "Where is 2?", "answer": "Rome.\nAnswer: Milan"},
    ]
    assert score(task, _lines(tmp_path / "p.jsonl", predictions)).verdicts == {
        "correct": 2,
        "unparseable": 1,
        "wrong": 1,
    }


@pytest.fixture
def alike(tmp_path: Path) -> Task:
    """Four test problems that ask the same of different options; the answers are A, B, A, B."""
    rows: list[Mapping[str, object]] = [
        {"question": "Which is true?", "choices": [f"cat {n}", f"dog {n}"], "answer": "AB"[n % 2]} for n in range(4)
    ]
    train: list[Mapping[str, object]] = [
        {"question": f"Is {n}?", "choices": ["a", "b"], "answer": "A"} for n in range(30)
    ]
    test = _lines(tmp_path / "test.jsonl", rows)
    return load_task(str(_lines(tmp_path / "train.jsonl", train)), options={"test": str(test)})


@pytest.mark.parametrize(("letters", "correct"), [("ABAB", 4), ("AAAA", 2)])
def test_the_same_question_is_told_apart_by_its_place(alike: Task, tmp_path: Path, letters: str, correct: int):
    """Where several problems ask the same, the harness's `doc_id` says which is meant, in any order."""
    rows: list[Mapping[str, object]] = [
        {"doc_id": n, "doc": {"question": "Which is true?"}, "resps": [[f"Answer: {letters[n]}"]]} for n in (2, 0, 3, 1)
    ]
    report = score(alike, _lines(tmp_path / "p.jsonl", rows))
    assert (report.lenient.correct, report.missing, report.repeated) == (correct, 0, 0)


def test_the_same_question_without_a_place_is_refused(alike: Task, tmp_path: Path):
    """What names four problems names none, and is told so."""
    rows: list[Mapping[str, object]] = [{"question": "Which is true?", "text": "Answer: A"}]
    with pytest.raises(InputError, match=r'line 1: 4 problems ask "Which is true\?"; name one of them'):
        score(alike, _lines(tmp_path / "p.jsonl", rows))


@pytest.mark.parametrize("harness", [True, False])
def test_maths_question_is_its_problem(tmp_path: Path, harness: bool):  # noqa: FBT001 - a table
    """MATH's rows hold the question as "problem": in a harness's `doc`, in any order, and plainly."""
    (tmp_path / "math").mkdir()
    for name, count in (("train", 30), ("math500", 4)):
        problems = [{"problem": f"{name} {n}?", "solution": rf"so \boxed{{{n}}}"} for n in range(count)]
        _lines(tmp_path / "math" / f"{name}.jsonl", list(problems))
    rows: list[Mapping[str, object]] = []
    for place, n in enumerate((2, 0, 3, 1)):
        asked = {"problem": f"math500 {n}?"}
        said = rf"\boxed{{{n}}}"
        rows.append({"doc_id": place, "doc": asked, "resps": [[said]]} if harness else {**asked, "text": said})
    task = load_task("math", data_dir=tmp_path, options={"dev_size": 2})
    assert score(task, _lines(tmp_path / "p.jsonl", rows)).lenient.correct == 4


@pytest.mark.parametrize(
    "predictions",
    [
        {"test0": True, "test1": True, "test2": True, "test3": False},
        {f"test{n}": {"answer": n != 3, "decomposition": [], "paragraphs": []} for n in range(4)},
        {"answer": {"test0": "yes", "test1": "yes", "test2": "Yes", "test3": "no"}, "sp": {}},
    ],
)
def test_official_objects(strategyqa: Task, folder: Path, tmp_path: Path, predictions: object):
    """StrategyQA's and HotpotQA's own forms are scored, with the task's gold and with its file."""
    path = tmp_path / "p.json"
    path.write_text(json.dumps(predictions))
    for gold in (None, folder / "strategyqa" / "dev.json"):
        report = score(strategyqa, path, gold)
        assert (report.lenient.correct, report.lenient.n) == (3, 4)
    assert report.by_label["answer"]["yes"].correct == 2


def test_missing_and_unknown_are_counted_and_said(gsm8k: Task, tmp_path: Path):
    """A missing prediction is not correct; one for another problem is left out; the table says both."""
    rows = [*_texts(gsm8k, ["#### 0"]), {"id": "other", "text": "#### 1"}]
    report = score(gsm8k, _lines(tmp_path / "p.jsonl", rows))
    assert (report.lenient.n, report.lenient.correct, report.missing, report.unknown) == (4, 1, 3, 1)
    table = report.table()
    assert "3 problems have no prediction" in table
    assert "1 predictions name no problem" in table
    assert "25.0\N{NO-BREAK SPACE}%" in table
    assert json.loads(report.model_dump_json())["missing"] == 3


def test_table_is_aligned(gsm8k: Task, tmp_path: Path):
    """Columns line up and labels come with their values, small numbers first."""
    table = score(gsm8k, _lines(tmp_path / "p.jsonl", _texts(gsm8k, ["#### 0"] * 4))).table().splitlines()
    rows = table[1:8]
    assert [row.split("  ")[0] for row in rows[1:]] == ["lenient", "strict", *(f"steps = {n}" for n in range(1, 5))][:6]
    assert len({row.index("%") for row in rows[1:]}) == 1


@pytest.mark.parametrize("name", ["generation", "pred", "model_output", "model_answer"])
def test_a_completion_beside_the_reference_is_the_prediction(gsm8k: Task, tmp_path: Path, name: str):
    """A row that keeps the reference as its answer is not judged by it."""
    rows: list[Mapping[str, object]] = [
        {"question": f"test {n}?", "answer": f"#### {n}", name: "#### 2"} for n in range(4)
    ]
    assert score(gsm8k, _lines(tmp_path / "p.jsonl", rows)).lenient.correct == 1


def test_what_is_told_of_an_answer_is_no_prediction(gsm8k: Task, tmp_path: Path):
    """A row's reasoning, reference and model leave its answer the prediction."""
    rows: list[Mapping[str, object]] = [
        {"question": f"test {n}?", "answer": "2", "reasoning": "I guess.", "target": f"{n}", "model": "m"}
        for n in range(4)
    ]
    assert score(gsm8k, _lines(tmp_path / "p.jsonl", rows)).lenient.correct == 1


def test_a_plain_row_may_be_cut_off(gsm8k: Task, tmp_path: Path):
    """A text that a row calls cut off has no verdict, unless it holds its answer."""
    rows = _texts(gsm8k, ["I have 2", "#### 1", "I have 3", "I have 4"], finish_reason="length")
    assert score(gsm8k, _lines(tmp_path / "p.jsonl", rows)).verdicts == {"correct": 1, "truncated": 3}


@pytest.mark.parametrize("labelled", [True, False])
def test_log_likelihoods_pick_an_option(alike: Task, tmp_path: Path, labelled: bool):  # noqa: FBT001 - a table
    """A harness that compares continuations picks the likeliest; its `doc` holds the options, bare or with labels."""
    options: object = {"text": ["a", "b"], "label": ["A", "B"]} if labelled else ["a", "b"]
    rows: list[Mapping[str, object]] = [
        {
            "doc_id": n,
            "doc": {"question": "Which is true?", "choices": options},
            "resps": [[["-3.5", "False"]], [["-0.5", "True"]]] if n else [[[-1.5, True]], [[-10.5, False]]],
        }
        for n in range(4)
    ]
    assert score(alike, _lines(tmp_path / "p.jsonl", rows)).lenient.correct == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "x", "text": "1"}], r"no prediction names a problem of gsm8k test"),
        ([{"text": "1"}], r"has 1 rows without an id, gsm8k test has 4 problems"),
        ([{"id": "x", "label": 3}], r'line 1: no prediction; give one of "text"'),
        ([{"question": "test 0?", "text": "1"}, {"question": "test 0?", "text": "2"}], r"line 2: another prediction"),
        ([{"problem": "x", "completion": {"txt": "1"}}], r"line 1: not a row of predictions.jsonl"),
        ([{"question": "test 0?", "answer": "0", "said": "Answer: 7"}], r'line 1: "answer" or "said" may be the pred'),
        ([{"doc_id": 0, "resps": [[["-3", "False"]], [["-1", "True"]]]}], r'line 1: log-likelihoods .* no "choices"'),
        ([], r"holds no rows"),
    ],
)
def test_bad_predictions_are_refused(gsm8k: Task, tmp_path: Path, rows: list[Mapping[str, object]], message: str):
    """One sentence says which row and what to do."""
    with pytest.raises(InputError, match=message) as error:
        score(gsm8k, _lines(tmp_path / "p.jsonl", rows))
    assert "\n" not in str(error.value)
