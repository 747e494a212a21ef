"""Before a training: is it what evaluation will test, does every row carry loss, does it fit?

Lines that begin with `note:` reach the watcher of the campaign; the sample stands in the training log.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from selfimprove.errors import InputError
from selfimprove.formats import percent
from selfimprove.programs import Program
from selfimprove.records import TrainingJob
from selfimprove.trainers.sharding import shared_out

_AT_ONCE: Final = 3
"""Checkpoints that lie on the disk while the third is written."""
_WIDE: Final = 3.0
"""Times the trained weights that one of them takes: themselves and two moments."""
_NARROW: Final = 7.3
"""Likewise where they are of half precision: themselves, float32 copies, two moments."""
_FLOAT32: Final = 4  # bytes a number
NOTE: Final = "note: "
_ENTROPY: Final = ("entropy_coef", "_last_world_entropy")
"""What TRL's controller of entropy moves at a step."""

T = TypeVar("T")


def programs_of(job: TrainingJob, tokenizer: Any) -> dict[str, Program]:
    """Load the programs that rows are rendered by, and see that they render as evaluation does.

    Raises:
        InputError: they would not: the model's chat template is another than the campaign knows.
    """
    programs = {name: Program.load(state) for name, state in job.program_state.items()}
    template = str(getattr(tokenizer, "chat_template", "") or "")
    hashes = [program.hash(template) for program in programs.values()]  # the first is the one that is tested
    if job.render_hash and hashes and hashes[0] != job.render_hash:
        raise InputError(
            f"rows would be trained under prompt {hashes[0]} and tested under {job.render_hash}; "
            f"the chat template in {job.model} has changed: restore it, or start a new campaign"
        )
    return programs


def fitting(job: TrainingJob, made: Sequence[T], length: Callable[[T], int], limit: int) -> list[T]:
    """Give the rows within the length limit, and say how many are not.

    Args:
        job: what they are of.
        made: rendered rows.
        length: tokens of one.
        limit: tokens at most.

    Raises:
        InputError: none is left.
    """
    kept = [one for one in made if length(one) <= limit]
    what = {"dpo": "pairs", "kto": "verdicts"}.get(job.method, "rows")
    if not kept:
        raise InputError(
            f"{job.rows}: none of its {len(made)} {what} fits max_length = {limit}; raise train.{job.method}.max_length"
        )
    if out := len(made) - len(kept):
        longest = max(map(length, made))
        note(
            f"{out} of {len(made)} {what} ({percent(out / len(made), 0)}) are longer than max_length = {limit} and are "
            f"left out; the longest has {longest} tokens"
        )
    return kept


def check_loss(job: TrainingJob, carried: Sequence[int]) -> None:
    """Refuse rows of which some carry no loss: they would only be read.

    Raises:
        InputError: there are such rows.
    """
    empty = sum(tokens == 0 for tokens in carried)
    if empty:
        raise InputError(f"{job.rows}: {empty} of {len(carried)} rows have no token that is trained on; leave them out")


def check_room(job: TrainingJob, model: Any) -> None:
    """Refuse a disk that will not hold the adapter, with the checkpoints before it.

    Raises:
        InputError: there is too little room.
    """
    kept = _AT_ONCE if job.settings.get("checkpoint_steps") else 0
    needed = 0.0
    for name, weight in model.named_parameters():
        size = weight.numel() * weight.element_size()
        if weight.requires_grad:
            needed += size * (1 + kept * (_WIDE if weight.element_size() >= _FLOAT32 else _NARROW))
        elif ".ref." in name:  # a reference is in each checkpoint, and not in what comes out
            needed += size * kept
    free = shutil.disk_usage(Path(job.out).parent).free
    if free < needed:
        raise InputError(
            f"{Path(job.out).parent} has {free / 1e6:,.0f} MB left and the adapter needs up to {needed / 1e6:,.0f}; "
            "make room and run the same command again"
        )


