"""What an arm learns from: its track's rows, pairs, verdicts and tried problems, of this round and of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from selfimprove.arms import ARMS
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.forked import taken_over
from selfimprove.graphs.places import attempts_of, round_folder
from selfimprove.records import Decision, Method, PracticeRow, PreferenceRow, TrackRow, VerdictRow
from selfimprove.steps.practise import practise


def rows_of(crew: Crew, round_: int, arm: str) -> list[TrackRow]:
    """Read the rows of an arm's track."""
    return crew.folder.rows(f"{round_folder(round_)}/{ARMS[arm].track}.jsonl", TrackRow)


def earlier_rows(crew: Crew, round_: int, arm: str, known: AbstractSet[str]) -> list[TrackRow]:
    """Give the rows of an arm's earlier rounds that are not known, each once; a problem may have been tried again."""
    rows = (row for r in _usable_rounds(crew, round_, arm) for row in rows_of(crew, r, arm))
    return list({row.id: row for row in rows if row.id not in known}.values())


def pairs_of(crew: Crew, round_: int, arm: str) -> list[PreferenceRow | VerdictRow]:
    """Give the preference pairs or verdicts that an arm learns from, each once: several rounds may say the same."""
    found = (pair for r in _rounds_of(crew, round_, arm) for pair in _pairs(crew, r, ARMS[arm].then))
    return list({(pair.problem, *texts_of(pair)): pair for pair in found}.values())


def texts_of(pair: PreferenceRow | VerdictRow) -> tuple[str, ...]:
    """Give what is trained on of a pair, or of a verdict."""
    return (pair.text,) if isinstance(pair, VerdictRow) else (pair.chosen, pair.rejected)


def practised(crew: Crew, round_: int, arm: str, program: str = "solve") -> list[PracticeRow]:
    """Give the problems to practise; one of several rounds as it fared in the first, when the student was nearest."""
    by_id = {p.id: p for p in crew.problems("train")}
    rows = [row for r in _rounds_of(crew, round_, arm) for row in practise(attempts_of(crew, r), by_id, r, program)]
    return list({row.id: row for row in reversed(rows)}.values())


def _pairs(crew: Crew, round_: int, method: Method | None) -> Sequence[PreferenceRow | VerdictRow]:
    """Read a round's preference pairs, or its verdicts; none where no arm of a round that a fork took over had any."""
    name = f"{round_folder(round_)}/{'preferences' if method == 'dpo' else 'verdicts'}.jsonl"
    if not crew.folder.has(name) and name.startswith(taken_over(crew.folder)):
        return []
    return crew.folder.rows(name, PreferenceRow if method == "dpo" else VerdictRow)


def _rounds_of(crew: Crew, round_: int, arm: str) -> list[int]:
    """Give the rounds whose pairs, verdicts or tried problems an arm learns from: with `restart`, all so far."""
    return [*(_usable_rounds(crew, round_, arm) if crew.config.train.restart else ()), round_]


def _usable_rounds(crew: Crew, round_: int, arm: str) -> list[int]:
    """Give the earlier rounds in which an arm was trained and not rolled back.

    Where it was not trained, as before a fork that added it, another that learns from the same rows stands for it.
    """
    earlier = [(r, crew.folder.record(f"{round_folder(r)}/decision.json", RoundDecision)) for r in range(1, round_)]
    return [r for r, made in earlier if any(d.outcome != "roll back" for d in _standing_for(arm, made.decisions))]


def _standing_for(arm: str, decisions: Sequence[Decision]) -> list[Decision]:
    """Give a round's decision on an arm; where there is none, those on the arms that learn from the same rows."""
    own = [d for d in decisions if d.arm == arm]
    return own or [d for d in decisions if ARMS[d.arm].track == ARMS[arm].track]
