"""Supervised training by unsloth, where it is installed and asked for: it has to be imported before TRL and PEFT.

Started as `python -m selfimprove.trainers.unslothed MODULE ARGUMENTS`, in the place of the module. What is trained and
saved is a plain adapter. Tested with a stand-in of its two functions; it was not run with the real one.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping
from typing import Any, Final

from selfimprove.records import TrainingJob
from selfimprove.students.adapters import WEIGHTS

_ALL_LINEAR: Final = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""What PEFT's `all-linear` is in the families that unsloth knows."""


def fast_model(job: TrainingJob, longest: int) -> Any:
    """Load the base as unsloth does, in 4 bits where the job asks for it.

    Args:
        job: what is asked for.
        longest: tokens of a row.
    """
    import torch
    from unsloth import FastLanguageModel

    model, _ = FastLanguageModel.from_pretrained(
        model_name=job.model,
        max_seq_length=longest,
        dtype=torch.bfloat16,
        load_in_4bit=bool(job.settings.get("quantize")),
    )
    return model


def fast_adapter(model: Any, job: TrainingJob, lora: Mapping[str, Any]) -> Any:
    """Give the model with a new adapter of unsloth's, holding the weights that the job goes on from."""
    from unsloth import FastLanguageModel

    own = {**lora, "target_modules": _ALL_LINEAR} if lora.get("target_modules") == "all-linear" else dict(lora)
    made = FastLanguageModel.get_peft_model(model, **own, random_state=job.seed, use_gradient_checkpointing="unsloth")
    if job.start:
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        set_peft_model_state_dict(made, load_file(f"{job.start}/{WEIGHTS}"))
    return made


def main(module: str, *arguments: str) -> None:
    """Run a trainer's module behind unsloth."""
    import unsloth  # noqa: F401 - it changes what is imported later

    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
