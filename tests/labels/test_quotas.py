"""Quotas are whole numbers that add up, each next to its exact share."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))
from small_taxonomy import small

from selfimprove.errors import InputError
from selfimprove.labels import Taxonomy, quotas
from selfimprove.labels.quotas import shares
from selfimprove.labels.reading import make_taxonomy


def test_a_subject_gets_its_size_and_its_ratio(tmp_path: Path) -> None:
    """100 of Maths in 80:20, 50 of English in 20:80, and the fixed quota is met."""
    found = quotas(small(tmp_path))
    forms: dict[tuple[str, str], int] = defaultdict(int)
    for cell, number in found.items():
        forms[cell.path[0], cell.form] += number
    assert forms == {
        ("Maths", "short answer"): 80,
        ("Maths", "multiple choice"): 20,
        ("English", "multiple choice"): 40,
        ("English", "short answer"): 10,
    }
    assert sum(number for cell, number in found.items() if "Mend it" in cell.path) == 7


def test_cells_may_be_divided_further(tmp_path: Path) -> None:
    """By difficulty the cells are finer and add up to the same; by nothing there is one a leaf."""
    taxonomy = small(tmp_path)
    finer = quotas(taxonomy, by=("form", "difficulty"))
    assert sum(finer.values()) == sum(quotas(taxonomy).values()) == 150
    assert {cell.difficulty for cell in finer if cell.path[0] == "English"} == {"easy", "hard"}
    assert sum(number for cell, number in finer.items() if cell.difficulty == "medium") == 30
    assert len(quotas(taxonomy, by=())) == len(taxonomy.leaves)
    with pytest.raises(InputError, match='divided by "colour"; choose of key_stage'):
        quotas(taxonomy, by=("colour",))


def parts(most: int) -> st.SearchStrategy[list[int]]:
    """Weights of some siblings."""
    return st.lists(st.integers(1, 9), min_size=1, max_size=most)


def of(weights: Sequence[int], word: str) -> dict[str, str]:
    return {f"{word} {at}": f"{weight}/{sum(weights)}" for at, weight in enumerate(weights)}


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    """Draw a taxonomy of any shape and any ratios."""
    values: dict[str, list[dict[str, object]]] = {
        "subjects": [],
        "topics": [],
        "sub_topics": [],
        "types": [],
        "sub_types": [],
    }
    for at in range(draw(st.integers(1, 2))):
        name, easy = f"subject {at}", draw(st.integers(0, 10))
        choice = draw(st.integers(0, 10))
        traits = {
            "forms": {"multiple choice": f"{choice}/10", "short answer": f"{10 - choice}/10"},
            "difficulties": {"easy": f"{easy}/10", "hard": f"{10 - easy}/10"},
            "key_stages": ["KS2", "KS3", "KS4"],
        }
        values["subjects"].append({"name": name, "size": draw(st.integers(1, 3000)), **traits})
        paths = [name]
        for table in ("topics", "sub_topics", "types", "sub_types"):
            below = []
            for path in paths:
                names = of(draw(parts(4)), table)
                own = {"forms": ["short answer"]} if draw(st.integers(0, 5)) == 0 else {}
                values[table].append({"under": path, "names": names, **own})
                below += [f"{path} > {each}" for each in names]
            paths = below
    return make_taxonomy({"name": "drawn", **values})


@settings(max_examples=60, deadline=None)
@given(taxonomies(), st.sets(st.sampled_from(["form", "difficulty", "key_stage"])))
def test_quotas_add_up_and_are_next_to_their_shares(taxonomy: Taxonomy, by: set[str]) -> None:
    """Subjects get their sizes exactly; no cell, and no level within values of the traits, is a whole problem off."""
    exact, found = shares(taxonomy, sorted(by)), quotas(taxonomy, sorted(by))
    assert set(found) == set(exact)
    off: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    sizes: dict[str, int] = defaultdict(int)
    for cell, number in found.items():
        assert number >= 0
        sizes[cell.path[0]] += number
        for depth in range(1, 6):
            off[cell.path[:depth], *cell[1:]] += number - exact[cell]
        off[cell.path[0], cell.form] += number - exact[cell]
    assert sizes == {subject.name: subject.size for subject in taxonomy.subjects}
    assert max(map(abs, off.values())) < 1


def test_forms_that_round_differently_make_up_for_each_other() -> None:
    """21 equal types of 30,000 in 80:20 have 1,428 or 1,429 problems each, not 1,427 or 1,430."""
    names = [f"type {at}" for at in range(21)]
    values = {
        "name": "equal",
        "subjects": [
            {
                "name": "R",
                "size": 30000,
                "forms": {"multiple choice": 0.8, "short answer": 0.2},
                "key_stages": ["KS2"],
                "difficulties": ["any"],
            }
        ],
        "topics": [{"under": "R", "name": "t"}],
        "sub_topics": [{"under": "R > t", "name": "s"}],
        "types": [{"under": "R > t > s", "names": names}],
        "sub_types": [{"under": "R > t > s > *", "names": ["a", "b", "c"]}],
    }
    totals: dict[str, int] = defaultdict(int)
    for cell, number in quotas(make_taxonomy(values)).items():
        totals[cell.path[3]] += number
    assert sum(totals.values()) == 30000
    assert set(totals.values()) == {1428, 1429}
