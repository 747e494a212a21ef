"""Looks at a split are known by its problems, whatever folder they are made in."""

from __future__ import annotations

from selfimprove.openings import Look, count_look, know_split, looks_at


def look(run: str) -> Look:
    return Look(split="test", run=run, what="after round 1: base, best")


def test_a_look_at_most_of_the_problems_is_one_at_these() -> None:
    """A split cut shorter, or longer, has another hash and the same problems; one that shares a few is another."""
    ids = [f"p{n}" for n in range(40)]
    for name, some in (("a", ids), ("b", ids[:-1]), ("c", ids[:10]), ("d", ids[30:] + [f"q{n}" for n in range(90)])):
        know_split(name, some)
        count_look(name, look(name))
        count_look(name, look(name))
    seen = {name: {one.run for one in looks_at(name)} for name in "abcd"}
    assert seen == {"a": {"a", "b"}, "b": {"a", "b"}, "c": {"a", "b", "c"}, "d": {"d"}}


def test_a_split_whose_problems_nobody_wrote_down_is_known_by_its_hash() -> None:
    """As one of an older run folder."""
    know_split("a", ["p1"])
    count_look("old", look("old"))
    assert [one.run for one in looks_at("old")] == ["old"]
    assert looks_at("a") == []
