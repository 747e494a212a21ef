"""What a campaign will take and can show, before anything is spent.

Upper bounds: every problem of a pool may become a lesson, every completion may be as long as allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import fmean
from typing import Final, NamedTuple

from selfimprove.config import Config
from selfimprove.protocols import Task
from selfimprove.stats import smallest_gain
from selfimprove.steps.decide import alpha_of_round

_CHARACTERS_A_TOKEN: Final = 3.5
_PROMPT_OVERHEAD: Final = 60
_DISCORDANT: Final = 0.2
_BYTES_A_ROW: Final = 2_000
_ADAPTER_BYTES: Final = 25_000_000


class Line(NamedTuple):
    """One stage of the plan."""

    stage: str
    student_calls: int
    teacher_calls: int


def lines(config: Config) -> list[Line]:
    """Count the calls of each stage at their most."""
    arms = [arm for arm in config.campaign.arms if arm != "control"]
    rounds, pool, lesson = config.campaign.rounds, config.mine.pool, config.lesson
    asked = pool * lesson.questions * lesson.turns
    drafts = 2 * lesson.turns * bool(lesson.questions)
    told = config.teacher.model != "reference"
    tested = 2 + len(arms) + ("control" in config.campaign.arms)
    teacher = (2 * asked + pool * (lesson.rationales + lesson.rationalise)) if told else 0
    control = rounds * pool * lesson.rationales if told and "control" in config.campaign.arms else 0
    return [
        Line("baseline on dev", config.data.dev * (1 + bool(config.evaluate.shots)), 0),
        Line(f"mine, {rounds} round(s)", rounds * pool * (1 + config.mine.samples), 0),
        Line(f"lessons, {rounds} round(s)", rounds * pool * (1 + drafts), rounds * teacher),
        Line(f"evaluate on dev, {rounds} round(s)", rounds * len(arms) * config.data.dev, 0),
        Line("control", 0, control),
        Line("final on test", tested * config.data.test, 0),
    ]


def plan(config: Config, task: Task) -> str:
    """Write the plan as a text."""
    from selfimprove.teachers.prices import find_price, given_price, unknown_price

    made = lines(config)
    prompt = _prompt_tokens(task)
    student, teacher = sum(line.student_calls for line in made), sum(line.teacher_calls for line in made)
    rows = [f"{'stage':<32}{'student calls':>15}{'teacher calls':>15}"]
    rows += [f"{line.stage:<32}{line.student_calls:>15,}{line.teacher_calls:>15,}" for line in made]
    rows.append(f"{'at most':<32}{student:>15,}{teacher:>15,}")
    rows.append("")
    rows.append(f"Student tokens: at most {student * (prompt + config.student.max_tokens):,}")
    if teacher:
        own = config.teacher
        given = given_price(own.input_price, own.output_price)
        price = find_price(own.model, own.base_url, given, own.parameters, fallback=False)
        if price is None and own.model != "self":
            raise unknown_price(own.model)
        usd = teacher * price.of(prompt, own.max_tokens) if price else 0.0
        rows.append(f"Teacher tokens: at most {teacher * (prompt + config.teacher.max_tokens):,}")
        cap = config.campaign.budget_usd
        rows.append(
            f"Dollars: at most {usd:.2f}"
            + (f"; the budget stops it at {cap:.2f}" if cap is not None else "; no budget is set")
        )
    else:
        rows.append("Dollars: 0, this teacher makes no paid calls")
    rows.append(f"Disk: about {_disk_bytes(config, student) / 1e6:,.0f} MB")
    rows.append(_power(config))
    return "\n".join(rows)


def _prompt_tokens(task: Task) -> int:
    some: Sequence[str] = [p.context + p.question for p in islice(task.problems("train"), 200)]
    return round(fmean(map(len, some)) / _CHARACTERS_A_TOKEN) + _PROMPT_OVERHEAD


def _disk_bytes(config: Config, calls: int) -> int:
    adapters = config.campaign.rounds * len(config.campaign.arms)
    return calls * _BYTES_A_ROW + adapters * _ADAPTER_BYTES


def _power(config: Config) -> str:
    arms = len([arm for arm in config.campaign.arms if arm != "control"])
    first, last = (alpha_of_round(config.gate.alpha, r, arms) for r in (1, config.campaign.rounds))
    gains = [100 * smallest_gain(config.data.dev, _DISCORDANT, a) for a in (first, last)]
    return (
        f"Smallest true gain that {config.data.dev} dev problems show at 80 % power: {gains[0]:.1f} points in round 1, "
        f"{gains[1]:.1f} in round {config.campaign.rounds} (where the students differ on 20 % of problems)"
    )
