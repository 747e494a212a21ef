from __future__ import annotations

import pytest

from selfimprove.leakage import Guard, HeldOut, normalised, words
from selfimprove.records import Problem

STORY = (
    "Marta's two-storey bakery sells 1,250 rolls a day for $0.75 each. On Sundays it sells half as many, and a "
    "neighbour's dog eats 3 of them. How much does the bakery earn in a week that begins on a Monday?"
)
SHORT = "Are pennies used in Chile?"


def held(*texts: str, canonical: str = "") -> list[HeldOut]:
    return [HeldOut(id=f"h{i}", where="test", text=text, canonical=canonical) for i, text in enumerate(texts)]


def verdicts(guard: Guard, text: str) -> list[str]:
    return [hit.verdict for hit in guard.hits(text)]


VARIANTS = {
    "as it is": lambda t: t,
    "upper case": str.upper,
    "title case": str.title,
    "spread out": lambda t: t.replace(" ", "  \n\t"),
    "no-break spaces": lambda t: t.replace(" ", "\u00a0"),
    "no spaces": lambda t: t.replace(" ", ""),
    "no punctuation": lambda t: "".join(c for c in t if c.isalnum() or c.isspace()),
    "much punctuation": lambda t: t.replace(" ", ", ").replace("?", "?!..."),
    "curly quotes": lambda t: t.replace("'", "\u2019"),
    "wide letters": lambda t: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in t),
    "invisible characters": lambda t: t.replace("e", "e\u200b"),
    "markdown": lambda t: f"**{t}**",
}


@pytest.mark.parametrize("text", [STORY, SHORT])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_variant_is_found(variant: str, text: str) -> None:
    """Case, spaces, punctuation, width and invisible characters hide nothing."""
    found = Guard(held(STORY, SHORT)).leak(VARIANTS[variant](text))
    assert found is not None
    assert found.held_out == ("h0" if text is STORY else "h1")


@pytest.mark.parametrize("text", [STORY, SHORT])
@pytest.mark.parametrize(
    "wrapped",
    [
        "User: {}\nAssistant: Let us see. That makes 12.",
        "There once was a long text about nothing, and it went on. " * 40 + "{}",
        'The teacher asked: "{}" and nobody knew.',
        "### Question\n{}\n### Answer\nyes",
    ],
)
def test_held_out_problem_inside_a_text_is_found(wrapped: str, text: str) -> None:
    """A chat, a long text or a quotation around a problem does not hide it, however short it is."""
    found = Guard(held(STORY, SHORT)).leak(wrapped.format(text))
    assert found is not None
    assert found.how == "contained"


def test_other_signs_are_another_short_problem() -> None:
    """Of short problems only the same sum is the same."""
    guard = Guard(held("What is 12 - 7 * 2?"))
    assert guard.leak("what is 12-7*2")
    assert guard.leak("First, what is 12 - 7 * 2? It is")
    assert not guard.leak("What is 12 + 7 * 2?")
    assert not guard.leak("What is 1 27 2?")


def test_numbers_stay_apart() -> None:
    """A short problem with other numbers is no leak because its digits read the same."""
    guard = Guard(held("Sort 1, 23, 4"))
    assert guard.leak("sort 1 23 4")
    assert not guard.leak("Sort 12, 3, 4")


def test_three_words_are_found_as_a_sentence_only() -> None:
    """A problem of three words is no leak where it is a part of a sentence."""
    guard = Guard(held("Is cholera alive?"))
    assert guard.leak("Question: Is cholera alive? Answer: yes")
    assert not guard.leak("The question is cholera alive in water can make you ill.")


def test_dropped_sentence_is_found_and_says_what_share_is_there() -> None:
    """Most of a problem is the problem; the hit names the share, the words, and the longest shared run."""
    text = STORY.replace("On Sundays it sells half as many, and a neighbour's dog eats 3 of them. ", "")
    hit = Guard(held(STORY)).leak(text)
    assert hit is not None
    total, kept = len(words(STORY)), len(words(text))
    assert (hit.covered, hit.share) == (kept, round(kept / total, 4))
    assert hit.shared == " ".join(words(text)[kept - hit.longest :])


def test_phrase_is_boilerplate() -> None:
    """A text that shares eleven words of a long problem is told apart from a leak, with the same evidence."""
    (hit,) = Guard(held(STORY)).hits("How much does the bakery earn in a week that begins well?")
    assert (hit.verdict, hit.longest) == ("boilerplate", 11)


def test_eight_words_of_a_long_text_are_no_leak_of_a_short_problem() -> None:
    """Half of a short problem can be a phrase; thirteen words are asked for."""
    guard = Guard(held("What power of 4 is equal to 8? Express your answer as a common fraction."))
    assert verdicts(guard, "Find 6 / 8. Express your answer as a common fraction.") == ["boilerplate"]


BRIEF = "Would a pear usually sink in a glass of fresh water?"


@pytest.mark.parametrize("word", ["Would", "usually", "sink", "glass", "fresh"])
def test_one_other_word_does_not_hide_a_short_problem(word: str) -> None:
    """Of a question of eleven words every run of eight is broken by one other word; its runs of three are not."""
    found = Guard(held(BRIEF)).leak(f"Question: {BRIEF.replace(word, 'really')} Answer: no")
    assert found is not None
    assert (found.how, found.held_out) == ("n-gram", "h0")


