"""What calls of a campaign are expected to look like, and how they are summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Final

from selfimprove.config import Config
from selfimprove.graphs.library import library_file
from selfimprove.planning.probing import Probe
from selfimprove.planning.sizes import Sizes, sizes_of
from selfimprove.protocols import Task
from selfimprove.records import Record
from selfimprove.scorers import split_steps
from selfimprove.teachers.prices import Price

_CHARACTERS_A_TOKEN: Final = 3.5
_PROMPT_OVERHEAD: Final = 60
_GUESSED: Final = {"passed": 0.3, "written": 0.6, "cut_off": 0.1}


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


@dataclass(frozen=True)
class Expected:
    """What calls look like: mean tokens, and the student's speeds in tokens a second."""

    config: Config
    sizes: Sizes
    probe: Probe | None
    prompt: float
    written: float
    """Of an untrained student's completion."""
    target: float
    """Of a row that is trained on, and of a trained student's completion."""
    answer: float
    """Of a row of track A."""
    steps: float
    """Of a worked solution, not tokens."""
    taken: int | None = None
    """The last round that a fork took over; None: it is no fork."""
    library: int = 0
    """Problems of the library that the first round starts from; 0: it mines."""

    @property
    def rounds(self) -> range:
        """The rounds that are still to be made."""
        return range((self.taken or 0) + 1, self.config.campaign.rounds + 1)

    @property
    def probes(self) -> bool:
        """Whether policies are tried before the first round; its pool leaves a probe set, or they are not."""
        select = self.config.select
        return select.policy == "probe" and 1 in self.rounds and self.sizes.train - self.most_pool(1) >= select.probe

    def mined(self, round_: int) -> int:
        """Give how many problems a round tries and grades; on a ladder, those of the rungs that it comes to."""
        most, rungs = self.most_mined(round_), self.sizes.rungs
        return round(most * self._climbed(round_) / rungs) if rungs else most

    def most_mined(self, round_: int) -> int:
        """Give how many problems a round tries at most, also where the student masters every rung."""
        return 0 if self.library and round_ == 1 else min(self.config.mine.pool, self.sizes.train)

    def pool(self, round_: int) -> int:
        """Give how many problems a round chooses from."""
        return self.mined(round_) or self.library

    def most_pool(self, round_: int) -> int:
        """Give how many problems a round chooses from at most."""
        return self.most_mined(round_) or self.library

    def _climbed(self, round_: int) -> int:
        """Give how many rungs a round tries: what is solved is mastered before the first, and `width` a round then."""
        select, rungs = self.config.select, self.sizes.rungs
        return min(rungs, round(rungs * (1 - self.failed(1))) + select.first + select.width * (round_ - 1))

    def cut_off(self, round_: int) -> float:
        """Give the share of attempts that get a second chance in a round; it falls as failures do."""
        share = self.probe.cut_off if self.probe else _GUESSED["cut_off"]
        return float(share * 0.5 ** (round_ - 1))

    def failed(self, round_: int) -> float:
        """Give the share of problems that fail in a round."""
        passed = self.probe.passed if self.probe else _GUESSED["passed"]
        return float((1 - passed) * 0.5 ** (round_ - 1))

    def length(self, round_: int) -> float:
        """Give the tokens of the student's completion in a round; 0 is the baseline."""
        return self.written if round_ <= 1 else self.target

    def lessons(self, round_: int) -> tuple[float, float]:
        """Give how many problems are taught in a round, and how many solved ones are kept beside them."""
        pool, select = self.pool(round_), self.config.select
        failed, size = pool * self.failed(round_), select.lessons or pool
        kept = min(pool - failed, size * select.solved / (1 + select.solved))
        taught = min(failed, size - kept)
        return taught, min(kept, select.solved * taught)

    def price(self, round_: int) -> Price | None:
        """Give the dearest price a round's teacher can have, None for a teacher that is no model."""
        from selfimprove.teachers.by_round import first_of
        from selfimprove.teachers.load import is_model, price_of

        named = first_of(self.config.teacher) if round_ == 1 else self.config.teacher
        return price_of(named) if is_model(named.model) else None

    def asked(self, round_: int) -> Price | None:
        """Give the same, nothing a call for a teacher of one's own: its calls count, whatever they cost."""
        from selfimprove.teachers.load import is_own

        return Price(0.0, 0.0) if is_own(self.teacher(round_)) else self.price(round_)

    def teacher(self, round_: int) -> str:
        """Name a round's teacher."""
        teacher = self.config.teacher
        return teacher.first if teacher.first and round_ == 1 else teacher.model

    def line(self, stage: str, calls: float, prompt: float, written: float, shared: float = 0) -> Line:
        """Sum up calls of the student that read `prompt`, after `shared` read once, and write `written` tokens each."""
        tokens = calls * (shared + prompt + written)
        seconds = calls * (prompt / self.probe.reading + written / self.probe.writing) if self.probe else None
        return Line(stage=stage, student_calls=round(calls), tokens=round(tokens), seconds=seconds)


def expect(config: Config, task: Task, probe: Probe | None, taken: int | None = None) -> Expected:
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
        sizes=sizes_of(config, task),
        probe=probe,
        prompt=probe.prompt_tokens if probe else stated,
        written=written,
        target=min(target, config.student.max_tokens),
        answer=fmean(len(task.conclude("", p.answer)) for p in some) / a_token + 1,
        steps=1 + fmean(max(1, len(split_steps(p.rationale))) for p in some),
        taken=taken,
        library=_size(library_file(config.mine.library)) if config.mine.library and not taken else 0,
    )


def _size(library: Path) -> int:
    with library.open("rb") as file:
        return sum(1 for line in file if line.strip())


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
