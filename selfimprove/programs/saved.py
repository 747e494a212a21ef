"""Saved programs: what an optimiser learned, as JSON with a card beside it, and which of them are in force.

They lie in `programs/TASK/` of the working folder, else in that of the user's data folder, else in that which comes
with the library; a program that holds no task's form of answer may lie in `programs/` itself, for every task.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import platformdirs
from pydantic import ValidationError

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.programs.program import SIGNATURES, Program, answers_of, is_bound, program_for
from selfimprove.protocols import Task
from selfimprove.records import Comparison, Interval, Record, digest
from selfimprove.store import write_whole

_FOLDER: Final = "programs"
_LEVEL: Final = 0.025
"""Of the one-sided test of a gain, as its 95 % interval's lower end."""
_PACKAGE: Final = Path(__file__).parents[1]


class Measured(Record):
    """A program's score on the held-out cases."""

    score: float
    interval: Interval

    def __str__(self) -> str:
        """Write it with its interval."""
        return f"{self.score:.3f} ({self.interval.low:.3f} to {self.interval.high:.3f})"


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
    """Day it was made, as YYYY-MM-DD; empty: between the rounds of a campaign."""
    answers: str = ""
    """What it was told of the form of answers, where it ends in one."""

    @property
    def proven(self) -> bool:
        """True where the interval of the gain lies above 0, and the test agrees: a bootstrap of few is too sure."""
        return self.gain.interval.low > 0 and self.gain.p_better < _LEVEL

    def sentence(self) -> str:
        """Say what was gained, and with which model: another may gain nothing."""
        low, high = self.gain.interval.low, self.gain.interval.high
        verdict = "a gain" if self.proven else "no proven gain"
        return (
            f"{self.program} by {self.optimizer}: {self.metric} {self.before} before and {self.after} after on "
            f"{self.held_out} held-out cases, measured with {self.model}, a difference of "
            f"{self.gain.difference:+.3f} ({low:+.3f} to {high:+.3f}): {verdict}"
        )


class Compiled(NamedTuple):
    """A program that was optimised, with its card."""

    program: Program
    card: Card


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


def _coming(path: Path) -> Path:
    """Say where the card of a program lies while that replaces an older one."""
    return path.with_suffix(".card.new.json")


def save_program(program: Program, card: Card, path: Path) -> None:
    """Write a program with its card; the card names the program's hash, so that no other is taken for it.

    Killed at any moment, it leaves the older program with its card, or the new one with its own: until the program is
    replaced both cards are there.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    text = program.dump()
    told = card.model_copy(update={"saved": digest(text)}).model_dump_json(indent=1) + "\n"
    write_whole(_coming(path), told.encode())
    write_whole(path, text.encode())
    _coming(path).replace(card_of(path))


def load_saved(path: Path) -> Compiled:
    """Read a saved program and its card.

    Raises:
        InputError: one is missing or damaged, the program was made for other fields, or the card is of another.
    """
    again = "compile the program again, or remove it"
    try:
        text = path.read_text("utf-8")
        card = _card(path, digest(text))
    except (OSError, ValueError, ValidationError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{path} and its card {card_of(path).name} cannot be read ({why}); {again}") from error
    program = Program.load(text, str(path))
    if program.name != path.stem or card.saved != digest(text):
        raise InputError(f"{card_of(path)} is the card of another program than {path}; {again}")
    return Compiled(program, card)


def _card(path: Path, saved: str) -> Card:
    """Read the card of a program; that of a save which was cut off counts where it is this program's."""
    if (coming := _coming(path)).is_file():
        card = Card.model_validate_json(coming.read_bytes())
        if card.saved == saved:
            return card
    return Card.model_validate_json(card_of(path).read_bytes())


def saved_for(name: str, task: str, folders: tuple[Path, ...] | None = None) -> Iterator[Path]:
    """Find the saved programs for a task, those that come first by their place first."""
    for folder in places() if folders is None else folders:
        own, any_task = place_of(name, task, folder), place_of(name, "", folder)
        yield from (path for path in dict.fromkeys((own,) if is_bound(name) else (own, any_task)) if path.is_file())


def programs_for(task: Task) -> dict[str, Program]:
    """Give every program of the loop for a task, plain."""
    return {name: program_for(name, task) for name in SIGNATURES}


def proven_for(
    names: Iterable[str], task: str, forms: Collection[Task] = (), folders: tuple[Path, ...] | None = None
) -> dict[str, Compiled]:
    """Give those of the saved programs for a task whose cards prove a gain, and say which they are.

    Of one name the first that is proven and fits counts.

    Args:
        names: of programs.
        task: name of the task.
        forms: of answers, one of which a program was told where it ends in an answer.
        folders: where they are looked for; default: `places`.

    Raises:
        InputError: a saved program cannot be used; none is passed over silently.
    """
    found: dict[str, Compiled] = {}
    for name in names:
        told = {answers_of(name, form) for form in forms} or {""}
        for path in saved_for(name, task, folders):
            saved = load_saved(path)
            if not saved.card.proven:
                progress.current().say(f"{path} is left out: its card shows no gain with confidence")
            elif saved.card.answers not in told:
                progress.current().say(f"{path} is left out: it was told another form of answers")
            else:
                found[name] = saved
                progress.current().say(f"{path} is in force ({saved.card.sentence()})")
                break
    return found


def program_in(compiled: Mapping[str, Compiled], name: str, task: Task) -> Program:
    """Give a compiled program where there is one that ends in answers of the task's form, else the plain one."""
    found = compiled.get(name)
    return found.program if found and found.card.answers == answers_of(name, task) else program_for(name, task)
