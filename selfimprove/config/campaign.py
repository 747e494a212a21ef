"""A whole campaign's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from selfimprove.config.compiling import CompilingConfig
from selfimprove.config.finding import GradeConfig, MineConfig, SelectConfig
from selfimprove.config.phases import Phase
from selfimprove.config.section import Section
from selfimprove.config.teaching import LessonConfig, TeacherConfig
from selfimprove.config.training import EvaluateConfig, GateConfig, TrainConfig

_MOST_PROBLEMS: Final = 10_000_000
_MOST_PHASES: Final = 9
Compilable = Literal["ask", "answer_question", "rewrite", "reason", "rationalise"]
_COMPILABLE: Final = get_args(Compilable)
_ASKED_WITH: Final = "rounds are compared with each other under it (selfimprove compile optimises it beforehand)"
_APART: Final = "no round of a campaign runs it (selfimprove compile optimises it for what does)"
_FIXED: Final = {
    **dict.fromkeys(("solve", "answer_only", "answer_given", "draft_and_ask"), _ASKED_WITH),
    "judge_steps": "its scorer's card is of the prompt that was measured (selfimprove compile, then prm evaluate)",
    **dict.fromkeys(("judge", "label", "check_label", "generate", "solve_independently"), _APART),
}
"""Why other programs are not."""


class CampaignConfig(Section):
    """What is improved, and for how long."""

    task: Annotated[str, Field(min_length=1)] = "arithmetic"
    """A task's name, a file of problems, or `package.module:Name`."""
    student: Annotated[str, Field(min_length=1)] = "smollm2-135m"
    """A hub id, a folder, `smollm2-135m`, or `openai-server:MODEL@URL`."""
    rounds: Annotated[int, Field(ge=1, le=100)] = 3
    """Rounds of mining, teaching, training and deciding, at most."""
    seed: int = 0
    """Every draw follows from it."""
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    """The most that teacher calls may cost, in dollars; unset: no cap."""
    max_calls: Annotated[int, Field(ge=0)] | None = None
    """The most requests sent to teachers, each try counted; unset: no cap."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """The most tokens that teachers read and write; unset: no cap."""
    max_hours: Annotated[float, Field(gt=0)] | None = None
    """The longest that the campaign runs, in hours, over all its processes; unset: no cap."""
    in_doubt: Literal["retry", "stop"] = "retry"
    """What becomes of a call that was under way when a process died and may have been billed: asked again, or not."""
    arms: tuple[
        Literal[
            "track_b",
            "track_b+dpo",
            "track_b+kto",
            "track_a",
            "track_b_given",
            "no_questions",
            "no_selection",
            "no_verification",
            "plain_programs",
            "grpo",
            "rloo",
            "distill",
            "control",
        ],
        ...,
    ] = ("track_b", "control")
    """Ways to train that are compared, on as many tokens each; the best promoted one goes on. `track_b`: worked
    solutions, `track_b+dpo`: and preference pairs behind them, `track_b+kto`: or its own completions with their
    verdicts, `track_a`: answers alone, `track_b_given`: with the reference rationale in the prompt (never promoted),
    `no_questions`, `no_selection`, `no_verification`: track B without that part of the loop, `plain_programs`: lessons
    given with no prompt that was optimised, `grpo` and `rloo`: its own
    tries, as verified (need a student that solves some), `distill`: its own tries, as a larger local model would go on
    (train.distill.teacher), `control`: problems not chosen by failure, never promoted."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Stop after this many rounds in a row without a promotion."""
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    """Stop when the best student answers this share of dev; unset: no target."""
    programs: Literal["saved", "plain"] = "saved"
    """Prompts: those that `selfimprove compile` improved, where their cards prove it, or all as they are written."""
    compile: tuple[Compilable, ...] = ()
    """Programs that are optimised anew between rounds, for the student as it then is; see `[compiling]`: `ask`,
    `answer_question`, `rewrite`, `reason`, `rationalise`."""
    pause: tuple[Literal["train", "promote"], ...] = ()
    """Where the campaign waits for a person, who says `selfimprove approve RUN` or `selfimprove reject RUN`."""

    @field_validator("seed")
    @classmethod
    def _is_a_seed(cls, seed: int) -> int:
        if not 0 <= seed < 2**32:  # NumPy's take no others, and the trainers set them too
            raise ValueError("give a whole number from 0 to 4294967295")
        return seed

    @field_validator("compile", mode="before")
    @classmethod
    def _can_change_between_rounds(cls, names: Any) -> Any:
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            return names
        for name in names:
            if name not in _COMPILABLE:
                why = f", as {_FIXED[name]}" if name in _FIXED else ""
                raise ValueError(f"{name!r:.80} cannot be optimised between rounds{why}; {', '.join(_COMPILABLE)} can")
        if len(set(names)) < len(names):
            raise ValueError("name each program once")
        return names

    @field_validator("arms")
    @classmethod
    def _one_is_trained(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(arms)) < len(arms) or not set(arms) - {"control", "track_b_given"}:
            raise ValueError("name some of the arms, each once; control and track_b_given only beside another")
        return arms


