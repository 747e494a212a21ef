"""Liger, unsloth and vLLM: used where installed and asked for; stand-ins take their places, none was run for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from test_resuming import job_of

from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.trainers import extras
from selfimprove.trainers.process import ProcessTrainer
from selfimprove.trainers.settings import check_settings

SERVED = {"use_vllm": True}


def check(**train: Any) -> None:
    check_settings(TrainConfig.model_validate(train))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give what pretends that a package is installed."""
    version = metadata.version

    def make(name: str, found: str = "1.0", *, gpu: bool = True) -> None:
        monkeypatch.setattr(extras, "find_spec", lambda asked: object() if asked == name else None)
        monkeypatch.setattr(metadata, "version", lambda asked: found if asked == name else version(asked))
        monkeypatch.setattr(extras, "_has_gpu", lambda: gpu)

    return make


def test_what_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names the setting and what to install."""
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    for given, said in (
        ({"sft": {"use_liger_kernel": True}}, "train.sft.use_liger_kernel needs it: pip install liger-kernel"),
        ({"unsloth": True}, "train.unsloth needs it: pip install unsloth, or leave it out"),
        ({"grpo": SERVED}, r'train.grpo.use_vllm needs vLLM: pip install "vllm>=0.31,<0.32", or leave it out'),
        ({"rloo": SERVED}, "train.rloo.use_vllm needs vLLM"),
        ({"distill": SERVED}, "train.distill.use_vllm needs vLLM"),
    ):
        with pytest.raises(MissingDependencyError, match=said):
            check(**given)


def test_what_is_installed_is_taken(installed: Callable[..., None]) -> None:
    """Nothing is refused, and liger's setting is TRL's own."""
    installed("liger_kernel")
    check(sft={"use_liger_kernel": True})
    installed("unsloth")
    check(unsloth=True)
    installed("vllm", "0.31.0")
    check(grpo={**SERVED, "vllm_mode": "server", "vllm_server_base_url": "http://127.0.0.1:8000", "top_k": 20})
    check(rloo={**SERVED, "vllm_gpu_memory_utilization": 0.2}, distill=SERVED)


def test_vllm_that_will_not_do_is_refused(installed: Callable[..., None]) -> None:
    """Another version, no GPU, an unknown mode, settings of vLLM without it, and what only vLLM can draw."""
    installed("vllm", "0.33.0")
    with pytest.raises(MissingDependencyError, match=r"needs vLLM >=0.31,<0.32, and 0.33.0 is installed"):
        check(grpo=SERVED)
    installed("vllm", "0.31.0", gpu=False)
    with pytest.raises(InputError, match=r"train.grpo.use_vllm needs a CUDA GPU"):
        check(grpo=SERVED)
    for given, said in (
        ({**SERVED, "vllm_mode": "colocated"}, 'vllm_mode = "colocated" will not do'),
        ({"vllm_mode": "server"}, "vllm_mode is only looked at with use_vllm = true"),
        ({"top_k": 20}, "train.grpo.top_k is set by the trainer itself"),
    ):
        with pytest.raises(InputError, match=said):
            check(grpo=given)


def test_unsloth_stands_alone(installed: Callable[..., None]) -> None:
    """It adapts, in one process."""
    installed("unsloth")
    with pytest.raises(InputError, match=r"in one process and chooses its attention, and train.full is set"):
        check(unsloth=True, full=True)
    with pytest.raises(InputError, match=r"and train.attention is set"):
        check(unsloth=True, attention="sdpa")
    installed("unsloth", gpu=False)
    with pytest.raises(InputError, match=r"train.unsloth needs a GPU, and there is none"):
        check(unsloth=True)


UNSLOTH = """
import sys
assert not {"trl", "peft", "transformers"} & set(sys.modules), "unsloth has to be imported first"
class FastLanguageModel:
    @staticmethod
    def from_pretrained(model_name, max_seq_length, dtype, load_in_4bit):
        from transformers import AutoModelForCausalLM
        print("loaded by unsloth for", max_seq_length, load_in_4bit, flush=True)
        return AutoModelForCausalLM.from_pretrained(model_name, dtype=dtype), None
    @staticmethod
    def get_peft_model(model, *, random_state, use_gradient_checkpointing, **lora):
        from peft import LoraConfig, get_peft_model
        print("adapted by unsloth", lora["target_modules"], flush=True)
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora))
"""


def test_unsloth_is_imported_first_and_makes_a_plain_adapter(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Base and adapter come from its two functions; a second training goes on from the first one's weights."""
    (tmp_path / "unsloth.py").write_text(UNSLOTH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    job = job_of("sft", family("llama"), tmp_path / "one")
    job = job.model_copy(update={"settings": {**job.settings, "unsloth": True}})
    made = ProcessTrainer().train(job)
    log = (Path(made.path) / "training.log").read_text()
    assert "loaded by unsloth for 1024 False" in log
    assert "adapted by unsloth ['q_proj', 'k_proj'" in log
    slow = {**job.settings["sft"], "learning_rate": 0.0}  # type: ignore[dict-item]
    more = {"start": made.path, "out": str(tmp_path / "two"), "settings": {**job.settings, "sft": slow}}
    again = ProcessTrainer().train(job.model_copy(update=more))
    assert again.loss < made.loss
    from safetensors.torch import load_file

    first, second = (load_file(Path(one.path) / "adapter_model.safetensors") for one in (made, again))
    assert all((second[name] == weight).all() for name, weight in first.items())


class Served:
    """Stands for TRL's way to vLLM: gives each prompt the ids 5, 6 and the end."""

    def __init__(self, **how: Any) -> None:
        self.how, self.synced = how, 0
        SERVERS.append(self)

    def sync_weights(self) -> None:
        self.synced += 1

    def generate(self, prompts: Sequence[Sequence[int]], num_generations: int, **_: Any) -> Any:
        self.prompts = prompts
        ids = [[5 + at % 3, 6, self.how["processing_class"].eos_token_id] for at in range(len(prompts))]
        return prompts, ids, [[[-1.0]] * 3 for _ in ids], None


SERVERS: list[Served] = []


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_vllm_generates_and_the_coach_reads(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """TRL's settings reach TRL's own generator with our prompts; no copy is kept, and what came is rewarded."""
    from selfimprove.trainers import grpo, rloo

    monkeypatch.setattr(f"trl.trainer.{method}_trainer.VLLMGeneration", Served)
    (tmp_path / "letters.py").write_text("def count(tried):\n    return float(len(tried.attempt.text))\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    SERVERS.clear()
    job = job_of(method, family("llama"), tmp_path / "made")
    settings = {**job.settings[method], **SERVED, "vllm_gpu_memory_utilization": 0.2, "max_steps": 2}  # type: ignore[dict-item]
    job = job.model_copy(update={"settings": {**job.settings, method: settings}})
    trainer = {"grpo": grpo, "rloo": rloo}[method]._trainer(job)
    coach = trainer.coach
    trainer.train()
    (server,) = SERVERS
    assert (server.how["mode"], server.how["gpu_memory_utilization"]) == ("colocate", 0.2)
    assert (coach.sampler.copy, server.synced) == (None, 2)
    assert all(list(prompt) in [list(ids) for ids in coach.prompts] for prompt in server.prompts)
    assert (coach.tokens, coach.rates.seen) == (2 * 8 * 3, 2 * 2)
    logged = [entry for entry in trainer.state.log_history if "rewards/letters:count/mean" in entry]
    assert len(logged) == 2
    assert json.dumps(coach.state())
