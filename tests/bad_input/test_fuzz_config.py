"""Whatever stands in a file that a person gives, it is read, or refused in one sentence that names the file.

Settings, files of problems, predictions and what they are scored against, a student's library. Chosen mistakes are in
`test_bad_input.py`; here they are drawn, always the same ones.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfimprove.config import Config, changed, load_config, make_config, write_config
from selfimprove.errors import InputError
from selfimprove.installed import shipped
from selfimprove.mining.library import load_library, student_hash
from selfimprove.records import Problem
from selfimprove.score import score
from selfimprove.tasks import load_task

T = TypeVar("T")
LONGEST = 400
NOT_SHOWN = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Line breaks, what moves a terminal's cursor or turns the reading around, halves of characters."""
EXAMPLES = [path.read_text() for path in sorted(shipped("examples").glob("*.toml"))]


def drawn(examples: int) -> Any:
    """Draw so many cases, the same ones each time."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(deadline=None, derandomize=True, max_examples=examples, database=None, suppress_health_check=slow)


def read(work: Callable[[], T], *files: Path | str, where: str = "") -> T | None:
    """Give what was read, or None where it was refused as it should be: one line, short, one of these files named.

    Args:
        work: what reads.
        files: one of them is to be named.
        where: what has to follow the file's name, as a pattern.
    """
    try:
        return work()
    except InputError as error:
        said = str(error)
        named = [str(file) for file in files if re.search(rf"(?<![\w.]){re.escape(str(file))}{where}", said)]
        assert named, said
        assert not NOT_SHOWN.search(said), repr(said)
        assert "Traceback" not in said
        assert len(said.replace(named[0], "")) < LONGEST, said
        return None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one folder for all cases."""
    return tmp_path_factory.mktemp("fuzz")


# Settings

WRITTEN = (
    *("true", "-1", "0", "1.5", "1e400", "nan", "-inf", "9" * 5000, "0x" + "f" * 5000, "-9223372036854775808"),
    *("2026-01-01", "07:32:00", "2026-01-01T00:00:00Z", '""', '"\\u0000"', '"🦙\\u202e"', "'C:\\new'", '"""\na\n"""'),
    *("[]", "[[]]", "{}", "{a = {b = [1]}}", '[1, "two", 3.0]', "[" * 400 + "]" * 400, "[" * 40 + "]" * 40, "[1,"),
    *('"' + "x" * 3000 + '"', '"open', "_1", "01", "{a = 1, a = 2}", "1\na.b = 1", "'\x07'", '"openai/gpt-4o" #'),
)
KEYS = ("rounds", "campaign", "seed", "campaign.rounds", '"a\\nb"', '""', '"' + "k" * 900 + '"', '"ü\\u202e"', "a.b.c")
TABLES = ("[campaign.rounds]", "[[train]]", "[teacher.parameters.x]", '["\\u0000"]', "[task]", "[train.sft]", "[x.y]")
GARBAGE = (b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"=", b"[", b"]", b'"', b"'''", b"#", b"\n\n", "é\u2028".encode())


@st.composite
def toml_files(draw: st.DrawFn) -> bytes:
    """Harm one of the examples in up to three ways."""
    lines = draw(st.sampled_from(EXAMPLES)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(("value", "value", "key", "table", "twice", "gone")))
        if kind == "value":
            set_at = [i for i, line in enumerate(lines) if "=" in line and not line.startswith("#")]
            at = draw(st.sampled_from(set_at or [0]))
            lines[at] = f"{lines[at].partition('=')[0]}= {draw(st.sampled_from(WRITTEN))}"
        elif kind == "key":
            lines.insert(at, f"{draw(st.sampled_from(KEYS))} = {draw(st.sampled_from(WRITTEN))}")
        elif kind == "gone":
            del lines[at : at + 1 + (len(lines) == at)]
            lines = lines or [""]
        else:
            lines.insert(at, lines[at] if kind == "twice" else draw(st.sampled_from(TABLES)))
    return draw(st.sampled_from(("\n", "\n", "\r\n"))).join(lines).encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw: st.DrawFn, files: st.SearchStrategy[bytes]) -> bytes:
    """Harm the bytes of a file: cut off, something in between, or as they are."""
    content = draw(files)
    at = draw(st.integers(0, len(content)))
    how = draw(st.sampled_from(("cut", "between", "gone", "front", "as it is", "as it is")))
    if how == "cut":
        return content[:at]
    if how == "gone":
        return content[:at] + content[at + draw(st.integers(1, 40)) :]
    if how == "as it is":
        return content
    at = at if how == "between" else 0
    return content[:at] + draw(st.sampled_from(GARBAGE)) + content[at:]


