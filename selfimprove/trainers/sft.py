"""Supervised fine-tuning of an adapter over TRL, as a process of its own.

Started as `python -m selfimprove.trainers.sft JOB.json FOLDER`; writes the adapter, `metrics.json` and
`training.jsonl` (loss, gradient norm, tokens) into FOLDER. Rows are rendered by the programs saved in the job, which
are the ones that evaluation runs.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from random import Random
from typing import Any

from selfimprove.errors import InputError, TrainingError
from selfimprove.programs import Program
from selfimprove.records import TrackRow, TrainingJob
from selfimprove.render import TrainingExample, training_example
from selfimprove.trainers.lifeline import die_with_parent

LORA_DEFAULTS = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}
SFT_DEFAULTS = {
    "learning_rate": 2e-4,
    "num_train_epochs": 1.0,
    "per_device_train_batch_size": 16,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.05,
    "max_length": 1024,
    "logging_steps": 5,
    "train_sampling_strategy": "group_by_length",
}


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    die_with_parent()
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    tokenizer, model = load(job)
    examples = job_examples(job, tokenizer)
    trainer = _trainer(job, Path(folder), tokenizer, model, examples)
    outcome = trainer.train()
    trainer.model.save_pretrained(folder)  # the trainer's own way would add a pickle of its arguments
    _write_metrics(Path(folder), job, trainer, examples, outcome)


def load(job: TrainingJob) -> tuple[Any, Any]:
    """Load the tokenizer and the base model, in 4 bits where the job asks for it (QLoRA, arXiv:2305.14314)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    tokenizer = AutoTokenizer.from_pretrained(job.model, padding_side="right")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    how: dict[str, Any] = {"dtype": torch.bfloat16}
    if not torch.cuda.is_available():
        how["attn_implementation"] = "eager"  # 20 % faster than sdpa when training on a CPU
    if job.settings.get("quantize"):
        how["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    return tokenizer, AutoModelForCausalLM.from_pretrained(job.model, **how)


def job_examples(job: TrainingJob, tokenizer: Any) -> list[TrainingExample]:
    """Render the job's rows, in training order.

    With `trained_tokens` the rows are walked in seeded, shuffled passes until so many tokens carry loss, so that arms
    of different tracks can be trained on the same amount. Where rows are trained on in their order (sampling is
    `sequential`), each pass takes the same rows as it would otherwise, in that order.

    Raises:
        InputError: no row is left within the length limit.
    """
    programs = {name: Program.load(state) for name, state in job.program_state.items()}
    rows = [TrackRow.model_validate_json(line) for line in Path(job.rows).read_text("utf-8").splitlines()]
    made = [training_example(tokenizer, programs[row.program].messages(row.inputs), row.target) for row in rows]
    limit = int(_sft_settings(job)["max_length"])
    fitting = [example for example in made if len(example.ids) <= limit]
    if not fitting:
        raise InputError(
            f"{job.rows}: none of its {len(rows)} rows fits max_length = {limit}; raise train.sft.max_length"
        )
    if not job.trained_tokens:
        return fitting
    rng, chosen, carried = Random(job.seed), list[int](), 0
    in_order = _sft_settings(job)["train_sampling_strategy"] == "sequential"
    while carried < job.trained_tokens:
        one_pass = list[int]()
        for at in rng.sample(range(len(fitting)), len(fitting)):
            if carried >= job.trained_tokens:
                break
            one_pass.append(at)
            carried += loss_tokens(fitting[at])
        chosen += sorted(one_pass) if in_order else one_pass
    return [fitting[at] for at in chosen]


def loss_tokens(example: TrainingExample) -> int:
    """Count the tokens that carry loss."""
    return len(example.ids) - example.prompt_length


def _sft_settings(job: TrainingJob) -> dict[str, Any]:
    return {**SFT_DEFAULTS, **dict(job.settings.get("sft") or {})}  # type: ignore[call-overload]


def _trainer(job: TrainingJob, folder: Path, tokenizer: Any, model: Any, examples: list[TrainingExample]) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import set_seed
    from trl import SFTConfig

    from selfimprove.trainers.completion_loss import CompletionLossTrainer, Teller

    set_seed(job.seed)  # a new adapter's weights are drawn before the trainer sets it
    settings = _sft_settings(job)
    if job.trained_tokens:
        settings["num_train_epochs"] = 1.0
    cpu = not torch.cuda.is_available()
    args = SFTConfig(
        output_dir=str(folder / "checkpoints"),
        seed=job.seed,
        use_cpu=cpu,
        bf16=not cpu,
        gradient_checkpointing=bool(settings.pop("gradient_checkpointing", not cpu)),
        completion_only_loss=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=not cpu,
        **settings,
    )
    # On a CPU the adapter keeps the base's bf16: casting to float32 and back costs a sixth of a step.
    half = cpu and not job.settings.get("quantize")
    lora = {**LORA_DEFAULTS, **dict(job.settings.get("lora") or {})}  # type: ignore[call-overload]
    new: Any = LoraConfig(task_type="CAUSAL_LM", **lora)
    if job.start:
        model = PeftModel.from_pretrained(model, job.start, is_trainable=True, autocast_adapter_dtype=not half)
    elif half:
        model = get_peft_model(model, new, autocast_adapter_dtype=False)
    wanted = None if job.start or half else new
    data = Dataset.from_list(
        [{"input_ids": e.ids, "completion_mask": [0] * e.prompt_length + [1] * loss_tokens(e)} for e in examples]
    )
    made = CompletionLossTrainer(
        model=model,
        args=args,
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=wanted,
    )
    made.add_callback(Teller())
    return made


def _write_metrics(folder: Path, job: TrainingJob, trainer: Any, examples: list[TrainingExample], outcome: Any) -> None:
    passes = 1.0 if job.trained_tokens else float(trainer.args.num_train_epochs)
    log = trainer.state.log_history
    loss = float(outcome.training_loss)
    if math.isnan(loss):
        raise TrainingError("training ended with a loss that is not a number; lower train.sft.learning_rate")
    metrics = {
        "rows": len(examples),
        "trained_tokens": int(passes * sum(loss_tokens(e) for e in examples)),
        "seen_tokens": int(passes * sum(len(e.ids) for e in examples)),
        "steps": int(outcome.global_step),
        "loss": loss,
        "render_hash": job.render_hash,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    # Times stand in the log: two trainings of the same rows are the same files.
    kept = [{k: v for k, v in entry.items() if not k.endswith(("_runtime", "_per_second"))} for entry in log]
    (folder / "training.jsonl").write_text("".join(json.dumps(entry, sort_keys=True) + "\n" for entry in kept))


if __name__ == "__main__":
    main(*sys.argv[1:])
