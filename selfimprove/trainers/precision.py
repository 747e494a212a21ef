"""Adapters in half precision, stepped in full.

A CPU that multiplies in bfloat16 trains an adapter fastest in it. But it keeps 8 bits: a step smaller than about 1/256
of a weight is rounded away, and so is what the optimizer's second moment gains at a decay of 0.999. So the weights that
are stepped, and the moments, are float32 copies; the model computes with them rounded (arXiv:1710.03740, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import torch
from transformers import TrainerCallback

from selfimprove.students.resident import cpu_dtype
from selfimprove.trainers.sharding import shared_out

_KEPT: Final = "value"


def trained_in() -> torch.dtype:
    """Give the number format that weights are trained in: bfloat16 where the hardware has it, else float32."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    kind: torch.dtype = getattr(torch, cpu_dtype())
    return kind


def mixed() -> bool:
    """Say whether a GPU is to compute in bfloat16 with weights that are held in float32, such as an adapter's."""
    return torch.cuda.is_available() and trained_in() is torch.bfloat16


def full_precision(
    params: Sequence[torch.nn.Parameter],
    kind: type[torch.optim.Optimizer],
    undecayed: Iterable[torch.nn.Parameter] = (),
    **options: Any,
) -> Any:
    """Give an optimizer of float32 copies of `params`, which takes their gradients and sets them at each step.

    Args:
        params: trained parameters of any float type, shapes of their own.
        kind: an optimizer class of torch.
        undecayed: those of them that a weight decay leaves alone.
        options: its arguments.
    """
    copies = [torch.nn.Parameter(param.detach().float()) for param in params]
    free = set(map(id, undecayed))
    parts: tuple[list[Any], list[Any]] = ([], [])
    for copy, param in zip(copies, params, strict=True):
        parts[id(param) in free].append(copy)

    def take(*_: Any) -> None:
        for copy, param in zip(copies, params, strict=True):
            copy.grad = None if param.grad is None else param.grad.float()

    def give(*_: Any) -> None:
        with torch.no_grad():
            for copy, param in zip(copies, params, strict=True):
                param.copy_(copy)
                if optimizer.state[copy]:  # so that a checkpoint of the optimizer holds them
                    optimizer.state[copy][_KEPT] = copy.data

    def taken_back(*_: Any) -> None:
        with torch.no_grad():
            for copy in copies:
                if _KEPT in optimizer.state[copy]:
                    copy.copy_(optimizer.state[copy][_KEPT])
                    optimizer.state[copy][_KEPT] = copy.data
        give()

    groups: list[dict[str, Any]] = [{"params": parts[0]}, {"params": parts[1], "weight_decay": 0.0}]
    optimizer = kind([group for group in groups if group["params"]], **options)
    optimizer.register_step_pre_hook(take)
    optimizer.register_step_post_hook(give)
    optimizer.register_load_state_dict_post_hook(taken_back)
    return optimizer


class FullSteps:
    """For trainers of transformers' kind, before them in the bases: weights of half precision are stepped in full."""

    model: Any
    args: Any
    optimizer: Any

    def create_optimizer(self, model: Any = None) -> Any:
        """Give the optimizer, of float32 copies where the trained weights are narrower."""
        whole = model or self.model
        trained = [p for p in whole.parameters() if p.requires_grad]
        parent: Any = super()
        if shared_out(self) or not any(p.dtype in {torch.bfloat16, torch.float16} for p in trained):
            return parent.create_optimizer(model)
        kind, options = parent.get_optimizer_cls_and_kwargs(self.args, model)
        decayed = set(parent.get_decay_parameter_names(whole))
        undecayed = [p for name, p in whole.named_parameters() if name not in decayed]  # norms and biases
        how = {"weight_decay": self.args.weight_decay, **options}
        self.optimizer = full_precision(trained, kind, undecayed, **how)
        return self.optimizer


class Teller(TrainerCallback):
    """Prints each step, for the parent that follows."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say how far it is."""
        del args, control
        if state.is_world_process_zero:
            print(f"step {state.global_step} of {state.max_steps}", flush=True)  # noqa: T201 - read by the parent process