def goes_on(config: Config, file: Path) -> None:
    """Check that what a run folder keeps of these settings is taken for the same settings."""
    file.write_bytes(write_config(config).encode())
    assert changed(load_config(file), config) == []


@drawn(300)
@given(content=spoilt(toml_files()))
def test_any_settings_are_read_or_refused(place: Path, content: bytes) -> None:
    """A settings file is a campaign that a run folder can keep, or one sentence that names the file."""
    path = place / "c.toml"
    path.write_bytes(content)
    config = read(lambda: load_config(path), path, where="(:| is not valid TOML| cannot be read)")
    if config is not None:
        goes_on(config, place / "kept.toml")


ODD_TEXT = ("\ud800", "a\ud800b", "a\0b", "\u200b", "", " ", "a\nb\u202e", "x" * 3000, "yes", "A", "12%", "10^9", "٤")
ODD_NUMBERS = (-1, 3, 2**63, -(2**70), 10**4000, 1e308, 5e-324, float("nan"), float("inf"))
PLAIN = st.one_of(
    st.sampled_from(ODD_TEXT),
    st.sampled_from(ODD_NUMBERS),
    st.sampled_from((None, True, False, Path("a/b"), dt.date(2026, 1, 1))),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
)
VALUES = st.one_of(
    PLAIN,
    st.lists(PLAIN, max_size=3),
    st.tuples(PLAIN, PLAIN),
    st.dictionaries(st.sampled_from(ODD_TEXT), st.one_of(PLAIN, st.lists(PLAIN, max_size=2)), max_size=3),
)


SOUND = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9),
    st.sampled_from(
        (Path("a/b"), dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 1, 1, tzinfo=dt.UTC), None, "a\r\nb\x7f")
    ),
)
NESTED = st.one_of(
    SOUND, st.lists(SOUND, max_size=3), st.tuples(SOUND, SOUND), st.dictionaries(st.text(max_size=4), SOUND)
)


@st.composite
def mappings(draw: st.DrawFn) -> dict[str, Any]:
    """Give settings as Python would: known and unknown keys with anything under them, options with what is sound."""
    if draw(st.booleans()):
        options = st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5), NESTED)
        return {"task": draw(options), "teacher": {"parameters": draw(options)}, "train": {"sft": draw(options)}}
    made: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 3))):
        section = draw(st.sampled_from((*Config.model_fields, "task", "teacher", "campain")))
        kind = Config.model_fields[section].annotation if section in Config.model_fields else None
        known = tuple(getattr(kind, "model_fields", {})) or ("levels", "kind")
        key = draw(st.sampled_from((*known, *known, "sft", "parameters", *ODD_TEXT)))
        held = made.setdefault(section, {})
        held[key] = draw(VALUES)
    return made


@drawn(300)
@given(values=mappings())
def test_any_mapping_is_a_campaign_or_refused(place: Path, values: dict[str, Any]) -> None:
    """Settings given from Python are kept and compared like those of a file: tuples, paths and dates too."""
    config = read(lambda: make_config(values, "Campaign"), "Campaign", where=":")
    if config is not None:
        goes_on(config, place / "kept.toml")


def test_too_deep_to_be_read_is_refused(place: Path) -> None:
    """Tables in tables in tables, in a file and from Python, also in a circle."""
    path, circle = place / "deep.toml", dict[str, Any]()
    path.write_text("[task]\na = " + "[" * 3000 + "]" * 3000)
    circle["again"] = circle
    assert read(lambda: load_config(path), path) is None
    assert read(lambda: make_config({"task": circle}), "config") is None


@pytest.mark.parametrize("address", ["http://me:5d1f0c2a@[::1", "https://host:99999999/v1?key=5d1f0c2a"])
def test_a_secret_in_a_mistyped_address_is_not_repeated(place: Path, address: str) -> None:
    """An address that cannot be one is refused without what may be a password or a key in it."""
    path = place / "c.toml"
    path.write_text(f'[teacher]\nbase_url = "{address}"\n')
    with pytest.raises(InputError, match=r"teacher\.base_url") as refused:
        load_config(path)
    assert "5d1f0c2a" not in str(refused.value)


