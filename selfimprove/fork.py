"""Start a new campaign from a round of another: other settings from there on, nothing paid for twice."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from selfimprove.config import Config, different, load_config, write_config
from selfimprove.errors import InputError
from selfimprove.given import OBJECTS
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.forked import FORK, Forked
from selfimprove.graphs.places import decided_rounds, round_folder
from selfimprove.ledger.inherited import INHERITED, inherit
from selfimprove.programs.in_force import FROZEN
from selfimprove.steps.decide import spent_of
from selfimprove.store import RunFolder, check_campaign, check_folder

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
        InputError: there is no such campaign or round, none is left to be made behind it, the rounds so far spent all
            of alpha, `out` is in use, or a setting changes what was measured so far.
        RunFolderError: a file of the other campaign is damaged.
    """
    check_campaign(run)
    check_folder(out, new=True)
    theirs = RunFolder(run, writer=False)
    old = load_config(theirs.checked("campaign.toml"))
    new = config or old
    if not theirs.has(f"{round_folder(0)}/decision.json"):
        raise InputError(f"{run} cannot be forked: it has decided no round yet; wait for its baseline")
    last = decided_rounds(theirs)
    round_ = last if round_ is None else round_
    if not 0 <= round_ <= last:
        raise InputError(f"{run} cannot be forked at round {round_}: it has decided rounds 0 to {last}")
    if round_ >= new.campaign.rounds:
        raise InputError(
            f"{run} cannot be forked at round {round_}: campaign.rounds = {new.campaign.rounds}, so no round would "
            f"follow; give an earlier one with --round, or more with --set campaign.rounds={round_ + 1}"
        )
    _refuse_fixed(old, new, round_)
    _refuse_spent(theirs, new.gate.alpha, round_)
    made = Forked(parent=str(run.resolve()), round=round_, changes=tuple(different(old, new)))
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _fill(theirs, part, made, new)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


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
    before, after = _fixed(old, round_), _fixed(new, round_)
    for name, value in before.items():
        if after[name] != value:
            raise InputError(
                f"a fork cannot change {name} (from {value!r:.60} to {after[name]!r:.60}): what it takes over was made "
                "by it; start a new campaign"
            )


def _refuse_spent(theirs: RunFolder, alpha: float, round_: int) -> None:
    """Refuse an alpha that the rounds taken over have spent: nothing could be promoted any more."""
    rounds = (theirs.record(f"{round_folder(r)}/decision.json", RoundDecision) for r in range(round_ + 1))
    spent = spent_of(decision for made in rounds for decision in made.decisions)
    if spent >= alpha:
        raise InputError(
            f"gate.alpha = {alpha:g} is spent: the rounds taken over used {spent:g}; give more, or an earlier --round"
        )


def _fixed(config: Config, round_: int) -> dict[str, Any]:
    plain = config.model_dump(mode="json")
    whole = {f"{name}.{key}": value for name in _FIXED for key, value in plain[name].items()}
    some = {f"campaign.{key}": plain["campaign"][key] for key in _FIXED_KEYS}
    later: dict[str, Any] = {}
    if round_:  # what there is goes on from an adapter, and a probe belongs to the first round
        later = {f"train.{key}": plain["train"][key] for key in ("full", "lora")}
        later["select.policy = probe"] = plain["select"]["policy"] == "probe"
    return {**whole, **some, **later, **{f"gate.{key}": plain["gate"][key] for key in _FIXED_GATE}}
