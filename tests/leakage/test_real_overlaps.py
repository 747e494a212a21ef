from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from selfimprove.leakage import Guard, HeldOut, Hit

DATA = Path(os.environ.get("SELFIMPROVE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def questions(name: str, field: str = "question") -> list[str]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; set SELFIMPROVE_DATA to a folder with the data sets")
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    return [row[field] for row in rows]


def overlaps(train: list[str], test: list[str]) -> list[tuple[int, Hit]]:
    guard = Guard(HeldOut(id=str(at), where="test", text=text) for at, text in enumerate(test))
    guard.learn(train)
    return [(at, hit) for at, text in enumerate(train) for hit in guard.hits(text)]


def held_in(found: list[tuple[int, Hit]], longest: int = 8) -> set[str]:
    return {hit.held_out for _, hit in found if hit.longest >= longest}


def test_gsm8k() -> None:
    """Three test questions share 13 words in a row with train, 77 share 8; two of them are the same story."""
    found = overlaps(questions("gsm8k/train.jsonl"), questions("gsm8k/test.jsonl"))
    assert len(held_in(found, 13)) == 3
    assert len(held_in(found)) == 77
    leaks = [(at, hit) for at, hit in found if hit.verdict == "leak"]
    assert (len(leaks), len(held_in(leaks))) == (3, 2)


def test_math() -> None:
    """One MATH-500 problem stands whole in MATH's train, but for a sign; 58 share 13 words, 38 of them are leaks."""
    found = overlaps(questions("math/train.jsonl", "problem"), questions("math/math500.jsonl", "problem"))
    assert [hit.share for _, hit in found if hit.how in {"exact", "contained"}] == [1.0]
    assert len(held_in(found, 13)) == 58
    leaks = held_in([(at, hit) for at, hit in found if hit.verdict == "leak"])
    assert len(leaks & held_in(found, 13)) == 38
    assert len(leaks) == 40


def test_strategyqa() -> None:
    """Train and dev share nothing."""
    assert overlaps(questions("strategyqa/train.json"), questions("strategyqa/dev.json")) == []