# Problems

ROWS: list[dict[str, Any]] = [
    {"id": f"q{i}", "question": f"What is {i} + {i}?", "answer": 2 * i, "facts": [f"{i} is a number."]}
    for i in range(40)
]
CHOICES: list[dict[str, Any]] = [
    {"question": f"Which is {i}?", "answer": "AB"[i % 2], "choices": [str(i), str(i + 1)]} for i in range(40)
]
FIELDS = ("question", "answer", "rationale", "facts", "choices", "context", "id", "more", "problem", "labels")
JSON_PLAIN = st.one_of(
    st.sampled_from(ODD_TEXT),
    st.sampled_from((*ODD_NUMBERS, None, True, False, "What is 3 + 3?", "q3")),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
)
JSON_NESTED = st.one_of(
    JSON_PLAIN, st.lists(JSON_PLAIN, max_size=3), st.dictionaries(st.text(max_size=5), JSON_PLAIN, max_size=2)
)
JSON = st.one_of(JSON_PLAIN, st.lists(JSON_NESTED, max_size=3), st.dictionaries(st.sampled_from(ODD_TEXT), JSON_NESTED))


def lines_of(rows: list[dict[str, Any]]) -> bytes:
    """Write rows as JSON Lines."""
    return "\n".join(json.dumps(row) for row in rows).encode()


def pool_of(task: Any) -> list[Problem]:
    """Walk all splits."""
    return [problem for split in ("train", "dev", "test") for problem in task.problems(split)]


def writable(problems: list[Problem]) -> None:
    """Check that a run folder can hold these problems."""
    assert [Problem.model_validate_json(problem.model_dump_json()) for problem in problems] == problems


@drawn(200)
@given(rows=st.sampled_from((ROWS, CHOICES)), at=st.integers(0, 39), field=st.sampled_from(FIELDS), value=JSON)
def test_any_value_in_a_row_is_read_or_refused(
    place: Path, rows: list[dict[str, Any]], at: int, field: str, value: object
) -> None:
    """A field of a row holds a problem's part, or the sentence names the file and a line."""
    path = place / "p.jsonl"
    path.write_bytes(lines_of([*rows[:at], {**rows[at], field: value}, *rows[at + 1 :]]))
    pool = read(lambda: pool_of(load_task(str(path))), path, where=r", line \d+: ")
    writable(pool or [])


@drawn(200)
@given(content=spoilt(st.sampled_from((lines_of(ROWS), lines_of(CHOICES), json.dumps(ROWS).encode()))))
def test_any_file_of_problems_is_read_or_refused(place: Path, content: bytes) -> None:
    """Cut off, spoilt or whole, a file is problems or one sentence that names it."""
    path = place / "p.jsonl"
    path.write_bytes(content)
    writable(read(lambda: pool_of(load_task(str(path))), path) or [])


def test_rows_whose_id_is_null_have_none(place: Path) -> None:
    """Several rows without an id are not several problems of one id."""
    path = place / "p.jsonl"
    path.write_bytes(lines_of([{**row, "id": None} for row in ROWS]))
    assert len(pool_of(load_task(str(path)))) == len(ROWS)


OPTIONS = (
    *("dev", "test", "dev_share", "test_share", "kind", "question_field", "answer_field", "label_fields", "name"),
    *("group_field", "rationale_field", "choices_field", "nonsense"),
)


@drawn(150)
@given(options=st.dictionaries(st.sampled_from(OPTIONS), JSON, min_size=1, max_size=2))
def test_any_option_is_taken_or_refused(place: Path, options: dict[str, object]) -> None:
    """What `[task]` says of a file of problems is taken, or one sentence names the file or the option."""
    path = place / "p.jsonl"
    path.write_bytes(lines_of(ROWS))
    files = [str(Path(value)) for value in options.values() if isinstance(value, str) and value.isprintable()]
    writable(read(lambda: pool_of(load_task(str(path), options=options)), path, *options, *files) or [])


# Predictions

