"""A campaign's settings as types: every key has a default, unknown keys are refused with the nearest right name."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from selfimprove.errors import InputError, nearest

_MOST_PROBLEMS: Final = 10_000_000
_DEEPEST: Final = 32
_LONGEST_SHOWN: Final = 80
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
_SECRET: Final = re.compile(r"key|token$|secret|password|credential|auth|header", re.IGNORECASE)
_IN_ADDRESS: Final = re.compile(r"[^/@\s]+(?=@)|(?<=\?).+")
_HIDDEN: Final = "***"


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

    @field_validator("seed")
    @classmethod
    def _is_a_seed(cls, seed: int) -> int:
        if not 0 <= seed < 2**32:  # NumPy's take no others, and the trainers set them too
            raise ValueError("give a whole number from 0 to 4294967295")
        return seed

    @field_validator("arms")
    @classmethod
    def _one_is_trained(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(arms)) < len(arms) or not set(arms) - {"control"}:
            raise ValueError("name track_b, track_a or both, each once; control only beside one of them")
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

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        try:
            _ = urlsplit(base_url or "").port
        except ValueError as error:  # brackets that do not close, a port that is none
            raise ValueError("give an address such as http://127.0.0.1:8000/v1") from error
        return base_url


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
    library: Annotated[str, Field(min_length=1)] | None = None
    """What `selfimprove grade` wrote for this student (its folder or its grades.jsonl): round 1 chooses from that and
    mines nothing; unset: round 1 mines."""
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
    trust: bool = False
    """Use the scorer though it was not shown to be better than chance, see `selfimprove prm evaluate`."""
    aggregate: Literal["mean", "min", "product", "last"] = "min"
    """One score of an attempt's step scores."""
    bins: Literal["width", "quantiles"] = "width"
    """Levels are equal parts of [0, 1], or fifths of the pool."""
    prior: bool = False
    """Without a scorer: add the greedy attempt's log-probability to the samples, as far as it tells the pass rate."""


class SelectConfig(Section):
    """Which tried problems become lessons."""

    policy: Literal[
        "failures",
        "ladder",
        "probe",
        "random",
        "p_eval",
        "curriculum",
        "uniform",
        "easy",
        "band",
        "steps",
        "weights",
    ] = "failures"
    """`failures`: what is wrong and a share of what is solved. `ladder`: up to a frontier that moves up as it is
    mastered. `probe`: some policies are tried on at most 5 % of the rows, and the best is taken. The others take exact
    quotas of the graded pool: `random`, `p_eval` as the student's levels lie, `curriculum` (fewer the harder),
    `uniform` over levels, `easy` (levels 0 and 1), `band` (pass rate near one half), `steps` (by reasoning steps),
    `weights` (given)."""
    order: Literal["shuffled", "easy_to_hard"] = "shuffled"
    """How a round's rows are trained on: mixed, or by the level and pass rate that their problems had when tried. The
    control is always mixed."""
    candidates: Annotated[
        tuple[Literal["failures", "random", "p_eval", "curriculum", "uniform", "easy", "band", "steps"], ...],
        Field(min_length=2),
    ] = ("failures", "random", "curriculum", "band")
    """Probe: what is tried; the first is taken unless another is better beyond noise."""
    probe: Annotated[int, Field(ge=20)] = 200
    """Probe: training problems, which no candidate is trained on, that the candidates are compared on."""
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

    @field_validator("candidates")
    @classmethod
    def _each_once(cls, candidates: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(candidates)) < len(candidates):
            raise ValueError("name each policy once")
        return candidates


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
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason}; name a TOML file (selfimprove init writes one)") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {_shown(str(error))}; mend that line") from error
    except (ValueError, RecursionError) as error:
        reason = "a number of thousands of digits" if isinstance(error, ValueError) else "tables nested too deeply"
        raise InputError(f"{path} is not valid TOML: {reason}; take it out") from error
    return make_config(values, str(path))


def write_config(config: Config) -> str:
    """Write settings as TOML that `load_config` reads back; secrets among them are hidden."""
    import tomlkit

    return tomlkit.dumps(written(config))


