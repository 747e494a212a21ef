"""What the trainings of a campaign will take."""

from __future__ import annotations

from typing import Final

from selfimprove.arms import ARMS, in_turn
from selfimprove.config.training import asking
from selfimprove.planning.expected import Expected, Line, total
from selfimprove.trainers.defaults import over_defaults

_START_S: Final = 12.0
"""A training process imports and loads for about so long."""
_READ_AGAIN: Final = {"track_b+dpo": 1.5, "track_b+kto": 1.5}
"""Times the tokens of an arm that are read: three tenths of them twice more, by two prompts and by the reference."""


def training(expected: Expected, round_: int) -> Line:
    """Sum up the trainings of a round, and what they ask a teacher."""
    rows = sum(expected.lessons(round_)) * (1 + (expected.config.select.replay if round_ > 1 else 0))
    if expected.config.train.restart:  # all rows so far
        rows = sum(sum(expected.lessons(r)) for r in range(1, round_ + 1))
    tokens = carried(expected, round_, rows)
    arms = [arm_line(expected, "train", arm, tokens) for arm in in_turn(expected.config.campaign.arms)]
    return total([*arms, *(_asked(expected, round_, rows, arm) for arm in asking_arms(expected))])


def carried(expected: Expected, round_: int, rows: float) -> float:
    """Give the tokens that carry loss in each training of a round: the first arm's epochs, or its steps, set them.

    Args:
        expected: of the campaign.
        round_: from 1.
        rows: of a track in that round.
    """
    first, train = in_turn(expected.config.campaign.arms)[0], expected.config.train
    method = ARMS[first].method or "sft"
    given = over_defaults(method, getattr(train, method).model_dump())
    each = expected.answer if first == "track_a" else expected.target
    if ARMS[first].method:  # it goes over all that was tried
        rows, each = expected.mined(round_) * given.get("num_generations", 1), expected.length(round_)
    elif round_ > 1 and not train.restart:
        given |= train.continued.model_dump()
    if steps := given.get("max_steps", 0):  # transformers then looks at no epochs
        return float(steps * given["per_device_train_batch_size"] * given.get("gradient_accumulation_steps", 1) * each)
    return float(rows * given["num_train_epochs"] * each)


def arm_line(expected: Expected, stage: str, arm: str, tokens: float) -> Line:
    """Sum up the training of one arm.

    Args:
        expected: of the campaign.
        stage: that it is told under.
        arm: its name, or `control`.
        tokens: that carry loss.
    """
    own = expected.answer if arm == "track_a" else expected.target
    seen = tokens / own * (expected.prompt + own) * _READ_AGAIN.get(arm, 1.0)
    seconds = seen / expected.probe.training + _START_S if expected.probe else None
    if seconds is not None and expected.probe and arm in ARMS and ARMS[arm].method:
        seconds += tokens / expected.probe.writing  # its tries
    return Line(stage=stage, tokens=round(seen), seconds=seconds)


def asking_arms(expected: Expected) -> list[str]:
    """Name the arms that are rewarded for questions, which a teacher answers."""
    return [
        arm for arm in in_turn(expected.config.campaign.arms) if asking(expected.config.train, ARMS[arm].method or "")
    ]


def most_asked(expected: Expected, arm: str) -> int:
    """Give how many questions such an arm puts in a round at most."""
    from selfimprove.trainers.worth import MOST_QUESTIONS

    given = getattr(expected.config.train, ARMS[arm].method or "").model_dump()
    return int(given.get("most_questions", MOST_QUESTIONS))


def _asked(expected: Expected, round_: int, rows: float, arm: str) -> Line:
    """Sum up what a teacher is asked in practice: by the wrong half of the tries, half of which ask."""
    price = expected.asked(round_)
    if price is None:
        return Line(stage="train", seconds=0.0)
    rate = expected.probe.questions if expected.probe else expected.config.lesson.questions
    calls = min(most_asked(expected, arm), rows / 2 * expected.failed(round_) * rate)
    read, written = calls * (expected.prompt + expected.length(round_)), calls * expected.length(round_) / 2
    usd = price.of(read, written, calls)
    return Line(stage="train", teacher_calls=round(calls), tokens=round(read + written), usd=usd, seconds=0.0)
