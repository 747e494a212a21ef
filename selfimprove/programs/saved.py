"""Saved programs: what an optimiser learned, as JSON with a card beside it, and which of them are in force.

They lie in `programs/TASK/` of the working folder, else in that of the user's data folder, else in that which comes
with the library; a program that holds no task's form of answer may lie in `programs/` itself, for every task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import platformdirs
from pydantic import ValidationError

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.programs.program import ANSWERING, CONCLUDING, SIGNATURES, Program, program_for
from selfimprove.protocols import Task
from selfimprove.records import Comparison, Interval, Record, digest
from selfimprove.store import write_whole

_FOLDER: Final = "programs"
_PACKAGE: Final = Path(__file__).parents[1]


class Measured(Record):
    """A program's score on the held-out cases."""

    score: float
    interval: Interval


class Card(Record):
    """How a saved program was made, and what it is worth. A JSON file beside it."""

    program: str
    task: str
    fields: str
    """Fingerprint of the program's fields."""
    saved: str
    """Hash of the program's file."""
    optimizer: str
    metric: str
    model: str
    """Identity of the model that ran it."""
    written_by: str
    """Identity of the model that wrote its instructions; empty: none did."""
    cases: int
    """That it was compiled on."""
    held_out: int
    """That both scores are of; none of them was compiled on."""
    before: Measured
    after: Measured
    gain: Comparison
    """After less before, paired over the held-out cases."""
    data: str
    """Hash of all cases."""
    seed: int
    date: str
    """Day it was made, as YYYY-MM-DD."""

    @property
    def proven(self) -> bool:
        """True where the interval of the gain lies above 0."""
        return self.gain.interval.low > 0

    def sentence(self) -> str:
        """Say what was gained."""
        low, high = self.gain.interval.low, self.gain.interval.high
        verdict = "a gain" if self.proven else "no proven gain"
        return (
            f"{self.program} by {self.optimizer}: {self.metric} {self.before.score:.3f} before and "
            f"{self.after.score:.3f} after on {self.held_out} held-out cases, a difference of "
            f"{self.gain.difference:+.3f} ({low:+.3f} to {high:+.3f}): {verdict}"
        )


def shipped_folder() -> Path | None:
    """Give the folder of the programs that come with the library; None where there is none."""
    wheel, checkout = _PACKAGE / "shipped" / _FOLDER, _PACKAGE.parent
    if wheel.is_dir():
        return wheel
    return checkout / _FOLDER if (checkout / "pyproject.toml").is_file() else None


def places() -> tuple[Path, ...]:
    """Give the folders that programs are looked for in, the first that holds one counts."""
    found = (Path(_FOLDER), platformdirs.user_data_path("selfimprove") / _FOLDER, shipped_folder())
    return tuple(place for place in found if place is not None)


def place_of(name: str, task: str, folder: Path = Path(_FOLDER)) -> Path:
    """Say where a program for a task is saved.

    >>> place_of("ask", "reasoning_gym:gcd").as_posix()
    'programs/reasoning_gym-gcd/ask.json'
    """
    return folder / "".join(c if c.isalnum() or c in "-_." else "-" for c in task) / f"{name}.json"


def card_of(path: Path) -> Path:
    """Say where the card of a saved program lies."""
    return path.with_suffix(".card.json")


def save_program(program: Program, card: Card, path: Path) -> None:
    """Write a program with its card; the card names the program's hash, so that no other is taken for it.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    text = program.dump()
    write_whole(
        card_of(path), (card.model_copy(update={"saved": digest(text)}).model_dump_json(indent=1) + "\n").encode()
    )
    write_whole(path, text.encode())


def load_saved(path: Path) -> tuple[Program, Card]:
    """Read a saved program and its card.

    Raises:
        InputError: one is missing or damaged, the program was made for other fields, or the card is of another.
    """
    again = "compile the program again, or remove it"
    try:
        text, told = path.read_text("utf-8"), card_of(path).read_bytes()
        card = Card.model_validate_json(told)
    except (OSError, ValueError, ValidationError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{path} and its card {card_of(path).name} cannot be read ({why}); {again}") from error
    program = Program.load(text, str(path))
    if program.name != path.stem or card.saved != digest(text):
        raise InputError(f"{card_of(path)} is the card of another program than {path}; {again}")
    return program, card


def saved_for(name: str, task: str, folders: tuple[Path, ...] | None = None) -> Path | None:
    """Find a saved program for a task; None where there is none."""
    for folder in places() if folders is None else folders:
        for path in _candidates(name, task, folder):
            if path.is_file():
                return path
    return None


def _candidates(name: str, task: str, folder: Path) -> Iterator[Path]:
    yield place_of(name, task, folder)
    if name not in CONCLUDING | ANSWERING:
        yield folder / f"{name}.json"


def programs_for(
    task: Task, how: Literal["saved", "plain"] = "plain", folders: tuple[Path, ...] | None = None
) -> dict[str, Program]:
    """Give every program of the loop for a task.

    Args:
        task: says the form of an answer.
        how: `saved`: those that an optimiser improved, where a card proves it, and plain ones in place of the others;
            `plain`: all as their signatures stand.
        folders: where saved ones are looked for; default: `places`.

    Raises:
        InputError: a saved program cannot be used; none is passed over silently.
    """
    found = {name: program_for(name, task) for name in SIGNATURES}
    if how == "plain":
        return found
    for name in found:
        path = saved_for(name, task.name, folders)
        if path is None:
            continue
        program, card = load_saved(path)
        if card.proven:
            found[name] = program
            progress.current().say(f"{path} is in force ({card.sentence()})")
        else:
            progress.current().say(f"{path} is left out: its card shows no gain with confidence")
    return found


class InForce(Mapping[str, Program]):
    """The programs of a campaign, by name: those it began with, and those that were optimised since."""

    def __init__(self, base: Mapping[str, Program]) -> None:
        self._base = dict(base)
        self._now = dict(base)

    def __getitem__(self, name: str) -> Program:
        return self._now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)

    def take(self, changed: Mapping[str, Program]) -> None:
        """Put these over those it began with, and none that were put over them before."""
        self._now = {**self._base, **changed}

    @contextmanager
    def instead(self, others: Mapping[str, Program]) -> Iterator[None]:
        """Let others be in force inside the block, in one thread."""
        before, self._now = self._now, {**self._now, **others}
        try:
            yield
        finally:
            self._now = before


class Frozen(Record):
    """The programs of a campaign, kept in its run folder: what lies elsewhere may change."""

    programs: Mapping[str, str]
    """Name to the program's saved state."""

    @classmethod
    def of(cls, programs: Mapping[str, Program]) -> Frozen:
        """Take programs in."""
        return cls(programs={name: program.dump() for name, program in programs.items()})

    def thaw(self) -> dict[str, Program]:
        """Give the programs back."""
        return {name: Program.load(text) for name, text in self.programs.items()}
