"""Trainings over several processes: an `accelerate` configuration is checked, and what it says is launched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.trainers.sharding import check_sharding

_SHARDED: Final = {"FSDP", "DEEPSPEED"}


def launcher_of(config: str | None, *, quantize: bool = False) -> tuple[str, ...]:
    """Give what runs a training's module: this Python, or a configuration of accelerate by its launcher.

    Args:
        config: an accelerate configuration file (YAML or JSON), as `accelerate config` writes; FSDP and DeepSpeed are
            set in it. None: one process.
        quantize: the base is held in 4 bits.

    Raises:
        InputError: there is no such file, or accelerate does not take what it holds, or would pass over some of it, or
            it shards what is held in 4 bits.
        MissingDependencyError: accelerate is not installed.
    """
    if config is None:
        return (sys.executable,)
    path = Path(config)
    if not path.is_file():
        raise InputError(f"train.accelerate = {config} is no file; write one with `accelerate config`")
    try:
        from accelerate.commands.config.config_args import load_config_from_file
    except ImportError as error:
        raise MissingDependencyError('train.accelerate needs pip install "selfimprove[train]"') from error
    try:
        held = load_config_from_file(str(path))
    except Exception as error:  # YAML's, JSON's and accelerate's own share no base
        said = " ".join(str(error).split())[:300]
        raise InputError(f"train.accelerate = {config} is no configuration of accelerate: {said}") from error
    check_sharding(config, held)
    if quantize and _of(held) in _SHARDED:
        raise InputError(
            f"train.accelerate = {config} shards the model by {_of(held)}, and train.quantize holds it in 4 bits, "
            "which each process needs whole; leave one of them out"
        )
    if getattr(held, "num_processes", 1) < 1:
        raise InputError(f"train.accelerate = {config} has num_processes = {held.num_processes}; give 1 or more")
    if _of(held) == "MULTI_CPU" and held.num_machines in {None, 1}:  # accelerate would want MPI for it
        torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(held.num_processes))
        return (sys.executable, *torchrun)
    port = () if getattr(held, "main_process_port", None) else ("--main_process_port", "0")
    return (sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(path.resolve()), *port)


def _of(held: Any) -> str:
    """Name how a configuration distributes."""
    return str(getattr(held.distributed_type, "value", held.distributed_type))
