"""What each stage of a campaign will take: expected calls, tokens, dollars and seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Final

from selfimprove.config import Config
from selfimprove.planning.probing import Probe
from selfimprove.protocols import Task
from selfimprove.records import Record
from selfimprove.teachers.prices import Price

_CHARACTERS_A_TOKEN: Final = 3.5
_PROMPT_OVERHEAD: Final = 60
_START_S: Final = 12.0
"""A training process imports and loads for about so long."""
_GUESSED: Final = {"passed": 0.3, "written": 0.6}


class Line(Record):
    """One stage of the plan, over all rounds."""

    stage: str
    student_calls: int = 0
    teacher_calls: int = 0
    tokens: int = 0
    """Prompt and completion, the student's and the teacher's; trained on, for training."""
    usd: float = 0.0
    seconds: float | None = None
    """None where the student was not probed."""


def tracks(config: Config) -> list[str]:
    """Name the arms that are trained every round."""
    return [arm for arm in config.campaign.arms if arm != "control"]


@dataclass(frozen=True)
class Expected:
    """What calls look like: mean tokens, and the student's speeds in tokens a second."""

    config: Config
    probe: Probe | None
    prompt: float
    written: float
    """Of an untrained student's completion."""
    target: float
    """Of a row that is trained on, and of a trained student's completion."""
    answer: float
    """Of a row of track A."""

    def failed(self, round_: int) -> float:
        """Give the share of problems that fail in a round."""
        passed = self.probe.passed if self.probe else _GUESSED["passed"]
        return float((1 - passed) * 0.5 ** (round_ - 1))

    def length(self, round_: int) -> float:
        """Give the tokens of the student's completion in a round; 0 is the baseline."""
        return self.written if round_ <= 1 else self.target

    def lessons(self, round_: int) -> tuple[float, float]:
        """Give how many problems are taught in a round, and how many solved ones are kept beside them."""
        pool, select = self.config.mine.pool, self.config.select
        failed, size = pool * self.failed(round_), select.lessons or pool
        kept = min(pool - failed, size * select.solved / (1 + select.solved))
        taught = min(failed, size - kept)
        return taught, kept if select.lessons else min(kept, select.solved * taught)

    def price(self, round_: int) -> Price | None:
        """Give the dearest price a round's teacher can have, None for a teacher that is no model."""
        from selfimprove.teachers.load import is_model, price_of

        teacher = self.config.teacher
        name = teacher.first if teacher.first and round_ == 1 else teacher.model
        return price_of(teacher.model_copy(update={"model": name})) if is_model(name) else None

    def line(self, stage: str, calls: float, prompt: float, written: float, shared: float = 0) -> Line:
        """Sum up calls of the student that read `prompt`, after `shared` read once, and write `written` tokens each."""
        tokens = calls * (shared + prompt + written)
        seconds = calls * (prompt / self.probe.reading + written / self.probe.writing) if self.probe else None
        return Line(stage=stage, student_calls=round(calls), tokens=round(tokens), seconds=seconds)


def expect(config: Config, task: Task, probe: Probe | None) -> Expected:
    """Work out what calls look like, guessing what a probe would have told."""
    some = list(islice(task.problems("train"), 200))
    a_token = probe.characters_a_token if probe else _CHARACTERS_A_TOKEN
    stated = fmean(len(p.context + p.question) for p in some) / a_token + _PROMPT_OVERHEAD
    written = probe.completion_tokens if probe else _GUESSED["written"] * config.student.max_tokens
    rationales = [len(task.conclude(p.rationale, p.answer)) for p in some if p.rationale]
    counted = probe.target_tokens if probe else None
    target = counted or (fmean(rationales) / a_token + 1 if rationales else written)
    return Expected(
        config=config,
        probe=probe,
        prompt=probe.prompt_tokens if probe else stated,
        written=written,
        target=min(target, config.student.max_tokens),
        answer=fmean(len(task.conclude("", p.answer)) for p in some) / a_token + 1,
    )


def stages(expected: Expected) -> Iterator[Line]:
    """Sum up each stage over all rounds."""
    config = expected.config
    rounds = range(1, config.campaign.rounds + 1)
    tries = config.mine.pool * (1 + config.mine.samples)
    yield total([expected.line("mine", tries, expected.prompt, expected.length(r)) for r in rounds])
    yield total([_lesson(expected, r) for r in rounds])
    yield total([_training(expected, r) for r in rounds])
    yield total(list(_evaluations(expected)))
    if "control" in config.campaign.arms:
        yield _control(expected)


