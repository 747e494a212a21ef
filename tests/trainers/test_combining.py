"""Several adapters as one, on a tiny random model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selfimprove.errors import InputError
from selfimprove.export.exported import export
from selfimprove.students.adapters import prompt_hash
from selfimprove.students.transformers import TransformersStudent
from selfimprove.trainers.combining import combine


def adapter(base: Path, out: Path, seed: int, rank: int = 4, **how: Any) -> Path:
    """Write a LoRA adapter of random weights."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(task_type="CAUSAL_LM", r=rank, target_modules="all-linear", **how),
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(out)
    return out


def deltas(base: Path, path: Path) -> dict[str, Any]:
    """Give what an adapter adds to each weight."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), path)
    return {n: m.get_delta_weight("default") for n, m in model.named_modules() if hasattr(m, "lora_A")}


@pytest.fixture
def two(family: Callable[[str], Path], tmp_path: Path) -> tuple[Path, list[Path]]:
    base = family("llama")
    return base, [adapter(base, tmp_path / name, seed) for seed, name in enumerate(("a", "b"))]


def test_stacked_adapters_add_up(two: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """A stack changes every weight by the sum of what its parts change, and a student loads it."""
    base, parts = two
    made = combine(base, parts, tmp_path / "made", how="stack")
    first, second, both = (deltas(base, path) for path in (*parts, made))
    assert both
    for name, delta in both.items():
        assert torch.allclose(delta, first[name] + second[name], atol=1e-5)
    assert TransformersStudent(base, adapter=made).identity != TransformersStudent(base).identity


@pytest.mark.parametrize("how", ["linear", "ties", "dare_linear", "dare_ties"])
def test_average_of_one_adapter_with_itself_is_that_adapter(
    two: tuple[Path, list[Path]], tmp_path: Path, how: Any
) -> None:
    """With all values kept, averaging equals is no change."""
    base, (part, _) = two
    made = combine(base, [part, part], tmp_path / "made", how=how, density=1.0)
    one, averaged = deltas(base, part), deltas(base, made)
    for name, delta in averaged.items():
        assert torch.allclose(delta, one[name], atol=1e-4), name


def test_average_is_half_of_the_sum(two: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """Of two different adapters of different ranks, exactly."""
    base, (first, _) = two
    wide = adapter(base, tmp_path / "wide", 5, rank=8)
    one, other = deltas(base, first), deltas(base, wide)
    for name, delta in deltas(base, combine(base, [first, wide], tmp_path / "made")).items():
        assert torch.allclose(delta, (one[name] + other[name]) / 2, atol=1e-5)


def test_stack_of_rank_stabilised_adapters_adds_up_too(two: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """Their own scale is taken in, and not again with the rank of the sum."""
    base, _ = two
    parts = [adapter(base, tmp_path / f"rs{seed}", seed, use_rslora=True) for seed in (7, 8)]
    first, second = (deltas(base, path) for path in parts)
    for name, delta in deltas(base, combine(base, parts, tmp_path / "made", how="stack")).items():
        assert torch.allclose(delta, first[name] + second[name], atol=1e-5)


def test_what_was_combined_is_combined_again(two: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """With a trained adapter of its parts' prompt, not with one of another; and a campaign's export it is not."""
    base, parts = two
    same, other = (adapter(base, tmp_path / name, 3) for name in ("same", "other"))
    for path, trained in ((parts[0], "one"), (parts[1], "one"), (same, "one"), (other, "two")):
        (path / "metrics.json").write_text(json.dumps({"render_hash": trained}))
    made = combine(base, parts, tmp_path / "made", how="stack")
    again = deltas(base, combine(base, [made, same], tmp_path / "again", how="stack"))
    first, second = deltas(base, made), deltas(base, same)
    for name, delta in again.items():
        assert torch.allclose(delta, first[name] + second[name], atol=1e-5)
    assert prompt_hash(tmp_path / "again") == "one"
    with pytest.raises(InputError, match="trained under 2 prompts; combine those of one"):
        combine(base, [made, other], tmp_path / "none")
    with pytest.raises(InputError, match=r"made is made of several adapters .* try it with selfimprove mine --adapter"):
        export(made, tmp_path / "exported")


def test_what_cannot_be_combined_is_refused(two: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """One sentence each, and no folder is left."""
    base, parts = two
    cases: list[tuple[list[Path], dict[str, Any], str]] = [
        (parts[:1], {}, "two adapters or more"),
        (parts, {"how": "tie"}, "did you mean"),
        (parts, {"weights": [1.0]}, "as many weights"),
        (parts, {"density": 0.0}, "density = 0.0 will not do"),
        ([*parts, tmp_path], {}, "holds no adapter"),
    ]
    for some, how, said in cases:
        with pytest.raises(InputError, match=said):
            combine(base, some, tmp_path / "made", **how)
        assert not (tmp_path / "made").exists()
