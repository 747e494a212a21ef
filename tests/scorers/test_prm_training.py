from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from selfimprove.errors import InputError
from selfimprove.records import Problem, StepItem, TrainingJob
from selfimprove.scorers.auc import auc
from selfimprove.scorers.labels import LabelledSteps
from selfimprove.scorers.trained import TrainedScorer, load_base, longest
from selfimprove.trainers.prm import _arguments, encode_rows, train
from selfimprove.trainers.process import ProcessTrainer

WORDS = ("one", "two", "three", "four", "five")


def solutions(count: int, seed: int) -> list[LabelledSteps]:
    """Steps that name a small number are right."""
    rng, made = Random(seed), []
    for _ in range(count):
        steps = tuple(rng.choice(WORDS) for _ in range(3))
        labels = tuple(1.0 if step in WORDS[:2] else 0.0 for step in steps)
        question = rng.choice(WORDS)
        problem = Problem.of(question, "1").id
        made.append(LabelledSteps(question=question, steps=steps, labels=labels, problem=problem))
    return made


def job_for(model: Path, folder: Path, rows: list[LabelledSteps], **prm: object) -> TrainingJob:
    file = folder / "rows.jsonl"
    file.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    settings = {"prm": {"learning_rate": 2e-2, "num_train_epochs": 3, **prm}, "lora": {"r": 8}, "max_length": 64}
    return TrainingJob(model=str(model), rows=str(file), out=str(folder / "out"), settings=settings)


def auc_on_unseen(scorer: TrainedScorer) -> float:
    unseen = solutions(60, 1)
    items = [StepItem(problem=Problem.of(row.question, "1"), steps=row.steps) for row in unseen]
    scores = [score for found in scorer.score(items) for score in found or ()]
    return auc(scores, [label == 1.0 for row in unseen for label in row.labels])


@pytest.mark.parametrize(
    ("name", "quantize", "how", "least"),
    [
        ("roberta", False, {"learning_rate": 1e-2, "num_train_epochs": 4}, 0.6),
        ("bert", False, {"learning_rate": 1e-2, "num_train_epochs": 4}, 0.6),
        ("modernbert", False, {}, 0.8),
        ("llama", True, {}, 0.8),
    ],
)
def test_any_base_trains_and_loads(
    family: Callable[[str], Path],
    tmp_path: Path,
    name: str,
    quantize: bool,  # noqa: FBT001 - pytest
    how: dict[str, object],
    least: float,
) -> None:
    """Encoders whose files hold no pooler, and a base in four bits (QLoRA), learn and load as a step scorer."""
    job = job_for(family(name), tmp_path, solutions(160, 0), **how)
    train(job.model_copy(update={"settings": {**job.settings, "quantize": quantize}}), tmp_path / "out")
    assert auc_on_unseen(TrainedScorer("own", tmp_path / "out")) > least  # 0.5 is chance


def test_no_more_is_read_than_a_base_has_places_for(family: Callable[[str], Path]) -> None:
    """RoBERTa leaves the places up to its padding's unused; others have as many as they say."""
    assert [longest(load_base(family(name)), 1000) for name in ("roberta", "bert", "llama")] == [255, 256, 256]
    assert longest(load_base(family("roberta")), 64) == 64


def test_missing_weights_are_still_refused(family: Callable[[str], Path], tmp_path: Path) -> None:
    """A pooler may be missing, a layer may not."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(family("roberta"), tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if "layer.1.output.dense.weight" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks weights, such as encoder\.layer\.1\.output"):
        load_base(tmp_path / "model")


def test_several_gpus_are_not_given_parts_of_a_batch(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process trains on one GPU: parts of a batch would lose the rows that its steps name."""
    import torch
    from transformers import TrainingArguments

    def of_four(self: TrainingArguments) -> torch.device:
        self._n_gpu = 4
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(of_four))
    args = _arguments(job_for(family("llama"), tmp_path, solutions(2, 0)), tmp_path)
    assert (args.n_gpu, args.train_batch_size) == (1, args.per_device_train_batch_size)


def test_a_trained_scorer_learns_and_loads_as_a_step_scorer(family: Callable[[str], Path], tmp_path: Path) -> None:
    """Trained in a process of its own, the folder loads and ranks unseen steps far above chance."""
    job = job_for(family("llama"), tmp_path, solutions(160, 0)).model_copy(update={"method": "prm"})
    out = Path(ProcessTrainer().train(job).path)
    files = {path.name for path in out.iterdir()}
    assert {"adapter_model.safetensors", "head.safetensors", "scorer.json", "metrics.json", "training.jsonl"} <= files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl"))]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["rows"] == 160
    assert metrics["trained_tokens"] == 160 * 3 * 3

    scorer = TrainedScorer("own", out)
    assert auc_on_unseen(scorer) > 0.9
    assert scorer.identity.startswith("own/")
    assert scorer.trained_on == {Problem.of(word, "1").id for word in WORDS}


def test_a_changed_base_is_refused(family: Callable[[str], Path], tmp_path: Path) -> None:
    """A scorer whose base is no longer the model it was trained on does not load."""
    out = tmp_path / "scorer"
    out.mkdir()
    (out / "scorer.json").write_text(
        json.dumps({"base": str(family("llama")), "base_hash": "0" * 16, "max_length": 64})
    )
    with pytest.raises(InputError, match="has changed since"):
        TrainedScorer("own", out)
    with pytest.raises(InputError, match=r"scorer\.json is missing"):
        TrainedScorer("own", tmp_path)


def test_wrong_settings_and_rows_are_refused(family: Callable[[str], Path], tmp_path: Path) -> None:
    """An unknown or owned setting, and rows none of which fits, end before anything is trained."""
    model, rows = family("llama"), solutions(2, 0)
    with pytest.raises(InputError, match='did you mean "learning_rate"'):
        train(job_for(model, tmp_path, rows, learning_rte=1), tmp_path)
    with pytest.raises(InputError, match="set by the trainer"):
        train(job_for(model, tmp_path, rows, seed=1), tmp_path)
    long = [LabelledSteps(question="one " * 90, steps=("two",), labels=(1.0,))]
    with pytest.raises(InputError, match="none of its 1 labelled solutions fits max_length = 64"):
        train(job_for(model, tmp_path, long), tmp_path)


def test_a_long_solution_keeps_its_first_steps(family: Callable[[str], Path]) -> None:
    """What does not fit is cut at a step's end, and unlabelled steps carry no loss."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(family("llama"))
    row = LabelledSteps(question="one", steps=("two",) * 20, labels=(None, 1.0, *([0.5] * 18)))
    (example,) = encode_rows([row], tokenizer, 30)
    assert 1 < len(example.coded.at) < 20
    assert len(example.coded.ids) <= 30
    assert example.coded.at[-1] == len(example.coded.ids) - 1
    assert example.labels[:2] == (None, 1.0)
