"""The words of the loop as frozen types.

Every file of a run folder holds rows of these types. Records refer to each other by id, so that
from any trained row one can walk back to the problem, the draft, the question and the call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["train", "dev", "test"]
_PLAIN: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def digest(*parts: object) -> str:
    """Hash any JSON-able parts to 16 hexadecimal characters, the same on every machine.

    >>> digest("a", 1) == digest("a", 1)
    True
    """
    return hashlib.sha256(_PLAIN.encode(parts).encode()).hexdigest()[:16]


class Record(BaseModel):
    """A frozen row: equal by value, refused when it holds a field it should not."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Verdict(StrEnum):
    """What a comparison found. The last four are *no verdict*, which is never a wrong answer."""

    CORRECT = "correct"
    WRONG = "wrong"
    TRUNCATED = "truncated"
    UNPARSEABLE = "unparseable"
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def decided(self) -> bool:
        """True for `correct` and `wrong`."""
        return self in {Verdict.CORRECT, Verdict.WRONG}


class Problem(Record):
    """One question of a task with its reference answer."""

    id: str
    """Hash of the content, see `Problem.of`."""
    question: str
    answer: str
    """The reference answer in the task's canonical form."""
    rationale: str = ""
    """The reference chain of thought, without the final answer; empty where there is none."""
    facts: tuple[str, ...] = ()
    decomposition: tuple[str, ...] = ()
    """Sub-questions that lead to the answer."""
    context: str = ""
    choices: tuple[str, ...] = ()
    """The options of a multiple-choice question, in order; the answer is a letter."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Anything results are grouped by: kind, level, steps, topic."""
    canonical: str = ""
    """For procedural tasks: what makes two problems the same under reordering."""

    @classmethod
    def of(cls, question: str, answer: str, **rest: object) -> Problem:
        """Build a problem whose id is the hash of its question, context, choices and answer."""
        made = cls.model_validate({"id": "", "question": question, "answer": answer, **rest})
        identity = digest(made.question, made.context, made.choices, made.answer)
        return made.model_copy(update={"id": identity})


class StepItem(Record):
    """A problem with the steps of one solution to it: what a step scorer looks at."""

    problem: Problem
    steps: tuple[str, ...]


class Message(Record):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(Record):
    """How a completion is drawn. Temperature 0 is greedy."""

    temperature: float = Field(default=0.0, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=256, ge=1)
    stop: tuple[str, ...] = ()


class Request(Record):
    """One completion that is wanted from a language model."""

    role: str
    """What it is for: `solve`, `ask`, `answer`, `reason`, ..."""
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    problem: str = ""
    """Id of the problem it is about."""
    sample: int = 0
    """Index of the sample, counted over the whole campaign: a new index is a new completion."""
    attempt: int = 0
    """A refused answer that is asked for again has a new attempt."""
    seed: int = 0
    prefix: str = ""
    """How the reply begins; the completion is what comes after it. Only engines that can continue a reply take one."""

    def key(self, identity: str) -> str:
        """Name this request to one model: the ledger's key, 16 hexadecimal characters."""
        turns = [(m.role, m.content) for m in self.messages]
        s = self.sampling
        drawn = (s.temperature, s.top_p, s.max_tokens, s.stop, self.sample, self.attempt, self.seed)
        begun = [self.prefix] if self.prefix else []  # so that keys from before there were prefixes stay the same
        return digest(self.role, turns, identity, drawn, *begun)


class Completion(Record):
    """One sampled text with what it took."""

    text: str
    finish_reason: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Tokens generated, those of hidden reasoning counted in."""
    mean_logprob: float | None = None
    """Mean natural-log probability of the generated tokens, None where the engine hides it."""
    lowest_logprob: float | None = None
    """Natural-log probability of the generated token that was least likely."""
    sampling: Sampling = Sampling()
    sample: int = 0
    reasoning: str = ""
    """What a thinking model wrote before its answer."""
    model: str = ""
    """Identity of what answered (a fallback may have)."""
    call: str = ""
    """Key of the ledger's row."""
    usd: float = 0.0
    error: str = ""
    """Why there is no text, when `finish_reason` is `error`."""


class Parsed(Record):
    """The answer found in a text, or why there is none."""

    answer: str | None = None
    """By the lenient reading: the last thing that can be an answer."""
    strict: str | None = None
    """By the strict reading: only in the form that the task asks for."""


class Attempt(Record):
    """A student's completion for a problem, read and compared. A row of `predictions.jsonl`."""

    problem: str
    completion: Completion
    answer: str | None = None
    verdict: Verdict
    """By the lenient reading."""
    strict: Verdict
    """By the strict reading."""
    questions: tuple[str, ...] = ()
    """The clarifying questions a draft asks."""
    solution: str = ""
    """The part of the completion that was read and compared, where it holds more than that."""

    @property
    def text(self) -> str:
        """Give what was read and compared, and what may be trained on."""
        return self.solution or self.completion.text


class Question(Record):
    """A clarifying question put to a teacher."""

    problem: Problem
    text: str
    draft: str = ""
    attempt: int = 0


