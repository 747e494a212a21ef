"""A campaign's settings as types: every key has a default, unknown keys are refused with the nearest right name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from selfimprove.errors import InputError, nearest


class Section(BaseModel):
    """A table of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number_is_no_switch(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `true` where a number is wanted, which Python would take for 1."""
        wanted = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and any(kind in (wanted, *get_args(wanted)) for kind in (int, float)):
            raise ValueError("input should be a number, not true or false")
        return value


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
    arms: tuple[Literal["track_a", "track_b", "control"], ...] = ("track_b", "control")
    """Ways to train that are compared; the best promoted one goes on. `control` is never promoted."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Stop after this many rounds in a row without a promotion."""

    @field_validator("arms")
    @classmethod
    def _one_is_trained(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(arms)) < len(arms) or not set(arms) - {"control"}:
            raise ValueError("name track_b, track_a or both, each once; control only beside one of them")
        return arms


class DataConfig(Section):
    """How many problems of each split are used. Dev decides, test is opened once."""

    train: Annotated[int, Field(ge=1)] = 2000
    """Problems to learn from, at most."""
    dev: Annotated[int, Field(ge=1)] = 400
    """Problems to decide on, at most."""
    test: Annotated[int, Field(ge=1)] = 400
    """Problems to report on, at most."""
    data_dir: str | None = None
    """Folder with local copies of the data sets; unset: `SELFIMPROVE_DATA`, else the hub."""


class TeacherRole(Section):
    """One role's own model, where it differs."""

    model: str | None = None
    """Model of this role; unset: teacher.model."""
    fallbacks: tuple[str, ...] | None = None
    """Models tried in turn; unset: teacher.fallbacks."""
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    """The most that this role's calls may cost, in dollars, within the campaign's budget; unset: no cap."""
    max_calls: Annotated[int, Field(ge=0)] | None = None
    """The most requests sent for this role, each try counted; unset: no cap."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """The most tokens this role reads and writes; unset: no cap."""
    max_hours: Annotated[float, Field(gt=0)] | None = None
    """The most time this role's calls may take, added up, in hours; unset: no cap."""


class TeacherConfig(Section):
    """Who answers questions and reasons."""

    model: str = "reference"
    """`reference`, `self`, any LiteLLM model string, or `package.module:Name`."""
    first: str | None = None
    """Who teaches the first round, where another: a student that solves nothing has nothing to teach itself."""
    fallbacks: tuple[str, ...] = ()
    """Models tried in turn when the one before cannot answer."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; unset: the provider's usual one."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 16
    """Calls in flight at once, at most: fewer while a provider says that it is too much."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Requests sent to one model in a minute, over all roles; unset: no limit."""
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Tokens of one model in a minute, prompt and longest answer counted; unset: no limit."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Longest wait for one answer, in seconds."""
    deadline_s: Annotated[float, Field(gt=0)] = 900.0
    """Longest that one call may take over all its tries, pauses and fallbacks, in seconds."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Further tries of one model after a passing fault; one that says "too much" and has no fallback is asked again
    until the deadline. 0: none at all."""
    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Longest answer, in tokens; reserved in full against the budget."""
    temperature: Annotated[float, Field(ge=0)] = 0.7
    """For several rationales of one problem; a single one is greedy."""
    input_price: Annotated[float, Field(ge=0)] | None = None
    """Dollars per million prompt tokens, for a model without a known price."""
    output_price: Annotated[float, Field(ge=0)] | None = None
    """Dollars per million completion tokens, for a model without a known price."""
    thinking: Literal["keep", "drop"] = "drop"
    """What happens to a thinking model's hidden reasoning: part of the rationale, or left out."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """Anything else LiteLLM passes on, such as `reasoning_effort`."""
    answer: TeacherRole = TeacherRole()
    reason: TeacherRole = TeacherRole()
    judge: TeacherRole = TeacherRole()


class StudentConfig(Section):
    """How the student generates."""

    max_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest completion, in tokens."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number format of the weights; auto: bfloat16."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, ..."""
    slots: Annotated[int, Field(ge=1)] | None = None
    """Completions generated at once; unset: chosen by memory."""


class LessonConfig(Section):
    """How much a student may ask in one lesson."""

    questions: Annotated[int, Field(ge=0, le=3)] = 2
    """Clarifying questions a draft may hold. 0 turns asking off."""
    asking: Literal["auto", "one_call", "two_calls"] = "auto"
    """Ask in the draft's own call, in a second call, or (auto) in a second where the first kept no form."""
    turns: Annotated[int, Field(ge=0, le=5)] = 1
    """Rounds of questions and rewriting."""
    rationales: Annotated[int, Field(ge=0, le=32)] = 1
    """Chains of thought the teacher gives for an unsolved problem."""
    rationalise: bool = False
    """Show the teacher the answer where its own reasoning missed it; such rows are marked."""
    cohort: Annotated[int, Field(ge=1)] = 512
    """Problems that walk the lesson together."""


class MineConfig(Section):
    """How the student's failures are found."""

    pool: Annotated[int, Field(ge=1)] = 400
    """Training problems tried a round, fresh ones first; a ladder tries as many on each of its rungs."""
    samples: Annotated[int, Field(ge=0, le=64)] = 0
    """Sampled completions a problem gets in any case, besides the greedy one."""
    most: Annotated[int, Field(ge=0, le=1024)] = 0
    """The most samples a problem gets while its kind of failure is open; not over `samples`: all get as many."""
    step: Annotated[int, Field(ge=1, le=64)] = 2
    """Further samples a problem gets at a time while its kind is open."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """A kind is settled when the pass rate lies on one side of its bound with this chance."""
    rare: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """A failed problem whose pass rate is over this is `inconsistent`, else `wrong`."""
    lucky: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A solved problem whose pass rate is under this is `lucky`."""
    scattered: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Answers that agree less than this, from 0 (as little as can be) to 1, are `inconsistent`."""
    longer: Annotated[float, Field(ge=1, le=64)] = 1.0
    """Attempts without a verdict get a second chance: truncated ones with this many times student.max_tokens,
    unreadable ones by another reading; 1: no second chance."""
    temperature: Annotated[float, Field(gt=0)] = 0.7
    """Of the sampled completions."""
    wording: Annotated[int, Field(ge=0, le=100)] = 0
    """Groups of problems by their wording (TF-IDF), for where failures lie; 0: none."""
    window: Annotated[int, Field(ge=1)] = 2000
    """Problems that `selfimprove mine` and `selfimprove grade` hold in memory at once."""


class GradeConfig(Section):
    """How hard a failed problem is, from 1 to 5."""

    scorer: str | None = None
    """What scores steps: `FAMILY:MODEL`, a folder, `package.module:Name`; unset: levels come from the pass rate."""
    aggregate: Literal["mean", "min", "product", "last"] = "min"
    """One score of an attempt's step scores."""
    bins: Literal["width", "quantiles"] = "width"
    """Levels are equal parts of [0, 1], or fifths of the pool."""
    prior: bool = False
    """Without a scorer: add the greedy attempt's log-probability to the samples, as far as it tells the pass rate."""


class SelectConfig(Section):
    """Which tried problems become lessons."""

    policy: Literal["failures", "ladder", "p_eval", "curriculum", "uniform", "easy", "band", "steps", "weights"] = (
        "failures"
    )
    """`failures`: what is wrong and a share of what is solved. `ladder`: up to a frontier that moves up as it is
    mastered. The others take exact quotas of the graded pool: `p_eval` as the student's levels lie, `curriculum` (fewer
    the harder), `uniform` over levels, `easy` (levels 0 and 1), `band` (pass rate near one half), `steps` (by reasoning
    steps), `weights` (given)."""
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Quotas: shares of levels 0 to 5, over the policy's own; with `steps`, of 0-2, 3-5 and 6 or more steps."""
    stratify: str | None = None
    """Quotas: a label whose values keep the pool's shares within each quota."""
    own: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """`p_eval`: share of the pool that only tells the levels and is not chosen from."""
    label: str = "level"
    """Ladder: the label whose values are the rungs, lowest first."""
    first: Annotated[int, Field(ge=1)] = 2
    """Ladder: how many of the lowest rungs the first round works on."""
    width: Annotated[int, Field(ge=1)] = 1
    """Ladder: unmastered rungs that are worked on at once."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Ladder: a rung whose pass rate reaches this is mastered."""
    lessons: Annotated[int, Field(ge=1)] | None = None
    """Most tried problems that become lessons in a round, failures first; unset: all that are chosen. Quotas choose
    exactly as many; unset: as many as failed."""
    solved: Annotated[float, Field(ge=0, le=1)] = 0.5
    """`failures` and `ladder`: share of solved problems kept beside the failures, at most one each."""
    replay: Annotated[float, Field(ge=0, le=5)] = 0.5
    """Rows of earlier rounds, as a share of this round's."""


class SftConfig(BaseModel):
    """Anything TRL's SFTConfig takes; checked against it before anything runs."""

    model_config = ConfigDict(frozen=True, extra="allow")


class LoraConfig(BaseModel):
    """Anything PEFT's LoraConfig takes; checked against it before anything runs."""

    model_config = ConfigDict(frozen=True, extra="allow")


class TrainConfig(Section):
    """How the student is trained."""

    sft: SftConfig = SftConfig()
    continued: SftConfig = SftConfig()
    """Over `sft` in rounds that go on from an adapter: a rate that is right for a new one shakes a trained one."""
    lora: LoraConfig = LoraConfig()
    quantize: bool = False
    """Load the base in 4 bits (QLoRA)."""
    restart: bool = False
    """Each round starts from the base with all rows so far, instead of from the best adapter."""


class EvaluateConfig(Section):
    """What the baseline is measured against."""

    shots: Annotated[int, Field(ge=0, le=16)] = 4
    """Worked examples in the few-shot baseline; 0 leaves it out. Gains count from the better baseline."""


class GateConfig(Section):
    """When a round counts as better."""

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Chance of any false promotion in the whole campaign; spent over rounds and arms."""
    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Smallest gain on dev that is promoted, as a share."""


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
    track: TrackConfig = TrackConfig()


_CAPS = ("budget_usd", "max_calls", "max_tokens", "max_hours")

RESUMABLE = {
    *(("campaign", cap) for cap in _CAPS),
    *(("teacher", f"{role}.{cap}") for role in ("answer", "reason", "judge") for cap in _CAPS),
    ("campaign", "in_doubt"),
    ("campaign", "rounds"),
    ("campaign", "patience"),
    ("teacher", "concurrency"),
    ("teacher", "requests_per_minute"),
    ("teacher", "tokens_per_minute"),
    ("teacher", "deadline_s"),
    ("teacher", "timeout_s"),
    ("teacher", "retries"),
    ("track", "wandb"),
}
"""What may change when a run folder is gone on with."""


def load_config(path: Path) -> Config:
    """Read a campaign's TOML file.

    Raises:
        InputError: the file is missing, is not TOML, or holds a key or value that is not one.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason}; name a TOML file (selfimprove init writes one)") from error
    try:
        return make_config(tomllib.loads(text), str(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}; mend that line") from error


def write_config(config: Config) -> str:
    """Write settings as TOML that `load_config` reads back."""
    import tomlkit

    return tomlkit.dumps(config.model_dump(mode="json", exclude_none=True))


def make_config(values: Mapping[str, Any], where: str = "config") -> Config:
    """Check settings given as nested mappings.

    Raises:
        InputError: see `load_config`.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError(_sentence(error, where)) from error


def _sentence(error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f'{where}: there is no key "{key}"; {nearest(path[-1], _known_at(path[:-1]))}'
    return f"{where}: {key} = {repr(first['input'])[:80]} will not do: {first['msg'][0].lower()}{first['msg'][1:]}"


def _known_at(path: list[str]) -> list[str]:
    section: type[BaseModel] = Config
    for part in path:
        found = section.model_fields[part].annotation
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return []
        section = found
    return list(section.model_fields)


def changed(old: Config, new: Config) -> list[str]:
    """List the settings that differ and may not, as `section.key: old -> new`."""
    rows: list[str] = []
    for name in Config.model_fields:
        was, now = _plain(getattr(old, name)), _plain(getattr(new, name))
        keys = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key) and (name, key) not in RESUMABLE]
        rows += [f"{name}.{key}: {was.get(key)!r} -> {now.get(key)!r}" for key in keys]
    return rows


def _plain(section: Any) -> dict[str, Any]:
    """Give a section's settings, those of a teacher's role as `role.key`."""
    if not isinstance(section, BaseModel):
        return dict(section)
    values = section.model_dump(mode="json")
    roles = [name for name, kind in type(section).model_fields.items() if kind.annotation is TeacherRole]
    inner = {f"{role}.{key}": value for role in roles for key, value in values.pop(role).items()}
    return {**values, **inner}
