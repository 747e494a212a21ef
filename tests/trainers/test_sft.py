"""Supervised training for real, on a tiny random model, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from warm_trainer import Warm

from selfimprove import progress
from selfimprove.errors import InputError, TrainingError
from selfimprove.programs import program_for
from selfimprove.records import Adapter, TrackRow, TrainingJob
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.track import training_curve
from selfimprove.trainers.loading import load
from selfimprove.trainers.process import ProcessTrainer

SOLVE = program_for("solve", Arithmetic())
Train = Callable[..., Adapter]


def row(index: int) -> TrackRow:
    """Give a row of one short sum."""
    return TrackRow(
        id=f"{index:02d}", track="track_b", program="solve", inputs={"problem": f"What is {index} + 1?"},
        target=f"{index} + 1 = {index + 1}\nAnswer: {index + 1}", answer=str(index + 1), problem=str(index),
        source="reference", round=1,
    )  # fmt: skip


@pytest.fixture
def train(family: Callable[[str], Path], tmp_path: Path, warm: Warm) -> Train:
    """Give what trains a tiny Llama on eight rows with given settings."""
    (tmp_path / "rows.jsonl").write_text("".join(row(i).model_dump_json() + "\n" for i in range(8)))

    def run(name: str = "made", start: str = "", tokens: int = 0, told: str = "", **settings: object) -> Adapter:
        job = TrainingJob(
            model=str(family("llama")),
            start=start,
            rows=str(tmp_path / "rows.jsonl"),
            out=str(tmp_path / name / "adapter"),
            program_state={"solve": SOLVE.dump()},
            settings={"sft": {"per_device_train_batch_size": 4, "learning_rate": 1e-2, "logging_steps": 1}, **settings},
            trained_tokens=tokens,
            render_hash=told,
            seed=3,
        )
        return ProcessTrainer(launcher=warm.launcher).train(job)

    return run


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Collect what the watcher is told."""

    class Told(progress.Nobody):
        def say(self, sentence: str) -> None:
            sentences.append(sentence)

    sentences: list[str] = []
    with progress.watched_by(Told()):
        yield sentences


def losses(adapter: Adapter) -> list[float]:
    """Read the training log."""
    lines = (Path(adapter.path) / "training.jsonl").read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def test_a_quantized_base_is_in_four_bits(family: Callable[[str], Path]) -> None:
    """Every linear layer but the head is held in NF4, quantised twice."""
    job = TrainingJob(
        model=str(family("llama")), rows="", out="", program_state={}, settings={"quantize": True}, render_hash=""
    )
    _, model = load(job)
    assert model.config.quantization_config.bnb_4bit_use_double_quant
    held = {name.rpartition(".")[2] for name, part in model.named_modules() if type(part).__name__ == "Linear4bit"}
    assert held == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_qlora_trains_on_the_base_in_four_bits(train: Train) -> None:
    """The adapter learns over a base in NF4; it is a plain LoRA file at the end."""
    from safetensors.torch import load_file

    made = train(quantize=True, sft={"per_device_train_batch_size": 4, "learning_rate": 1e-2, "num_train_epochs": 6})
    found = losses(made)
    assert found[-1] < found[0]
    tensors = load_file(Path(made.path) / "adapter_model.safetensors")
    assert tensors
    assert all("lora_" in name for name in tensors)
    assert any(tensor.abs().max() > 0 for name, tensor in tensors.items() if "lora_B" in name)


def test_as_many_trained_tokens_as_asked(train: Train) -> None:
    """Rows are walked again until the count is reached, and no further than one row over it."""
    longest = 40
    made = train(tokens=400)
    assert 400 <= made.trained_tokens <= 400 + longest
    assert made.rows > 8


def test_settings_that_trl_refuses_are_told(train: Train) -> None:
    """The child's own words reach the one sentence."""
    with pytest.raises(TrainingError, match=r"ended with code 1: .*scheduler"):
        train(sft={"lr_scheduler_type": "no such scheduler"})


