"""Label problems with a language model, part of the taxonomy by part, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.labels.outline import WIDEST, Stage, stage_below
from selfimprove.labels.replies import Said, read_labels
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS, TRAITS, Form, Path, Taxonomy, match
from selfimprove.programs import Item, Program, plain, run, stated
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Problem, Record, Sampling

Judgement = Literal["label", "check_label"]
_GREEDY: Final = Sampling(max_tokens=384)
_BATCH: Final = 256
"""Problems a batch: the calls of a batch are under way together."""
_TRIES: Final = 2
_OPTIONS: Final[Form] = "multiple choice"
"""The form of a problem that has options."""


class Labelled(Record):
    """What one judgement says of a problem."""

    problem: str
    """Id of the problem."""
    labels: Mapping[str, str]
    """By dimension; one without a verdict is left out."""
    confidence: Mapping[str, float | None]
    """Of each label, in [0, 1]; 1 where the taxonomy leaves no choice, None where the model gave none."""
    complaint: str = ""
    """Why a dimension has no verdict; empty where all have one."""
    calls: tuple[str, ...] = ()
    """Keys of the ledger's rows."""

    @property
    def whole(self) -> bool:
        """True where every dimension has a verdict."""
        return all(name in self.labels for name in DIMENSIONS)


@dataclass(frozen=True)
class Labeller:
    """One judgement of labels: a program on a model. Nothing of another judgement is shown to it.

    A taxonomy of a thousand sub-types fits no prompt, and a small model loses its way in a long list. So it is shown
    in parts: an outline of as many levels as stay under `widest` names, then, below what was chosen, the next. A small
    taxonomy takes one call a problem, one of three subjects with 80 topics two, and `widest=1` asks level by
    level. Narrowing by similarity instead would need an embedding of the names, and what it leaves out
    is lost without a trace; here a wrong turn is a wrong label that a second judgement can dispute.

    A label that is not in the taxonomy is asked for once more, told what was wrong; after that there is no verdict on
    it and on what lies below.

    Args:
        taxonomy: what problems are sorted into.
        model: what judges; behind the ledger, each call is made once and within the budget.
        judgement: which program: `label`, or `check_label`, which says first what a problem takes and reads the
            outline backwards.
        program: that program, for one that an optimiser improved.
        sampling: greedy by default.
        widest: most names of an outline.
    """

    taxonomy: Taxonomy
    model: LanguageModel
    judgement: Judgement = "label"
    program: Program | None = None
    sampling: Sampling = _GREEDY
    widest: int = WIDEST

    @property
    def prompt(self) -> Program:
        """The program that it runs."""
        return self.program or plain(self.judgement)

    def label(self, problems: Sequence[Problem], starts: Sequence[Path] | None = None) -> list[Labelled]:
        """Label each problem in all dimensions, in order.

        Args:
            problems: to label; their own labels are not looked at.
            starts: what is known of each already (`()` is nothing), shape `[P]`: where only a label's lower levels are
                in doubt.

        Raises:
            InputError: a start is not in the taxonomy.
        """
        for start in set(starts or ()):
            if not self.taxonomy.leaves_under(start):
                raise InputError(f'"{" > ".join(start)}" is not in the taxonomy "{self.taxonomy.name}"')
        walks = [_Walk(problem, start) for problem, start in zip(problems, starts or [()] * len(problems), strict=True)]
        progress.current().stage(
            self.judgement.replace("_", " "), 0
        )  # calls are counted, by the model; how many is open
        for at in range(0, len(walks), _BATCH):
            going = walks[at : at + _BATCH]
            while going := [walk for walk in going if walk.next_stage(self)]:
                self._ask(going)
        return [walk.labelled(self.taxonomy) for walk in walks]

    def _ask(self, walks: Sequence[_Walk]) -> None:
        """Put each walk's stage to the model, once more where the reply could not be read."""
        program = self.prompt
        asked = list(walks)
        for attempt in range(_TRIES):
            items = [walk.item(attempt) for walk in asked]
            for walk, reply in zip(asked, run(program, items, self.model, self.sampling), strict=True):
                walk.hear(reply, program, self.taxonomy)
            asked = [walk for walk in asked if walk.said.complaint]
            if not asked:
                break