def written(config: Config) -> dict[str, Any]:
    """Give settings as plain values, without what is unset, and with `***` in the place of secrets.

    Whatever is written down or sent away is made of this: a run folder is passed on, keys are not.
    """
    values: dict[str, Any] = _without_none(config.model_dump(mode="json"))
    teacher = values["teacher"]
    teacher["parameters"] = _hidden(teacher["parameters"])
    if not teacher.get("api_key_env", "UNSET").isupper():  # not written as variables are: perhaps the key itself
        teacher["api_key_env"] = _HIDDEN
    if "base_url" in teacher:
        teacher["base_url"] = _IN_ADDRESS.sub(_HIDDEN, teacher["base_url"])
    return values


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(held) for key, held in value.items() if held is not None}
    return [_without_none(held) for held in value if held is not None] if isinstance(value, list) else value


def _hidden(value: Any, *, secret: bool = False) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(held, secret=secret or bool(_SECRET.search(key))) for key, held in value.items()}
    if isinstance(value, list):
        return [_hidden(held, secret=secret) for held in value]
    return _HIDDEN if secret and isinstance(value, str) else value


def make_config(values: Mapping[str, Any], where: str = "config") -> Config:
    """Check settings given as nested mappings.

    Raises:
        InputError: see `load_config`.
    """
    _refuse_unwritable(values, where, ())
    try:
        config = Config.model_validate(values)
        config.model_dump(mode="json")
    except ValidationError as error:
        raise InputError(_sentence(error, where)) from error
    except (ValueError, TypeError) as error:  # of pydantic's serializer
        raise InputError(
            f"{where}: a setting cannot be written down ({_shown(str(error))}); give plain values"
        ) from error
    _refuse_mixing(config, where)
    return config


def _refuse_mixing(config: Config, where: str) -> None:
    """Refuse two orders of the same rows."""
    for name, given in (("sft", config.train.sft), ("continued", config.train.continued)):
        how = (given.model_extra or {}).get("train_sampling_strategy", "sequential")
        if config.select.order == "easy_to_hard" and how != "sequential":
            raise InputError(
                f'{where}: train.{name}.train_sampling_strategy = "{how}" would mix the rows that select.order = '
                '"easy_to_hard" puts in order; leave one of the two out'
            )


def _refuse_unwritable(value: Any, where: str, path: tuple[str, ...]) -> None:
    """Refuse what no run folder could hold, or what could not be compared with it: a campaign writes its settings."""
    wrong = ""
    if isinstance(value, float) and not math.isfinite(value):
        wrong = f"= {value} will not do: it is no finite number"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        wrong = "will not do: a number of more than 64 bits"
    elif any(_UNWRITABLE.search(text) for text in (value, path[-1] if path else "") if isinstance(text, str)):
        wrong = "holds a NUL or half a character; correct it"
    elif len(path) > _DEEPEST:
        wrong = "is nested too deeply; flatten it"
    if wrong:
        raise InputError(f"{where}: {_shown('.'.join(path))} {wrong}")
    if isinstance(value, Mapping):
        for key, held in value.items():
            _refuse_unwritable(held, where, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for at, held in enumerate(value):
            _refuse_unwritable(held, where, (*path, str(at)))


def _shown(text: str) -> str:
    """Write a text on one line, its middle left out where it is long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    half = _LONGEST_SHOWN // 2
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:half]}...{line[-half:]}"


def _sentence(error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = _shown(".".join(path))
    if first["type"] == "extra_forbidden":
        return f'{where}: there is no key "{key}"; {nearest(path[-1], _known_at(path[:-1]))}'
    value = _shown(repr(first["input"]))
    if path[-1] == "base_url":
        value = _IN_ADDRESS.sub(_HIDDEN, value)
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}: {key} = {value} will not do: {reason[0].lower()}{reason[1:]}"


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
    before, after = _by_section(old), _by_section(new)
    for name, was in before.items():
        now = after[name]
        keys = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key) and (name, key) not in RESUMABLE]
        values = [(_shown(f"{name}.{key}"), *(_shown(repr(side.get(key))) for side in (was, now))) for key in keys]
        rows += [f"{key}: {old_value} -> {new_value}" for key, old_value, new_value in values]
    return rows


def _by_section(config: Config) -> dict[str, dict[str, Any]]:
    """Give the settings as they are written, those of a teacher's role as `role.key`."""
    values = written(config)
    teacher = values["teacher"]
    roles = [name for name, kind in TeacherConfig.model_fields.items() if kind.annotation is TeacherRole]
    inner = {f"{role}.{key}": value for role in roles for key, value in teacher.pop(role).items()}
    return {**values, "teacher": {**teacher, **inner}}