def test_a_short_problem_with_other_words_is_another() -> None:
    """Three other words of eleven leave less than 80 %, and half of a short problem is no problem."""
    guard = Guard(held(BRIEF))
    assert guard.hits("Would an apple usually float in a glass of fresh water?") == []
    assert guard.hits("It is said that a glass of fresh water is what a pear needs.") == []


CHINESE = "\u5c0f\u660e\u67095\u4e2a\u82f9\u679c\uff0c\u7ed9\u4e86\u5c0f\u7ea22\u4e2a\uff0c\u5988\u5988\u53c8\u4e70\u4e8612\u4e2a\u3002\u73b0\u5728\u4e00\u5171\u6709\u51e0\u4e2a\uff1f"
JAPANESE = "\u592a\u90ce\u541b\u306f\u308a\u3093\u3054\u30925\u500b\u6301\u3063\u3066\u3044\u307e\u3059\u3002\u6b8b\u308a\u306f\u4f55\u500b\u3067\u3059\u304b\u3002"
SUM = "5+3\u7b49\u4e8e\u51e0"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (CHINESE, CHINESE.replace("\u660e", "\u521a").replace("12", "13")),
        (CHINESE, f"\u95ee\u9898\uff1a{CHINESE}\u7b54\u6848\uff1a15"),
        (JAPANESE, f"{JAPANESE}\u7b54\u3048\u306f3\u3067\u3059\u3002"),
        (JAPANESE, JAPANESE.replace("\u592a\u90ce", "\u6b21\u90ce")),
        (SUM, f"\u8bf7\u95ee{SUM}\u5462"),
    ],
)
def test_languages_without_spaces_are_read_by_characters(problem: str, text: str) -> None:
    """A clause is no single word: a name or a number changed in it, or words around it, hide nothing."""
    assert Guard(held(problem)).leak(text)


def test_another_problem_without_spaces_is_no_leak() -> None:
    """The same beginning, or the same few characters with another sign, make no leak."""
    assert not Guard(held(CHINESE)).leak(CHINESE[:12] + JAPANESE)
    assert not Guard(held(SUM)).leak(SUM.replace("+", "-"))


TEMPLATE = "Determine the number of ways to arrange the letters of the word {}."


def test_phrase_of_many_texts_is_learned() -> None:
    """What four other texts share is boilerplate, the problem itself still is not."""
    guard = Guard(held(TEMPLATE.format("ELLIPSE")))
    others = [TEMPLATE.format(word) for word in ("MADAM", "RADII", "TOOT", "PROOF")]
    assert verdicts(guard, others[0]) == ["leak"]
    guard.learn(others)
    assert verdicts(guard, others[0]) == ["boilerplate"]
    assert guard.leak(TEMPLATE.format("ellipse"))
    assert verdicts(Guard(guard.held_out, guard.boilerplate), others[0]) == ["boilerplate"]


def test_leak_in_many_copies_does_not_become_boilerplate() -> None:
    """A held-out problem that stands in training twenty times, a little changed each time, is refused each time."""
    guard = Guard(held(STORY))
    copies = [f"Case {n}. {STORY.replace('1,250', str(n)).replace('half as many', f'{n} fewer')}" for n in range(20)]
    guard.learn(copies)
    assert all(guard.leak(copy) for copy in copies)


def test_template_of_many_held_out_problems_is_no_leak() -> None:
    """Where held-out problems are a template with other numbers, only a problem itself is refused."""
    form = "A farmer has {} cows and {} hens on his farm near the old river. How many legs do his animals have in all?"
    guard = Guard(held(*[form.format(n, n + 3) for n in range(2, 40)]))
    assert not guard.leak(form.format(50, 60))
    assert guard.leak(f"Teacher: {form.format(7, 10)}")


def test_procedural_problem_is_known_by_form_and_exact_text() -> None:
    """A procedural twin of other wording is refused; a text that shares all but a number is not."""
    form = "Start with {}. Add 4, take away 7, add 2, take away 1 and add 9 to it. What is the result?"
    guard = Guard(held(form.format(12), canonical="12 +4 -7 +2 -1 +9"))
    assert guard.leak(form.format(12).upper())
    assert guard.leak("Another wording", canonical="12 +4 -7 +2 -1 +9")
    assert not guard.leak(form.format(13), canonical="13 +4 -7 +2 -1 +9")


def test_question_belongs_to_its_context() -> None:
    """The same question about another passage is another problem; with the passage's end it is the same."""
    asked = "Which of these statements is supported by what the writer of the passage says in it?"
    passage = "It rained for weeks and the harvest was lost in every village along the river that year."
    guard = Guard([HeldOut.of(Problem.of(asked, "B", context=passage), "test")])
    assert not guard.leak_of(Problem.of(asked, "B", context="Nothing grew there, as no rain fell in spring."))
    assert guard.leak_of(Problem.of(asked.upper(), "C", context=passage))
    assert not guard.leak_of(Problem.of("Is it true?", "yes", context=passage))


def test_options_are_part_of_a_problem() -> None:
    """The same short question with other options is another problem."""
    asked = "Which of these is true?"
    guard = Guard([HeldOut.of(Problem.of(asked, "A", choices=("Iron is a metal", "Water is a metal")), "test")])
    assert guard.leak("which of these is true\n(A) iron is a metal\n(B) water is a metal")
    assert not guard.leak_of(Problem.of(asked, "A", choices=("Seven is a prime", "Nine is a prime")))


def test_signs_between_words_survive_folding() -> None:
    """Hyphens join words, minus signs do not."""
    assert normalised("High-school x-2 5 - 3") == "high school x - 2 5 - 3"
    assert normalised("5 \u2212 3") != normalised("5 + 3")
