"""Settings of how the student is trained, measured and decided on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from selfimprove.config.section import Section


class SftConfig(BaseModel):
    """Anything TRL's SFTConfig takes; checked against it before anything runs."""

    model_config = ConfigDict(frozen=True, extra="allow")


class DpoConfig(BaseModel):
    """Anything TRL's DPOConfig takes; checked against it before anything runs."""

    model_config = ConfigDict(frozen=True, extra="allow")


class GrpoConfig(BaseModel):
    """Anything TRL's GRPOConfig takes, and `rewards` with `scorer` and `most_questions`.

    Rewards are names with weights: correct, form, brevity, steps (by the scorer), questions (worth asking: the
    teacher's answers turn a wrong draft into a right one; at most `most_questions`, 1000, are put in one training), or
    one's own as package.module:name. `use_vllm` with `vllm_mode` lets vLLM generate, on a GPU.
    The divergence from where the student began is held and logged (`kl`) only with `beta` above 0; here it is 0.0.
    """

    model_config = ConfigDict(frozen=True, extra="allow")


class KtoConfig(BaseModel):
    """Anything TRL's KTOConfig takes; checked against it before anything runs."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RlooConfig(BaseModel):
    """Anything TRL's RLOOConfig takes, and `rewards` with `scorer` and `most_questions`, as for grpo."""

    model_config = ConfigDict(frozen=True, extra="allow")


class DistillConfig(BaseModel):
    """Anything TRL's DistillationConfig takes, and `teacher`: a folder or hub id of the student's vocabulary."""

    model_config = ConfigDict(frozen=True, extra="allow")


class LoraConfig(BaseModel):
    """Anything PEFT's LoraConfig takes; checked against it before anything runs."""

    model_config = ConfigDict(frozen=True, extra="allow")


class TrainConfig(Section):
    """How the student is trained."""

    sft: SftConfig = SftConfig()
    continued: SftConfig = SftConfig()
    """Over `sft` in rounds that go on from an adapter: a rate that is right for a new one shakes a trained one."""
    dpo: DpoConfig = DpoConfig()
    """Of the arms that end in preference training, such as `track_b+dpo`."""
    pairs: Literal["lessons", "samples", "both"] = "both"
    """Preferred completions: verified ones of lessons over wrong drafts, the student's own verified samples over its
    own wrong ones (mine.samples draws them), or both."""
    pairs_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Of an arm's trained tokens, in pairs or verdicts; the rest are its track's. Few of them get less: they are gone
    over three times at most."""
    grpo: GrpoConfig = GrpoConfig()
    """Of the arm `grpo`: as many generated tokens as the other arms have trained ones, unless max_steps says less."""
    kto: KtoConfig = KtoConfig()
    """Of the arms that end in training on verdicts, such as `track_b+kto`."""
    rloo: RlooConfig = RlooConfig()
    """Of the arm `rloo`, as `grpo`."""
    distill: DistillConfig = DistillConfig()
    """Of the arm `distill`: as many generated tokens as the other arms have trained ones."""
    lora: LoraConfig = LoraConfig()
    accelerate: str | None = None
    """A configuration file of accelerate: tracks, pairs and verdicts are trained by the processes it names, also under
    FSDP or DeepSpeed; arms that practise in one all the same. Unset: one process."""
    checkpoint_steps: Annotated[int, Field(ge=0)] = 100
    """A training that is killed goes on from its last checkpoint, written every so many steps (rounded
    up to where a log entry, and a batch of tries, ends), in one process also every five minutes; 0: from its start."""
    attention: Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3"] | None = None
    """Of the student in training, as transformers names it; unset: eager on a CPU, its own choice on a GPU."""
    full: bool = False
    """Train all weights instead of an adapter: a model of the base's size comes of every arm."""
    quantize: bool = False
    """Load the base in 4 bits (QLoRA)."""
    unsloth: bool = False
    """Supervised training by unsloth, where it is installed (a GPU): never required, and not run here with it."""
    restart: bool = False
    """Each round starts from the base, with the rows, pairs, verdicts and tried problems of all rounds so far but those
    rolled back, instead of from the best adapter; nothing is replayed."""


def asking(train: TrainConfig, method: str) -> bool:
    """Say whether a way to train rewards useful questions, which a teacher answers."""
    given: Mapping[str, Any] = getattr(train, method).model_dump() if method in {"grpo", "rloo"} else {}
    rewards = given.get("rewards")
    return isinstance(rewards, Mapping) and bool(rewards.get("questions"))


class EvaluateConfig(Section):
    """What the baseline is measured against."""

    shots: Annotated[int, Field(ge=0, le=16)] = 4
    """Worked examples in the few-shot baseline; 0 leaves it out. Gains count from the better baseline."""
    samples: Annotated[int, Field(ge=0, le=64)] = 0
    """Sampled completions a problem besides the greedy one; with them the mean over them decides, and pass@k and
    consistency are told. 0: the greedy one decides. More of them show smaller gains on the same problems."""
    temperature: Annotated[float, Field(gt=0)] = 0.7
    """Of the samples."""

    @field_validator("samples")
    @classmethod
    def _one_is_none(cls, samples: int) -> int:
        if samples == 1:
            raise ValueError("one sample tells less than the greedy completion; give 0, or 2 and more")
        return samples


class GateConfig(Section):
    """When a round counts as better."""

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Chance of any false promotion in the whole campaign; spent over rounds and arms, a promotion's passed on."""
    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Smallest gain on dev that is promoted, as a share."""
    fall: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """What is watched may not fall significantly at this one-sided level: accuracy on dev within each label and pass@k
    (with evaluate.samples), from the best student so far and from the base, and what follows."""
    panel: Annotated[int, Field(ge=0)] = 100
    """Problems solved before, at most, that may not be lost: a tenth of the training problems or less is set aside, and
    what the best student solves of it is tried again by every arm. 0, or too few training problems: not watched."""
    panel_fall: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Fall of the share of samples that solve them that is let pass."""
    text: str | None = None
    """A text file that nothing is trained on, such as a textbook: its loss may not rise; unset: not watched."""
    text_rise: Annotated[float, Field(ge=0)] = 0.1
    """Rise of that loss over the base student's that is let pass, in nats a token."""
    tasks: tuple[str, ...] = ()
    """Other tasks, whose dev problems the student may not get worse at than the base student; each arm tries them under
    the prompt that it is trained under."""
    task_problems: Annotated[int, Field(ge=20)] = 200
    """Problems of each of them."""
