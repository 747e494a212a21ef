"""What a training's settings may be, told when they are loaded: names by section, values, schedules."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from selfimprove.checks import check_training
from selfimprove.config import make_config
from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError
from selfimprove.progress import Nobody, watched_by
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.everyday import EVERYDAY
from selfimprove.trainers.refusing import refuse_practice
from selfimprove.trainers.schedules import check_horizons
from selfimprove.trainers.settings import check_settings

TASK = Arithmetic()


def check(**train: Any) -> None:
    check_settings(TrainConfig.model_validate(train))


@pytest.mark.parametrize(
    ("section", "key", "owners"),
    [
        ("sft", "r", "train.lora"),
        ("sft", "max_completion_length", "train.grpo, train.rloo, train.distill"),
        ("grpo", "max_length", "train.sft, train.continued, train.dpo, train.kto"),
        ("dpo", "num_generations", "train.grpo, train.rloo"),
        ("continued", "beta", "train.dpo, train.kto, train.grpo, train.rloo, train.distill"),
    ],
)
def test_an_everyday_name_of_another_section_is_refused(section: str, key: str, owners: str) -> None:
    """It would end in TRL's TypeError, behind lessons that were paid; the sentence says where it belongs."""
    with pytest.raises(InputError, match=rf'no setting "train.{section}.{key}"; {key} is one of {owners}$'):
        check(**{section: {key: 8}})