class Answer(Record):
    """A teacher's answer to one clarifying question."""

    text: str
    model: str = ""
    calls: tuple[str, ...] = ()
    usd: float = 0.0
    error: str = ""


class Clarification(Record):
    """One clarifying question with the answer that was let through."""

    question: str
    answer: str
    """Empty where every answer gave the solution away or none came."""
    refused: tuple[str, ...] = ()
    """Answers that gave the solution away."""
    calls: tuple[str, ...] = ()


class Rationale(Record):
    """A chain of thought that ends in a final answer."""

    text: str
    """The reasoning and the final answer, as the task writes it."""
    answer: str | None = None
    verdict: Verdict = Verdict.UNPARSEABLE
    source: str = ""
    """Who wrote it: `reference`, `self`, or a model's identity."""
    rationalised: bool = False
    """True when the writer was shown the answer."""
    calls: tuple[str, ...] = ()
    usd: float = 0.0


class Lesson(Record):
    """One pass of a problem through the clarifying loop."""

    id: str
    problem: str
    round: int
    draft: Attempt
    clarifications: tuple[Clarification, ...] = ()
    rewrites: tuple[Attempt, ...] = ()
    """One a turn, the last is the final word."""
    rationales: tuple[Rationale, ...] = ()

    @property
    def solved(self) -> bool:
        """True when the student's last word is correct."""
        last = self.rewrites[-1] if self.rewrites else self.draft
        return last.verdict is Verdict.CORRECT


class Grade(Record):
    """How hard a problem is for this student: 0 easy to 5."""

    problem: str
    difficulty: int = Field(ge=0, le=5)
    pass_rate: float
    """Share of decided samples that are correct; the greedy attempt counted in."""
    samples: int
    by: str
    """What graded it: `pass_rate`, or a step scorer's name."""


class TrackRow(Record):
    """One training example, kept as a record and rendered when training."""

    id: str
    track: str
    program: str
    """Name of the program whose prompt it is trained under."""
    inputs: Mapping[str, str]
    target: str
    answer: str
    problem: str
    lesson: str = ""
    source: str
    round: int
    calls: tuple[str, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)


class PreferenceRow(Record):
    """A verified completion over a wrong one, for the same prompt."""

    id: str
    program: str
    inputs: Mapping[str, str]
    chosen: str
    rejected: str
    problem: str
    lesson: str
    """Empty where both are the student's own samples."""
    round: int
    calls: tuple[str, ...] = ()


class PracticeRow(Record):
    """A problem that a reinforced student tries again and again, and how it fared so far."""

    id: str
    program: str
    inputs: Mapping[str, str]
    problem: Problem
    passed: int = 0
    failed: int = 0
    """Wrong tries; those without a verdict are in neither."""
    round: int = 0


class Interval(Record):
    """A confidence interval, by default 95 %."""

    low: float
    high: float


class Score(Record):
    """A share of correct answers with its uncertainty."""

    n: int
    correct: int
    accuracy: float
    interval: Interval
    no_verdict: int


class Evaluation(Record):
    """What one model did on one split."""

    split: Split
    round: int
    arm: str
    model: str
    """Identity of the evaluated model."""
    program: str
    render_hash: str
    shots: int = 0
    lenient: Score
    strict: Score
    truncated: int
    by_label: Mapping[str, Mapping[str, Score]]
    completion_tokens: int


class Comparison(Record):
    """A paired comparison of two models on the same problems."""

    n: int
    gained: int
    """Problems only the new one solves."""
    lost: int
    """Problems only the old one solves."""
    difference: float
    """Accuracy of the new less accuracy of the old, in [-1, 1]."""
    interval: Interval
    p_better: float
    """One-sided mid-p McNemar, against `not better`."""
    p_worse: float


class Decision(Record):
    """What a round ended in, with the test that led to it."""

    round: int
    arm: str
    outcome: Literal["promote", "hold", "roll back"]
    comparison: Comparison
    alpha: float
    """What this comparison could spend."""
    min_gain: float
    adapter: str
    """Best adapter after the decision, relative to the run folder; empty: the base."""
    sentence: str


class TrainingJob(Record):
    """Everything a training process needs: it starts from this file alone."""

    model: str
    """Folder of the base model."""
    start: str = ""
    """Folder of the adapter to go on from; empty: a new one."""
    rows: str
    """File of `TrackRow`s."""
    out: str
    """Folder that appears, whole, when training has ended."""
    method: Literal["sft", "dpo", "grpo", "prm"] = "sft"
    program_state: Mapping[str, str] = Field(default_factory=dict)
    """Program name to its saved state (JSON), so that rows are rendered as in evaluation."""
    settings: Mapping[str, object] = Field(default_factory=dict)
    trained_tokens: int = 0
    """Stop after this many tokens that carry loss; 0: by epochs."""
    render_hash: str = ""
    seed: int = 0


class Adapter(Record):
    """A finished training: where its weights lie and what it took. Times are in the ledger and the log."""

    path: str
    rows: int
    trained_tokens: int
    """Tokens that carried loss, over all steps."""
    seen_tokens: int
    """Tokens processed, prompts counted in."""
    steps: int
    loss: float
    render_hash: str
