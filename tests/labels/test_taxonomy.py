"""The taxonomy: what is read, what labels are in it, and what is refused."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from small_taxonomy import TOML, small

from selfimprove.errors import InputError
from selfimprove.labels import Cell

RIGHT = {
    "subject": "Maths",
    "topic": "Number",
    "sub_topic": "Fractions",
    "type": "Find it",
    "sub_type": "two steps",
    "key_stage": "KS3",
    "difficulty": "hard",
    "form": "short answer",
}


def test_leaves_take_what_is_set_above_them(tmp_path: Path) -> None:
    """Shares multiply down the levels, quotas come first, and traits are inherited."""
    taxonomy = small(tmp_path)
    assert [subject.size for subject in taxonomy.subjects] == [100, 50]
    wanted = {leaf.path[1:]: leaf.wanted for leaf in taxonomy.leaves_under(["Maths"])}
    assert wanted["Number", "Fractions", "Find it", "one step"] == Fraction(75, 4)
    assert wanted["Number", "Addition", "Mend it", "two steps"] == Fraction(7, 2)
    assert wanted["Number", "Addition", "Find it", "two steps"] == (Fraction(75, 2) - 7) / 2
    assert sum(wanted.values()) == 100
    leaf = taxonomy.leaf(("english", "spelling", "plurals", "find-it", "ONE STEP"))
    assert leaf is not None
    assert leaf.forms == {"multiple choice": Fraction(4, 5), "short answer": Fraction(1, 5)}
    assert leaf.difficulties == {"easy": Fraction(1, 2), "hard": Fraction(1, 2)}
    assert taxonomy.children() == ("Maths", "English")
    assert taxonomy.children(["maths", "Number", "addition"]) == ("Find it", "Mend it")
    assert taxonomy.children(["Maths", "Sums"]) == ()
    assert taxonomy.values("key_stage", ["English"]) == ("KS2",)


def test_a_lower_level_may_set_its_own_forms(tmp_path: Path) -> None:
    """What is set nearest to the leaf holds."""
    taxonomy = small(tmp_path, TOML.replace('name = "Angles"', 'name = "Angles"\nforms = ["short answer"]'))
    assert {tuple(leaf.forms) for leaf in taxonomy.leaves_under(["Maths", "Shape"])} == {("short answer",)}
    assert {len(leaf.forms) for leaf in taxonomy.leaves_under(["Maths", "Number"])} == {2}


def test_the_hash_names_the_content(tmp_path: Path) -> None:
    """The same file has the same hash, another ratio another one."""
    assert small(tmp_path).hash == small(tmp_path, f"# a remark\n{TOML}").hash
    assert small(tmp_path).hash != small(tmp_path, TOML.replace("size = 100", "size = 101")).hash


def test_labels_are_found_or_complained_about(tmp_path: Path) -> None:
    """Right labels have a cell, whatever their capitals; wrong ones a clause that names the nearest right name."""
    taxonomy = small(tmp_path)
    assert taxonomy.complaint(RIGHT) == ""
    path = ("Maths", "Number", "Fractions", "Find it", "two steps")
    assert taxonomy.cell_of(RIGHT) == Cell(path, "short answer")
    loose = {name: value.upper().replace(" ", "_") for name, value in RIGHT.items()}
    found = taxonomy.cell_of(loose, by=("form", "difficulty", "key_stage"))
    assert found == Cell(path, "short answer", "hard", "KS3")
    assert found.labels == RIGHT
    said = taxonomy.complaint({**RIGHT, "sub_topic": "Fraction"})
    assert said == (
        '"sub_topic" is \'Fraction\', which is not in the taxonomy in "Maths > Number"; did you mean "Fractions"?'
    )
    assert taxonomy.cell_of({**RIGHT, "sub_topic": "Fraction"}) is None
    assert '"difficulty" is missing' in taxonomy.complaint({**RIGHT, "difficulty": ""})
    assert taxonomy.complaint({"subject": "Maths"}, ["subject"]) == ""
    assert "known: KS2" in taxonomy.complaint({**RIGHT, "key_stage": "9"})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'under = "Maths > Shape"',
            'under = "Maths > Shapes"',
            'sub_topics.1.under = \'Maths > Shapes\' will not do: there is no topic "Shapes" above it; did you mean "Shape"?',
        ),
        ('under = "Maths"', 'under = "Mathz"', 'there is no subject "Mathz"'),
        (
            'under = "Maths"\n',
            'under = "Maths > Number"\n',
            "it names 2 level(s), and what stands there is under subject",
        ),
        (
            "quota = 7",
            "quota = 70",
            'types.1.quota: the quotas under "Maths > Number > Addition" add up to 70 and cannot be met, as 37.50 are wanted there',
        ),
        ("Shape = 0.25", "Shape = 0.3", 'topics.0: the shares under "Maths" add up to 1.05, not to 1'),
        ("short_answer = 0.8, multiple", "short_answer = 0.7, multiple", "subjects.0.forms"),
        ("short_answer = 0.8, multiple", "short_answer = 0.7, multiple", "the ratios add up to 0.9, not to 1"),
        ("short_answer = 0.8", "essay = 0.8", 'there is no answer form "essay"'),
        ('names = ["Spelling"]', 'names = ["Spelling", "spelling"]', '"spelling" stands there twice'),
        ('name = "Mend it"', 'name = "find  it"', '"Addition" holds that name already'),
        ('name = "English"', 'name = "Maths"', "a subject has that name already"),
        ('names = ["Spelling"]', "names = []", "topics.1.names = [] will not do: it is empty"),
        (
            '[[types]]\nunder = ["Maths > * > *", "English > * > *"]',
            '[[types]]\nunder = "Maths > * > *"',
            "there is nothing on that level",
        ),
        ('[[sub_topics]]\nunder = "English > Spelling"\nname = "Plurals"', "", "there is nothing on that level"),
        (
            ', "English > * > * > *"]',
            "]",
            '"English > Spelling > Plurals > Find it" has no sub-types; add a [[sub_types]] table',
        ),
        ('under = "English"', "under = []", "topics.1.under = () will not do: it names no parent"),
        ("size = 50", "size = 0", "subjects.1.size = 0 will not do"),
        ("size = 50", "size = true", "subjects.1.size"),
        ("size = 50", "", "subjects.1.size is missing"),
        ("size = 50", "sise = 50", 'there is no key "subjects.1.sise"; did you mean "size"?'),
        ("[[topics]]", "[[topicz]]", 'there is no key "topicz"; did you mean "topics"?'),
        ('key_stages = ["KS2"]', "", "key_stages is set nowhere"),
        ("quota = 7", 'quota = 7\nshare = "1/2"', "types.1.quota = 7 will not do: it has a share too"),
        ('name = "Angles"', 'name = "Angles"\nshare = "1/0"', "a share cannot be divided by 0"),
        ('name = "Angles"', 'name = "Angles"\nshare = 1.5', "a share is from 0 to 1"),
        ('name = "Angles"', 'name = "Ang > les"', "a name has at most"),
        ('name = "Angles"', 'names = ["Angles"]\nquota = 3', "share and quota are for a name"),
        ('name = "Angles"', "", "either name or names"),
        ('name = "small"', "name = small", "is not valid TOML"),
        ('name = "Angles"', 'name = "Angles"\nshare = 0.5', 'the shares under "Maths > Shape" add up to 0.5'),
        (
            "names = { Number = 0.75, Shape = 0.25 }",
            'names = { Number = 1 }\n[[topics]]\nunder = "Maths"\nname = "Shape"',
            '"Shape" has no share and others',
        ),
    ],
)
def test_what_will_not_do_is_one_sentence(old: str, new: str, said: str, tmp_path: Path) -> None:
    """The message names the file and the key, and says what is wrong."""
    assert old in TOML
    with pytest.raises(InputError) as error:
        small(tmp_path, TOML.replace(old, new, 1))
    assert said in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "small.toml"))
    assert "\n" not in str(error.value)


def test_no_file_and_no_subject_are_refused(tmp_path: Path) -> None:
    """A file that is not there, and one with nothing in it."""
    from selfimprove.labels import load_taxonomy

    with pytest.raises(InputError, match=r"gone\.toml cannot be read: No such file"):
        load_taxonomy(tmp_path / "gone.toml")
    with pytest.raises(InputError, match="subjects is empty"):
        small(tmp_path, 'name = "none"')
