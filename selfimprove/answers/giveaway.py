"""Does the answer to a clarifying question answer the original question?

Such an answer is not let through to the student. A refused answer costs one more call, a missed one spoils a lesson, so
doubt refuses. The rules:

1. The clarifying question *is* the original one up to wording, and the reply decides it.
2. The clarifying question guesses the reference ("Is it 66?") and the reply confirms it.
3. The reply concludes: "the answer is"; or "so", "therefore", "which means" before a decision, before the reference, or
   before words of the original question that the clarifying question does not hold.
4. The reference stands in the reply and neither in the problem nor in the clarifying question; a number that the
   problem holds counts where it is worked out ("= 4"). Operands ("12 * 5") and facts about units ("a week has 7 days")
   do not count, and neither does a bare yes or no.
5. Yes/no questions: the reply says again what the original asks, or opens with yes or no where the clarifying question
   asked "what", "when" or "how".
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
    re.findall(
        r"\S+",
        "a an the of in on at to for from by with about over than then and or but as is are was were be been "
        "being am do does did done has have had can could will would shall should may might must it its he "
        "she they them him her his their this that these those there here what which who whom whose when "
        "where why how many much long if so not no yes n't s t any some all each every ever also just only i "
        "you we my your our me us into out up down more most",
    )
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
_ASKS: Final = re.compile(r"\b(?:how|what|which|who|whose|where|when)\b", re.IGNORECASE)
_OPERAND: Final = re.compile(
    r"[$€£]?[0-9][0-9,.]*%?(?=\s*[-+*/×x÷^]\s*[$€£(]?[0-9(])|(?<=[-+*/×÷^x])\s*[$€£]?[0-9][0-9,.]*%?(?=[^=.]*=)"  # noqa: RUF001
)
_RESULT: Final = re.compile(r"=\s*([$€£]?-?[0-9][0-9,.]*)(?!\s*[-+*/×x÷^]\s*[0-9])")  # noqa: RUF001
_UNITS: Final = (
    r"(?:(?:milli|centi|kilo)?(?:met(?:re|er)|gram|lit(?:re|er))|second|minute|hour|day|week|fortnight|month|year|decade|"
    r"centur(?:y|ie)|dozen|score|cent|penn(?:y|ie)|nickel|dime|quarter|dollar|inch|foot|feet|yard|mile|ounce|pound|ton|pint|"
    r"quart|gallon|cup|degree|side|corner|pair)(?:e?s)?"
)
_ONE: Final = rf"(?:(?:half|quarter\s+of)\s+)?(?:an?|one|1|each|every)\s+{_UNITS}"
_SOME: Final = rf"(?:exactly\s+)?[0-9][0-9,.]*\s+{_UNITS}"
_UNIT_FACT: Final = re.compile(
    rf"^\W*(?:(?:there\s+are\s+)?{_SOME}\s+(?:in|to|per|make|are|=)\s+{_ONE}"
    rf"|{_ONE}\s+(?:has|is|equals|contains|makes|lasts|=)\s+{_SOME})\W*$",
    re.IGNORECASE,
)
_SAME_ASKED: Final = 0.75
_SAME_ORIGINAL: Final = 0.6
_SAID_AGAIN: Final = 0.75
_ABOUT: Final = 2
_UNDER_TWENTY: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_SMALL: Final = {word: value for value, word in enumerate(re.findall(r"\S+", _UNDER_TWENTY))}
_TENTHS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TENS: Final = {word: 10 * value for value, word in enumerate(_TENTHS, 2)}


def gives_away(answer: str, problem: Problem, question: str, task: Task) -> bool:
    """Say whether an answer to a clarifying question answers the original question; see the module for the rules.

    Args:
        answer: the reply.
        problem: holds the original question and the reference.
        question: the clarifying question; may be empty.
        task: reads a final answer in its strict form.
    """
    said = _LABEL.sub("", answer).strip()
    reply = _OPERAND.sub(" ", said)
    decides = yes_no.canonical(problem.answer) is not None
    return bool(said) and bool(
        _ANSWER_IS.search(said)
        or task.parse(said).strict is not None
        or (_restates(question, problem) and _decides(reply, problem, decides=decides))
        or (_holds(question, problem) and _CONFIRMS.search(reply))
        or any(_concludes(part, problem, question, decides=decides) for part in _SENTENCE.split(reply))
        or (_says_again(reply, problem) if decides else _tells(reply, problem, question))
        or (decides and _OPEN_QUESTION.search(question) and _OPENS.search(reply))
    )


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


def _asked(problem: Problem) -> list[frozenset[str]]:
    """Give the words of the sentence that asks (the last of the question), and of its part from "how many" on."""
    parts = [part for part in _SENTENCE.split(problem.question.strip()) if content_words(part)]
    if not parts:
        return []
    last = list(_ASKS.finditer(parts[-1]))
    asked = [parts[-1], parts[-1][last[-1].start() :]] if last else parts[-1:]
    return [frozenset(content_words(part)) for part in asked]


def _restates(question: str, problem: Problem) -> bool:
    asked = frozenset(content_words(question))
    return any(
        len(asked & original) >= max(1, _SAME_ASKED * len(asked), _SAME_ORIGINAL * len(original))
        and not any(word.isdecimal() for word in original - asked)
        for original in _asked(problem)
    )


def _decides(reply: str, problem: Problem, *, decides: bool) -> bool:
    """Say whether a reply to the original question answers it, rightly or not."""
    if decides:
        return bool(_DECISION.search(reply)) or _says_again(reply, problem)
    return _holds(reply, problem)


def _says_again(reply: str, problem: Problem) -> bool:
    return any(
        len(original & frozenset(content_words(part))) >= max(_ABOUT, _SAID_AGAIN * len(original))
        for part in _SENTENCE.split(reply)
        for original in _asked(problem)[:1]
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
        if token.isdecimal():
            yield Fraction(int(token))
        elif (found := number.quantity(token.rstrip(","))) is not None:
            yield found.value
    words = re.findall(r"[a-z]+", text.casefold())
    for i, word in enumerate(words):
        after = _SMALL.get(words[i + 1], 0) if i + 1 < len(words) else 0
        if word in _TENS:
            yield Fraction(_TENS[word] + (after if after < 10 else 0))  # noqa: PLR2004
        elif word in _SMALL and not (i and words[i - 1] in _TENS):
            yield Fraction(_SMALL[word])


def _tells(reply: str, problem: Problem, question: str) -> bool:
    """Say whether a reply tells the reference, and not only repeats what was known before (rule 4)."""
    known = _holds(f"{problem.context} {problem.question} {question}", problem)
    if number.quantity(problem.answer) is None or problem.choices:
        return not known and _holds(reply, problem)
    parts = [part for part in _SENTENCE.split(reply) if not _UNIT_FACT.search(part)]
    worked_out = [end for part in parts for end in _RESULT.findall(part)]
    return any(_holds(part, problem) for part in (worked_out if known else parts))
