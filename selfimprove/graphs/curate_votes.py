"""The votes of a round under way: who is asked next, and how voters are judged meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from selfimprove import progress
from selfimprove.curating.admitting import Panel
from selfimprove.curating.library import Library, leaf_name
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.reliability import estimate
from selfimprove.curating.rows import Candidate, Vote
from selfimprove.curating.trust import Prior, Rule, pattern_of
from selfimprove.curating.voting import Ballot
from selfimprove.labels.taxonomy import Path
from selfimprove.records import Problem

Role = Literal["solve", "check"]
_ROLES: Final[tuple[Role, ...]] = ("solve", "check")
_PRIORS: Final[dict[Role, Prior]] = {"solve": Prior(), "check": Prior(right=0.85, wrong=0.2, share=0.85)}
"""Of voters, before any vote."""
_SETTLED: Final = 2_000
"""Candidates whose votes say enough of the voters: from then on they are judged by finished rounds alone."""


def round_place(round_: int) -> str:
    """Give a round's folder, relative to the folder of the curation."""
    return f"round-{round_:03d}"


@dataclass
class Polled:
    """What is held of the round under way."""

    number: int
    candidates: list[Candidate]
    rules: dict[Role, Rule]
    panels: dict[Role, Panel] = field(default_factory=dict)
    votes: dict[Role, dict[str, list[Vote]]] = field(default_factory=lambda: {"solve": {}, "check": {}})
    passes: dict[Role, int] = field(default_factory=lambda: {"solve": 0, "check": 0})


class Polling:
    """Holds the round that is voted on; all of it can be read again from its files."""

    def __init__(self, nursery: Nursery, library: Callable[[], Library]) -> None:
        self.nursery, self.folder, self._library = nursery, nursery.folder, library
        self._round: Polled | None = None

    def shown_by(self, problem: Problem, path: Path) -> str:
        """Name the check that shows the stated answer to be right, so that nobody need vote; empty: there is none."""
        check = self.nursery.check_of(path)
        return check.name if check is not None and check.says(problem) is True else ""

    def begin(self, number: int) -> Polled:
        """Hold the round that is to be voted on, with the votes that were written."""
        nursery, place = self.nursery, round_place(number)
        rules = dict(zip(_ROLES, nursery.rules(), strict=True))
        now = Polled(number, self.folder.rows(f"{place}/screened.jsonl", Candidate), rules)
        for role, votes in now.votes.items():
            while self.folder.has(name := f"{place}/{role}-{now.passes[role]:02d}.jsonl"):
                for vote in self.folder.rows(name, Vote):
                    votes.setdefault(vote.candidate, []).append(vote)
                now.passes[role] += 1
            self._learn(now, role)
        self._round = now
        return now

    def over(self) -> None:
        """Let the round go."""
        self._round = None

    def _learn(self, now: Polled, role: Role) -> None:
        """Judge voters by all votes so far: while there are few, those of the round under way are among them."""
        tally = self._library().answers if role == "solve" else self._library().labels
        if role in now.panels and tally.size >= _SETTLED:
            return
        if tally.size < _SETTLED:
            paths = {one.id: one.place.path for one in now.candidates}
            tally = tally.copy()
            for candidate, votes in now.votes[role].items():
                tally.add(leaf_name(paths[candidate]), pattern_of(votes))
        known = estimate(tally, now.rules[role], _PRIORS[role])
        now.panels[role] = Panel(self.nursery.voters(role), known, now.rules[role])

    def now(self, number: int) -> Polled:
        """Give the round, read from its files where it is not the one held."""
        found = self._round
        return found if found is not None and found.number == number else self.begin(number)

    def vote(
        self,
        role: Role,
        now: Polled,
        candidates: Sequence[Candidate],
        ask: Callable[[Sequence[Ballot]], Iterator[list[Vote]]],
    ) -> dict[str, Any]:
        """Ask for one pass of votes and write them; `open` counts those that the next pass asks for."""
        wanted = now.panels[role].wanted(candidates, now.votes[role])
        if not wanted:
            return {"open": 0}
        made: list[Vote] = []
        with self.nursery.stage(role, len(wanted)) as watcher:
            for votes in ask(wanted):
                made += votes
                watcher.advance(len(votes))
        name = f"{round_place(now.number)}/{role}-{now.passes[role]:02d}.jsonl"
        made.sort(key=lambda vote: (vote.candidate, vote.voter, vote.sample))  # as they are read from the file
        self.folder.write_rows(name, made, by=lambda vote: (vote.candidate, vote.voter, vote.sample))
        now.passes[role] += 1
        _tell_silent(now.number, made)
        for vote in made:
            now.votes[role].setdefault(vote.candidate, []).append(vote)
        self._learn(now, role)
        return {"open": len(now.panels[role].wanted(candidates, now.votes[role]))}


def _tell_silent(number: int, made: Sequence[Vote]) -> None:
    """Say whose replies held no vote, each asked for twice but where it was cut off or failed."""
    silent = Counter(vote.voter for vote in made if not vote.verdict.decided)
    for voter, count in sorted(silent.items()):
        asked = sum(vote.voter == voter for vote in made)
        progress.current().say(f"round {number}: {count} of {asked} replies of {voter} hold no vote")