def test_everyday_names_are_those_of_trl_and_peft() -> None:
    """Each name of a section is a field of its class, and one of another section that it lacks is none."""
    from peft import LoraConfig
    from trl import DistillationConfig, DPOConfig, GRPOConfig, KTOConfig, RLOOConfig, SFTConfig

    kinds: dict[str, Any] = {"sft": SFTConfig, "continued": SFTConfig, "dpo": DPOConfig, "kto": KTOConfig}
    kinds |= {"grpo": GRPOConfig, "rloo": RLOOConfig, "distill": DistillationConfig, "lora": LoraConfig}
    every = {key for known in EVERYDAY.values() for key in known}
    for section, known in EVERYDAY.items():
        assert every & {field.name for field in fields(kinds[section])} == set(known), section


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"sft": {"optim": "nonsense"}}, "train.sft = .* will not do: nonsense is not a valid OptimizerNames"),
        ({"continued": {"adam_beta1": 0.9, "optim": "nonsense"}}, "train.continued = .* will not do: nonsense"),
        ({"sft": {"eval_strategy": "steps"}}, "train.sft.eval_strategy is set by the trainer itself"),
        ({"grpo": {"loss_type": "nope"}}, 'train.grpo.loss_type = "nope" will not do; give one of grpo, bnpo'),
        ({"dpo": {"loss_type": ["ipo", "sgmoid"]}}, 'train.dpo.loss_type = "sgmoid" will not do; give one of'),
        ({"sft": {"loss_type": "nlll"}}, 'train.sft.loss_type = "nlll" will not do; give one of nll, dft'),
        ({"dpo": {"loss_type": ["ipo", "hinge"], "loss_weights": [1]}}, "train.dpo = .* will not do: `loss_weights`"),
        ({"lora": {"layers_to_transform": [1], "target_modules": "all"}}, "train.lora = .* will not do"),
        (
            {"lora": {"init_lora_weights": "pissa"}},
            "train.lora.init_lora_weights = 'pissa' changes the base or looks at",
        ),
        ({"sft": {"num_train_epochs": 0}}, "train.sft.num_train_epochs = 0 will not do: it must be a number above 0"),
        ({"sft": {"warmup_steps": -3}}, "train.sft.warmup_steps = -3 will not do: it must be a number from 0 up"),
        ({"distill": {"beta": 2.0}}, "train.distill.beta = 2.0 will not do: it must be a number from 0 to 1"),
        ({"distill": {"temperature": 0}}, "train.distill.temperature = 0 will not do: it must be a number above 0"),
        ({"lora": {"lora_dropout": 1.5}}, "lora.lora_dropout = 1.5 will not do: it must be a number from 0 to below 1"),
        ({"lora": {"lora_dropout": 1}}, "train.lora.lora_dropout = 1 will not do: it must be a number from 0 to below"),
        ({"dpo": {"beta": 0}}, "train.dpo.beta = 0 will not do: it must be a number above 0"),
        ({"kto": {"beta": 0.0}}, "train.kto.beta = 0.0 will not do: it must be a number above 0"),
        ({"kto": {"per_device_train_batch_size": 1}}, "size = 1 will not do: it must be a number from 2 up"),
        ({"sft": {"logging_steps": 0.05}}, "train.sft.logging_steps = 0.05 will not do: it must be a number from 1 up"),
        ({"rloo": {"logging_steps": 1.5}}, "train.rloo.logging_steps = 1.5 will not do: it must be a whole number"),
        *(
            ({"sft": {"lr_scheduler_type": schedule, **how}}, f'lr_scheduler_type = "{schedule}" {said}')
            for schedule, how, said in (
                ("cosine_with_min_lr", {}, "with lr_scheduler_kwargs = {} will not do: .*min_lr"),
                ("warmup_stable_decay", {}, "with .*num_decay_steps"),
                ("polynomial", {"learning_rate": 1e-8}, "with .* lr_end"),
                ("cosine", {"lr_scheduler_kwargs": {"min_lr": 1e-5}}, "with .* will not do: .*min_lr"),
                ("reduce_lr_on_plateau", {}, "waits for evaluations"),
                ("greedy", {}, "waits for evaluations"),
            )
        ),
        (
            {
                "sft": {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-5}},
                "continued": {"lr_scheduler_type": "cosine"},
            },
            'train.continued.lr_scheduler_type = "cosine" with .*min_lr.* will not do',
        ),
        *(
            ({section: {key: True}}, f"train.{section}.{key} is set by the trainer itself")
            for section, key in (
                ("sft", "fp16"),
                ("dpo", "eval_on_start"),
                ("kto", "auto_find_batch_size"),
                ("grpo", "save_only_model"),
                ("sft", "push_to_hub"),
                ("dpo", "hub_token"),
                ("rloo", "ignore_data_skip"),
                ("lora", "task_type"),
                ("lora", "inference_mode"),
            )
        ),
        ({"kto": {"train_sampling_strategy": "random"}}, 'kto.train_sampling_strategy = "random" would part rows from'),
        *(
            (
                {section: {"sync_ref_model": True, "beta": 0.1}},
                f"train.{section}.sync_ref_model moves the reference: an",
            )
            for section in ("dpo", "kto", "grpo", "rloo")
        ),
        ({"dpo": {"loss_type": "exo_pair"}}, '"exo_pair" needs label_smoothing above 0'),
        ({"dpo": {"loss_type": ["sft", "aot"], "use_weighting": True}}, "use_weighting weighs pairs, and the loss aot"),
        (
            {"dpo": {"loss_type": "nca_pair", "f_divergence_type": "forward_kl"}},
            'f_divergence_type = "forward_kl" does not go with the loss nca_pair',
        ),
        (
            {"lora": {"target_modules": ["q_proj", "lm_head"]}},
            "target_modules: a layer over lm_head would learn nothing",
        ),
        *(
            ({"grpo": {key: "foo"}}, f'train.grpo.{key} = "foo" will not do; give one of ')
            for key in ("scale_rewards", "importance_sampling_level", "multi_objective_aggregation")
        ),
        ({"dpo": {"f_divergence_type": "foo"}}, 'train.dpo.f_divergence_type = "foo" will not do; give one of reverse'),
        *(
            ({section: {"log_completions": True}}, f"train.{section}.log_completions would show numbers of rows")
            for section in ("grpo", "rloo", "distill")
        ),
        ({"sft": {"dataloader_drop_last": True}}, "train.sft.dataloader_drop_last is set by the trainer itself"),
        ({"continued": {"eos_token": "<end>"}}, "train.continued.eos_token is set by the trainer itself"),
        ({"sft": {"padding_free": True}}, "train.sft.padding_free is for packed rows; set packing = true"),
        (
            {"dpo": {"train_sampling_strategy": "group_by_length"}},
            'strategy = "group_by_length" wants rows of one length',
        ),
        ({"grpo": {"chat_template_kwargs": {"a": 1}}}, "train.grpo.chat_template_kwargs is set by the trainer itself"),
        ({"rloo": {"shuffle_dataset": False}}, "train.rloo.shuffle_dataset is set by the trainer itself"),
    ],
)
def test_values_that_would_end_a_training_are_refused_when_they_are_loaded(train: dict[str, Any], said: str) -> None:
    """One sentence that names the section, in the words of TRL or PEFT where they look at it."""
    with pytest.raises(InputError, match=said):
        check(**train)


