"""Plans of small campaigns, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from selfimprove import Campaign
from selfimprove.planning import Plan, Probe, plan
from selfimprove.planning.expected import Line
from selfimprove.records import Decision

PROBE = Probe(
    problems=40, passed=0.2, questions=1.0, prompt_tokens=50, completion_tokens=60, characters_a_token=3.0,
    reading=5000, writing=600, training=500,
)  # fmt: skip


def planned(
    look: Probe = PROBE, *, taken: int | None = None, before: Sequence[Decision] = (), **sections: dict[str, object]
) -> Plan:
    """Plan a small campaign for a student like PROBE."""
    campaign = Campaign(task="arithmetic", sections={"data": {"train": 200, "dev": 50, "test": 50}, **sections})
    return plan(campaign.config, campaign.load_task(), look, taken, before)


def line(made: Plan, stage: str) -> Line:
    return next(each for each in made.lines if each.stage == stage)
