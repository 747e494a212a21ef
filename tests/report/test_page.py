from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from sample import SCRIPT, score, summary

from selfimprove.errors import MissingDependencyError, RunFolderError
from selfimprove.report.decided_schema import Difference, SampledSummary
from selfimprove.report.page import render_page, write_page
from selfimprove.report.schema import Best, CostSummary


def test_page_opens_with_the_sentence():
    """The result's sentence is the page's only first heading."""
    made = summary()
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", render_page(made), re.DOTALL) == [made.sentence.replace("'", "&#39;")]


def test_what_a_model_wrote_is_escaped_everywhere():
    """A script tag in any model text shows as text and never as a tag."""
    page = render_page(summary(SCRIPT))
    assert "<script" not in page
    assert page.count("&lt;script&gt;document.title") == 9


def test_names_from_config_and_data_are_escaped():
    """Task, student, arm and label names cannot open a tag either."""
    made = summary()
    rows = tuple(
        row.model_copy(update={"arm": "<b>arm", "by_label": {"<i>label": {"<u>a": score(0.5), "<u>b": score(0.5)}}})
        for row in made.rounds
    )
    page = render_page(made.model_copy(update={"task": "<s>task", "student": "<q>student", "rounds": rows}))
    assert not re.search(r"<(b>arm|i>label|u>a|s>task|q>student)", page)
    assert "&lt;b&gt;arm" in page
    assert "&lt;i&gt;label" in page


def test_page_asks_nothing_of_the_network():
    """No attribute and no style names an address, and the page's policy forbids requests."""
    page = render_page(summary())
    assert not re.search(r"(?:src|href|action|data)\s*=\s*[\"'](?!#)|url\(|@import|<link|<iframe|<object", page)
    assert "default-src 'none'" in page


