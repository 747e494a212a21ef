"""What a campaign will take, worked out before anything is spent."""

from selfimprove.planning.plans import Plan, plan
from selfimprove.planning.probing import Probe, probe

__all__ = ["Plan", "Probe", "plan", "probe"]
