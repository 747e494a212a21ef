"""Which phase of the campaign a round belongs to, and what it may take."""

from __future__ import annotations

from selfimprove import progress
from selfimprove.config import Config
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import round_folder
from selfimprove.records import Evaluation


def phase_of(crew: Crew, round_: int) -> int:
    """Give the phase of a round, from 0: a later one is entered when its condition holds after a round, one a round."""
    phases, phase = crew.config.phases, 0
    for before in range(1, round_):
        if phase + 1 < len(phases) and all(t.holds(_values(crew, before)) for t in phases[phase + 1].terms):
            phase += 1
    return phase


def _values(crew: Crew, round_: int) -> dict[str, float]:
    """Give what conditions ask of: the best student's figures on dev after a round."""
    predictions = crew.folder.json(f"{round_folder(round_)}/decision.json")["predictions"]
    made = crew.folder.record(f"{predictions.rpartition('/')[0]}/evaluation.json", Evaluation)
    sampled = made.sampled
    known = {"round": float(round_), "accuracy": made.accuracy}
    return {**known, "consistency": sampled.consistency, "pass_at_k": sampled.pass_at_k} if sampled else known


def largest_pool(config: Config) -> int:
    """Give how many problems a round tries at most, whatever its phase."""
    return max((phase.pool or config.mine.pool for phase in config.phases), default=config.mine.pool)


def phased(crew: Crew, round_: int) -> Config:
    """Give the settings of a round: the campaign's, with those of its phase over them."""
    config = crew.config
    if not config.phases:
        return config
    phase = config.phases[phase_of(crew, round_)]
    mine = config.mine.model_copy(update={"pool": phase.pool or config.mine.pool})
    select = config.select.model_copy(update={"lessons": phase.lessons or config.select.lessons})
    return config.model_copy(update={"mine": mine, "select": select})


def begin_phase(crew: Crew, round_: int) -> None:
    """Set the budget of a round's phase, and say so where a phase begins."""
    phases = crew.config.phases
    if not phases:
        return
    now, whole = phase_of(crew, round_), crew.config.campaign.budget_usd
    own = phases[now].budget_usd
    if own is not None and (whole is None or own < whole):
        crew.ledger.cap_dollars(own, f"phases.{now}.budget_usd")
    else:
        crew.ledger.cap_dollars(whole, "")
    if round_ > 1 and now > phase_of(crew, round_ - 1):
        progress.current().say(f"round {round_}: phase {now + 1} begins, as {phases[now].when}")
