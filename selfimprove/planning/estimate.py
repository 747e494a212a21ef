"""What each stage of a campaign will take: expected calls, tokens, dollars and seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from selfimprove.arms import ARMS, in_turn
from selfimprove.config.teaching import LessonConfig
from selfimprove.graphs.panel import AGAIN, FEWEST, TRIES
from selfimprove.planning.compiled import compiling, most_compiling_usd
from selfimprove.planning.expected import Expected, Line, total
from selfimprove.planning.finding import mining
from selfimprove.planning.training import arm_line, asking_arms, carried, most_asked, training
from selfimprove.scorers.names import judging, rollouts_of
from selfimprove.steps.probe import rows_each
from selfimprove.teachers.prices import Price

_AGAIN: Final = frozenset({"no_selection", "plain_programs"})
"""Arms for which lessons are given once more."""
_A_STEP: Final = 10
"""Tokens that a judge writes about a step, and is shown beside it."""
_JUDGE_READS: Final = 200
"""Tokens of a judge's instructions."""


def stages(expected: Expected) -> Iterator[Line]:
    """Sum up each stage over all rounds."""
    config, rounds = expected.config, expected.rounds
    yield mining(expected)
    if config.grade.scorer:
        yield _all("grade", [_grading(expected, r) for r in rounds])
    if expected.probes:
        yield _probing(expected)
    if config.campaign.compile:
        yield _all("compile", [compiling(expected, r) for r in rounds])
    yield _all("lessons", [_lesson(expected, r) for r in rounds])
    yield _all("train", [training(expected, r) for r in rounds])
    yield total(list(_evaluations(expected)))
    if "control" in config.campaign.arms:
        yield _control(expected)


def _all(stage: str, lines: list[Line]) -> Line:
    return total(lines or [Line(stage=stage, seconds=0.0)])


def _lesson(expected: Expected, round_: int) -> Line:
    """Sum up a round's lessons, and those of the arms that leave a part of the loop out."""
    arms, (taught, kept) = expected.config.campaign.arms, expected.lessons(round_)
    lines = [_taught(expected, "lessons", round_, taught, kept)]
    if "plain_programs" in arms:
        lines.append(lines[0])
    if "no_selection" in arms:  # which are not of what failed alone
        failed = (taught + kept) * expected.failed(round_)
        lines.append(_taught(expected, "lessons", round_, failed, taught + kept - failed))
    if "no_questions" in arms:
        lines.append(_told(expected, "lessons", round_, 0.0, taught * _reasons(expected.config.lesson)))
    return total(lines)


def _taught(expected: Expected, stage: str, round_: int, taught: float, kept: float) -> Line:
    """Sum up what teaching `taught` problems takes, and drafting `kept` others."""
    config = expected.config.lesson
    prompt, length = expected.prompt, expected.length(round_)
    asks = bool(config.questions and config.turns)
    rate = (expected.probe.questions if expected.probe else config.questions) if asks else 0.0
    parts = []
    if asks and config.asking != "two_calls":
        parts.append(expected.line(stage, taught + kept, prompt, length))
    if asks:
        parts.append(expected.line(stage, taught * config.turns, prompt + length, length / 2))
        parts.append(expected.line(stage, taught * min(1.0, rate) * config.turns, prompt + length, length))
    parts.append(_told(expected, stage, round_, taught * rate * config.turns, taught * _reasons(config)))
    return total(parts)


def _reasons(lesson: LessonConfig) -> int:
    """Give the chains of thought asked for a problem, one more where its answer is shown: the teacher may miss each."""
    return lesson.rationales + lesson.rationalise