def try_longest(trainer: Any, lengths: Sequence[int]) -> None:
    """Take the longest rows forward and backward before anything is learned: what will not fit fails here, not later.

    Grouped by length the longest batch comes first anyway. Where it will not fit, the parent halves the batch. A model
    that is shared out lies on its devices only when training begins, so that it cannot be tried.

    Args:
        trainer: made, with its data.
        lengths: tokens of each of its rows, in order.
    """
    if trainer.args.train_sampling_strategy == "group_by_length" or shared_out(trainer):
        return
    size = trainer.args.per_device_train_batch_size
    longest = sorted(range(len(lengths)), key=lambda at: -lengths[at])[:size]
    batch = trainer.data_collator([trainer.train_dataset[at] for at in longest])
    _forward_and_backward(trainer, trainer._prepare_inputs(batch))  # noqa: SLF001 - as a step does


def within_reach(
    job: TrainingJob, rows: Sequence[T], prompts: Sequence[list[int]], model: Any, limit: int
) -> tuple[list[T], list[list[int]]]:
    """Give the problems whose prompt leaves room for a completion in what the model takes, and say how many do not.

    Args:
        job: what they are of.
        rows: the problems.
        prompts: their token ids.
        model: says how many tokens it takes.
        limit: tokens of a completion at most.

    Raises:
        InputError: none is left.
    """
    reach = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    kept = [at for at, prompt in enumerate(prompts) if reach is None or len(prompt) + limit <= reach]
    longest = max(map(len, prompts))
    what = f"a completion of train.{job.method}.max_completion_length = {limit} in the {reach} tokens the model takes"
    if not kept:
        raise InputError(
            f"{job.rows}: none of its {len(rows)} prompts leaves room for {what}; the longest has {longest}: lower it"
        )
    if out := len(rows) - len(kept):
        note(
            f"{out} of {len(rows)} prompts ({percent(out / len(rows), 0)}) leave no room for {what} and are left out; "
            f"the longest has {longest} tokens"
        )
    return [rows[at] for at in kept], [prompts[at] for at in kept]


def try_longest_tries(trainer: Any, prompt: int, limit: int) -> None:
    """Take a batch of the longest tries there can be forward and backward, as `try_longest` does for rows.

    Args:
        trainer: made; it learns from its own completions.
        prompt: tokens of the longest prompt.
        limit: tokens of a completion at most.
    """
    import torch

    rows, device = trainer.args.per_device_train_batch_size, trainer.args.device
    asked, written = (torch.zeros(rows, size, dtype=torch.long, device=device) for size in (prompt, limit))
    batch = {
        "prompt_ids": asked,
        "prompt_mask": torch.ones_like(asked),
        "completion_ids": written,
        "completion_mask": torch.ones_like(written),
        "advantages": torch.ones(rows, device=device),
        "old_logps": torch.zeros(rows, device=device),
        "importance_sampling_ratio": torch.ones(rows, limit, device=device),
        "num_items_in_batch": torch.tensor(float(rows * limit), device=device),
        "ref_per_token_logps": torch.zeros(rows, limit, device=device),
    }
    trainer.current_gradient_accumulation_steps = 1  # which transformers sets when it begins
    _forward_and_backward(trainer, batch)


def _forward_and_backward(trainer: Any, batch: Any) -> None:
    """Do what a step does up to its gradients; the model is left as transformers makes it when training begins."""
    trainer.model.train()
    if trainer.args.gradient_checkpointing:
        how = dict(trainer.args.gradient_checkpointing_kwargs or {})
        which = {key: how.pop(key) for key in ("every_n_layers", "offload") if key in how}  # not torch's own
        trainer.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how or None, **which)
    kept = {name: getattr(trainer, name) for name in _ENTROPY if hasattr(trainer, name)}
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    trainer.model.zero_grad(set_to_none=True)
    for name, value in kept.items():
        setattr(trainer, name, value)
    trainer._metrics["train"].clear()  # noqa: SLF001 - this was no step


def show(tokenizer: Any, ids: Sequence[int], trained_from: int) -> None:
    """Print one row as the model sees it; what is trained on stands between >>> and <<<."""
    prompt, reply = (tokenizer.decode(part) for part in (ids[:trained_from], ids[trained_from:]))
    print(f"the first row, {len(ids)} tokens, {len(ids) - trained_from} of them trained on:\n{prompt}>>>{reply}<<<")  # noqa: T201 - into the log


def note(sentence: str) -> None:
    """Tell the parent process something that a person should know; of several processes the first does."""
    if os.environ.get("RANK", "0") != "0":
        return
    print(f"{NOTE}{sentence}", flush=True)  # noqa: T201 - read by the parent process