class DataConfig(Section):
    """How many problems of each split are used. Dev decides, test is opened once."""

    train: Annotated[int, Field(ge=1, le=_MOST_PROBLEMS)] = 2000
    """Problems to learn from, at most."""
    dev: Annotated[int, Field(ge=1, le=_MOST_PROBLEMS)] = 400
    """Problems to decide on, at most."""
    test: Annotated[int, Field(ge=1, le=_MOST_PROBLEMS)] = 400
    """Problems to report on, at most."""
    data_dir: str | None = None
    """Folder with local copies of the data sets; unset: `SELFIMPROVE_DATA`, else the hub."""


class StudentConfig(Section):
    """How the student generates."""

    max_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest completion, in tokens."""
    max_length: Annotated[int | None, Field(ge=2, examples=[4096])] = None
    """Longest prompt and completion together, in tokens, of a model loaded here; unset: 2,048, or three times
    max_tokens where that is more. The model's own limit where it is less."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number format of the weights; auto: bfloat16 where the hardware computes in it."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, ..."""
    slots: Annotated[int, Field(ge=1)] | None = None
    """Completions generated at once; unset: chosen by memory."""

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.max_length is not None and self.max_length <= self.max_tokens:
            raise ValueError(
                f"max_length = {self.max_length} leaves no room for a prompt before max_tokens = {self.max_tokens}"
            )
        return self


class TrackConfig(Section):
    """Where metrics go besides the run folder."""

    wandb: str | None = None
    """Weights & Biases project; unset: none."""


class Config(Section):
    """A whole campaign."""

    campaign: CampaignConfig = CampaignConfig()
    data: DataConfig = DataConfig()
    task: Mapping[str, Any] = Field(default_factory=dict)
    """The task's own options."""
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    lesson: LessonConfig = LessonConfig()
    mine: MineConfig = MineConfig()
    grade: GradeConfig = GradeConfig()
    select: SelectConfig = SelectConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    compiling: CompilingConfig = CompilingConfig()
    track: TrackConfig = TrackConfig()
    phases: Annotated[tuple[Phase, ...], Field(max_length=_MOST_PHASES)] = ()
    """Parts of the campaign, each with its own pool, rows and budget; unset: it is one."""


_CAPS = ("budget_usd", "max_calls", "max_tokens", "max_hours")

RESUMABLE = {
    *(("campaign", cap) for cap in _CAPS),
    *(("teacher", role, cap) for role in ("answer", "reason", "judge") for cap in _CAPS),
    *(("phases", str(at), "budget_usd") for at in range(_MOST_PHASES)),
    ("campaign", "in_doubt"),
    ("campaign", "rounds"),
    ("campaign", "patience"),
    ("campaign", "target"),
    ("campaign", "pause"),
    ("teacher", "concurrency"),
    ("teacher", "requests_per_minute"),
    ("teacher", "tokens_per_minute"),
    ("teacher", "deadline_s"),
    ("teacher", "timeout_s"),
    ("teacher", "retries"),
    ("teacher", "input_price"),
    ("teacher", "output_price"),
    ("track", "wandb"),
}
"""What may change when a run folder is gone on with."""