def test_what_a_person_should_know_is_said_before_training(train: Train, said: list[str], tmp_path: Path) -> None:
    """Rows over the limit are counted, and a sample with the trained part marked stands in the log."""
    long = row(8).model_copy(update={"inputs": {"problem": "What is 1 + 1? " * 80}})
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write(long.model_dump_json() + "\n")
    made = train(sft={"max_length": 200})
    log = (Path(made.path) / "training.log").read_text()
    assert any(
        "1 of 9 rows (11\N{NO-BREAK SPACE}%) are longer than max_length = 200 and are left out" in line for line in said
    )
    assert "What is 0 + 1?" in log
    trained = log.partition(">>>")[2].partition("<<<")[0]
    assert "Answer:" in trained
    assert "What is" not in trained


def test_what_a_training_logs(train: Train) -> None:
    """Loss, gradient norm and entropy stand in the files; tokens a second in the log alone, as times differ."""
    made = train()
    lines = (Path(made.path) / "training.jsonl").read_text().splitlines()
    entries = [entry for entry in map(json.loads, lines) if "loss" in entry]
    assert all({"loss", "grad_norm", "entropy"} <= set(entry) for entry in entries)
    assert all(0 < entry["entropy"] < 20 for entry in entries)
    assert not any("tokens_per" in line or "tokens/s" in line for line in lines)
    curve = training_curve(Path(made.path))
    assert [entry["tokens_per_s"] > 0 for entry in curve if "loss" in entry] == [True] * len(entries)


@pytest.mark.parametrize("how", [{"use_dora": True}, {"use_rslora": True}])
def test_other_kinds_of_adapter_are_pefts_own_switches(train: Train, how: dict[str, bool]) -> None:
    """DoRA and rsLoRA train like any adapter."""
    made = train(lora=how, sft={"per_device_train_batch_size": 4, "learning_rate": 1e-2, "num_train_epochs": 6})
    told = json.loads((Path(made.path) / "adapter_config.json").read_text())
    assert all(told[key] is value for key, value in how.items())
    assert losses(made)[-1] < losses(made)[0]


def test_packed_rows_do_not_see_each_other(train: Train) -> None:
    """Eight rows in one sequence have the loss that they have apart, and the adapter learns the same."""
    sft = {"learning_rate": 1e-2, "logging_steps": 1, "num_train_epochs": 3}
    apart = train("apart", sft={**sft, "per_device_train_batch_size": 8})
    packed = train("packed", sft={**sft, "per_device_train_batch_size": 1, "packing": True})
    assert len(losses(packed)) == len(losses(apart)) == 3
    assert losses(packed) == pytest.approx(losses(apart), rel=2e-3)


@pytest.mark.parametrize("how", [{"loss_type": "dft"}, {"label_smoothing_factor": 0.9}])
def test_another_loss_is_the_one_that_is_trained(train: Train, how: dict[str, object]) -> None:
    """TRL's other losses are not passed over where ours is quicker."""
    plain, other = (train(name, sft={"logging_steps": 1, **more}) for name, more in (("plain", {}), ("other", how)))
    assert losses(other)[-1] != pytest.approx(losses(plain)[-1], rel=0.01)


def test_another_chat_template_is_refused(train: Train) -> None:
    """Rows that would be rendered in another way than evaluation renders are not trained on."""
    with pytest.raises(TrainingError, match=r"rows would be trained under prompt [0-9a-f]{16} and tested under 0123"):
        train(told="0123456789abcdef")


def test_a_full_disk_is_told_before_training() -> None:
    """No room for the adapter is one sentence."""
    from selfimprove.trainers import preflight

    job = TrainingJob(model="", rows="", out=str(Path.cwd() / "adapter"))

    class Layer:
        requires_grad = True

        def numel(self) -> int:
            return 10**15

        def element_size(self) -> int:
            return 4

    class Model:
        def named_parameters(self) -> list[tuple[str, Layer]]:
            return [("layer", Layer())]

    with pytest.raises(InputError, match="make room and run the same command again"):
        preflight.check_room(job, Model())