_NOTHING: Final = Said(labels={}, confidence={})


@dataclass
class _Walk:
    """One problem's way down the taxonomy."""

    problem: Problem
    path: Path
    labels: dict[str, str] = field(default_factory=dict)
    confidence: dict[str, float | None] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    stage: Stage | None = None
    said: Said = _NOTHING

    def next_stage(self, how: Labeller) -> bool:
        """Take over what the last stage found and give whether there is another one."""
        self._keep(self.said)
        if self.said.complaint or (self.stage is not None and len(self.path) == len(LEVELS)):
            return False
        known = [trait for trait in TRAITS if trait in self.labels]
        if self.problem.choices and (form := match(_OPTIONS, how.taxonomy.values("form", self.path))):
            self._keep(Said(labels={"form": form}, confidence={"form": 1.0}))  # options are there or they are not
            known.append("form")
        backwards = how.judgement == "check_label"
        stage = stage_below(how.taxonomy, self.path, how.widest, known, backwards=backwards)
        self._given(stage, how.taxonomy)
        self.stage, self.said = stage, _NOTHING
        return bool(stage.asked)

    def item(self, attempt: int) -> Item:
        """Give what the program is run on."""
        if self.stage is None:
            raise RuntimeError("a walk without a stage has nothing to ask")
        inputs = {
            "problem": stated(self.problem),
            "place": " > ".join(self.stage.path),
            "outline": self.stage.outline,
            "asked": self.stage.asked,
            "complaint": self.said.complaint if attempt else "",
        }
        return Item(self.problem.id, inputs, attempt=attempt)

    def hear(self, reply: Completion, program: Program, taxonomy: Taxonomy) -> None:
        """Read a reply; where it is a second one, what it says more than the first is kept."""
        self.calls += (reply.call,) if reply.call else ()
        said = Said(labels={}, confidence={}, complaint="There was no reply.")
        if reply.finish_reason != "error" and self.stage is not None:
            text = str(program.parse(reply.text)["labels"]) or reply.text
            said = read_labels(text, self.stage, taxonomy)
        if not said.complaint or len(said.labels) >= len(self.said.labels):
            self.said = said

    def labelled(self, taxonomy: Taxonomy) -> Labelled:
        """Give what was found; of a problem with options whose place takes none, no form."""
        amiss = self.problem.choices and not match(_OPTIONS, taxonomy.values("form", self.path))
        complaints = [self.said.complaint] if self.said.complaint else []
        if amiss:
            complaints.append(f"The problem has options, and {' > '.join(self.path)} takes no {_OPTIONS}.")
        in_order = [name for name in DIMENSIONS if name in self.labels and not (amiss and name == "form")]
        return Labelled(
            problem=self.problem.id,
            labels={name: self.labels[name] for name in in_order},
            confidence={name: self.confidence[name] for name in in_order},
            complaint=" ".join(complaints),
            calls=self.calls,
        )

    def _keep(self, said: Said) -> None:
        self.labels |= said.labels
        self.confidence |= said.confidence
        self.path += tuple(_levels(said.labels))

    def _given(self, stage: Stage, taxonomy: Taxonomy) -> None:
        """Take over what leaves no choice."""
        self.path = stage.path
        given = {str(level): name for level, name in zip(LEVELS, stage.path, strict=False)}
        if len(stage.path) + len(stage.levels) == len(LEVELS):
            given |= {trait: taxonomy.values(trait, stage.path)[0] for trait in TRAITS if trait not in stage.traits}
        for name, value in given.items():
            if name not in self.labels:
                self.labels[name], self.confidence[name] = value, 1.0


def _levels(labels: Mapping[str, str]) -> Iterator[str]:
    return (labels[level] for level in LEVELS if level in labels)
