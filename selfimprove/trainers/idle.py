"""Settings that would be taken and do nothing, or end a training that was begun; TRL tells of neither beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from selfimprove.errors import InputError
from selfimprove.trainers.extras import PRACTISED

_BY_LENGTH: Final = {"group_by_length", "batch_rebalance"}
"""Orders that go by lengths which transformers finds in rows of one text alone."""
_ALONE: Final = {"apo_zero_unpaired"}
"""Losses of verdicts that tell no divergence by the rows of a batch."""
_SORTED: Final = {"aot", "aot_unpaired"}
"""Losses of pairs that sort what is chosen apart from what is rejected."""
_DIVERGING: Final = {"sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"}
"""Losses of pairs that take another divergence than the reverse one."""


def check_idle(parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse what would do nothing, or end a training in its trainer's making or first step.

    Args:
        parts: TRL's and PEFT's sections of the settings.

    Raises:
        InputError: there is such a setting.
    """
    for name in ("dpo", "kto"):
        _check_compared(name, parts[name])
    for name in ("sft", "continued"):
        if parts[name].get("padding_free") and not {**parts["sft"], **parts[name]}.get("packing"):
            raise InputError(f"train.{name}.padding_free is for packed rows; set packing = true, which implies it")
    for name in PRACTISED:
        if parts[name].get("log_completions"):
            raise InputError(
                f"train.{name}.log_completions would show numbers of rows in place of prompts, and what it writes goes "
                "with the training's checkpoints; leave it out"
            )
    for name, given in parts.items():
        if given.get("sync_ref_model"):
            raise InputError(
                f"train.{name}.sync_ref_model moves the reference: an adapter's stays where it began, and no "
                "checkpoint keeps where another was; leave it out"
            )
    targets = parts["lora"].get("target_modules")
    if "lm_head" in (targets if isinstance(targets, list | tuple) else [targets]):
        raise InputError(
            "train.lora.target_modules: a layer over lm_head would learn nothing, as losses take the head's own "
            "weights; leave lm_head out"
        )
    _check_order(parts["kto"])
    _check_pairs(parts["dpo"])


def _check_compared(name: str, given: Mapping[str, Any]) -> None:
    """Refuse what pairs and verdicts are not gone over by."""
    if "num_train_epochs" in given:
        raise InputError(
            f"train.{name}.num_train_epochs is not looked at: an arm's pairs or verdicts are gone over until they "
            "have carried train.pairs_share of its tokens; set that, and leave it out"
        )
    if (order := given.get("train_sampling_strategy")) in _BY_LENGTH:
        raise InputError(
            f'train.{name}.train_sampling_strategy = "{order}" wants rows of one length each, and a pair or a '
            "verdict has several; leave it out"
        )


def _check_order(given: Mapping[str, Any]) -> None:
    """Refuse an order of verdicts that parts them from the replies by which the divergence is told."""
    order = given.get("train_sampling_strategy", "sequential")
    if order != "sequential" and given.get("loss_type") not in _ALONE:
        raise InputError(
            f'train.kto.train_sampling_strategy = "{order}" would part rows from the replies that their divergence is '
            "told by; leave it out"
        )


def _check_pairs(given: Mapping[str, Any]) -> None:
    """Refuse losses of pairs that do not go with what stands beside them."""
    named = given.get("loss_type", "sigmoid")
    losses = set(named) if isinstance(named, list | tuple) else {named}
    if "exo_pair" in losses and not given.get("label_smoothing"):
        raise InputError(
            'train.dpo.loss_type = "exo_pair" needs label_smoothing above 0; set it to 0.001, as its paper'
        )
    if given.get("use_weighting") and losses & _SORTED:
        raise InputError(
            "train.dpo.use_weighting weighs pairs, and the loss aot sorts their replies apart; leave one of them out"
        )
    kind = given.get("f_divergence_type", "reverse_kl")
    if kind != "reverse_kl" and (others := losses - _DIVERGING):
        told = f'train.dpo.f_divergence_type = "{kind}" does not go with the loss'
        raise InputError(f"{told} {', '.join(sorted(others))}; leave it out")
