"""Training settings are TRL's and PEFT's own; a wrong name is refused before anything runs."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, Final

from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.records import Method
from selfimprove.scorers import check_weights
from selfimprove.students.adapters import BEGUN_PLAIN
from selfimprove.trainers.defaults import DEFAULTS, over_defaults
from selfimprove.trainers.everyday import EVERYDAY, check_everyday
from selfimprove.trainers.extras import PRACTISED, check_extras
from selfimprove.trainers.idle import check_idle
from selfimprove.trainers.rewards import check_named, weighted
from selfimprove.trainers.schedules import check_schedules
from selfimprove.trainers.versions import check_versions

OWNED: Final = {
    *("output_dir", "seed", "use_cpu", "bf16", "fp16", "completion_only_loss", "report_to", "save_strategy"),
    *("save_steps", "save_total_limit", "save_only_model", "ignore_data_skip", "auto_find_batch_size", "disable_tqdm"),
    *("dataloader_pin_memory", "dataloader_drop_last", "do_eval", "eval_strategy", "eval_on_start"),
    *("logging_nan_inf_filter", "push_to_hub", "hub_model_id", "hub_token", "hub_strategy", "hub_private_repo"),
    *("hub_always_push", "hub_revision"),
}
"""What the trainer sets itself, or leaves as it is: a campaign measures on dev, and no trainer does; what memory does
not hold is tried again in smaller batches, and what was killed goes on where it was; only an export pushes."""
_SECTIONS: Final = ("sft", "continued", "dpo", "kto", "grpo", "rloo", "distill", "lora")
_REWARDED: Final[tuple[Method, ...]] = ("grpo", "rloo")
_REPLACED: Final = {
    *("reward_weights", "cache_implementation", "use_transformers_continuous_batching", "chat_template_kwargs"),
    "train_sampling_strategy",
}
"""What our engine, our rewards, our prompts and our choice of problems stand for."""
_RENDERED: Final = {"eos_token", "chat_template_path", "model_init_kwargs", "assistant_only_loss"}
"""What is about texts that TRL renders and a model that it loads: ours are token ids, and loaded already."""
_DRAWN: Final = {"top_k", "min_p", "repetition_penalty", "generation_kwargs"}
"""Ways to draw that vLLM has and our engine has not."""
_ADAPTER: Final = {"task_type", "inference_mode"}
"""What makes an adapter one of a language model, and one that learns."""
_WORDS: Final[Mapping[tuple[str, str], tuple[object, ...]]] = {
    ("grpo", "loss_type"): ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo", "vespo"),
    ("grpo", "scale_rewards"): ("group", "batch", "none", True, False),
    ("grpo", "importance_sampling_level"): ("token", "sequence"),
    ("grpo", "multi_objective_aggregation"): ("sum_then_normalize", "normalize_then_sum"),
    ("dpo", "loss_type"): (
        *("sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot"),
        *("aot_unpaired", "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm"),
    ),
    ("dpo", "f_divergence_type"): ("reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"),
}
"""Words that TRL's trainers know, and look at in their first step only."""


def check_settings(train: TrainConfig) -> None:
    """Refuse what TRL's configurations and PEFT's LoraConfig do not take, and what the trainers set themselves.

    The everyday names are known here, so that a usual campaign starts without importing TRL.

    Raises:
        InputError: an unknown or an owned setting.
        MissingDependencyError: TRL or PEFT is not installed.
    """
    parts = {name: getattr(train, name).model_dump() for name in _SECTIONS}
    _take_own(parts)
    for name, given in parts.items():
        check_everyday(name, given)
        for key in (OWNED | _ours(name, given)) & given.keys():
            raise InputError(f"train.{name}.{key} is set by the trainer itself; leave it out")
    check_schedules(parts)
    for name in _REWARDED:
        _check_groups(name, parts[name])
    check_versions()
    _check_kind(train, parts)
    check_extras(train, parts)
    if any(not given.keys() <= EVERYDAY[name].keys() for name, given in parts.items()):
        _ask_trl(parts)
    check_idle(parts)


