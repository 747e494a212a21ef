"""Distillation from a larger local model: whose tokens it must share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_resuming import job_of

from selfimprove import Campaign
from selfimprove.errors import InputError
from selfimprove.trainers import distill
from selfimprove.trainers.vocabulary import check_vocabulary

Family = Callable[[str], Path]


def teacher(base: Path, out: Path, vocabulary: int) -> Path:
    """Write a model with the tokenizer of another, whose embeddings have another number of rows."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(base, vocab_size=vocabulary)
    AutoModelForCausalLM.from_config(config).save_pretrained(out)
    for file in base.glob("*token*"):
        shutil.copyfile(file, out / file.name)
    return out


@pytest.fixture
def padded(family: Family, tmp_path: Path) -> Path:
    """Give a teacher of the student's tokenizer whose logits are padded further."""
    return teacher(family("llama"), tmp_path / "padded", 384)


def test_teacher_of_another_vocabulary_is_refused(family: Family, tmp_path: Path) -> None:
    """One sentence with both sizes and how many tokens differ, whether of other words or in another order."""
    student = family("llama")
    check_vocabulary(student, student, "larger")
    other = teacher(student, tmp_path / "other", 320)
    words = json.loads((other / "tokenizer.json").read_text())
    known = words["model"]["vocab"]
    one, two = sorted(known, key=known.get)[-2:]
    known[one], known[two] = known[two], known[one]
    (other / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(InputError, match=r"train.distill.teacher = larger has another vocabulary .* tokens against"):
        check_vocabulary(student, other, "larger")
    with pytest.raises(InputError, match=r", 2 of the student's are others there\); name a larger model"):
        check_vocabulary(student, other, "larger")


def test_teacher_of_more_logits_is_refused_at_every_door(family: Family, tmp_path: Path, padded: Path) -> None:
    """The same sentence when a campaign is planned, when it starts, before a lesson is paid, and in the training."""
    said = r"padded has the student's tokens, but 384 logits where the student has \d+ \(vocab_size in config.json\)"
    campaign = Campaign(
        task="arithmetic",
        student=str(family("llama")),
        teacher="reference",
        arms=["track_b", "distill"],
        out=tmp_path / "run",
        sections={"train": {"distill": {"teacher": str(padded)}}, "student": {"max_tokens": 64}},
    )
    with pytest.raises(InputError, match=said):
        campaign.plan(probe=False)
    with pytest.raises(InputError, match=said):
        campaign.run()
    assert not (tmp_path / "run").exists()
    job = job_of("distill", family("llama"), tmp_path / "distill")
    job.settings["distill"] = {**job.settings["distill"], "teacher": str(padded)}  # type: ignore[index, dict-item]
    with pytest.raises(InputError, match=said):
        distill._trainer(job)


def test_teacher_that_can_be_no_model_is_refused_when_planned(family: Family) -> None:
    """A name that is neither a folder nor a hub id; one that would be downloaded is looked at when the run starts."""
    for named, said in (("qwen2.5_1.5b", 'did you mean "qwen2.5-1.5b"'), ("nobody/nothing", "")):
        campaign = Campaign(
            task="arithmetic",
            student=str(family("llama")),
            teacher="reference",
            arms=["track_b", "distill"],
            sections={"train": {"distill": {"teacher": named}}},
        )
        if said:
            with pytest.raises(InputError, match=said):
                campaign.plan(probe=False)
        else:
            campaign.plan(probe=False)
