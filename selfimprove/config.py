"""A campaign's settings as types: every key has a default, unknown keys are refused with the nearest right name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from selfimprove.errors import InputError, nearest


class Section(BaseModel):
    """A table of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CampaignConfig(Section):
    """What is improved, and for how long."""

    task: str = "arithmetic"
    """A task's name, a file of problems, or `package.module:Name`."""
    student: str = "smollm2-135m"
    """A hub id, a folder, `smollm2-135m`, or `openai-server:MODEL@URL`."""
    rounds: Annotated[int, Field(ge=1, le=100)] = 3
    """Rounds of mining, teaching, training and deciding, at most."""
    seed: int = 0
    """Every draw follows from it."""
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    """The most that teacher calls may cost, in dollars; unset: no cap."""
    arms: tuple[Literal["track_a", "track_b", "control"], ...] = ("track_b", "control")
    """Ways to train that are compared; the best promoted one goes on. `control` is never promoted."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Stop after this many rounds in a row without a promotion."""


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
    """Calls in flight at once."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Longest wait for one answer, in seconds."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Further tries of one deployment after a passing fault."""
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
    device: str = "auto"
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
    """Sampled completions a problem besides the greedy one."""
    temperature: Annotated[float, Field(gt=0)] = 0.7
    """Of the sampled completions."""


class SelectConfig(Section):
    """Which tried problems become lessons."""

    policy: Literal["failures", "ladder"] = "failures"
    """`failures`: from the whole training split. `ladder`: up to a frontier that moves up as it is mastered."""
    label: str = "level"
    """Ladder: the label whose values are the rungs, lowest first."""
    first: Annotated[int, Field(ge=1)] = 2
    """Ladder: how many of the lowest rungs the first round works on."""
    width: Annotated[int, Field(ge=1)] = 1
    """Ladder: unmastered rungs that are worked on at once."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Ladder: a rung whose pass rate reaches this is mastered."""
    lessons: Annotated[int, Field(ge=1)] | None = None
    """Most tried problems that become lessons in a round, failures first; unset: all that are chosen."""
    solved: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of solved problems kept beside the failures, at most one each."""
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
    select: SelectConfig = SelectConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    track: TrackConfig = TrackConfig()


RESUMABLE = {
    ("campaign", "budget_usd"),
    ("campaign", "rounds"),
    ("campaign", "patience"),
    ("teacher", "concurrency"),
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
    return section.model_dump(mode="json") if isinstance(section, BaseModel) else dict(section)
