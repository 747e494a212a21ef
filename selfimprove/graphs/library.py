"""A campaign that starts from a library: what `selfimprove grade` found stands for the first round's mining."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.panel import ids_aside
from selfimprove.mining.kinds import KindRule, Mined
from selfimprove.mining.library import Graded, load_library, mined_from
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.records import Attempt, Completion, Problem, Record
from selfimprove.steps.verify import verify
from selfimprove.store import sha256_of

_ORIGIN: Final = "round-01/library.json"
_ROWS: Final = "round-01/library.jsonl"
TAKEN: Final = (_ORIGIN, _ROWS)
"""What a campaign keeps of its library. They lie in the round that takes it: a fork of the baseline takes its own."""
_PLACES: Final = ("", "grades.jsonl", "library/grades.jsonl", "round-01/mining/library/grades.jsonl")


class Origin(Record):
    """Where a campaign's library came from, kept in the run folder."""

    path: str
    sha256: str
    problems: int
    left_out: int
    """Problems that the guard dropped from this campaign's training split, or that are set aside."""


class KnownPool(NamedTuple):
    """A library as the pool of a round.

    Attributes:
        problems: of the training split, shape `[P]`.
        attempts: greedy attempts by problem, one each; what was sampled is in `mined` alone.
        mined: by problem.
        graded: the library's rows.
    """

    problems: list[Problem]
    attempts: Mapping[str, list[Attempt]]
    mined: Mapping[str, Mined]
    graded: list[Graded]


def library_file(name: str) -> Path:
    """Find the library in what the settings name: a file, its folder, or the run folder of `selfimprove grade`.

    Raises:
        InputError: there is none.
    """
    for place in _PLACES:
        path = Path(name) / place if place else Path(name)
        if path.is_file():
            return path
    raise InputError(
        f'mine.library = "{name}" holds no grades.jsonl; name a folder that selfimprove grade wrote, or leave it out'
    )


def check_library(crew: Crew) -> None:
    """Refuse, before anything is spent, a library that this campaign cannot start from.

    Raises:
        InputError: there is none, it is damaged, another student's, or holds problems that are not trained on.
    """
    if crew.config.mine.library is None or crew.folder.has(_ROWS):
        return
    size = crew.config.data.train
    train = crew.problems("train") if crew.folder.has("data/train.jsonl") else islice(crew.task.problems("train"), size)
    path = library_file(crew.config.mine.library)
    _check_prompt(path, crew)
    _usable(path, list(load_library(path, crew.model("").identity)), train, crew)


def known_pool(crew: Crew, round_: int) -> KnownPool | None:
    """Give the library as this round's pool; None where the round mines. It is copied into the run folder once.

    Raises:
        InputError: see `check_library`.
    """
    if crew.config.mine.library is None or round_ != 1:
        return None
    identity, train = crew.model("").identity, {p.id: p for p in crew.problems("train")}
    if not crew.folder.has(_ROWS):
        path = library_file(crew.config.mine.library)
        rows = list(load_library(path, identity))
        kept = _usable(path, rows, train.values(), crew)
        sha256 = sha256_of(path)
        origin = Origin(path=str(path), sha256=sha256, problems=len(kept), left_out=len(rows) - len(kept))
        crew.folder.write_json(_ORIGIN, origin)
        crew.folder.write_rows(_ROWS, kept)
        left = f" ({origin.left_out} left out, which are held out)" if origin.left_out else ""
        progress.current().say(f"round 1 starts from the {len(kept)} graded problems of {path}{left} and mines nothing")
    graded = list(load_library(crew.folder.checked(_ROWS), identity))
    problems = [train[row.problem] for row in graded if row.problem in train]
    attempts = {row.problem: [_attempt(crew, train[row.problem], row)] for row in graded}
    rule = KindRule.model_validate(crew.config.mine.model_dump(include=set(KindRule.model_fields)))
    return KnownPool(problems, attempts, {row.problem: mined_from(row, rule) for row in graded}, graded)


def library_name(crew: Crew, round_: int) -> str:
    """Name the library that stood for a round's mining; empty where the round mined."""
    return crew.config.mine.library or "" if round_ == 1 else ""


def _check_prompt(path: Path, crew: Crew) -> None:
    """Refuse a library that was mined under another prompt: what is hard depends on how it is asked."""
    places = path.resolve().parents[: _PLACES[-1].count("/") + 1]
    for kept in (place / FROZEN for place in places if (place / FROZEN).is_file()):
        mined = Frozen.model_validate_json(kept.read_bytes()).thaw()["solve"].hash()
        asked = crew.programs["solve"].hash()
        if mined != asked:
            raise InputError(
                f"{path} was mined under prompt {mined} (of {kept}), and this campaign asks under {asked}; mine and "
                "grade again, or give the same prompts (campaign.programs, or what programs/ holds)"
            )


def _usable(path: Path, rows: Sequence[Graded], train: Iterable[Problem], crew: Crew) -> list[Graded]:
    """Give the rows of this campaign's training problems, without those that are held out.

    Raises:
        InputError: there are none, or others among them.
    """
    known = {p.id for p in train}
    dropped = set()
    if crew.folder.has("data/leakage.json"):
        dropped = {each["id"] for each in crew.folder.json("data/leakage.json")["dropped_from_train"]}
        dropped |= ids_aside(crew)
    kept = list({row.problem: row for row in rows if row.problem in known}.values())
    strange = [row.problem for row in rows if row.problem not in known | dropped]
    if strange:
        raise InputError(
            f"{path}: {len(strange)} of its {len(rows)} problems, such as {strange[0]}, are not among the {len(known)} "
            "training problems of this campaign; mine and grade with the same task, data.train and seed"
        )
    if not kept:
        raise InputError(f"{path} holds no graded training problem; mine and grade first, or leave mine.library out")
    return kept


def _attempt(crew: Crew, problem: Problem, row: Graded) -> Attempt:
    """Make the greedy attempt of a row; its verdict is the one that mining ended in, after any second chance."""
    read = verify(crew.task, problem, Completion(text=row.attempt, sampling=crew.greedy(), call=row.call))
    return read.model_copy(update={"verdict": row.verdict})
