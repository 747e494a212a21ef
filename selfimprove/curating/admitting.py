"""Screen and admit: what is refused before anything is asked, and what the votes let in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from selfimprove.curating.checks import NamedCheck
from selfimprove.curating.library import leaf_name
from selfimprove.curating.near import Seen
from selfimprove.curating.rows import Candidate, Grown, Reason, Rejected, Vote
from selfimprove.curating.trust import Estimate, Rule, decide
from selfimprove.curating.voting import Ballot
from selfimprove.labels.taxonomy import Cell, Path
from selfimprove.leakage import Guard
from selfimprove.records import Problem


class Screened(NamedTuple):
    """What passed, and what did not."""

    passed: list[Candidate]
    rejected: list[Rejected]


def screen(
    candidates: Sequence[Candidate],
    seen: Seen,
    guard: Guard,
    check_of: Callable[[Path], NamedCheck | None],
    round_: int,
) -> Screened:
    """Refuse what a check knows to be wrong, what is held out, and what is there already, in this order.

    What a check refuses makes nothing a duplicate; the same problem with the right answer may still come.
    """
    rejected: list[Rejected] = []
    left: list[Candidate] = []
    for one in candidates:
        check = check_of(one.place.path)
        if check is not None and check.says(one.problem) is False:
            rejected.append(
                Rejected.of(
                    one, "check", f"the check {check.name} works out that {one.problem.answer!r} is wrong", round_
                )
            )
        elif (hit := guard.leak_of(one.problem)) is not None:
            detail = f"it is held out: {hit.how} with {hit.held_out} of {hit.where}"
            rejected.append(Rejected.of(one, "held out", detail, round_))
        else:
            left.append(one)
    passed: list[Candidate] = []
    matches = seen.screen([(one.problem, leaf_name(one.place.path)) for one in left])
    for one, match in zip(left, matches, strict=True):
        if match is None:
            passed.append(one)
        else:
            detail = f"{match.how} of {match.other} ({match.share:.2f} alike)"
            rejected.append(Rejected.of(one, match.how, detail, round_))
    return Screened(passed, rejected)


class Panel(NamedTuple):
    """Who votes on a candidate, and when their votes are enough."""

    voters: Mapping[Path, tuple[str, ...]]
    """By sub-type."""
    estimate: Estimate
    rule: Rule

    def ruling(self, candidate: Candidate, votes: Sequence[Vote]) -> tuple[float, str]:
        """Give how likely it is right, and `yes`, `no`, `open` or `undecided`."""
        path = candidate.place.path
        return decide(votes, leaf_name(path), self.voters[path], self.estimate, self.rule)

    def wanted(self, candidates: Sequence[Candidate], votes: Mapping[str, Sequence[Vote]]) -> list[Ballot]:
        """Give the votes that are wanted next: of everybody on a new candidate, one more on an open one."""
        found: list[Ballot] = []
        for one in candidates:
            voters, heard = self.voters[one.place.path], votes.get(one.id, ())
            if not heard:
                found += [Ballot(one, voter, 0) for voter in voters]
            elif self.ruling(one, heard)[1] == "open":
                asked = Counter(vote.voter for vote in heard)
                voter = min(voters, key=lambda name: (asked[name], voters.index(name)))
                found.append(Ballot(one, voter, asked[voter]))
        return found


class Admitted(NamedTuple):
    """How a round ends."""

    grown: list[Grown]
    rejected: list[Rejected]


def admit(
    candidates: Sequence[Candidate],
    answers: Panel,
    votes: Mapping[str, Sequence[Vote]],
    labels: Panel | None,
    label_votes: Mapping[str, Sequence[Vote]],
    shown_by: Callable[[Problem, Path], str],
    room: Mapping[Cell, int],
    round_: int,
) -> Admitted:
    """Let in what both votes say is right, as long as its cell has room.

    Args:
        candidates: that passed the screen, in order.
        answers: rules on answers.
        votes: by candidate.
        labels: rules on labels; None: they are not checked.
        label_votes: by candidate.
        shown_by: names the check that has shown the answer to be right; empty: none has.
        room: problems that each cell still takes.
        round_: number of the round.
    """
    made, left = Admitted([], []), Counter(room)
    for one in candidates:
        heard, label_heard = tuple(votes.get(one.id, ())), tuple(label_votes.get(one.id, ()))
        check = shown_by(one.problem, one.place.path)
        right, outcome = (1.0, "yes") if check else answers.ruling(one, heard)
        label, label_outcome = (1.0, "yes") if labels is None else labels.ruling(one, label_heard)
        refusal = _refusal(outcome, right, label_outcome, label)
        if refusal is None and left[one.place.cell] <= 0:
            refusal = ("surplus", "its quota was met by then")
        if refusal is not None:
            made.rejected.append(Rejected.of(one, *refusal, round_, heard, label_heard))
            continue
        left[one.place.cell] -= 1
        made.grown.append(
            Grown(
                candidate=one,
                answer_right=round(right, 6),
                label_right=round(label, 6),
                votes=heard,
                label_votes=label_heard,
                check=check,
                round=round_,
            )
        )
    return made


def _refusal(outcome: str, right: float, label_outcome: str, label: float) -> tuple[Reason, str] | None:
    if outcome != "yes":
        why: Reason = "wrong answer" if outcome == "no" else "undecided answer"
        return why, f"after all votes its answer is right with {right:.3f}"
    if label_outcome != "yes":
        about: Reason = "wrong label" if label_outcome == "no" else "undecided label"
        return about, f"after all votes its label is right with {label:.3f}"
    return None
