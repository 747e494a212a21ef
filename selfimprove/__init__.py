"""Make a small language model better at a task by itself, with the statistics to prove it.

The public names are loaded when they are first used: importing the package loads no torch, dspy or litellm.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Campaign": "campaign",
    "Config": "config",
    "InputError": "errors",
    "LanguageModel": "protocols",
    "Problem": "records",
    "SelfImproveError": "errors",
    "StepScorer": "protocols",
    "Student": "protocols",
    "Task": "protocols",
    "Teacher": "protocols",
    "Trainer": "protocols",
    "load_config": "config",
    "load_task": "tasks",
}

if TYPE_CHECKING:
    from selfimprove.campaign import Campaign
    from selfimprove.config import Config, load_config
    from selfimprove.errors import InputError, SelfImproveError
    from selfimprove.protocols import LanguageModel, StepScorer, Student, Task, Teacher, Trainer
    from selfimprove.records import Problem
    from selfimprove.tasks import load_task

__all__ = [
    "Campaign",
    "Config",
    "InputError",
    "LanguageModel",
    "Problem",
    "SelfImproveError",
    "StepScorer",
    "Student",
    "Task",
    "Teacher",
    "Trainer",
    "__version__",
    "load_config",
    "load_task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'selfimprove' has no attribute {name!r}")
    return getattr(importlib.import_module(f"selfimprove.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
