"""Half-precision weights are stepped in full precision."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from selfimprove.students import resident
from selfimprove.trainers import precision
from selfimprove.trainers.precision import FullSteps, full_precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_steps_too_small_for_the_type_add_up(dtype: torch.dtype) -> None:
    """A hundred steps of a tenth of what the type resolves at 1.0 move the weight, one alone does not."""
    small = torch.finfo(dtype).eps / 10
    weight = torch.nn.Parameter(torch.ones(3, dtype=dtype))
    plain = torch.nn.Parameter(torch.ones(3, dtype=dtype))
    full = full_precision([weight], torch.optim.SGD, lr=small)
    rounded = torch.optim.SGD([plain], lr=small)
    for _ in range(100):
        for parameter, optimizer in ((weight, full), (plain, rounded)):
            parameter.grad = torch.ones(3, dtype=dtype)
            optimizer.step()
    assert torch.equal(plain.detach().float(), torch.ones(3))
    assert weight.detach().float().tolist() == pytest.approx([1 - 100 * small] * 3, rel=2 * torch.finfo(dtype).eps)


def test_adamw_steps_as_on_float32() -> None:
    """With gradients that bfloat16 holds, the copies go the very way of a float32 parameter; one without one stays."""
    torch.manual_seed(0)
    begun = torch.randn(4, 5).bfloat16()
    half, idle = torch.nn.Parameter(begun.clone()), torch.nn.Parameter(begun.clone())
    exact = torch.nn.Parameter(begun.float())
    one = full_precision([half, idle], torch.optim.AdamW, lr=1e-3, weight_decay=0.0)
    other = torch.optim.AdamW([exact], lr=1e-3, weight_decay=0.0)
    for _ in range(20):
        gradient = torch.randn(4, 5).bfloat16()
        half.grad, exact.grad = gradient, gradient.float()
        one.step()
        other.step()
    assert torch.equal(half.detach(), exact.detach().bfloat16())
    assert torch.equal(idle.detach(), begun)


@pytest.mark.parametrize(
    ("hardware", "trained", "generated"),
    [
        ((True, True), (torch.bfloat16, True), "bfloat16"),
        ((True, False), (torch.float32, False), "float16"),
        ((False, False), (torch.float32, False), "float32"),
        ((False, None), (torch.float32, False), "float32"),
    ],
    ids=["recent GPU", "GPU that emulates it", "CPU that emulates it", "torch without oneDNN, as on macOS"],
)
def test_what_is_emulated_is_not_computed_in(
    monkeypatch: pytest.MonkeyPatch,
    hardware: tuple[bool, bool | None],
    trained: tuple[torch.dtype, bool],
    generated: str,
) -> None:
    """A GPU may say that it supports bfloat16 where it only emulates it, and a CPU always computes it somehow."""
    cuda, multiplies = hardware
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or multiplies
    )
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: multiplies is not None)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: {True: True, False: False}[multiplies])
    assert (precision.trained_in(), precision.mixed()) == trained
    assert resident._dtype("auto", "cuda:0" if cuda else "cpu") == generated


def test_norms_and_biases_do_not_decay() -> None:
    """As where transformers makes the optimizer, of weights in float32."""
    from transformers import Trainer, TrainingArguments

    class Stepped(FullSteps, Trainer):
        pass

    def groups(dtype: torch.dtype) -> list[tuple[float, list[tuple[int, ...]]]]:
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).to(dtype)
        args = TrainingArguments(output_dir="unused", use_cpu=True, weight_decay=0.3, report_to=[])
        made = Stepped(model=model, args=args).create_optimizer().param_groups
        return [(group["weight_decay"], [tuple(one.shape) for one in group["params"]]) for group in made]

    assert groups(torch.bfloat16) == groups(torch.float32) == [(0.3, [(2, 3)]), (0.0, [(2,), (2,), (2,)])]


@pytest.mark.parametrize("kind", ["fsdp", "deepspeed"])
def test_what_is_shared_out_is_stepped_as_it_is(kind: str) -> None:
    """Accelerate looks for the model's own weights in the optimizer, and float32 copies are none of them."""
    model = torch.nn.Linear(2, 2).bfloat16()

    class Plain:
        args, optimizer = SimpleNamespace(weight_decay=0.0), None
        is_fsdp_enabled, is_deepspeed_enabled = kind == "fsdp", kind == "deepspeed"

        def create_optimizer(self, _: torch.nn.Module) -> torch.optim.Optimizer:
            return torch.optim.SGD(model.parameters(), lr=0.1)

    class Stepped(FullSteps, Plain):
        pass

    stepped = Stepped()
    (group,) = stepped.create_optimizer(model).param_groups
    assert {id(weight) for weight in group["params"]} == {id(weight) for weight in model.parameters()}
