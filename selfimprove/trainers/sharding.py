"""Weights that FSDP or DeepSpeed shares out, and what accelerate's sections of them may hold.

Accelerate passes over a name that it does not know.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError, nearest

_DEVICES: Final = ("none", "cpu", "nvme")
_ZERO_STAGES: Final = (0, 1, 2, 3)


def shared_out(trainer: Any) -> bool:
    """Say whether a trainer's weights are shared out between processes, which then keep and step them their own way."""
    return bool(trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled)


def check_sharding(config: str, held: Any) -> None:
    """Refuse names and values in `fsdp_config` and `deepspeed_config` that accelerate does not know.

    Args:
        config: the configuration file, as it was named.
        held: what accelerate read from it.

    Raises:
        InputError: there is one; the sentence gives the nearest name, or the values there are.
    """
    from accelerate.commands.launch import launch_command_parser
    from accelerate.utils import DeepSpeedPlugin
    from accelerate.utils import constants as known

    options = set(vars(launch_command_parser().parse_args(["script"])))
    plugin = {field.name for field in dataclasses.fields(DeepSpeedPlugin)}
    version = str(held.fsdp_config.get("fsdp_version", held.fsdp_config.get("version", 1)))
    fsdp = _Section(config, "fsdp_config", held.fsdp_config, "fsdp_")
    fsdp.check_names({name for name in options if name.startswith("fsdp_")})
    fsdp.see("fsdp_version", ("1", "2"))
    fsdp.see("fsdp_sharding_strategy", known.FSDP_SHARDING_STRATEGY, numbered=True)
    fsdp.see("fsdp_auto_wrap_policy", known.FSDP_AUTO_WRAP_POLICY)
    fsdp.see("fsdp_backward_prefetch", known.FSDP_BACKWARD_PREFETCH)
    kinds = known.FSDP2_STATE_DICT_TYPE if version == "2" else known.FSDP_STATE_DICT_TYPE
    fsdp.see("fsdp_state_dict_type", kinds)
    deepspeed = _Section(config, "deepspeed_config", held.deepspeed_config, "")
    deepspeed.check_names({name for name in options if name.startswith("deepspeed_") or name in plugin})
    deepspeed.see("zero_stage", tuple(map(str, _ZERO_STAGES)))
    deepspeed.see("offload_optimizer_device", _DEVICES)
    deepspeed.see("offload_param_device", _DEVICES)
    deepspeed.see("deepspeed_multinode_launcher", known.DEEPSPEED_MULTINODE_LAUNCHERS)
    _check_file(config, held.deepspeed_config.get("deepspeed_config_file"))


@dataclasses.dataclass(frozen=True)
class _Section:
    """One section of a configuration.

    Attributes:
        config: its file.
        name: of the section.
        held: what stands there.
        head: that accelerate puts before a name without it.
    """

    config: str
    name: str
    held: Mapping[str, Any]
    head: str

    def check_names(self, known: set[str]) -> None:
        """Refuse a name that is not known."""
        for key in self.held:
            full = key if key.startswith(self.head.rstrip("_")) else f"{self.head}{key}"
            if full not in known:
                raise InputError(
                    f'train.accelerate = {self.config}: {self.name} has no "{key}"; {nearest(full, sorted(known))}'
                )

    def see(self, key: str, allowed: Any, *, numbered: bool = False) -> None:
        """Refuse a value that is none of those allowed, in any case; `numbered` ones may be given by number from 1."""
        value = self.held.get(key, self.held.get(key.removeprefix(self.head)))
        numbers = {str(at) for at in range(1, len(allowed) + 1)} if numbered else set()
        if value is not None and str(value).upper() not in {str(each).upper() for each in allowed} | numbers:
            raise InputError(
                f"train.accelerate = {self.config}: {self.name}.{key} = {value!r} will not do; give one of "
                f"{', '.join(map(str, allowed))}"
            )


def _check_file(config: str, named: object) -> None:
    """Refuse a file of DeepSpeed's own settings that is not there, or is no JSON."""
    if named in {None, "", "none"}:
        return
    what = f"train.accelerate = {config}: deepspeed_config.deepspeed_config_file = {named}"
    path = Path(str(named))
    if not path.is_file():
        raise InputError(f"{what} is no file; name the JSON file of DeepSpeed's settings, or leave it out")
    try:
        stage = (json.loads(path.read_text("utf-8")).get("zero_optimization") or {}).get("stage", 0)
    except (ValueError, AttributeError) as error:
        raise InputError(f"{what} holds no JSON of settings ({error}); mend it") from error
    if stage not in _ZERO_STAGES:
        raise InputError(f"{what} has zero_optimization.stage = {stage!r}; give one of 0, 1, 2, 3")
