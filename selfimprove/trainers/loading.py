"""What every trainer of an adapter begins with and ends in: the base, the adapter it goes on from, the files."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, TypeVar

from selfimprove.errors import TrainingError
from selfimprove.records import Record, TrainingJob
from selfimprove.students.fetch import readable
from selfimprove.trainers.alarms import Watchdog
from selfimprove.trainers.defaults import given, given_lora
from selfimprove.trainers.logfile import write_log
from selfimprove.trainers.precision import Teller, trained_in
from selfimprove.trainers.sharding import shared_out

T = TypeVar("T")
R = TypeVar("R", bound=Record)


def load(job: TrainingJob) -> tuple[Any, Any]:
    """Load the tokenizer and the base model, in 4 bits where the job asks for it (QLoRA, arXiv:2305.14314)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.model, padding_side="right")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if job.settings.get("quantize") and torch.cuda.is_available():
        # 4 bits stay on the GPU that they are loaded onto: this process's own.
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    how: dict[str, Any] = {"dtype": trained_in()}
    if not torch.cuda.is_available():
        how["attn_implementation"] = "eager"  # 20 % faster than sdpa when training on a CPU
    if job.settings.get("attention"):
        how["attn_implementation"] = job.settings["attention"]
    if job.settings.get("quantize"):
        how["quantization_config"] = four_bits()
    if job.settings.get("unsloth"):
        from selfimprove.trainers.unslothed import fast_model

        return tokenizer, fast_model(job, int(given(job)["max_length"]))
    source = job.start if job.start and job.settings.get("full") else job.model
    return tokenizer, AutoModelForCausalLM.from_pretrained(source, **how)


def four_bits() -> Any:
    """Give how a base is loaded in 4 bits."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=trained_in(),
    )


def begun(model: Any, job: TrainingJob) -> tuple[Any, Any]:
    """Give the model with the adapter that it goes on from, or with a new one; as it is where all of it is trained.

    On a CPU the adapter keeps the base's number format, as casting to float32 and back costs a sixth of a step; what is
    stepped are float32 copies, see `precision`.

    Returns:
        The model, and the configuration of a new adapter where TRL is to make it.
    """
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import set_seed

    set_seed(job.seed)  # a new adapter's weights are drawn before the trainer sets it
    if job.settings.get("full"):
        return model, None
    half = not torch.cuda.is_available() and not job.settings.get("quantize")
    lora = given_lora(job)
    if job.settings.get("unsloth"):
        from selfimprove.trainers.unslothed import fast_adapter

        return fast_adapter(model, job, lora), None
    new: Any = LoraConfig(task_type="CAUSAL_LM", **lora)
    if job.start:
        return PeftModel.from_pretrained(model, job.start, is_trainable=True, autocast_adapter_dtype=not half), None
    return (get_peft_model(model, new, autocast_adapter_dtype=False), None) if half else (model, new)


def base_of(model: Any) -> Any:
    """Give the model that an adapter lies over, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def check_reference(model: Any, job: TrainingJob) -> None:
    """Make the reference what training goes on from to the last bit: the adapter in its own type, or the base alone."""
    if not job.start and "ref" in getattr(model, "peft_config", {}):
        model.delete_adapter("ref")  # TRL's copy of a new adapter, which changes nothing and costs time
    for name, parameter in model.named_parameters():
        if ".ref." in name:
            parameter.data = parameter.data.to(model.get_parameter(name.replace(".ref.", ".default.")).dtype)


def save(trainer: Any, folder: str) -> None:
    """Write the adapter, or all of the model where all of it was trained; a reference beside it is no part of that."""
    if shared_out(trainer):
        if trainer.is_fsdp_enabled:  # of shards transformers would write nothing
            trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
        trainer.save_model(folder)  # which gathers what lies in several processes
        (Path(folder) / "training_args.bin").unlink(missing_ok=True)
        shutil.rmtree(Path(folder) / "ref", ignore_errors=True)
    elif trainer.is_world_process_zero():
        model = trainer.accelerator.unwrap_model(trainer.model)
        if hasattr(model, "peft_config"):
            model.save_pretrained(folder, selected_adapters=["default"])
        else:
            model.save_pretrained(folder)
            trainer.processing_class.save_pretrained(folder)
    if trainer.is_world_process_zero():
        readable(Path(folder))