def _ask_trl(parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the configurations that are given, as TRL and PEFT look at most values then."""
    try:
        from peft import LoraConfig
        from trl import DistillationConfig, DPOConfig, GRPOConfig, KTOConfig, RLOOConfig, SFTConfig
    except ImportError as error:
        raise MissingDependencyError(f'training needs {error.name}; pip install "selfimprove[train]"') from error
    known: dict[str, Any] = {
        "sft": SFTConfig,
        "continued": SFTConfig,
        "dpo": DPOConfig,
        "kto": KTOConfig,
        "grpo": GRPOConfig,
        "rloo": RLOOConfig,
        "distill": DistillationConfig,
        "lora": LoraConfig,
    }
    for name, given in parts.items():
        _check_names(name, given, {field.name: field for field in dataclasses.fields(known[name])})
        if not given:
            continue
        method: Any = "sft" if name == "continued" else name
        own = {**parts["sft"], **given} if name == "continued" else given
        told = over_defaults(method, own) if method in DEFAULTS else given
        here = {} if name == "lora" else {"output_dir": "unused", "use_cpu": True, "bf16": False, "report_to": []}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they are told in the training's log
                known[name](**{**told, **here})
        except Exception as error:  # their looks at values share no base
            said = " ".join(str(error).split())[:300]
            raise InputError(f"train.{name} = {dict(given)!r:.200} will not do: {said}") from error


def _take_own(parts: dict[str, dict[str, Any]]) -> None:
    """Look at the settings that are ours, and take them out of those that are TRL's."""
    for name in _REWARDED:
        if "rewards" in parts[name]:
            weights = _weights(name, parts[name].pop("rewards"))
            weighted(weights)
            _check_scorer(weights, parts[name].get("scorer", ""))
            if weights.get("questions") and parts[name].get("use_vllm"):
                raise InputError(f"train.{name}: the reward questions has our engine rewrite; leave use_vllm out")
        parts[name].pop("scorer", None)
        most = parts[name].pop("most_questions", 1)
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise InputError(f"train.{name}.most_questions = {most!r} will not do: it must be a number from 1 up")
    parts["distill"].pop("teacher", None)


def _check_kind(train: TrainConfig, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse kinds of training that do not go together."""
    for name in ("sft", "continued"):
        if parts[name].get("packing_strategy") == "wrapped":
            raise InputError(
                f'train.{name}.packing_strategy = "wrapped" cuts rows anywhere and lets one see another; take "bfd"'
            )
    if train.full and (train.quantize or parts["lora"]):
        what = "quantize" if train.quantize else "lora"
        raise InputError(f"train.full trains all weights, and train.{what} is about an adapter; leave one of them out")
    begun = parts["lora"].get("init_lora_weights", True)
    if begun not in BEGUN_PLAIN:
        raise InputError(
            f"train.lora.init_lora_weights = {begun!r} changes the base or looks at data, so that an adapter is "
            f"not all that was learned; give one of {', '.join(map(repr, BEGUN_PLAIN))}"
        )


def _ours(name: str, given: Mapping[str, Any]) -> set[str]:
    """Name the settings of a trainer that are not TRL's to set."""
    if name in {"sft", "continued"}:
        return _RENDERED
    if name == "lora":
        return _ADAPTER
    if name not in PRACTISED:
        return set()
    chosen = {"shuffle_dataset"} if name in _REWARDED else set()
    return _REPLACED | chosen | (set() if given.get("use_vllm") else _DRAWN)


def _check_groups(name: Method, given: Mapping[str, Any]) -> None:
    """Refuse a batch that holds no whole number of groups, and tries that are all the same."""
    told = over_defaults(name, given)
    batches = told.get("steps_per_generation") or told.get("gradient_accumulation_steps", 1)
    size = int(told.get("generation_batch_size") or int(told["per_device_train_batch_size"]) * int(batches))
    group = int(told["num_generations"])
    if size % group:
        raise InputError(
            f"train.{name}: batches of {size} hold no whole number of groups of num_generations = {group}; make "
            "per_device_train_batch_size a multiple of it"
        )
    if told["temperature"] == 0:
        raise InputError(f"train.{name}.temperature = 0 makes all tries of a problem the same; give a number above 0")


def _check_scorer(weights: Mapping[str, float], named: object) -> None:
    """Refuse a scorer that the reward `steps` cannot have; no weights are loaded."""
    if weights.get("steps"):
        name = check_named(named)
        if name != "exact":
            check_weights(name)


def _weights(name: str, given: object) -> Mapping[str, float]:
    if not isinstance(given, Mapping):
        raise InputError(f"train.{name}.rewards = {given!r:.60} will not do; give names with weights, correct = 1.0")
    return given


def _check_names(section: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse a name that there is not, and a word that is none of those a setting may be."""
    for key, value in given.items():
        told = f"train.{section}.{key}"
        if key not in known:
            raise InputError(f'there is no setting "{told}"; {nearest(key, list(known))}')
        words = known[key].metadata.get("choices") or _WORDS.get((section, key))
        for word in value if isinstance(value, list | tuple) else [value]:
            if words and word not in words:
                raise InputError(f'{told} = "{word}" will not do; give one of {", ".join(map(str, words))}')
