"""What a generated problem is worth: is it whole, new, and is its stated answer what others find too?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from selfimprove.answers.text import normalised
from selfimprove.programs import Complaint, Item, Program, Read, run_read
from selfimprove.programs.cases import Case, Mark, Outputs
from selfimprove.programs.forms import form_reader, read_form
from selfimprove.programs.written import Written, read_problems
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Completion, Problem, Sampling, Verdict, digest

_WARM: Final = 0.7


@dataclass(frozen=True)
class Generated:
    """Share of the problems asked for that are whole, new, and verified right.

    Verified is self-consistency: a model that does not see the stated answer solves each problem twice, once greedily,
    and finds it both times, in whatever form it states it: the form is the solver's, not the problem's. A solution that
    states no answer is asked for once more.

    Args:
        task: reads answers.
        solver: solves.
        solving: its program.
        sampling: greedy.
    """

    task: Task
    solver: LanguageModel
    solving: Program
    sampling: Sampling
    name: str = "valid"

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:  # noqa: ARG002 - as `Metric`
        """Refuse what holds no problem in the form."""
        if reply.finish_reason != "length" and not read_problems(str(outputs["problems"]), choices=False):
            return Complaint('No problem was found; write "Problem:", "Solution:" and "Answer:", each on its own line.')
        return read_form(program, outputs, reply)

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:  # noqa: ARG002 - as `Metric`
        """Solve all generated problems in two batches, and count the agreed ones."""
        made = [_whole(reply, case) for case, reply in zip(cases, replies, strict=True)]
        agreed = self._agreed(sorted({one for some in made for one in some}))
        return [self._one(*each, agreed) for each in zip(cases, replies, made, strict=True)]

    def _one(self, case: Case, reply: Read[Outputs], whole: Sequence[Written], agreed: Mapping[Written, bool]) -> Mark:
        if reply.value is None:
            return Mark(0.0, reply.complaint)
        wanted, good = _wanted(case), sum(agreed[one] for one in whole)
        doubted = [f'"{one.question:.200}" (stated answer {one.answer})' for one in whole if not agreed[one]]
        told = f"{good} of {wanted} problems are whole, new and right."
        if doubted:
            told += f" Solved without the stated answer, others came out: {'; '.join(doubted)}."
        return Mark(good / wanted, told)

    def _agreed(self, made: Sequence[Written]) -> dict[Written, bool]:
        asked = [Item(digest(one.question), {"problem": one.question}) for one in made]
        warm = self.sampling.model_copy(update={"temperature": _WARM})
        read = form_reader(self.solving, self.task, anywhere=True)
        first = run_read(self.solving, asked, self.solver, self.sampling, read)
        second = run_read(self.solving, [item._replace(sample=1) for item in asked], self.solver, warm, read)
        return {
            one: all(self._finds(one, reply.completion) for reply in both)
            for one, both in zip(made, zip(first, second, strict=True), strict=True)
        }

    def _finds(self, made: Written, reply: Completion) -> bool:
        found = self.task.parse(reply.text).answer
        stated = self.task.parse(self.task.conclude("", made.answer.lstrip(" *").rstrip(" *."))).strict
        if found is None or stated is None:
            return False
        return self.task.compare(found, Problem.of(made.question, stated)) is Verdict.CORRECT


def _wanted(case: Case) -> int:
    return max(1, int(case.inputs.get("count", 1)))


def _whole(reply: Read[Outputs], case: Case) -> list[Written]:
    """Give those of the first problems, as many as were asked for, that have both parts and are new, each once."""
    if reply.value is None:
        return []
    shown = normalised(f"{case.inputs.get('example', '')} {case.inputs.get('more_examples', '')}")
    found = dict[str, Written]()
    for one in read_problems(str(reply.value["problems"]), choices=False)[: _wanted(case)]:
        if one.question and one.answer:
            found.setdefault(normalised(one.question), one)
    return [one for question, one in found.items() if question not in shown]
