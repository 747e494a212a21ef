"""Training of a process reward model: a base model, a LoRA adapter, and one number at each step's end.

Started as `python -m selfimprove.trainers.prm JOB.json FOLDER`; `rows` of the job is a file of labelled steps, in the
format that `settings.format` names. Writes the adapter, the head, `scorer.json`, `trained_on.json` (problems that it
must not be measured on), `metrics.json` and `training.jsonl` into FOLDER, which `TrainedScorer("own", FOLDER)` loads.
Labels may be anything in [0, 1]: the loss is the cross-entropy with the label as a chance, so Monte Carlo values are
learned as they are (arXiv:2312.08935, eq. 2).
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from selfimprove.errors import InputError, nearest
from selfimprove.records import TrainingJob
from selfimprove.scorers.families import Encoded, encode_own
from selfimprove.scorers.labels import LabelledSteps, read_labels
from selfimprove.scorers.trained import CARD, TRAINED_ON, longest
from selfimprove.students.fetch import model_hash, quiet, readable
from selfimprove.trainers.arguments import one_gpu
from selfimprove.trainers.defaults import DEFAULTS, given_lora
from selfimprove.trainers.loading import four_bits, gone_over, write_outcome
from selfimprove.trainers.logfile import LogFile

_MAX_LENGTH: Final = 1024


class Example(NamedTuple):
    """A solution as the model reads it, with its labels."""

    coded: Encoded
    labels: tuple[float | None, ...]


class StepModel(torch.nn.Module):
    """A model without a head, and a linear one that looks at the ends of steps."""

    def __init__(self, base: Any, width: int, mean: float) -> None:
        super().__init__()
        self.base = base
        self.head = torch.nn.Linear(width, 1)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.constant_(self.head.bias, math.log(mean / (1 - mean)))  # it begins as the best constant

    def gradient_checkpointing_enable(self, **how: Any) -> None:
        """Keep fewer activations, as transformers asks a model of its own to."""
        self.base.gradient_checkpointing_enable(**how)
        self.base.enable_input_require_grads()  # the base is frozen: its input would carry no gradient

    def forward(self, input_ids: Any, attention_mask: Any, row: Any, at: Any, labels: Any) -> dict[str, Any]:
        """Give the loss and the logits of all labelled steps of a batch, shape `[steps]`."""
        hidden = self.base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits = self.head(hidden[row, at].float())[:, 0]
        return {"loss": torch.nn.functional.binary_cross_entropy_with_logits(logits, labels), "logits": logits}


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    train(TrainingJob.model_validate_json(Path(job_file).read_bytes()), Path(folder))


def train(job: TrainingJob, folder: Path) -> None:
    """Train in this process and write the scorer.

    Raises:
        InputError: a setting is unknown, or no row can be used.
        TrainingError: the loss ended as something that is no number.
    """
    from transformers import AutoTokenizer, Trainer

    from selfimprove.trainers.precision import Teller

    args = _arguments(job, folder)
    base = _base(job)
    limit = longest(base, int(str(job.settings.get("max_length", _MAX_LENGTH))))
    tokenizer = AutoTokenizer.from_pretrained(job.model, trust_remote_code=False)
    rows = read_labels(Path(job.rows), job.settings.get("format", "steps"))  # type: ignore[arg-type]
    examples = encode_rows(rows, tokenizer, limit)
    if not examples:
        raise InputError(f"{job.rows}: none of its {len(rows)} labelled solutions fits max_length = {limit}")
    known = [label for example in examples for label in example.labels if label is not None]
    model = _model(job, base, min(0.99, max(0.01, sum(known) / len(known))))
    data = [{"input_ids": one.coded.ids, "at": one.coded.at, "labels": one.labels} for one in examples]
    trainer = Trainer(model=model, args=args, train_dataset=data, data_collator=_collate, callbacks=[Teller()])
    trainer.add_callback(LogFile(folder))
    _write(job, folder, model, trainer, examples, trainer.train(), limit)
    seen = sorted({row.problem for row in rows if row.problem})
    (folder / TRAINED_ON).write_text(json.dumps(seen) + "\n", encoding="utf-8")


def encode_rows(rows: Sequence[LabelledSteps], tokenizer: Any, limit: int) -> list[Example]:
    """Encode labelled solutions as they will be scored; one too long keeps the steps that fit."""
    found = []
    for row in rows:
        coded = encode_own(tokenizer, row.question, row.steps)
        fitting = [place for place in coded.at if place < limit]
        labels = row.labels[: len(fitting)]
        if any(label is not None for label in labels):
            found.append(Example(Encoded(coded.ids[: fitting[-1] + 1], fitting), labels))
    return found


def _collate(features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Pad on the right, and list the labelled steps of the whole batch."""
    width = max(len(one["input_ids"]) for one in features)
    ids, mask = (
        torch.zeros((len(features), width), dtype=torch.long),
        torch.zeros((len(features), width), dtype=torch.long),
    )
    steps = []
    for row, one in enumerate(features):
        ids[row, : len(one["input_ids"])] = torch.tensor(one["input_ids"])
        mask[row, : len(one["input_ids"])] = 1
        steps += [(row, at, y) for at, y in zip(one["at"], one["labels"], strict=True) if y is not None]
    rows, places, labels = zip(*steps, strict=True)
    where = {"row": torch.tensor(rows), "at": torch.tensor(places), "labels": torch.tensor(labels, dtype=torch.float32)}
    return {"input_ids": ids, "attention_mask": mask, **where}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse names that transformers' arguments and PEFT's LoRA do not have, and what is set here.

    Raises:
        InputError: there is one.
    """
    from peft import LoraConfig
    from transformers import TrainingArguments

    sections: tuple[tuple[str, Any, Mapping[str, Any]], ...] = (
        ("prm", TrainingArguments, _own(Path(), 0)),
        ("lora", LoraConfig, {}),
    )
    for section, kind, own in sections:
        names = [field.name for field in dataclasses.fields(kind)]
        for key in settings.get(section) or {}:
            if key in own:
                raise InputError(f"{key} is set by the trainer itself; leave it out")
            if key not in names:
                raise InputError(f'there is no setting "{key}"; {nearest(key, names)}')


def _own(folder: Path, seed: int) -> dict[str, Any]:
    """Give the arguments that are set here."""
    from selfimprove.trainers.precision import mixed

    cpu = not torch.cuda.is_available()
    return {
        "output_dir": str(folder / "checkpoints"),
        "seed": seed,
        "use_cpu": cpu,
        "bf16": mixed(),
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "dataloader_pin_memory": not cpu,
    }


def _arguments(job: TrainingJob, folder: Path) -> Any:
    from transformers import TrainingArguments

    check_settings(job.settings)
    given: Any = job.settings.get("prm") or {}
    return one_gpu(TrainingArguments(**{**DEFAULTS["prm"], **given, **_own(folder, job.seed)}))


def _base(job: TrainingJob) -> Any:
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModel, set_seed

    from selfimprove.trainers.precision import trained_in

    set_seed(job.seed)  # the adapter's weights are drawn before the trainer sets it
    how: dict[str, Any] = {"dtype": trained_in(), "use_safetensors": True, "trust_remote_code": False}
    if job.settings.get("quantize"):
        how["quantization_config"] = four_bits()
    with quiet():
        base = AutoModel.from_pretrained(job.model, **how)
    if job.settings.get("quantize"):
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
    return base


def _model(job: TrainingJob, base: Any, mean: float) -> StepModel:
    from peft import LoraConfig, get_peft_model

    width = int(base.config.hidden_size)
    return StepModel(get_peft_model(base, LoraConfig(task_type="FEATURE_EXTRACTION", **given_lora(job))), width, mean)


def _write(
    job: TrainingJob,
    folder: Path,
    model: StepModel,
    trainer: Any,
    examples: Sequence[Example],
    outcome: Any,
    limit: int,
) -> None:
    from safetensors.torch import save_file

    model.base.save_pretrained(folder)
    head = {name: tensor.detach().float().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
    save_file(head, folder / "head.safetensors")
    readable(folder)
    base = Path(job.model).resolve()
    card = {"base": str(base), "base_hash": model_hash(base), "max_length": limit}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    trained = sum(label is not None for one in examples for label in one.labels)
    seen = sum(len(one.coded.ids) for one in examples)
    counts = {"trained": gone_over(trainer, trained), "seen": gone_over(trainer, seen)}
    write_outcome(folder, job, trainer, outcome, rows=len(examples), **counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