def rows_of(job: TrainingJob, kind: type[R]) -> list[R]:
    """Read the job's rows; as bytes, for in a text U+2028 would end a line, and a row may hold it."""
    return [kind.model_validate_json(line) for line in Path(job.rows).read_bytes().splitlines()]


def enough(job: TrainingJob, made: Sequence[T], sizes: Sequence[int], *, in_order: bool = False) -> list[T]:
    """Give rendered rows as they are trained on: each once, or as many as carry the tokens asked for, see `walked`."""
    if not job.trained_tokens:
        return list(made)
    return [made[at] for at in walked(sizes, job.trained_tokens, job.seed, in_order=in_order)]


def walked(sizes: Sequence[int], budget: int, seed: int, *, in_order: bool = False) -> list[int]:
    """Walk rows in seeded, shuffled passes until a budget of tokens is spent, so that arms are trained on the same.

    Args:
        sizes: tokens that carry loss, a row each.
        budget: tokens wanted; no further than one row over it.
        seed: of the passes.
        in_order: each pass takes the same rows as it would otherwise, in their order.

    >>> walked([5, 5, 5], 20, seed=0, in_order=True)
    [0, 1, 2, 1]
    """
    rng, chosen, carried = Random(seed), list[int](), 0
    while carried < budget:
        one_pass = list[int]()
        for at in rng.sample(range(len(sizes)), len(sizes)):
            if carried >= budget:
                break
            one_pass.append(at)
            carried += sizes[at]
        chosen += sorted(one_pass) if in_order else one_pass
    return chosen


def watched(trainer: Any, job: TrainingJob) -> None:
    """Let a trainer tell each step, and what goes wrong."""
    trainer.add_callback(Teller())
    trainer.add_callback(Watchdog(job.method))


def gone_over(trainer: Any, tokens: int) -> int:
    """Count the tokens gone over, of so many in one epoch: fewer than all where `max_steps` ended it, or more."""
    return round(float(trainer.state.epoch or 0.0) * tokens)


def write_outcome(
    folder: Path,
    job: TrainingJob,
    trainer: Any,
    outcome: Any,
    *,
    rows: int,
    trained: int,
    seen: int,
    informative: float | None = None,
) -> None:
    """Write the metrics and the log of a finished training.

    Args:
        folder: of the adapter.
        job: what was asked for.
        trainer: with its log.
        outcome: what `train` gave.
        rows: walked in one epoch.
        trained: tokens that carried loss, in all steps.
        seen: tokens that were processed, in all steps.
        informative: share of the groups of tries that taught something, where it practised.

    Raises:
        TrainingError: the loss ended as something that is no number.
    """
    if not trainer.is_world_process_zero():
        return
    # Not transformers' own mean, which a training that was gone on with begins anew.
    logged = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    loss = fmean(logged) if logged else float(outcome.training_loss)
    if not (math.isfinite(loss) and math.isfinite(outcome.training_loss)):  # some steps are not logged
        raise TrainingError(f"training ended with a loss that is not a number; lower train.{job.method}.learning_rate")
    metrics = {
        "rows": rows,
        "trained_tokens": trained,
        "seen_tokens": seen,
        "steps": int(outcome.global_step),
        "loss": loss,
        "render_hash": job.render_hash,
        **({} if informative is None else {"informative_groups": round(informative, 4)}),
        "alarms": [alarm for each in trainer.callback_handler.callbacks for alarm in getattr(each, "said", ())],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    write_log(folder, trainer.state.log_history)
