"""What a report says, as types: `selfimprove report RUN --json` prints a `Summary`, the page renders one.

Accuracies are shares in [0, 1]; differences are in percentage points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from pydantic import Field

from selfimprove.formats import times
from selfimprove.report.decided_schema import (
    AnswerCounts,
    ArmPair,
    DevSummary,
    Difference,
    RoundSummary,
    SampledSummary,
    ScoreSummary,
)
from selfimprove.report.examples_schema import FailureExample, LessonExample
from selfimprove.report.failing_schema import FailureGroup, Repairs
from selfimprove.report.part import Part
from selfimprove.report.prompts_schema import ProgramSummary
from selfimprove.report.selected_schema import LevelSummary, ProbeSummary

State = Literal["finished", "running", "stopped at the budget", "waiting for a person"]
Stopped = Literal["", "rounds", "patience", "target", "budget"]
STOPPED: Final[Mapping[Stopped, str]] = {
    "rounds": "all its rounds were made",
    "patience": "too many rounds in a row were not promoted",
    "target": "its target was reached",
    "budget": "what it may spend was spent",
}
"""Why a campaign stopped, behind `because`."""
SCHEMA_VERSION = 1


class Best(Part):
    """The best adapter."""

    path: str
    """Folder of the adapter; empty: the base model is still the best."""
    round: int
    """Round that made it; 0: none did."""
    load: str
    """The lines of Python that load it."""


class BaselineSummary(Part):
    """The base model before any training."""

    name: str
    """`zero-shot`, `four-shot`, ..."""
    dev: ScoreSummary
    """Score on dev."""
    shots: int
    """Worked examples in the prompt."""
    chosen: bool
    """True for the better one, which gains count from."""
    sampled: SampledSummary | None = None
    """Where evaluate.samples asks for samples, which then decide."""
    by_label: Mapping[str, Mapping[str, ScoreSummary]] = Field(default_factory=dict)
    """Scores on dev by label and value."""


class StrictTest(Part):
    """Test scores by the strict reading."""

    base: ScoreSummary | None = None
    best: ScoreSummary | None = None
    control: ScoreSummary | None = None


class LabelPair(Part):
    """Base and best on the problems of one label value."""

    base: ScoreSummary | None = None
    best: ScoreSummary | None = None


class TestSummary(Part):
    """What the test split said, which nothing was decided on."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    n: int
    """Problems of the test split."""
    groups: int = 0
    """Groups of them that belong together, and count as one draw; 0: each stands alone."""
    opened: int
    """How often the split was opened in this run folder."""
    opened_elsewhere: int = 0
    """How often forks and other run folders of this machine opened the same problems."""
    base: ScoreSummary | None = None
    """The better baseline."""
    best: ScoreSummary | None = None
    """The best round."""
    control: ScoreSummary | None = None
    """The control that belongs to the best round: trained from the base on as many tokens."""
    arms: Mapping[str, ScoreSummary] = Field(default_factory=dict)
    """The last round of each arm that is neither the best nor the control."""
    strict: StrictTest = StrictTest()
    """The same by the strict reading."""
    sampled: Mapping[str, SampledSummary] = Field(default_factory=dict)
    """Several samples a problem, by model (`base`, `best`, `control`, an arm), where evaluate.samples asks for some:
    the differences are theirs. Empty: they are those of the greedy answers."""
    difference: Difference | None = None
    """Best against base."""
    best_minus_control: Difference | None = None
    """Best against control."""
    by_label: Mapping[str, Mapping[str, LabelPair]] = Field(default_factory=dict)
    """Base and best by label and value."""


class StageCost(Part):
    """What one kind of call in one stage took."""

    stage: str
    payer: str
    """`teacher` or `student`."""
    role: str
    """What the calls were for."""
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float
    """Dollars."""


class Planned(Part):
    """One stage as it was planned, beside what it took."""

    stage: str
    planned_calls: int
    calls: int
    planned_usd: float
    usd: float
    planned_s: float | None
    """Seconds; null where the student was not tried before."""
    wall_s: float


