"""Start a new campaign from a round of another: other settings from there on, nothing paid for twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from selfimprove.config import Config, different, load_config, write_config
from selfimprove.errors import InputError
from selfimprove.given import OBJECTS
from selfimprove.graphs.campaign import reached, reached_so_far
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.forked import FORK, Forked
from selfimprove.graphs.places import decided_rounds, round_folder
from selfimprove.ledger.inherited import INHERITED, inherit
from selfimprove.programs.in_force import FROZEN
from selfimprove.steps.decide import spent_of
from selfimprove.store import RunFolder, check_campaign, check_folder, whole_folder

_FIXED: Final = ("task", "data", "student", "evaluate")
"""Sections that the rounds taken over were made and measured by."""
_FIXED_KEYS: Final = ("task", "student", "seed", "programs")
_FIXED_GATE: Final = ("panel", "text", "tasks", "task_problems")


def fork(run: Path, out: Path, config: Config | None = None, round_: int | None = None) -> Forked:
    """Make a run folder that goes on behind a round of another campaign.

    What the rounds up to there wrote is copied, and so are the answers of the ledger: the fork pays for its own calls
    alone. The other campaign may go on meanwhile.

    Args:
        run: the other campaign's folder.
        out: the new one.
        config: the settings from there on; default: the same.
        round_: the last round that is taken over, 0: only the baseline; default: the last decided one.

    Raises:
        InputError: there is no such campaign or round, none is left to be made behind it, its best has reached the
            target, the rounds so far spent all of alpha, `out` is in use, or a setting changes what the rounds so far
            were made or measured by.
        RunFolderError: a file of the other campaign is damaged.
    """
    check_campaign(run)
    check_folder(out, new=True)
    theirs = RunFolder(run, writer=False)
    old = load_config(theirs.checked("campaign.toml"))
    new = config or old
    round_ = _last(theirs, new.campaign.rounds, round_)
    _refuse_fixed(old, new, round_)
    taken = [theirs.record(f"{round_folder(r)}/decision.json", RoundDecision) for r in range(round_ + 1)]
    _refuse_spent(taken, new.gate.alpha)
    _refuse_reached(theirs, taken[-1], new.campaign.target)
    notes = _gone_over(old, new, round_) if taken[-1].best else []
    made = Forked(parent=str(run.resolve()), round=round_, changes=tuple(different(old, new)), notes=tuple(notes))
    with whole_folder(out) as part:
        _fill(theirs, part, made, new)
    return made


def beside(run: Path, round_: int | None) -> Path:
    """Give the folder of a fork that names none, beside the other campaign's.

    Args:
        run: the other campaign's folder.
        round_: the last round that is taken over; None: the last decided one.

    Raises:
        InputError: it is there.
    """
    last = decided_rounds(RunFolder(run, writer=False)) if round_ is None else round_
    out = Path(f"{run.resolve()}-round-{last}")
    if out.exists():
        raise InputError(f"{out} is there already; name another with --out")
    return out


def _last(theirs: RunFolder, rounds: int, asked: int | None) -> int:
    """Give the last round to take over: the one asked for, or the last decided one; refuse what no round can follow."""
    run = theirs.path
    if not theirs.has(f"{round_folder(0)}/decision.json"):
        raise InputError(f"{run} cannot be forked: it has decided no round yet; wait for its baseline")
    decided = decided_rounds(theirs)
    last = decided if asked is None else asked
    if not 0 <= last <= decided:
        raise InputError(f"{run} cannot be forked at round {last}: it has decided rounds 0 to {decided}")
    if last >= rounds:
        raise InputError(
            f"{run} cannot be forked at round {last}: campaign.rounds = {rounds}, so no round would follow; give an "
            f"earlier one with --round, or more with --set campaign.rounds={last + 1}"
        )
    return last


def _fill(theirs: RunFolder, out: Path, made: Forked, config: Config) -> None:
    """Write all that the fork begins with."""
    with closing(RunFolder(out)) as folder:
        taken = ["data", *(round_folder(r) for r in range(made.round + 1))]
        for name in theirs.hashes:
            if name.partition("/")[0] in {*taken, FROZEN, OBJECTS}:
                source, target = theirs.checked(name), out / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        inherit(theirs.path, out)
        for name in (*taken, INHERITED, FROZEN, OBJECTS):
            folder.list_tree(name)
        folder.write_json(FORK, made)
        folder.write_text("campaign.toml", write_config(config))


def _refuse_fixed(old: Config, new: Config, round_: int) -> None:
    """Refuse settings under which the rounds taken over could not be compared with those to come."""
    taught = "control" in new.campaign.arms
    before, after = (_fixed(config, round_, taught=taught) for config in (old, new))
    for name, value in before.items():
        if after[name] != value:
            raise InputError(
                f"a fork cannot change {name} (from {value!r:.60} to {after[name]!r:.60}): what it takes over was made "
                "by it; start a new campaign"
            )


def _refuse_spent(taken: Sequence[RoundDecision], alpha: float) -> None:
    """Refuse an alpha that the rounds taken over have spent: nothing could be promoted any more."""
    spent = spent_of(decision for made in taken for decision in made.decisions)
    if spent >= alpha:
        raise InputError(
            f"gate.alpha = {alpha:g} is spent: the rounds taken over used {spent:g}; give more, or an earlier --round"
        )


def _refuse_reached(theirs: RunFolder, last: RoundDecision, target: float | None) -> None:
    """Refuse a target that the best student taken over has reached: test would be opened again behind no new round."""
    accuracy = reached_so_far(theirs, last.best)
    if last.best and reached(target, accuracy):
        raise InputError(
            f"{theirs.path} cannot be forked at round {last.round}: its best is right on {accuracy:.3g} of dev, which "
            f"campaign.target = {target:g} asks for, so no round would follow; raise campaign.target, or give an "
            "earlier --round"
        )


def _gone_over(old: Config, new: Config, round_: int) -> list[str]:
    """Say which changes of `train.sft` those rounds do not train by that go on from an adapter."""
    if new.train.restart:
        return []
    (was, over), (now, still) = ((c.train.sft.model_dump(), c.train.continued.model_dump()) for c in (old, new))
    kept = [key for key in still if still[key] == over.get(key) and now.get(key) != was.get(key)]
    return [
        f"train.continued.{key} goes over train.sft.{key} where an adapter is trained further, as behind round "
        f"{round_}; change that"
        for key in kept
    ]


def _fixed(config: Config, round_: int, *, taught: bool) -> dict[str, Any]:
    """Give the settings that the rounds behind one must share with those before.

    Args:
        config: all of them.
        round_: the last that is taken over.
        taught: a control is still to come, which the first round's teacher teaches.
    """
    plain = config.model_dump(mode="json")
    whole = {f"{name}.{key}": value for name in _FIXED for key, value in plain[name].items()}
    some = {f"campaign.{key}": plain["campaign"][key] for key in _FIXED_KEYS}
    gate = {f"gate.{key}": plain["gate"][key] for key in _FIXED_GATE}
    later: dict[str, Any] = {}
    if round_:  # what there is goes on from an adapter, and what the first round alone reads was read
        probes = plain["select"]["policy"] == "probe"
        later = {f"train.{key}": plain["train"][key] for key in ("full", "lora")}
        later["select.policy = probe"] = probes
        read = {"mine": ("library",), "select": ("first", *(("candidates", "probe") if probes else ()))}
        read |= {} if taught else {"teacher": ("first",)}
        later |= {f"{name}.{key}": plain[name][key] for name, keys in read.items() for key in keys}
    return {**whole, **some, **later, **gate}
