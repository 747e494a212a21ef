"""Yes/no, choice and plain numbers beside their references: official accuracy, letters, and exact fractions."""

import json
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from selfimprove.answers import choice, number, yes_no
from selfimprove.records import Parsed, Verdict

DATA = Path(
    os.environ.get("SELFIMPROVE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
).resolve()

YES_NO = {
    "bare": "{word}",
    "sentence": "{word}.",
    "asked for": "{facts}\nAnswer: {word}",
    "bold": "{facts}\n**Answer:** {word}.",
    "reasoned": "{facts} So the answer is {word}.",
    "first": "{word}, because of this: {facts}",
    "boxed": "{facts}\n\\boxed{{{word}}}",
    "truth": "{facts}\nAnswer: {truth}",
}


def _official(predicted: bool, label: bool) -> bool:  # noqa: FBT001 - what the data set's scorer compares
    """Accuracy over booleans, as the data set's own evaluation counts it."""
    return predicted is label


def test_strategyqa_accuracy_is_the_official_one():
    """229 questions, eight forms, right and wrong: the verdict is whether the booleans are the same."""
    folder = DATA / "strategyqa"
    if not folder.is_dir():
        pytest.skip("no StrategyQA rows: set SELFIMPROVE_DATA")
    rows = json.loads((folder / "dev.json").read_text(encoding="utf-8"))
    checked = 0
    for index, row in enumerate(rows):
        for form, (name, written) in enumerate(YES_NO.items()):
            predicted = (index + form) % 2 == 0
            word = "yes" if predicted else "no"
            text = written.format(
                word=word.title() if form % 3 else word, facts=" ".join(row["facts"]), truth=str(predicted)
            )
            parsed = yes_no.read(text)
            assert parsed.answer is not None, (name, text)
            verdict = yes_no.compare(parsed.answer, "yes" if row["answer"] else "no")
            assert (verdict is Verdict.CORRECT) is _official(predicted, row["answer"]), (name, text)
            assert (parsed.strict is not None) is (name in {"asked for", "bold"}), text
            checked += 1
    assert checked >= 300


CHOICE: dict[str, Callable[[str, str], str]] = {
    "letter": lambda letter, _: letter,
    "brackets": lambda letter, _: f"({letter})",
    "with text": lambda letter, option: f"{letter}. {option}",
    "asked for": lambda letter, _: f"I compare them.\nAnswer: {letter}",
    "asked for, dot": lambda letter, _: f"Answer: ({letter}).",
    "sentence": lambda letter, option: f"The answer is ({letter}), {option}.",
    "option": lambda letter, _: f"The correct answer is option {letter}",
    "boxed": lambda letter, _: f"so \\boxed{{{letter}}}",
    "text alone": lambda _, option: f"Answer: {option}",
    "contrast": lambda letter, option: f"The answer is {letter}, not {'A' if letter != 'A' else 'B'}",
}
OPTIONS = ("a shark", "The whale", "an octopus", "two crabs")


@pytest.mark.parametrize("name", CHOICE)
def test_choice_is_the_letter(name: str):
    """Ten forms, every letter written against every letter meant, 160 pairs and as many in bold: equal letters, no others."""
    for written, option in zip("ABCD", OPTIONS, strict=True):
        for reference in "ABCD":
            for bold in (False, True):
                text = CHOICE[name](f"**{written}**" if bold and name != "boxed" else written, option)
                parsed = choice.read(text)
                assert parsed.answer is not None, text
                verdict = choice.compare(parsed.answer, reference, OPTIONS)
                assert verdict is (Verdict.CORRECT if written == reference else Verdict.WRONG), text


def _numbers() -> Iterator[tuple[str, Fraction]]:
    """Walk 400 numbers as people write them, with their exact values."""
    rng = Random(20)
    for index in range(400):
        whole, cents, below = rng.randint(0, 10 ** rng.randint(1, 7)), rng.randint(0, 99), rng.randint(2, 99)
        value = Fraction(whole * 100 + cents, 100)
        share = Fraction(rng.randint(1, below), below)
        mixed = f"{rng.randint(1, 50)} {rng.randint(1, below - 1)}/{below}"
        first, _, part = mixed.partition(" ")
        yield [
            (str(whole), Fraction(whole)),
            (f"{whole:,}", Fraction(whole)),
            (f"-{whole}", Fraction(-whole)),
            (f"−{whole:,}", Fraction(-whole)),  # noqa: RUF001 - a typographic minus
            (f"${whole:,}.{cents:02}", value),
            (f"{whole}.{cents:02}", value),
            (f"{share.numerator}/{share.denominator}", share),
            (rf"\frac{{{share.numerator}}}{{{share.denominator}}}", share),
            (mixed, int(first) + Fraction(part)),
            (f"{whole} apples", Fraction(whole)),
        ][index % 10]


@pytest.mark.parametrize("form", ["Answer: {}", "The answer is {}.", "so \\boxed{{{}}}", "It is {}"])
def test_numbers_are_their_fractions(form: str):
    """400 written numbers a form equal their exact value and not the next one."""
    for written, value in _numbers():
        parsed: Parsed = number.read(form.format(written))
        assert parsed.answer is not None, written
        assert number.compare(parsed.answer, str(value)) is Verdict.CORRECT, written
        assert number.compare(parsed.answer, str(value + Fraction(1, 7))) is Verdict.WRONG, written
