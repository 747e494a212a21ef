"""Where a campaign waits for a person: before it trains, or before it promotes.

The command ends with a sentence and an exit code of its own; `selfimprove approve RUN` or `selfimprove reject RUN`
writes the answer into the run folder, and the campaign's command goes on from there. The answer is a file of the round,
so that a campaign that is killed or replayed behind it never asks twice. It holds whatever `campaign.pause` says later,
and where the pause was added behind a place, nobody is asked about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from selfimprove import progress
from selfimprove.errors import InputError, WaitingError
from selfimprove.graphs.places import round_folder
from selfimprove.records import Record

if TYPE_CHECKING:
    from selfimprove.graphs.crew import Crew
    from selfimprove.store import RunFolder

Place = Literal["train", "promote"]
WAITING: Final = "waiting.json"
ANSWERS: Final = tuple(f"/answer_{at}.json" for at in get_args(Place))
"""What the names of a person's answers end in."""


class Waiting(Record):
    """What a person was asked last. A file of the run folder."""

    round: int
    at: Place
    sentence: str


class Answered(Record):
    """What a person said. A file of the round."""

    round: int
    at: Place
    outcome: Literal["approve", "reject"]
    asked: str
    """The sentence that it was the answer to."""


def approved(crew: Crew, round_: int, at: Place, sentence: str) -> bool:
    """Say whether a person lets the campaign go on here; True where nobody is to be asked, or it has gone on already.

    Args:
        crew: the campaign's parts.
        round_: that asks.
        at: what would come next.
        sentence: what the person is told.

    Raises:
        WaitingError: nobody has answered yet.
    """
    if crew.folder.has(_place(round_, at)):
        if rejected(crew, round_, at):
            progress.current().say(f"round {round_}: a person said no before {at}")
            return False
        return True
    if at not in crew.config.campaign.pause or not _heard(crew.folder, round_, at):
        return True
    crew.folder.write_json(WAITING, Waiting(round=round_, at=at, sentence=sentence))
    run = crew.folder.path
    raise WaitingError(
        f"round {round_} waits for a person before it goes on to {at}: {sentence} "
        f"Say selfimprove approve {run}, or selfimprove reject {run}, then run the same command again"
    )


def rejected(crew: Crew, round_: int, at: Place) -> bool:
    """Say whether a person said no."""
    said = crew.folder.found(_place(round_, at), Answered)
    return said is not None and said.outcome == "reject"


def waits(folder: RunFolder) -> Waiting | None:
    """Give what a campaign waits for; None where that is answered, or over without an answer."""
    asked = _open(folder)
    return None if asked is None or folder.has(_place(asked.round, asked.at)) else asked


def answer(folder: RunFolder, outcome: Literal["approve", "reject"]) -> str:
    """Write a person's answer to what a campaign waits for, and say it in one sentence.

    Until the campaign has gone on with it, another answer goes over it.

    Raises:
        InputError: the campaign waits for nothing.
    """
    asked = _open(folder)
    if asked is None:
        raise InputError(f"{folder.path} waits for nobody; run its campaign, which asks where campaign.pause says so")
    name = _place(asked.round, asked.at)
    folder.write_json(name, Answered(round=asked.round, at=asked.at, outcome=outcome, asked=asked.sentence))
    done = "approved" if outcome == "approve" else "rejected"
    return f"Round {asked.round}, {asked.at}: {done}. Run the campaign's command again to go on."


def _open(folder: RunFolder) -> Waiting | None:
    """Give what was asked last, while an answer to it would still be heard."""
    asked = folder.found(WAITING, Waiting)
    return asked if asked is not None and _heard(folder, asked.round, asked.at) else None


def _heard(folder: RunFolder, round_: int, at: Place) -> bool:
    """Say whether an answer would be heard: nothing that depends on it is there."""
    here = round_folder(round_)
    begun = at == "train" and any(name.startswith(f"{here}/arms/") for name in folder.hashes)
    return not begun and not folder.has(f"{here}/decision.json")


def _place(round_: int, at: Place) -> str:
    return f"{round_folder(round_)}/answer_{at}.json"