def total(lines: Sequence[Line]) -> Line:
    """Add lines up under the first one's name; the time is unknown where one's is."""
    known = [line.seconds for line in lines if line.seconds is not None]
    return Line(
        stage=lines[0].stage,
        student_calls=sum(line.student_calls for line in lines),
        teacher_calls=sum(line.teacher_calls for line in lines),
        tokens=sum(line.tokens for line in lines),
        usd=sum(line.usd for line in lines),
        seconds=sum(known) if len(known) == len(lines) else None,
    )


def _lesson(expected: Expected, round_: int) -> Line:
    config, (taught, kept) = expected.config.lesson, expected.lessons(round_)
    prompt, length = expected.prompt, expected.length(round_)
    asks = bool(config.questions and config.turns)
    rate = (expected.probe.questions if expected.probe else config.questions) if asks else 0.0
    parts = []
    if asks and config.asking != "two_calls":
        parts.append(expected.line("lessons", taught + kept, prompt, length))
    if asks:
        parts.append(expected.line("lessons", taught * config.turns, prompt + length, length / 2))
        parts.append(expected.line("lessons", taught * min(1.0, rate) * config.turns, prompt + length, length))
    price = expected.price(round_)
    if price is not None:
        replies, reasons = taught * rate * config.turns, taught * config.rationales
        read = (replies + reasons) * prompt
        written = replies * length / 2 + reasons * min(expected.target, expected.config.teacher.max_tokens)
        calls, usd = round(replies + reasons), price.of(read, written)
        parts.append(Line(stage="lessons", teacher_calls=calls, tokens=round(read + written), usd=usd, seconds=0.0))
    return total(parts or [Line(stage="lessons", seconds=0.0)])


def _training(expected: Expected, round_: int) -> Line:
    rows = sum(expected.lessons(round_)) * (1 + (expected.config.select.replay if round_ > 1 else 0))
    return total([_arm(expected, "train", rows, arm) for arm in tracks(expected.config)])


def _arm(expected: Expected, stage: str, rows: float, arm: str) -> Line:
    """Sum up the training of one arm; all arms of a round carry loss on as many tokens."""
    settings = expected.config.train.sft.model_dump()
    passes = float(settings.get("num_train_epochs", 1))
    own = expected.answer if arm == "track_a" else expected.target
    seen = rows * passes * expected.target / own * (expected.prompt + own)
    seconds = seen / expected.probe.training + _START_S if expected.probe else None
    return Line(stage=stage, tokens=round(seen), seconds=seconds)


def _evaluations(expected: Expected) -> Iterator[Line]:
    config, shots = expected.config, expected.config.evaluate.shots
    examples = shots * (expected.prompt + expected.target)
    arms = len(tracks(config))
    yield expected.line("evaluate", config.data.dev, expected.prompt, expected.written)
    written = (expected.written + expected.target) / 2  # worked examples let an untrained student stop earlier
    for size in (config.data.dev, config.data.test):
        yield expected.line("evaluate", size if shots else 0, expected.prompt, written, examples)
    for round_ in range(1, config.campaign.rounds + 1):
        yield expected.line("evaluate", arms * config.data.dev, expected.prompt, expected.length(round_ + 1))
    tested = arms + ("control" in config.campaign.arms) + (not shots)
    yield expected.line("evaluate", tested * config.data.test, expected.prompt, expected.target)


def _control(expected: Expected) -> Line:
    rounds = range(1, expected.config.campaign.rounds + 1)
    rows = sum(sum(expected.lessons(r)) for r in rounds)
    price, each = expected.price(1), expected.config.lesson.rationales
    told = rows * each if price else 0.0
    usd = price.of(told * expected.prompt, told * expected.target) if price else 0.0
    trained = _arm(expected, "control", rows, "control")
    return trained.model_copy(update={"teacher_calls": round(told), "usd": usd})


def most_usd(expected: Expected) -> float:
    """Bound what the teacher's calls can cost: nothing is solved, each question is asked twice, answers are longest."""
    config, total = expected.config, 0.0
    lesson, pool, longest = config.lesson, config.mine.pool, config.teacher.max_tokens
    lessons = min(pool, config.select.lessons or pool)
    for round_ in range(1, config.campaign.rounds + 1):
        price = expected.price(round_)
        if price is not None:
            calls = lessons * (2 * lesson.questions * lesson.turns + lesson.rationales + lesson.rationalise)
            calls += lessons * lesson.rationales * ("control" in config.campaign.arms)
            total += calls * price.of(expected.prompt + 2 * config.student.max_tokens, longest)
    return total
