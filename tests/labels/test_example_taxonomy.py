"""The example taxonomy is what its header says."""

from __future__ import annotations

from collections import Counter

import pytest

from selfimprove.installed import shipped
from selfimprove.labels import Taxonomy, load_taxonomy, quotas


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return load_taxonomy(shipped("examples/taxonomies/three_subjects.toml"))


def test_three_subjects_of_the_sizes_and_forms_that_were_asked_for(taxonomy: Taxonomy) -> None:
    """10,000, 50,000 and 30,000 problems, each subject's answer forms exactly 80 to 20."""
    forms: Counter[tuple[str, str]] = Counter()
    for cell, number in quotas(taxonomy).items():
        forms[cell.path[0], cell.form] += number
    assert forms == {
        ("English", "multiple choice"): 8_000,
        ("English", "short answer"): 2_000,
        ("Maths", "short answer"): 40_000,
        ("Maths", "multiple choice"): 10_000,
        ("Reasoning", "multiple choice"): 24_000,
        ("Reasoning", "short answer"): 6_000,
    }


def test_topics_and_types_are_as_many_as_asked_for(taxonomy: Taxonomy) -> None:
    """Five to seven topics of English, 50 of Maths with sub-topics, 21 question types of Reasoning with sub-types."""
    assert 5 <= len(taxonomy.children(["English"])) <= 7
    assert len(taxonomy.children(["Maths"])) == 50
    assert all(len(taxonomy.children(["Maths", topic])) >= 2 for topic in taxonomy.children(["Maths"]))
    types = Counter(leaf.path[3] for leaf in taxonomy.leaves_under(["Reasoning"]))
    assert len(types) == 21
    assert min(types.values()) >= 2


def test_question_types_of_reasoning_share_equally(taxonomy: Taxonomy) -> None:
    """30,000 in 21 types: 1,428 or 1,429 each; and the topics of Maths 1,000 each."""
    types: Counter[str] = Counter()
    topics: Counter[str] = Counter()
    for cell, number in quotas(taxonomy).items():
        if cell.path[0] == "Reasoning":
            types[cell.path[3]] += number
        if cell.path[0] == "Maths":
            topics[cell.path[1]] += number
    assert set(types.values()) == {1428, 1429}
    assert set(topics.values()) == {1000}
