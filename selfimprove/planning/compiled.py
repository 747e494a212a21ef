"""What optimising programs between rounds will take."""

from __future__ import annotations

from typing import Final, NamedTuple

from selfimprove.planning.expected import Expected, Line, total
from selfimprove.teachers.prices import Price

_MEASURED: Final = 0.8
"""Share of the problems that are held out, and measured before and after."""
_REFLECTED: Final = 8
"""Replies that an instruction is written after, about."""
_READ: Final = 2000
"""Tokens that a writer of instructions reads: the instruction, and some replies with what was wrong."""
_WRITTEN: Final = 1024


class _Calls(NamedTuple):
    """Calls that one program takes in one round."""

    student: float
    teacher: float
    writer: float


def _calls(expected: Expected, name: str) -> _Calls:
    own = expected.config.compiling
    problems = min(own.problems, expected.sizes.train)
    replies = own.calls + _MEASURED * problems
    writer = 0.0 if own.optimizer == "bootstrap" else own.calls / _REFLECTED
    if name == "ask":  # a draft for each case; for each reply answers to its questions, and a rewrite
        return _Calls(problems + 2 * replies, 2 * replies, writer)
    if name == "answer_question":
        return _Calls(2 * problems + replies, replies, writer)
    if name == "rewrite":  # a draft, its questions and their answers for each case
        return _Calls(2 * problems + replies, 2 * problems, writer)
    return _Calls(0.0, replies, writer)


def compiling(expected: Expected, round_: int) -> Line:
    """Sum up the optimising of a round's programs; there is none in the first."""
    lines, price = [Line(stage="compile", seconds=0.0)], expected.asked(round_)
    models = expected.price(round_) is not None
    for name in expected.config.campaign.compile if round_ > 1 else ():
        calls, length = _calls(expected, name), expected.length(round_)
        lines.append(expected.line("compile", calls.student, expected.prompt + length, length))
        if not models:  # the student writes its own instructions
            lines.append(expected.line("compile", calls.writer, _READ, _WRITTEN / 4))
        if price is None:
            continue
        writer = calls.writer if models else 0.0
        read = calls.teacher * (expected.prompt + length) + writer * _READ
        written = calls.teacher * length + writer * _WRITTEN / 4
        asked = calls.teacher + writer
        told, usd = round(asked), price.of(read, written, asked)
        lines.append(Line(stage="compile", teacher_calls=told, tokens=round(read + written), usd=usd, seconds=0.0))
    return total(lines)


def most_compiling_usd(expected: Expected, round_: int, price: Price) -> float:
    """Bound what a round's optimising can cost: replies are read at the second try, instructions are the longest."""
    config, most = expected.config, 0.0
    for name in config.campaign.compile if round_ > 1 else ():
        calls = 4 * _calls(expected, name).teacher
        most += calls * price.of(expected.prompt + 3 * config.student.max_tokens, config.teacher.max_tokens, 1)
        most += config.compiling.calls * price.of(2 * _READ, _WRITTEN, 1)
    return most