def test_same_summary_gives_the_same_bytes(tmp_path: Path):
    """Nothing of the clock or of memory addresses is in the page."""
    first, second = write_page(summary(), tmp_path / "a.html"), write_page(summary(), tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()


def test_every_round_arm_and_decision_is_shown():
    """The table names each arm with its decision, difference and p-value."""
    page = render_page(summary())
    assert page.count('class="decision"') == 6
    assert [page.count(f">{word}</span>") for word in ("promote", "hold", "roll back")] == [2, 3, 1]
    for shown in ("+12.2", "[+7.7, +16.8]", "0.32", "Round 3"):
        assert shown in page


def test_money_that_is_held_is_shown():
    """What calls without an answer may have cost stands beside the cost, with no call in doubt too."""
    made = summary()
    cost = made.cost.model_copy(update={"usd": 1.0, "held_usd": 8.0, "in_doubt": 0, "budget_usd": 10.0})
    page = render_page(made.model_copy(update={"cost": cost}))
    assert "$8.00 held," in page
    assert "$8.00 more count for calls that gave no answer and may have been billed." in page
    assert re.search(r'aria-label="90\D+ of the budget"', page)
    bare = made.model_copy(update={"cost": cost.model_copy(update={"held_usd": 0.0})})
    assert " held," not in render_page(bare)
    assert "may have been billed" not in render_page(bare)


def test_words_of_its_own_are_explained():
    """Strict readings beside both tables that have them; rungs only where a ladder was climbed."""
    made, strict = summary(), "counts an answer only in the form that the task asks for"
    page, flat = (
        render_page(
            made.model_copy(update={"rounds": tuple(r.model_copy(update={"rungs": some}) for r in made.rounds)})
        )
        for some in (("2", "3"), ())
    )
    assert page.count(strict) == 2
    assert "Rungs are values of the label" in page
    assert "Rungs are" not in flat


def test_a_round_says_what_it_tried_in_whole_numbers():
    """Solved, wrong and without a verdict add up to what was tried; the last is said only where there is any."""
    made, none = summary(), {"pool_no_verdict": 0}
    told = "175 of 400 problems solved at the first try, 212 wrong, 13 without a verdict"
    assert told in render_page(made)
    whole = render_page(made.model_copy(update={"rounds": tuple(r.model_copy(update=none) for r in made.rounds)}))
    assert "188 of 400 problems solved at the first try, 212 wrong &middot; rungs" in whole


def test_the_test_split_shows_how_often_it_was_opened():
    """A second look at the test split is said, since it weakens the claim."""
    made = summary()
    again = made.model_copy(update={"test": made.test.model_copy(update={"opened": 3})})
    assert "opened once" in render_page(made)
    assert "opened 3 times" in render_page(again)


def test_arm_that_is_told_says_so_beside_the_others():
    """Its figure on test stands with the reason why it is not like the others."""
    made = summary()
    arms = {"track_a": score(0.21), "track_b_given": score(0.97)}
    page = render_page(made.model_copy(update={"test": made.test.model_copy(update={"arms": arms})}))
    assert "track_b_given, last round (told the rationale: not comparable)" in page
    assert page.count("not comparable") == 1


def test_an_arm_above_the_best_on_test_chooses_nothing():
    """Where its row has more than the best's, a note says what dev decided; samples count where dev went by them."""
    made = summary()
    note = "a higher figure on test chooses nothing"
    arms = {"track_b": score(0.56), "track_a": score(0.3)}
    page = render_page(made.model_copy(update={"test": made.test.model_copy(update={"arms": arms})}))
    assert f"track_b of round 3 was held on dev (+0.8 points); {note}" in page
    assert page.count(note) == 1
    drawn = {"base": sampled(0.1), "best": sampled(0.5), "track_b": sampled(0.4), "track_a": sampled(0.6)}
    tested = made.test.model_copy(update={"arms": arms, "sampled": drawn})
    page = render_page(made.model_copy(update={"test": tested}))
    assert f"track_a of round 3 was rolled back on dev (\N{MINUS SIGN}13.2 points); {note}" in page
    assert page.count(note) == 1


def sampled(share: float) -> SampledSummary:
    """Make what four samples a problem came to."""
    between = (share - 0.05, share + 0.05)
    return SampledSummary(samples=4, accuracy=share, interval=between, pass_at_k=share, consistency=share)


def test_arm_that_is_as_good_as_another_is_shown():
    """An arm with exactly as many right answers as the base, or as another arm, has its own row."""
    made = summary()
    arms = {"track_a": made.test.base, "grpo": made.test.base}
    page = render_page(made.model_copy(update={"test": made.test.model_copy(update={"arms": arms})}))
    assert re.findall(r'<th scope="row">(\w+), last round</th>', page) == ["track_a", "grpo"]


def test_one_comparison_on_test_is_a_proof():
    """The page says that only best against base was settled before the split was opened."""
    assert "This comparison alone was settled beforehand; the others are for reading." in render_page(summary())


def test_the_proof_names_its_test():
    """Where problems belong together it is sign flips over their groups, and McNemar's test where none do."""
    made = summary()
    flips = made.test.difference.model_copy(update={"test": "paired sign flips", "groups": 40})
    grouped = made.model_copy(update={"test": made.test.model_copy(update={"difference": flips})})
    assert "(one-sided mid-p McNemar)." in render_page(made)
    assert "(one-sided paired sign flips over 40 groups of problems)." in render_page(grouped)


def test_campaign_without_rounds_still_has_a_page():
    """A campaign that has only begun shows what there is and no empty section."""
    bare = summary(
        rounds=(), baselines=(), test=None, lessons=(), failures=(), state="running",
        best=Best(path="", round=0, load=""), cost=CostSummary(usd=0),
    )  # fmt: skip
    page = render_page(bare)
    assert re.findall(r'<section id="(\w+)"', page) == ["prompts", "cost", "provenance"]
    assert "All prompts are plain" in page


def test_lessons_without_questions_speak_of_none():
    """Where nothing was asked, neither the heading nor its sentence tells of questions and refused answers."""
    made = summary()
    bare = tuple(each.model_copy(update={"clarifications": (), "rewrite_verdict": None}) for each in made.lessons)
    page = render_page(made.model_copy(update={"lessons": bare}))
    assert "from draft to worked solution" in page
    assert "refused" not in page.partition("</style>")[2]
    assert "from draft to rewrite" in render_page(made)


def test_refused_answers_are_struck_out_beside_the_one_let_through():
    """A lesson shows which answers gave the solution away."""
    page = render_page(summary())
    assert '<p class="said refused">The answer is 22.</p>' in page
    assert "No answer was let through." in page


def test_truncated_is_named_apart_from_wrong():
    """No verdict reads as what happened, never as wrong."""
    page = render_page(summary())
    assert "cut off by the token limit" in page
    assert "no answer found" in page


def test_a_lone_surrogate_cannot_stop_the_page(tmp_path: Path):
    """Text that is not encodable is replaced, not raised."""
    broken = summary().model_copy(update={"sentence": "half \ud800 a character"})
    assert "half ? a character" in write_page(broken, tmp_path / "index.html").read_text("utf-8")


def test_unwritable_place_is_one_sentence(tmp_path: Path):
    """A folder where the file should be is said, and nothing is left behind."""
    (tmp_path / "index.html").mkdir()
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_page(summary(), tmp_path / "index.html")
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_without_jinja_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch):
    """The optional package is asked for by its extra."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "selfimprove\[report\]"'):
        render_page(summary())


def test_negative_differences_have_a_real_minus():
    """A loss is written with a minus sign, not a hyphen, and never as -0.0."""
    made = summary()
    lost = made.test.model_copy(
        update={"best_minus_control": Difference(points=-0.04, interval=(-3.1, 3.0), p_value=0.51)}
    )
    page = render_page(made.model_copy(update={"test": lost}))
    assert "[\N{MINUS SIGN}3.1, +3.0]" in page
    assert "-0.0" not in page
