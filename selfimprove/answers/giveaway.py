"""Does the answer to a clarifying question answer the original question?

A sentence that does is not let through to the student. The rules, in words (a refused answer costs one more call, a missed
one spoils a lesson, so doubt refuses):

1. The clarifying question *is* the original one up to wording, and the reply decides it.
2. The clarifying question guesses the reference ("Is it 66?") and the reply confirms it.
3. The reply concludes: "the answer is", or "so", "therefore", "which means" before a decision, before the reference, or before
   words of the original question that the clarifying question does not hold.
4. The reference stands in the reply and neither in the problem nor in the clarifying question. A number inside a fact about
   units ("a week has 7 days") does not count. A bare yes or no is never a reference of this kind.
5. Yes/no questions: the reply says again what the original asks, or opens with yes or no where the clarifying question
   asked "what", "when", "how".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from selfimprove.answers import number, yes_no
from selfimprove.answers.text import normalised
from selfimprove.protocols import Task
from selfimprove.records import Problem

_STOP: Final = frozenset(
    "a an the of in on at to for from by with about over than then and or but as is are was were be been being am do "
    "does did done has have had can could will would shall should may might must it its he she they them him her his "
    "their this that these those there here what which who whom whose when where why how many much long if so not no "
    "yes n't s t any some all each every ever also just only i you we my your our me us into out up down more most".split()
)
_WORD: Final = re.compile(r"[^\W_]+(?:\.[0-9]+)?")
_ENDINGS: Final = ("ings", "ing", "edly", "ed", "ers", "er", "es", "s", "e", "y")
_SHORTEST_STEM: Final = 4
_NUMBER: Final = re.compile(r"(?<![\w.])-?[$€£]?[0-9][0-9,]*(?:\.[0-9]+)?")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_LABEL: Final = re.compile(r"^\W*(?:final\s+)?answer\W*:\W*", re.IGNORECASE)
_ANSWER_IS: Final = re.compile(
    r"\b(?:final|correct|right)\s+(?:answer|option|choice|result)\b|\b(?:the|your|our|so)\s+answer\s+(?:is|must|would|to\s+the)\b"
    r"|\bstatement\s+is\s+(?:true|false)\b|\\boxed|####",
    re.IGNORECASE,
)
_CONCLUDES: Final = re.compile(
    r"\b(?:so|thus|therefore|hence|consequently|accordingly|which\s+(?:means|is\s+why|makes|gives|leaves|implies)|"
    r"this\s+means|that\s+means|meaning|it\s+follows|that\s+is\s+why|in\s+conclusion|overall)\b",
    re.IGNORECASE,
)
_DECISION: Final = re.compile(r"\b(?:yes|no|true|false|impossible|possible|correct|incorrect)\b", re.IGNORECASE)
_OPENS: Final = re.compile(r"^\W*(?:yes|no|true|false|correct|right|exactly|indeed)\b", re.IGNORECASE)
_CONFIRMS: Final = re.compile(r"^\W*(?:yes|true|correct|right|exactly|indeed|that is|that's|it is)\b", re.IGNORECASE)
_OPEN_QUESTION: Final = re.compile(r"^\W*(?:what|when|where|which|who|whom|whose|why|how)\b", re.IGNORECASE)
_UNITS: Final = (
    r"(?:(?:milli|centi|kilo)?(?:met(?:re|er)|gram|lit(?:re|er))|second|minute|hour|day|week|fortnight|month|year|decade|"
    r"centur(?:y|ie)|dozen|score|cent|penn(?:y|ie)|nickel|dime|quarter|dollar|inch|foot|feet|yard|mile|ounce|pound|ton|pint|"
    r"quart|gallon|cup|degree|side|corner|pair)(?:e?s)?"
)
_UNIT_FACT: Final = re.compile(rf"\b{_UNITS}\b.*\b{_UNITS}\b", re.IGNORECASE)
_SAME_ASKED: Final = 0.75
_SAME_ORIGINAL: Final = 0.6
_SAID_AGAIN: Final = 0.75
_ABOUT: Final = 2
_SMALL: Final = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split(),
        range(21),
        strict=True,
    )
)
_TENS: Final = dict(
    zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True)
)


def gives_away(answer: str, problem: Problem, question: str, task: Task) -> bool:
    """Say whether an answer to a clarifying question answers the original question; see the module for the rules.

    Args:
        answer: the reply.
        problem: holds the original question and the reference.
        question: the clarifying question; may be empty.
        task: reads a final answer in its strict form.
    """
    reply = _LABEL.sub("", answer).strip()
    if not reply:
        return False
    if _ANSWER_IS.search(reply) or (task.parse(reply).strict is not None):
        return True
    decides = yes_no.canonical(problem.answer) is not None
    if _restates(question, problem) and _decides(reply, problem, decides=decides):
        return True
    if _holds(question, problem) and _CONFIRMS.search(reply):
        return True
    if any(_concludes(part, problem, question, decides=decides) for part in _SENTENCE.split(reply)):
        return True
    if decides:
        return _says_again(reply, problem) or bool(_OPEN_QUESTION.search(question) and _OPENS.search(reply))
    known = _holds(f"{problem.context} {problem.question} {question}", problem)
    return not known and any(_holds(part, problem) and not _is_unit_fact(part) for part in _SENTENCE.split(reply))


def content_words(text: str) -> list[str]:
    """Give the words that carry meaning, in order, lower case, without their endings.

    >>> content_words("How many clips were sold?")
    ['clip', 'sold']
    """
    return [_stem(word) for word in _WORD.findall(text.casefold().replace(",", "")) if word not in _STOP]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM - (ending == "s"):
            return word[: -len(ending)]
    return word


def _asked(problem: Problem) -> frozenset[str]:
    """Give the words of the sentence that asks: the last of the question."""
    parts = [part for part in _SENTENCE.split(problem.question.strip()) if content_words(part)]
    return frozenset(content_words(parts[-1])) if parts else frozenset()


def _restates(question: str, problem: Problem) -> bool:
    asked, original = frozenset(content_words(question)), _asked(problem)
    if not asked or not original or any(word.isdecimal() for word in original - asked):
        return False
    common = len(asked & original)
    return common / len(asked) >= _SAME_ASKED and common / len(original) >= _SAME_ORIGINAL


def _decides(reply: str, problem: Problem, *, decides: bool) -> bool:
    """Say whether a reply to the original question answers it, rightly or not."""
    if decides:
        return bool(_DECISION.search(reply)) or _says_again(reply, problem)
    return _holds(reply, problem) or number.quantity(reply) is not None


def _says_again(reply: str, problem: Problem) -> bool:
    original = _asked(problem)
    return any(
        len(original & frozenset(content_words(part))) >= max(_ABOUT, _SAID_AGAIN * len(original))
        for part in _SENTENCE.split(reply)
    )


def _concludes(sentence: str, problem: Problem, question: str, *, decides: bool) -> bool:
    """Look at what follows a word such as "so"."""
    cue = _CONCLUDES.search(sentence)
    if cue is None:
        return False
    clause = sentence[cue.end() :]
    if not decides:
        return _holds(clause, problem)
    about = frozenset(content_words(clause)) & frozenset(content_words(problem.question))
    new = about - frozenset(content_words(question))
    return bool(_DECISION.search(clause)) or len(about) >= _ABOUT or bool(new)


def _holds(text: str, problem: Problem) -> bool:
    """Say whether the reference stands in a text: its value, its option (by letter or in words), or its words."""
    reference = problem.answer
    if not reference or yes_no.canonical(reference) is not None:
        return False
    if problem.choices:
        return _holds_option(text, problem)
    wanted = number.quantity(reference)
    if wanted is not None:
        return wanted.value in set(_numbers(text))
    words = f" {normalised(reference)} "
    return words in f" {normalised(text)} "


def _holds_option(text: str, problem: Problem) -> bool:
    letter = problem.answer.strip().upper()
    named = rf"^\W*{letter}\W*$|\({letter}\)|\b(?:option|choice|it is|it's|is)\s+{letter}\b(?!\s+[a-z])"
    at = ord(letter[:1]) - ord("A")
    option = normalised(problem.choices[at]) if 0 <= at < len(problem.choices) else ""
    return bool(re.search(named, text)) or (bool(option) and f" {option} " in f" {normalised(text)} ")


def _numbers(text: str) -> Iterator[Fraction]:
    """Give every number of a text, in figures and in words up to ninety-nine."""
    for token in _NUMBER.findall(text):
        found = number.quantity(token.rstrip(","))
        if found is not None:
            yield found.value
    words = re.findall(r"[a-z]+", text.casefold())
    for i, word in enumerate(words):
        after = _SMALL.get(words[i + 1], 0) if i + 1 < len(words) else 0
        if word in _TENS:
            yield Fraction(_TENS[word] + (after if after < 10 else 0))  # noqa: PLR2004
        elif word in _SMALL and not (i and words[i - 1] in _TENS):
            yield Fraction(_SMALL[word])


def _is_unit_fact(sentence: str) -> bool:
    return _UNIT_FACT.search(sentence) is not None and "=" not in sentence
