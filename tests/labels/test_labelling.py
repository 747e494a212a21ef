"""Labelling: part by part, tolerant of how a label is said, and without a verdict where it is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labelling_models import Knowing, asked_of, outline_of
from small_taxonomy import TOML, small

from selfimprove.errors import InputError
from selfimprove.labels import DIMENSIONS, Cell, Taxonomy, quotas
from selfimprove.labels.labelling import Labeller
from selfimprove.labels.outline import WORDS, stage_below
from selfimprove.labels.replies import read_labels
from selfimprove.records import Completion, Problem, Request


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    return small(tmp_path)


def of_every_cell(taxonomy: Taxonomy) -> list[Problem]:
    """Make a problem of each cell."""
    cells = quotas(taxonomy, by=("form", "difficulty", "key_stage"))
    return [
        Problem.of(f"Problem {at}?", "1", labels=cell.labels, choices=("1", "2") if "choice" in cell.form else ())
        for at, cell in enumerate(cells)
    ]


@pytest.mark.parametrize(("widest", "calls"), [(80, 1), (6, 3), (1, 5)])
def test_every_problem_is_labelled_in_all_dimensions(taxonomy: Taxonomy, widest: int, calls: int) -> None:
    """In one call where the taxonomy fits, level by level where it does not; never with a wider outline."""
    problems = of_every_cell(taxonomy)
    model = Knowing.of(problems)
    found = Labeller(taxonomy, model, widest=widest).label(problems)
    assert [dict(one.labels) for one in found] == [problem.labels for problem in problems]
    assert all(one.whole and not one.complaint and one.problem == p.id for one, p in zip(found, problems, strict=True))
    assert {sure for one in found for sure in one.confidence.values()} == {0.9, 1.0}
    assert max(len(one.calls) for one in found) == calls
    assert sum(len(one.calls) for one in found) == len(model.asked)
    assert max(len(outline_of(request)) for request in model.asked) <= max(widest, 2)


def test_what_leaves_no_choice_is_not_asked(taxonomy: Taxonomy) -> None:
    """English has one topic and one key stage, and a problem with options is multiple choice."""
    problem = next(p for p in of_every_cell(taxonomy) if p.labels["subject"] == "English" and p.choices)
    model = Knowing.of([problem])
    found = Labeller(taxonomy, model).label([problem], [("English",)])[0]
    assert found.labels == problem.labels
    assert found.confidence["topic"] == found.confidence["key_stage"] == found.confidence["form"] == 1.0
    assert asked_of(model.asked[0]) == ["sub_type", "difficulty"]


@pytest.mark.parametrize("start", [(), ("English",)])
def test_a_problem_with_options_is_no_short_answer(tmp_path: Path, start: tuple[str, ...]) -> None:
    """Where the leaf that is chosen takes no multiple choice there is no verdict on the form, and the row says why."""
    text = TOML.replace("{ multiple_choice = 0.8, short_answer = 0.2 }", "{ short_answer = 1.0 }")
    taxonomy = small(tmp_path, text)
    cell = next(c for c in quotas(taxonomy, by=("form", "difficulty", "key_stage")) if c.path[0] == "English")
    problem = Problem.of("Which?", "A", labels=cell.labels, choices=("1", "2"))
    found = Labeller(taxonomy, Knowing.of([problem])).label([problem], [start])[0]
    assert found.labels == {name: value for name, value in problem.labels.items() if name != "form"}
    assert not found.whole
    assert found.complaint.startswith("The problem has options, and English > Spelling > Plurals")
    assert "form" not in found.confidence


def test_a_trait_that_the_chosen_leaf_leaves_no_choice_of_is_not_complained_about(taxonomy: Taxonomy) -> None:
    """English is for KS2 only, so KS3, which the outline of all subjects offers, does not stand in the way."""
    problem = next(p for p in of_every_cell(taxonomy) if p.labels["subject"] == "English")
    model = Knowing.of([problem], lambda d, name, _: f"{WORDS[d]}: {'KS3' if d == 'key_stage' else name} | 0.8")
    found = Labeller(taxonomy, model).label([problem])[0]
    assert found.labels == problem.labels
    assert len(model.asked) == 1


@pytest.mark.parametrize(("said", "calls"), [("Orthography", 1), ("", 1), ("Number", 2)])
def test_a_level_without_a_choice_is_what_it_is_unless_another_is_named(
    taxonomy: Taxonomy, said: str, calls: int
) -> None:
    """English has one topic. Who calls it otherwise means it; who names a topic of Maths has taken a wrong turn."""
    problem = next(p for p in of_every_cell(taxonomy) if p.labels["subject"] == "English")
    model = Knowing.of([problem], lambda d, name, _: f"{WORDS[d]}: {said if d == 'topic' else name} | 0.8")
    found = Labeller(taxonomy, model).label([problem])[0]
    assert len(model.asked) == calls
    assert found.whole == (calls == 1)
    assert found.labels == (problem.labels if found.whole else {**_traits(problem), "subject": "English"})


def _traits(problem: Problem) -> dict[str, str]:
    return {name: problem.labels[name] for name in ("key_stage", "difficulty", "form")}


def test_a_start_that_is_nowhere_is_refused(taxonomy: Taxonomy) -> None:
    """What is known already has to be in the taxonomy."""
    with pytest.raises(InputError, match='"Latin" is not in the taxonomy "small"'):
        Labeller(taxonomy, Knowing({})).label([Problem.of("Q?", "1")], [("Latin",)])


def test_a_wrong_name_is_asked_once_more_with_the_complaint(taxonomy: Taxonomy) -> None:
    """The second reply counts, and is a call of its own."""
    problems = of_every_cell(taxonomy)[:5]

    def say(dimension: str, name: str, request: Request) -> str:
        return f"{WORDS[dimension]}: {'Cooking' if dimension == 'topic' and not request.attempt else name} | 0.7"

    model = Knowing.of(problems, say)
    found = Labeller(taxonomy, model).label(problems)
    assert all(one.whole and len(set(one.calls)) == 2 for one in found)
    assert [request.attempt for request in model.asked] == [0] * 5 + [1] * 5
    assert '"Cooking | 0.7" is no topic that may be chosen there; choose of: Number, Shape.' in (
        model.asked[-1].messages[-1].content
    )
    assert "Cooking" not in model.asked[0].messages[-1].content


def test_a_name_that_stays_wrong_is_no_verdict(taxonomy: Taxonomy) -> None:
    """What is above it and beside it is kept, what is below it is not guessed."""
    problem = of_every_cell(taxonomy)[0]
    model = Knowing.of([problem], lambda d, name, _: f"{d}: {'Cooking' if d == 'sub_topic' else name} | 0.7")
    found = Labeller(taxonomy, model).label([problem])[0]
    kept = ["subject", "topic", "key_stage", "difficulty", "form"]
    assert list(found.labels) == kept
    assert found.labels == {name: problem.labels[name] for name in kept}
    assert not found.whole
    assert "is no sub-topic" in found.complaint
    assert len(model.asked) == 2


def test_silence_is_no_verdict_and_the_batch_goes_on(taxonomy: Taxonomy) -> None:
    """A call that failed for good, and a reply about something else, leave the other problems alone."""
    problems = of_every_cell(taxonomy)[:3]
    bad = {
        problems[0].id: Completion(text="", finish_reason="error", error="down"),
        problems[1].id: Completion(text="Hm."),
    }

    class Failing(Knowing):
        def one(self, request: Request) -> Completion:
            return bad.get(request.problem) or super().one(request)

    found = Labeller(taxonomy, Failing.of(problems)).label(problems)
    assert found[0].complaint == "There was no reply."
    assert 'There is no line "subject: ..."' in found[1].complaint
    assert found[2].whole
    assert {name for one in found[:2] for name in one.labels} <= {"form"}


def test_the_check_is_another_program_that_reads_backwards(taxonomy: Taxonomy) -> None:
    """It is not told what the first judgement said, says first what a problem takes, and sees the last names first."""
    problems = of_every_cell(taxonomy)
    first, second = Knowing.of(problems), Knowing.of(problems)
    one = Labeller(taxonomy, first).label(problems)
    two = Labeller(taxonomy, second, "check_label").label(problems)
    assert [each.labels for each in one] == [each.labels for each in two]
    assert {request.role for request in second.asked} == {"check_label"}
    assert outline_of(first.asked[0])[0] == "Maths"
    assert outline_of(second.asked[0])[0] == "English"
    assert first.asked[0].messages[0] != second.asked[0].messages[0]


REPLY = {
    "plain": "subject: Maths | 0.9\ntopic: Number | 0.8\nsub-topic: Fractions | 0.7",
    "bullets": "- **Subject**: Maths (0.9)\n- **Topic**: number (0.8)\n- **Sub-topic**: FRACTIONS (0.7)",
    "numbered": "Sure!\n1. Subject: Maths, confidence: 90%\n2. Topic: Number, confidence: 80%\n3. Sub topic: Fractions 70 %",
    "json": '{\n "subject": "Maths | 0.9",\n "topic": "Number" (0.8),\n "sub_topic": "Fractions", 0.7\n}',
    "paths": "subject = Maths | .9\ntopic = Maths > Number | 0.8\nsub_topic = Maths > Number > Fractions | 0.70",
    "backwards": "sub-topic: Fractions | 0.7\ntopic: Number | 0.8\nsubject: Maths | 0.9",
    "corrected": "topic: Shape | 0.5\nsubject: Maths | 0.9\ntopic: Number | 0.8\nsub-topic: `Fractions` | 0.7.",
}


@pytest.mark.parametrize("text", REPLY.values(), ids=REPLY.keys())
def test_labels_are_read_however_they_are_written(text: str, taxonomy: Taxonomy) -> None:
    """Capitals, bullets, paths and per cent are form; the names and the numbers are meant."""
    stage = stage_below(taxonomy, (), 5)._replace(levels=("subject", "topic", "sub_topic"))
    said = read_labels(text, stage, taxonomy)
    assert said.labels == {"subject": "Maths", "topic": "Number", "sub_topic": "Fractions"}
    assert said.confidence == {"subject": 0.9, "topic": 0.8, "sub_topic": 0.7}
    assert said.complaint == ""


def test_a_name_may_end_in_a_number_and_a_confidence_be_missing(taxonomy: Taxonomy) -> None:
    """`KS2` alone is a name without confidence, not a name `KS` that is sure by 2."""
    stage = stage_below(taxonomy, ("Maths",))
    said = read_labels("key stage: KS2\ndifficulty: medium | 140", stage._replace(levels=()), taxonomy)
    assert said.confidence == {"key_stage": None, "difficulty": 1.0}
    assert "answer form" in said.complaint


def test_a_name_may_end_in_what_a_confidence_is_called(tmp_path: Path) -> None:
    """A topic named for probability is not taken for a confidence."""
    name = "Counting & Probability"
    taxonomy = small(tmp_path, TOML.replace("Shape =", f'"{name}" =').replace("> Shape", f"> {name}"))
    stage = stage_below(taxonomy, ("Maths",))._replace(levels=("topic",), traits=())
    for line in (f"{name} | 0.9", f"{name}, probability: 0.9"):
        said = read_labels(f"topic: {line}", stage, taxonomy)
        assert (said.labels, said.confidence) == ({"topic": name}, {"topic": 0.9})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([*WORDS.values(), "x"]), st.text(max_size=30)), max_size=9), st.text())
def test_whatever_is_said_only_names_of_the_taxonomy_are_read(
    taxonomy: Taxonomy, lines: list[tuple[str, str]], rest: str
) -> None:
    """No reply breaks the reading, and what is not read is complained about."""
    said = read_labels(rest + "\n".join(f"{word}: {text}" for word, text in lines), stage_below(taxonomy, ()), taxonomy)
    assert not taxonomy.complaint(said.labels, list(said.labels)) or "subject" not in said.labels
    assert bool(said.complaint) == (len(said.labels) < len(DIMENSIONS))
    assert all(sure is None or 0 <= sure <= 1 for sure in said.confidence.values())


def test_a_label_goes_wherever_the_problem_goes(taxonomy: Taxonomy) -> None:
    """What was found is plain text under the taxonomy's keys, and counts towards a cell."""
    problem = of_every_cell(taxonomy)[7]
    found = Labeller(taxonomy, Knowing.of([problem])).label([problem])[0]
    assert set(found.labels) == set(DIMENSIONS)
    cell = taxonomy.cell_of(found.labels)
    assert isinstance(cell, Cell)
    assert cell in quotas(taxonomy)
