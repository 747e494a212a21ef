"""Trainings over several processes, and of all weights, for real, on a tiny random model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_resuming import job_of
from warm_trainer import Warm

from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.records import Message, Request
from selfimprove.students.transformers import TransformersStudent
from selfimprove.trainers import versions
from selfimprove.trainers.launching import launcher_of
from selfimprove.trainers.loading import load
from selfimprove.trainers.process import ProcessTrainer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TWO = """
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_CPU
num_machines: 1
num_processes: 2
use_cpu: true
mixed_precision: 'no'
"""


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_two_processes_train_one_adapter(
    method: str, family: Callable[[str], Path], tmp_path: Path, warm: Warm
) -> None:
    """Over gloo: half the rows each, as many in a step, and weights like those of one process within rounding."""
    (tmp_path / "two.yaml").write_text(TWO)
    alone, shared = (job_of(method, family("llama"), tmp_path / name) for name in ("alone", "shared"))
    for job, size in ((alone, 6), (shared, 3)):
        more = {"train_sampling_strategy": "sequential", "learning_rate": 1e-3, "per_device_train_batch_size": size}
        job.settings[method] = {**job.settings[method], **more}  # type: ignore[index, dict-item]
    one = ProcessTrainer(launcher=warm.launcher).train(alone)
    two = ProcessTrainer(shared=launcher_of(str(tmp_path / "two.yaml"))).train(shared)
    assert (one.steps, one.rows, one.trained_tokens) == (two.steps, two.rows, two.trained_tokens)
    first, second = (load_file(Path(made.path) / "adapter_model.safetensors") for made in (one, two))
    for name, weight in first.items():  # those of B began at 0, so this is a share of what was learned
        assert (weight - second[name]).float().norm() < 0.1 * weight.float().norm(), name
    log = (Path(two.path) / "training.log").read_text()
    assert log.count(f"step {one.steps} of {one.steps}") == 1


@pytest.mark.slow
def test_two_processes_train_over_a_base_in_four_bits(family: Callable[[str], Path], tmp_path: Path) -> None:
    """Each holds the base for itself, and the adapter is one."""
    (tmp_path / "two.yaml").write_text(TWO)
    job = job_of("sft", family("llama"), tmp_path / "shared", quantize=True)
    made = ProcessTrainer(shared=launcher_of(str(tmp_path / "two.yaml"), quantize=True)).train(job)
    assert (made.steps, made.rows) == (4, 24)


def test_four_bits_are_loaded_onto_the_process_s_own_gpu(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay where they are loaded: the second process's on the second GPU, not all on the first."""
    done: list[object] = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    monkeypatch.setattr("torch.cuda.set_device", done.append)
    monkeypatch.setattr(
        "transformers.AutoModelForCausalLM.from_pretrained", lambda *_, **how: done.append(how["dtype"])
    )
    load(job_of("sft", family("llama"), tmp_path, quantize=True))
    assert done == [1, torch.bfloat16]


def test_all_weights_are_trained_and_the_student_runs_on_them(
    family: Callable[[str], Path], tmp_path: Path, warm: Warm
) -> None:
    """What comes out is a whole model, which the student takes in the place of an adapter and gives back again."""
    made = ProcessTrainer(launcher=warm.launcher).train(job_of("full", family("llama"), tmp_path / "full"))
    assert not (Path(made.path) / "adapter_config.json").exists()
    student = TransformersStudent(family("llama"))
    ask = [Request(role="solve", messages=(Message(role="user", content="What is 1 + 1?"),))]
    before, trained = student.complete(ask), student.with_adapter(Path(made.path))
    assert trained.identity != student.identity
    assert trained.complete(ask)[0].text != before[0].text
    assert student.complete(ask)[0].text == before[0].text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("num_processes: [", "is no configuration of accelerate"),
        ("fsdp_confg: {}\n", "is no configuration of accelerate"),
        ("distributed_type: 'NO'\nnum_processes: 0\n", "num_processes = 0"),
    ],
)
def test_configuration_that_accelerate_does_not_take_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """One sentence, before anything runs."""
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        launcher_of(str(tmp_path / "bad.yaml"))
    with pytest.raises(InputError, match="is no file"):
        launcher_of(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("name", ["fsdp", "deepspeed"])
def test_the_examples_of_sharding_are_taken(name: str) -> None:
    """They are launched by accelerate, over two processes; a base in 4 bits would have to be whole in each."""
    file = EXAMPLES / f"{name}.yaml"
    assert launcher_of(str(file))[-4:-2] == ("--config_file", str(file))
    with pytest.raises(InputError, match=rf"{name}.yaml shards the model by {name.upper()}, and train.quantize"):
        launcher_of(str(file), quantize=True)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("FSDP", {"fsdp_reshard_after_foward": True}, 'did you mean "fsdp_reshard_after_forward"'),
        ("FSDP", {"reshard_after_foward": True}, 'did you mean "fsdp_reshard_after_forward"'),
        ("FSDP", {"fsdp_version": 3}, r"fsdp_config.fsdp_version = 3 will not do; give one of 1, 2"),
        ("FSDP", {"fsdp_auto_wrap_policy": "BY_LAYER"}, "give one of TRANSFORMER_BASED_WRAP, SIZE_BASED_WRAP, NO_WRAP"),
        ("FSDP", {"fsdp_version": 2, "fsdp_state_dict_type": "LOCAL_STATE_DICT"}, "SHARDED_STATE_DICT, FULL_STATE"),
        ("DEEPSPEED", {"zero_stge": 2}, 'did you mean "zero_stage"'),
        ("DEEPSPEED", {"zero_stage": 4}, r"deepspeed_config.zero_stage = 4 will not do; give one of 0, 1, 2, 3"),
        ("DEEPSPEED", {"offload_param_device": "disk"}, "give one of none, cpu, nvme"),
        ("DEEPSPEED", {"deepspeed_config_file": "none.json"}, "none.json is no file"),
    ],
)
def test_what_accelerate_would_pass_over_is_refused(
    tmp_path: Path, kind: str, given: dict[str, object], said: str
) -> None:
    """A wrong name inside of its sections comes with the nearest right one, a wrong value with the right ones."""
    section = "fsdp_config" if kind == "FSDP" else "deepspeed_config"
    (tmp_path / "shard.json").write_text(json.dumps({"distributed_type": kind, "num_processes": 2, section: given}))
    with pytest.raises(InputError, match=said):
        launcher_of(str(tmp_path / "shard.json"))


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "holds no JSON of settings"), ('{"zero_optimization": {"stage": 5}}', "stage = 5"), ("{}", "")],
)
def test_deepspeeds_own_file_is_looked_at(tmp_path: Path, text: str, said: str) -> None:
    """It has to be there, be JSON, and name a stage that there is."""
    (tmp_path / "own.json").write_text(text)
    given = {"deepspeed_config": {"deepspeed_config_file": str(tmp_path / "own.json")}}
    shard = tmp_path / "shard.json"
    shard.write_text(json.dumps({"distributed_type": "DEEPSPEED", "num_processes": 2, **given}))
    if not said:
        assert "--config_file" in launcher_of(str(shard))
        return
    with pytest.raises(InputError, match=said):
        launcher_of(str(shard))


def test_versions_outside_of_the_accepted_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names what is installed and what to install; what is there now is fine."""
    versions.check_versions()
    monkeypatch.setattr(versions, "ACCEPTED", {"trl": ">=99,<100"})
    said = r'trl [0-9.]+ is installed and training accepts >=99,<100 .*; pip install "trl>=99,<100"'
    with pytest.raises(MissingDependencyError, match=said):
        versions.check_versions()
