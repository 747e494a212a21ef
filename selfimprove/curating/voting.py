"""Votes on candidates: solvers who do not see the answer, and checkers who do not see the label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from selfimprove.curating.forms import Form
from selfimprove.curating.rows import Candidate, Vote
from selfimprove.labels.labelling import Labelled, Labeller
from selfimprove.labels.taxonomy import LEVELS, Taxonomy
from selfimprove.programs import Item, Program, run_read, stated
from selfimprove.programs.forms import form_reader
from selfimprove.programs.run import seed_of
from selfimprove.programs.saved import Compiled, program_in
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Request, Sampling, Verdict
from selfimprove.steps.verify import verify

BATCH: Final = 512
"""Calls under way together: what a kill can lose of a model that answers a batch at once."""
_LABEL_TOKENS: Final = 384


class Ballot(NamedTuple):
    """One vote that is wanted."""

    candidate: Candidate
    voter: str
    sample: int


@dataclass
class Solvers:
    """Ask models to solve problems whose answers they are not shown; a reply without an answer is asked for once more.

    Args:
        models: by name.
        sampling: how each solves.
        seed: of the whole curation.
        programs: compiled ones by name; the plain one stands in where there is none for a form of answers.
    """

    models: Mapping[str, LanguageModel]
    sampling: Mapping[str, Sampling]
    seed: int = 0
    programs: Mapping[str, Compiled] = field(default_factory=dict)
    _by_form: dict[str, Program] = field(default_factory=dict)

    def vote(self, ballots: Sequence[Ballot], forms: Mapping[str, Form]) -> Iterator[list[Vote]]:
        """Give the votes, a batch at a time; within a batch in order.

        Args:
            ballots: wanted, shape `[N]`.
            forms: of the answer, by candidate.
        """
        groups: dict[tuple[str, str], list[Ballot]] = defaultdict(list)
        for ballot in ballots:
            groups[ballot.voter, forms[ballot.candidate.id].kind.name].append(ballot)
        for (voter, _), some in groups.items():
            for at in range(0, len(some), BATCH):
                part = some[at : at + BATCH]
                yield self._solve(voter, part, forms[part[0].candidate.id])

    def _solve(self, voter: str, ballots: Sequence[Ballot], form: Form) -> list[Vote]:
        program = self._program(form)
        items = [Item(b.candidate.id, {"problem": stated(b.candidate.problem)}, sample=b.sample) for b in ballots]
        read = form_reader(program, form, anywhere=True)
        made = run_read(program, items, self.models[voter], self.sampling[voter], read, role="solve", seed=self.seed)
        return [_vote(b, one.completion, form, program) for b, one in zip(ballots, made, strict=True)]

    def _program(self, form: Form) -> Program:
        if form.kind.name not in self._by_form:
            self._by_form[form.kind.name] = program_in(self.programs, "solve_independently", form)
        return self._by_form[form.kind.name]


def _vote(ballot: Ballot, done: Completion, form: Form, program: Program) -> Vote:
    text = str(program.parse(done.text)["solution"])
    tried = verify(form, ballot.candidate.problem, done, text)
    return Vote(
        candidate=ballot.candidate.id,
        voter=ballot.voter,
        sample=ballot.sample,
        verdict=tried.verdict,
        answer=(tried.answer or "")[:200],
        call=done.call,
    )


@dataclass(frozen=True)
class Checkers:
    """Ask models where a problem belongs, without showing them where it was ordered for.

    Args:
        taxonomy: that they choose from.
        models: by name.
        temperature: of each; samples of one model are to differ.
        known: levels of the place that are taken as known: 1 is the subject.
        seed: of the whole curation.
        program: their prompt, for one that an optimiser improved.
    """

    taxonomy: Taxonomy
    models: Mapping[str, LanguageModel]
    temperature: float = 0.7
    known: int = 1
    seed: int = 0
    program: Program | None = None

    def vote(self, ballots: Sequence[Ballot]) -> Iterator[list[Vote]]:
        """Give the votes, a batch at a time; within a batch in order."""
        groups: dict[tuple[str, int], list[Ballot]] = defaultdict(list)
        for ballot in ballots:
            groups[ballot.voter, ballot.sample].append(ballot)
        for (voter, sample), some in groups.items():
            model = Resampled(self.models[voter], sample, self.seed)
            labeller = Labeller(
                self.taxonomy,
                model,
                "check_label",
                self.program,
                sampling=Sampling(temperature=self.temperature, max_tokens=_LABEL_TOKENS),
            )
            for at in range(0, len(some), BATCH):
                yield self._check(labeller, some[at : at + BATCH])

    def _check(self, labeller: Labeller, ballots: Sequence[Ballot]) -> list[Vote]:
        starts = [b.candidate.place.path[: self.known] for b in ballots]
        found = labeller.label([b.candidate.problem for b in ballots], starts)
        return [_label_vote(b, said) for b, said in zip(ballots, found, strict=True)]


def _label_vote(ballot: Ballot, said: Labelled) -> Vote:
    place = ballot.candidate.place
    wanted = {str(level): name for level, name in zip(LEVELS, place.path, strict=True)}
    wanted |= {name: value for name in ("difficulty", "key_stage") if (value := getattr(place, name))}
    heard = {name: said.labels.get(name) for name in wanted}
    verdict = Verdict.UNPARSEABLE
    if any(value is not None and value != wanted[name] for name, value in heard.items()):
        verdict = Verdict.WRONG
    elif heard == wanted:
        verdict = Verdict.CORRECT
    return Vote(
        candidate=ballot.candidate.id,
        voter=ballot.voter,
        sample=ballot.sample,
        verdict=verdict,
        answer=" > ".join(value for value in heard.values() if value)[:200],
        call=said.calls[-1] if said.calls else "",
    )


class Resampled:
    """A model whose requests are further samples of the same ones. Satisfies `LanguageModel`."""

    def __init__(self, model: LanguageModel, sample: int, seed: int = 0) -> None:
        self._model, self._sample, self._seed = model, sample, seed

    @property
    def identity(self) -> str:
        """The model's own."""
        return self._model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request as this sample of it."""
        return self._model.complete([self._again(request) for request in requests])

    def _again(self, request: Request) -> Request:
        seed = seed_of(self._seed, request.problem, self._sample)
        return request.model_copy(update={"sample": self._sample, "seed": seed})