@pytest.mark.parametrize(
    "train",
    [
        {"sft": {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}},
        {"dpo": {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 5}}},
        {"dpo": {"loss_type": "exo_pair", "label_smoothing": 1e-3, "f_divergence_type": "js_divergence"}},
        {"kto": {"loss_type": "apo_zero_unpaired", "train_sampling_strategy": "random"}},
        {"grpo": {"scale_rewards": False, "log_completions": False}},
        {"grpo": {"scale_rewards": "batch", "importance_sampling_level": "sequence"}},
        {"distill": {"beta": 1.0}, "lora": {"target_modules": ["q_proj"], "lora_dropout": 0.9}},
    ],
)
def test_values_that_a_training_takes_are_taken(train: dict[str, Any]) -> None:
    """Beside those that are refused."""
    check(**train)


def test_everyday_settings_are_looked_at_without_torch() -> None:
    """A usual campaign is checked in a moment."""
    code = (
        "import sys; from selfimprove.config.training import TrainConfig\n"
        "from selfimprove.trainers.settings import check_settings\n"
        "check_settings(TrainConfig.model_validate({'sft': {'learning_rate': 1e-4, 'warmup_steps': 0.1}}))\n"
        "assert not {'torch', 'trl', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("section", ["grpo", "rloo", "distill"])
def test_a_schedule_that_needs_a_last_step_is_refused_where_there_is_none(section: str) -> None:
    """By tokens a training ends after a few of 10,000 steps: no share of them passes, no cosine decays.

    The first arm goes by epochs, whose steps are known.
    """

    def look(*arms: str, **given: object) -> None:
        check_horizons(make_config({"campaign": {"arms": list(arms)}, "train": {section: given}}))

    with pytest.raises(InputError, match=rf"train.{section}.warmup_steps = 0.1 is a share of steps.* set max_steps"):
        look("track_b", section, warmup_steps=0.1)
    with pytest.raises(InputError, match=rf'train.{section}.lr_scheduler_type = "cosine" needs a last step'):
        look("track_b", section, lr_scheduler_type="cosine")
    look("track_b", section, warmup_steps=5, lr_scheduler_type="constant_with_warmup")
    look("track_b", section, warmup_steps=0.1, lr_scheduler_type="cosine", max_steps=20)
    look(section, warmup_steps=0.1, lr_scheduler_type="cosine")
    look("track_b", warmup_steps=0.1)


def test_processes_that_no_arm_shares_are_refused() -> None:
    """Beside an arm that shares them, those that do not are told; without any the setting does nothing."""
    said = list[str]()

    class Hears(Nobody):
        def say(self, text: str) -> None:
            said.append(text)

    def look(*arms: str, **train: object) -> None:
        sections = {"campaign": {"arms": list(arms)}, "train": {"distill": {"teacher": "larger"}, **train}}
        check_training(make_config(sections), TASK, own=False)

    with watched_by(Hears()):
        with pytest.raises(InputError, match=r"accelerate does nothing for grpo and distill: .*; leave it out"):
            look("grpo", "distill", accelerate="two.yaml")
        look("grpo")
        look("track_b", "track_b+kto", "control", accelerate="two.yaml")
        assert not said
        look("rloo", "control", accelerate="two.yaml")
    assert said == ["train.accelerate does nothing for rloo: tries are made and learned from in one process"]


@pytest.mark.parametrize(
    ("grpo", "why"),
    [({}, "our engine makes its tries with that"), ({"use_vllm": True}, "for vLLM .* which 4 bits round anew")],
)
def test_a_base_in_four_bits_is_not_practised_on(grpo: dict[str, Any], why: str) -> None:
    """The sentence says why, which depends on what makes the tries."""
    config = make_config({"campaign": {"arms": ["track_b", "grpo"]}, "train": {"quantize": True, "grpo": grpo}})
    with pytest.raises(InputError, match=rf"the arm grpo needs .* over 16 bits: {why}.*; leave train.quantize out"):
        refuse_practice(config, None)
