"""What a campaign will take, worked out before anything is spent."""

from selfimprove.planning.plan import Plan, plan
from selfimprove.planning.probe import Probe, probe

__all__ = ["Plan", "Probe", "plan", "probe"]