GOLD = [{"id": f"q{i}", "question": f"What is {i} + {i}?", "answer": 2 * i} for i in range(4)]
FORMS: tuple[Any, ...] = (
    [{"id": f"q{i}", "text": f"Answer: {2 * i}"} for i in range(4)],
    [{"answer": 2 * i} for i in range(4)],
    [{"doc_id": i, "doc": {"question": f"What is {i} + {i}?"}, "resps": [[f"{2 * i}"]]} for i in range(4)],
    [
        {"problem": f"q{i}", "completion": {"text": "#### 4"}, "verdict": "wrong", "strict": "wrong", "answer": None}
        for i in range(4)
    ],
    {f"q{i}": 2 * i for i in range(4)},
    {"answer": {f"q{i}": str(2 * i) for i in range(4)}, "sp": {}},
)


@st.composite
def prediction_files(draw: st.DrawFn) -> bytes:
    """Put anything into one place of a file of predictions, whichever form it has."""
    form = json.loads(json.dumps(draw(st.sampled_from(FORMS))))
    rows = form if isinstance(form, list) else [form]
    held = draw(st.sampled_from(rows))
    while isinstance(held, dict) and held:
        key = draw(st.sampled_from((*held, "text", "resps")))
        if isinstance(held.get(key), dict) and draw(st.booleans()):
            held = held[key]
            continue
        held[key] = draw(JSON)
        break
    return lines_of(rows) if isinstance(form, list) and draw(st.booleans()) else json.dumps(form).encode()


@drawn(200)
@given(content=spoilt(prediction_files()))
def test_any_predictions_are_scored_or_refused(place: Path, content: bytes) -> None:
    """Predictions in any form are counted and shown, or one sentence names their file."""
    gold, path = place / "g.jsonl", place / "pred.json"
    gold.write_bytes(lines_of(GOLD))
    path.write_bytes(content)
    report = read(lambda: score(load_task(str(gold)), path, gold), path)
    if report is not None:
        assert report.lenient.n == 4
        assert json.loads(report.model_dump_json())["lenient"]["n"] == 4
        assert len({len(line) for line in report.table().splitlines()[1:3]}) == 1


@drawn(150)
@given(content=spoilt(st.just(lines_of(GOLD))), at=st.integers(0, 3), field=st.sampled_from(FIELDS), value=JSON)
def test_any_gold_is_scored_against_or_refused(place: Path, content: bytes, at: int, field: str, value: object) -> None:
    """A file of problems to score against is one, or the sentence names it (or the predictions that fit none of it)."""
    task, gold, path = place / "t.jsonl", place / "g.jsonl", place / "pred.json"
    task.write_bytes(lines_of(ROWS))
    path.write_bytes(lines_of(FORMS[0]))
    harmed = lines_of([*GOLD[:at], {**GOLD[at], field: value}, *GOLD[at + 1 :]])
    for text in (content, harmed):
        gold.write_bytes(text)
        report = read(lambda: score(load_task(str(task)), path, gold), gold, path)
        assert report is None or report.lenient.n > 0


# A student's library

GRADED: list[dict[str, Any]] = [
    {
        "problem": f"p{i}", "difficulty": i, "pass_rate": i / 6, "samples": 4, "by": "pass_rate", "verdict": "wrong",
        "student": student_hash("weights-1"), "scores": [0.5], "labels": {"topic": "time"},
    }
    for i in range(6)
]  # fmt: skip


@drawn(200)
@given(
    content=spoilt(st.just(lines_of(GRADED) + b"\n")),
    at=st.integers(0, 5),
    field=st.sampled_from((*GRADED[0], "first_wrong", "nonsense")),
    value=JSON,
)
def test_any_library_is_read_or_refused(place: Path, content: bytes, at: int, field: str, value: object) -> None:
    """A row of a library is one, or the sentence names the file and the line."""
    path = place / "grades.jsonl"
    path.write_bytes(content)
    read(lambda: list(load_library(path, "weights-1")), path)
    path.write_bytes(lines_of([*GRADED[:at], {**GRADED[at], field: value}, *GRADED[at + 1 :]]))
    rows = read(lambda: list(load_library(path, "weights-1")), path, where=rf", line {at + 1}: ")
    assert rows is None or [row.model_validate_json(row.model_dump_json()) for row in rows] == rows


def test_the_examples_are_what_is_harmed() -> None:
    """The files that mistakes are put into are sound, so that each mistake is the drawn one."""
    assert len(EXAMPLES) >= 5
    for text in EXAMPLES:
        assert isinstance(make_config(tomllib.loads(text)), Config)
