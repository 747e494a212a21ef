"""Bare PyTorch loops that trainers are measured against: the same batches, LoRA, base and optimizer, and no more.

Each loss sees the head at the completions' tokens alone. Batches are those that the trainer itself was given, taken
from its first run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy, logsigmoid

from selfimprove.records import TrainingJob
from selfimprove.trainers.loading import begun, load
from selfimprove.trainers.precision import full_precision

Batch = dict[str, Any]
Loss = Callable[[Any, Batch], Any]
BETA = 0.1
"""Of preferences, as `trainers.defaults` has it."""


def recorded(trainer: Any) -> list[Batch]:
    """Train once and give the batches that were seen."""
    seen, loss = list[Batch](), trainer.compute_loss

    def looked_at(model: Any, inputs: Batch, *given: Any, **how: Any) -> Any:
        seen.append(dict(inputs))
        return loss(model, inputs, *given, **how)

    trainer.compute_loss = looked_at
    trainer.train()
    trainer.compute_loss = loss
    return seen


def bare_loop(job: TrainingJob, batches: Sequence[Batch]) -> Callable[[], float]:
    """Give what runs a bare loop over the batches once and tells the seconds."""
    _, model = load(job)
    model, _ = begun(model, job)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, loss = full_precision(trained, torch.optim.AdamW, lr=1e-6), LOSSES[job.method]

    def run() -> float:
        started = time.perf_counter()
        for batch in batches:
            loss(model, batch).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - started

    return run


def sft(model: Any, batch: Batch) -> Any:
    """Give the mean cross-entropy of the trained tokens."""
    labels = batch["labels"][:, 1:]
    logits, at = _logits(model, batch["input_ids"], batch["attention_mask"], batch["labels"] != -100)
    return cross_entropy(logits, labels[at])


def dpo(model: Any, batch: Batch) -> Any:
    """Give the loss of pairs, whose chosen replies are the first half of a batch."""
    now, before = _both(model, batch)
    chosen, rejected = (now - before).chunk(2)
    return -logsigmoid(BETA * (chosen - rejected)).mean()


def kto(model: Any, batch: Batch) -> Any:
    """Give the loss of verdicts, beside the divergence on other rows' replies."""
    strangers = {name.removeprefix("KL_"): value for name, value in batch.items() if name.startswith("KL_")}
    with torch.no_grad():
        now, before = _both(model, strangers)
        divergence = (now - before).mean().clamp(min=0)
    now, before = _both(model, batch)
    sign = torch.where(batch["label"].bool(), 1.0, -1.0)
    return (1 - torch.sigmoid(BETA * sign * (now - before - divergence))).mean()


def distill(model: Any, batch: Batch) -> Any:
    """Give the mean reverse divergence from the base without the adapter, over the tokens of the replies."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    there = torch.cat([torch.zeros_like(batch["prompt_mask"]), batch["completion_mask"]], 1) > 0
    student = _logits(model, ids, mask, there)[0].log_softmax(-1)
    with torch.no_grad(), model.disable_adapter():
        teacher = _logits(model, ids, mask, there)[0].log_softmax(-1)
    return (student.exp() * (student - teacher)).sum(-1).mean()


LOSSES: Mapping[str, Loss] = {"sft": sft, "dpo": dpo, "kto": kto, "distill": distill}


def _both(model: Any, batch: Batch) -> tuple[Any, Any]:
    """Score the replies of a batch by the adapter and by the base without it, each of shape `[B]`."""
    given = batch["input_ids"], batch["attention_mask"], batch["completion_mask"] > 0
    now = _log_probs(model, *given)
    with torch.no_grad(), model.disable_adapter():
        return now, _log_probs(model, *given)


def _log_probs(model: Any, ids: Any, mask: Any, there: Any) -> Any:
    """Sum the log-probabilities of each row's reply."""
    logits, at = _logits(model, ids, mask, there)
    made = -cross_entropy(logits, ids[:, 1:][at], reduction="none")
    return torch.zeros(len(ids)).index_add(0, at.nonzero()[:, 0], made)


def _logits(model: Any, ids: Any, mask: Any, there: Any) -> tuple[Any, Any]:
    """Give the logits, in float32, that tell the marked tokens, and where these stand among all but the first."""
    base, at = model.get_base_model(), there[:, 1:]
    hidden = base.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
    return base.get_output_embeddings()(hidden[at]).float(), at
