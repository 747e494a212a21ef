"""A campaign's settings as types: every key has a default, unknown keys are refused with the nearest right name."""

from __future__ import annotations

from selfimprove.config.campaign import CampaignConfig, Config
from selfimprove.config.merging import merge
from selfimprove.config.reading import load_config, make_config
from selfimprove.config.showing import written
from selfimprove.config.teaching import TeacherConfig, TeacherRole
from selfimprove.config.writing import changed, different, write_config

__all__ = [
    "CampaignConfig",
    "Config",
    "TeacherConfig",
    "TeacherRole",
    "changed",
    "different",
    "load_config",
    "make_config",
    "merge",
    "write_config",
    "written",
]
