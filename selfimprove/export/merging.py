"""The model that a student's adapter makes of its base, saved and checked on dev."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from selfimprove import progress
from selfimprove.config import Config
from selfimprove.errors import SelfImproveError
from selfimprove.export.chosen import Chosen
from selfimprove.openings import Look, count_look, run_id
from selfimprove.programs import Program
from selfimprove.records import Attempt, Problem, Sampling, Verdict
from selfimprove.steps.decide import p_text
from selfimprove.steps.draft import solve
from selfimprove.steps.evaluate import compare, grouped
from selfimprove.store import RunFolder

CHECK: Final = "Merging was checked on"
_CHECKED: Final = 200
"""Dev problems at most."""
_RUINED: Final = 0.01
"""One-sided: a merged model that is worse at this level is not given."""


def merged(folder: RunFolder, out: Path, config: Config, chosen: Chosen, program: Program) -> str:
    """Save the merged model, solve dev problems with it, and say how that compares with what the campaign measured.

    An adapter that the campaign did not measure on dev is measured before it is merged.

    Args:
        folder: the campaign's.
        out: where the model is written.
        config: of the campaign.
        chosen: what is merged.
        program: whose prompt it was trained and measured under.

    Raises:
        SelfImproveError: the merged model is significantly worse.
    """
    from selfimprove.campaign import Campaign
    from selfimprove.students import load_student

    own = config.student
    how = own.model_dump(include={"dtype", "device", "slots", "max_length", "max_tokens"})
    student: Any = load_student(config.campaign.student, adapter=chosen.folder, **how)
    student.save(out)
    task, sampling, dev = Campaign(config).load_task(), Sampling(max_tokens=own.max_tokens), "data/dev.jsonl"
    problems = folder.rows(dev, Problem)[:_CHECKED]
    measured = f"{chosen.parts[0].rpartition('/')[0]}/predictions.jsonl"
    if folder.has(measured) and not chosen.how:
        by_problem = {a.problem: a for a in folder.rows(measured, Attempt)}
        before = [by_problem[p.id] for p in problems]
    else:
        before = [some[0] for some in solve(problems, student, program, task, sampling)]
    student.unload()
    count_look(folder.hashes[dev], Look(split="dev", run=run_id(folder.path), what=f"{chosen.name}, merged"))
    after = [some[0] for some in solve(problems, load_student(out, **how), program, task, sampling)]
    said = _compared(after, before, problems, _dtype(out))
    progress.current().say(said)
    return said


def _compared(after: list[Attempt], before: list[Attempt], problems: list[Problem], dtype: str) -> str:
    """Say how two models' attempts at the same problems compare, in the same order; refuse what is worse."""
    old, new = (sum(a.verdict is Verdict.CORRECT for a in some) for some in (before, after))
    found = compare(after, before, groups=grouped(problems))
    if found.p_worse < _RUINED:
        raise SelfImproveError(
            f"the merged model is worse than what was measured: of {found.n} dev problems {old} were solved before and "
            f"{new} after (p {p_text(found.p_worse)}), so it is not kept; export the adapter, without --merge"
        )
    same = sum(a.completion.text == b.completion.text for a, b in zip(after, before, strict=True))
    return (
        f"{CHECK} {found.n} dev problems, in {dtype}: {old} solved before, {new} after, "
        f"{same} of the completions are the same."
    )


def _dtype(folder: Path) -> str:
    """Name the number format that a saved model is in."""
    return str(json.loads((folder / "config.json").read_bytes())["dtype"])