def _told(expected: Expected, stage: str, round_: int, replies: float, reasons: float) -> Line:
    """Sum up a teacher's replies to questions and its rationales; the student's own are drawn in mining already."""
    if expected.teacher(round_) == "self":
        drawn, wanted = expected.config.mine.samples, expected.config.lesson.rationales
        anew, length = reasons * (1 - min(drawn, wanted) / max(1, wanted)), expected.length(round_)
        own = expected.line(stage, anew, expected.prompt, length)
        return total([own, expected.line(stage, replies, expected.prompt, length / 2)])
    price = expected.asked(round_)
    if price is None:
        return Line(stage=stage, seconds=0.0)
    read = (replies + reasons) * expected.prompt
    written = replies * expected.length(round_) / 2
    written += reasons * min(expected.target, expected.config.teacher.max_tokens)
    calls, usd = round(replies + reasons), price.of(read, written, replies + reasons)
    return Line(stage=stage, teacher_calls=calls, tokens=round(read + written), usd=usd, seconds=0.0)


def _grading(expected: Expected, round_: int) -> Line:
    """Sum up the scoring of failed attempts: a judge's calls or a student's rollouts; a reward model's is not told."""
    kind, _, named = (expected.config.grade.scorer or "").partition(":")
    scored = 1 - expected.config.grade.screen
    failed, steps = expected.mined(round_) * expected.failed(round_) * scored, expected.steps
    if kind == "monte-carlo":
        half = expected.length(round_) / 2  # a rollout goes on from the middle of an attempt, on the mean
        return expected.line("grade", failed * steps * rollouts_of(named), expected.prompt + half, half)
    price = _judge_price(expected)
    if price is None:
        return Line(stage="grade", seconds=0.0)
    read = failed * (_JUDGE_READS + expected.prompt + expected.length(round_) + steps * _A_STEP)
    written = failed * (1 + steps) * _A_STEP
    usd = price.of(read, written, failed)
    return Line(stage="grade", teacher_calls=round(failed), tokens=round(read + written), usd=usd, seconds=0.0)


def _judge_price(expected: Expected) -> Price | None:
    from selfimprove.teachers.load import price_of

    kind, _, named = (expected.config.grade.scorer or "").partition(":")
    return price_of(judging(named, expected.config.teacher), ("judge",)) if kind == "judge" else None


def _probing(expected: Expected) -> Line:
    """Sum up what the trial of ways to select takes: their lessons, trainings and tests."""
    config, names, each = expected.config, expected.config.select.candidates, _probed_rows(expected)
    if not each:
        return Line(stage="probe", seconds=0.0)
    lines = [_taught(expected, "probe", 1, len(names) * each, 0)]
    for _ in names:
        lines.append(arm_line(expected, "probe", in_turn(config.campaign.arms)[0], carried(expected, 1, each)))
        lines.append(expected.line("probe", config.select.probe, expected.prompt, expected.target))
    return total(lines)


def _probed_rows(expected: Expected) -> int:
    """Give how many rows each policy that is tried may train on."""
    select, rounds = expected.config.select, expected.config.campaign.rounds
    return rows_each(round(rounds * (select.lessons or sum(expected.lessons(1)))), len(select.candidates))


def _evaluations(expected: Expected) -> Iterator[Line]:
    config, sizes, shots = expected.config, expected.sizes, expected.config.evaluate.shots
    examples = shots * (expected.prompt + expected.target)
    arms, each = len(in_turn(config.campaign.arms)), 1 + config.evaluate.samples
    watched = len(config.gate.tasks) * config.gate.task_problems
    begun = expected.taken is not None  # a fork took the baseline over
    yield expected.line("evaluate", 0 if begun else each * sizes.dev + watched, expected.prompt, expected.written)
    written = (expected.written + expected.target) / 2  # worked examples let an untrained student stop earlier
    for size in (0 if begun else sizes.dev, sizes.test):
        yield expected.line("evaluate", each * size if shots else 0, expected.prompt, written, examples)
    for round_ in expected.rounds:
        tried = arms * (each * sizes.dev + watched)
        yield expected.line("evaluate", tried, expected.prompt, expected.length(round_ + 1))
        yield expected.line("evaluate", _panel(expected, round_), expected.prompt, expected.length(round_ + 1))
    tested = arms + ("control" in config.campaign.arms) + (not shots)
    yield expected.line("evaluate", tested * each * sizes.test, expected.prompt, expected.target)