class CostSummary(Part):
    """What the campaign took."""

    usd: float
    """Dollars spent."""
    held_usd: float = 0.0
    """Dollars set aside for calls without a known outcome."""
    calls: int = 0
    """Calls to student and teacher."""
    teacher_calls: int = 0
    tokens: int = 0
    """Prompt and completion tokens of all calls."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_doubt: int = 0
    """Calls that were sent and whose answer never came back."""
    budget_usd: float | None = None
    """The most that could be spent; null: no cap."""
    by_stage: tuple[StageCost, ...] = ()
    planned: tuple[Planned, ...] = ()
    """The plan made before the start, beside what was done so far."""


class Provenance(Part):
    """Where the numbers come from."""

    selfimprove: str
    """Version of this library."""
    python: str
    packages: Mapping[str, str] = Field(default_factory=dict)
    """Versions of what the numbers depend on."""
    machine: str = ""
    """Processor, memory, accelerator."""
    student_identity: str = ""
    """Hash of the student's weights, dtype and engine."""
    render_hash: str = ""
    """Hash of the prompts and the chat template."""
    data: Mapping[str, str] = Field(default_factory=dict)
    """Split to sha256 of its file."""
    seeds: tuple[int, ...] = ()
    started: str = ""
    """ISO 8601, with the zone."""
    finished: str = ""
    """ISO 8601, with the zone; empty while it runs."""
    manifest_sha256: str = ""
    """Hash of the files that `manifest.json` lists outside `report/`: of their lines `HASH  NAME`, sorted by name."""


class GuardSummary(Part):
    """What was kept out of training."""

    guarded: Mapping[str, int] = Field(default_factory=dict)
    """Sets of problems that nothing may be trained on, with their sizes."""
    not_guarded: Mapping[str, str] = Field(default_factory=dict)
    """Public test sets of the task's family that could not be read, each with the reason."""
    dropped: int = 0
    """Training problems dropped when the splits were frozen."""
    refused: int = 0
    """Rows refused later."""


class Summary(Part):
    """A campaign in one record."""

    version: int = SCHEMA_VERSION
    """Version of this schema."""
    sentence: str
    """The result in one sentence."""
    next_step: str
    """What to do now."""
    best: Best
    task: str
    student: str
    teacher: str
    seed: int
    state: State
    stopped: Stopped = ""
    """Why no further round was begun: campaign.rounds, campaign.patience, campaign.target, or a cap on what may be
    spent; empty while it runs."""
    baselines: tuple[BaselineSummary, ...] = ()
    rounds: tuple[RoundSummary, ...] = ()
    """One entry a round and arm, in order."""
    pairs: tuple[ArmPair, ...] = ()
    """The arms of each round against each other."""
    test: TestSummary | None = None
    """Null until the test split was opened."""
    cost: CostSummary
    wall_s: float
    """Time the campaign took, in seconds."""
    lessons: tuple[LessonExample, ...] = ()
    """A handful of examples."""
    failures: tuple[FailureExample, ...] = ()
    """Examples of what the best model still gets wrong on dev, never on test."""
    failing: tuple[FailureGroup, ...] = ()
    """Where the student fails: groups of the training problems that it tried, with their failure rates by round. At
    most 50 groups that share the same thing, those with the most failures."""
    tried_again: int = 0
    """Problems that a round tried though an earlier one had, for want of others; summed over the rounds."""
    repairs: tuple[Repairs, ...] = ()
    """How failures became successes on dev, for labels with at most 50 values."""
    levels: tuple[LevelSummary, ...] = ()
    """How hard the pool of each round was, before its training."""
    probe: ProbeSummary | None = None
    """How `select.policy = "probe"` found its policy; null where it was not asked to."""
    answers: AnswerCounts | None = None
    """Null where answers are not yes and no."""
    dev: DevSummary | None = None
    """Null where the splits are not frozen yet."""
    guard: GuardSummary | None = None
    """Null where the splits are not frozen yet."""
    programs: tuple[ProgramSummary, ...] = ()
    """Optimised prompts, in the order in which they were put in force; empty: all are plain."""
    provenance: Provenance

    def __str__(self) -> str:
        """Say what came out, how often dev and test were looked at, what to do now and how the best adapter loads."""
        best = [f"Best adapter: {self.best.path}", f"Load it with:\n{self.best.load}"] if self.best.path else []
        return "\n".join([self.sentence, *self._looks(), f"Next: {self.next_step}", *best])

    def _looks(self) -> Iterator[str]:
        """Say how often dev and test were looked at, a line each, with the beginning of the hash of its problems."""
        others = "in other run folders of this machine"
        if dev := self.dev:
            told = f"{dev.looks} evaluation{'' if dev.looks == 1 else 's'} so far, which the decisions allow for"
            beside = f", and {dev.elsewhere} {others}, which they do not" if dev.elsewhere else ""
            yield f"dev (problems {self.provenance.data['dev'][:8]}): {told}{beside}"
        if test := self.test:
            beside = f", and {times(test.opened_elsewhere)} {others}" if test.opened_elsewhere else ""
            yield f"test (problems {self.provenance.data['test'][:8]}): opened {times(test.opened)}{beside}"
