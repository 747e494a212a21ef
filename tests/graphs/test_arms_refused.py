"""Arms and settings that cannot be trained, refused in one sentence before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfimprove import Campaign
from selfimprove.config import make_config
from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer, ScriptedStudent
from selfimprove.trainers.settings import check_settings

SIZES = {"train": 60, "dev": 20, "test": 20}
SMALL: dict[str, Any] = {"rounds": 1, "arms": ["track_b"], "mine": {"pool": 20, "samples": 0}}


def test_a_student_cannot_answer_its_own_questions(tmp_path: Path) -> None:
    """Refused before anything is spent: it knows no more than it asks."""
    train = {"grpo": {"rewards": {"correct": 1.0, "questions": 0.3}}}
    campaign = Campaign(
        task="arithmetic", teacher="self", out=tmp_path / "run", arms=["track_b", "grpo"], sections={"train": train}
    )
    with pytest.raises(InputError, match="needs a teacher that knows more than the student"):
        campaign.run()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("train", [{"sft": {"learning_rat": 1e-4}}, {"lora": {"use_dora": True}}])
def test_a_plan_refuses_what_a_run_would(train: dict[str, Any]) -> None:
    """A mistyped setting is told when a campaign is planned, not only when it runs."""
    campaign = Campaign(task="arithmetic", arms=["track_b", "grpo"], sections={"train": train})
    with pytest.raises(InputError, match=r"learning_rat\"; did you mean|leave train.lora.use_dora out"):
        campaign.plan(probe=False)


def test_a_task_that_is_an_object_cannot_be_practised(tmp_path: Path) -> None:
    """It cannot be handed to the training process; said before anything is spent."""
    campaign = Campaign(task=Arithmetic(), out=tmp_path / "run", arms=["track_b", "grpo"])
    with pytest.raises(InputError, match="the arm grpo reads answers in a process of its own"):
        campaign.run()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "lora",
    [
        {"modules_to_save": ["lm_head"]},
        {"bias": "lora_only"},
        {"lora_bias": True},
        {"trainable_token_indices": [1, 2]},
        {"target_parameters": ["gate"]},
        {"layer_replication": [(0, 2), (1, 3)]},
        {"use_dora": True},
    ],
)
def test_an_adapter_that_tries_would_not_be_made_with_is_not_practised(tmp_path: Path, lora: dict[str, Any]) -> None:
    """Tries come from base plus A and B: whatever else is trained is named and refused, before anything is spent."""
    sections = {"train": {"lora": {"rank_pattern": {"q_proj": 4}, **lora}}}
    campaign = Campaign(task="arithmetic", out=tmp_path / "run", arms=["track_b", "grpo"], sections=sections)
    with pytest.raises(InputError, match=rf"the arm grpo needs plain LoRA .* leave train.lora.{next(iter(lora))} out"):
        campaign.run()


def test_settings_of_preference_training_are_checked() -> None:
    """TRL's names are known, others refused with the nearest one; the trainer's own are refused."""
    check_settings(TrainConfig.model_validate({"dpo": {"learning_rate": 1e-4, "beta": 0.2, "loss_type": ["ipo"]}}))
    check_settings(TrainConfig.model_validate({"grpo": {"rewards": {"correct": 1.0, "brevity": 0.1}, "epsilon": 0.1}}))
    asks = {"rewards": {"correct": 1.0, "questions": 0.3}, "most_questions": 50}
    check_settings(TrainConfig.model_validate({"grpo": asks, "rloo": asks}))
    for settings, said in (
        ({"dpo": {"lerning_rate": 1e-4}}, '"train.dpo.lerning_rate"; did you mean "learning_rate"'),
        ({"dpo": {"output_dir": "x"}}, "train.dpo.output_dir is set by the trainer"),
        ({"dpo": {"beta": -1}}, "train.dpo.beta = -1"),
        ({"grpo": {"rewards": {"corect": 1}}}, 'did you mean "correct"'),
        ({"grpo": {"rewards": 1}}, "give names with weights"),
        ({"grpo": {"rewards": {"correct": 1, "questions": 1}}}, "being wrong and asking would pay as well"),
        ({"rloo": {"most_questions": 0}}, "train.rloo.most_questions = 0 will not do"),
        ({"grpo": {"rewards": {"correct": 1, "questions": 0.2}, "use_vllm": True}}, "leave use_vllm out"),
        ({"grpo": {"num_generations": 1}}, "a number from 2 up"),
        ({"grpo": {"generations": 8}}, '"train.grpo.generations"'),
        ({"grpo": {"per_device_train_batch_size": 4}}, "no whole number of groups"),
        ({"grpo": {"temperature": 0}}, "all tries of a problem the same"),
        ({"sft": {"per_device_train_batch_size": 2.5}}, "it must be a whole number"),
        ({"lora": {"r": 2.5}}, "train.lora.r = 2.5 will not do: it must be a whole number"),
        ({"dpo": {"lr_scheduler_type": ["cosine"]}}, "dpo.lr_scheduler_type = ['cosine'] is no schedule's name"),
        ({"sft": {"lr_scheduler_type": "cosin"}}, '"cosin" is no schedule; did you mean "cosine"'),
        ({"continued": {"packing_strategy": "wrapped"}}, "lets one see another"),
        ({"grpo": {"reward_weights": [1.0]}}, "train.grpo.reward_weights is set by the trainer"),
    ):
        with pytest.raises(InputError) as error:
            check_settings(TrainConfig.model_validate(settings))
        assert said in str(error.value)
    with pytest.raises(InputError, match="arms"):
        make_config({"campaign": {"arms": ["track_b+ppo"]}}, "here")


def test_a_student_without_weights_needs_a_trainer_of_ones_own(tmp_path: Path) -> None:
    """A server's student is refused by plan and run, before anything is made; with a trainer all arms are trained."""
    served = Campaign(task="arithmetic", student="openai-server:m@http://127.0.0.1:9/v1", out=tmp_path / "run")
    for begin in (lambda: served.plan(probe=False), served.run):
        with pytest.raises(InputError, match="a student behind a server has no weights here"):
            begin()
    assert not (tmp_path / "run").exists()
    task = Arithmetic(sizes=SIZES)  # type: ignore[arg-type]
    plugs: dict[str, Any] = {"student": ScriptedStudent(task, folder=""), "sections": {"data": SIZES}, **SMALL}
    with pytest.raises(InputError, match="the student ScriptedStudent has no weights here"):
        Campaign(task="arithmetic", out=tmp_path / "run", **plugs).run()
    made = Campaign(task="arithmetic", out=tmp_path / "run", trainer=NullTrainer(), **plugs).run()
    assert (made.state, made.rounds[0].arm) == ("finished", "track_b")


def test_a_data_folder_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    """Problems that are drawn come from no folder; another task that is watched may."""
    drawn = Campaign(task="arithmetic", data={"data_dir": str(tmp_path)})
    with pytest.raises(InputError, match=r"data\.data_dir = .*: arithmetic draws its problems; leave it out"):
        drawn.load_task()
    assert Campaign(task="arithmetic", data={"data_dir": str(tmp_path)}, gate={"tasks": ["gsm8k"]}).load_task()


def test_processes_are_not_given_to_a_trainer_that_is_an_object(tmp_path: Path) -> None:
    """It would never hear of them."""
    task = Arithmetic(sizes=SIZES)
    campaign = Campaign(
        task=task,
        student=ScriptedStudent(task),
        trainer=NullTrainer(),
        out=tmp_path / "run",
        sections={"train": {"accelerate": "two.yaml"}},
    )
    with pytest.raises(InputError, match=r"train\.accelerate = 'two\.yaml' cannot be set beside a trainer"):
        campaign.run()
    assert not (tmp_path / "run").exists()