def _panel(expected: Expected, round_: int) -> float:
    """Count the calls for problems solved before: by a new best student a round, and by the arms."""
    config, size = expected.config, expected.sizes.aside
    before, now = (
        min(config.gate.panel, size * (1 - expected.failed(at))) if at else 0.0 for at in (round_ - 1, round_)
    )
    if before >= config.gate.panel:  # it is full
        found = 0.0
    else:
        found = (size - before) + len(TRIES) * (now - before) + len(AGAIN) * (now - before)
    return found + (len(in_turn(config.campaign.arms)) * len(AGAIN) * now if now >= FEWEST else 0.0)


def _control(expected: Expected) -> Line:
    rounds = range(1, expected.config.campaign.rounds + 1)
    rows = sum(sum(expected.lessons(r)) for r in rounds)
    tokens = sum(carried(expected, r, sum(expected.lessons(r))) for r in rounds)
    trained, price = arm_line(expected, "control", "control", tokens), expected.asked(1)
    if price is None:
        return trained
    told = min(rows, expected.sizes.train)  # a rationale for each row
    usd = price.of(told * expected.prompt, told * expected.target, told)
    return trained.model_copy(update={"teacher_calls": round(told), "usd": usd})


def most_usd(expected: Expected) -> float:
    """Bound what paid calls can cost: nothing is solved, each question and rationale twice, answers are longest."""
    config, most = expected.config, 0.0
    lesson, judge = config.lesson, _judge_price(expected)
    each = 2 * (lesson.questions * lesson.turns + _reasons(lesson))
    for round_ in expected.rounds:
        price, pool = expected.price(round_), expected.most_pool(round_)
        lessons = min(pool, config.select.lessons or pool)
        if price is not None:
            given = lessons * (1 + len(_AGAIN & set(config.campaign.arms)))
            calls = (given + (_most_probed(expected) if round_ == 1 else 0)) * each
            calls += 2 * sum(most_asked(expected, arm) for arm in asking_arms(expected))
            calls += 2 * lessons * _reasons(lesson) * ("no_questions" in config.campaign.arms)
            most += calls * _most_a_call(expected, price)
            most += most_compiling_usd(expected, round_, price)
        if judge is not None:  # which is asked once more where its reply cannot be read
            read = _JUDGE_READS + expected.prompt + 3 * config.student.max_tokens
            most += 2 * expected.most_mined(round_) * judge.of(read, config.teacher.max_tokens, 1)
    return most + _most_control_usd(expected)


def _most_a_call(expected: Expected, price: Price) -> float:
    longest = expected.config.teacher.max_tokens
    return price.of(expected.prompt + 2 * max(expected.config.student.max_tokens, longest), longest, 1)


def _most_control_usd(expected: Expected) -> float:
    """Bound the control's rationales: the first round's teacher gives them, for all rows that the best learned from."""
    config, price = expected.config, expected.price(1)
    if price is None or "control" not in config.campaign.arms:
        return 0.0
    pools, again = [expected.most_pool(r) for r in range(1, config.campaign.rounds + 1)], 1 + config.select.replay
    taught = sum(math.ceil(min(pool, config.select.lessons or pool) * again) for pool in pools)
    practises = any(ARMS[arm].method for arm in in_turn(config.campaign.arms))
    tried = max(pools) * (1 + bool(asking_arms(expected))) if practises else 0  # it may have practised alone
    return 2 * min(expected.sizes.train, max(taught, tried)) * _most_a_call(expected, price)


def _most_probed(expected: Expected) -> int:
    """Bound the problems that are taught before the first round: each policy chooses others."""
    select, names = expected.config.select, len(expected.config.select.candidates)
    budget = expected.config.campaign.rounds * (select.lessons or expected.most_pool(1))
    return names * rows_each(budget, names) if expected.probes else 0
