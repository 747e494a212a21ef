"""Read a run folder and sum it up; everything said here comes from files and the ledger."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final

from selfimprove import __version__
from selfimprove.config import Config, load_config
from selfimprove.graphs.approving import waits
from selfimprove.graphs.places import decided_rounds, round_folder, round_of
from selfimprove.ledger import Ledger
from selfimprove.openings import baseline, decided, elsewhere, looks_at
from selfimprove.planning.plans import Plan
from selfimprove.records import Evaluation, Problem
from selfimprove.report.classes import answer_counts
from selfimprove.report.decided_schema import (
    DevSummary,
    RoundSummary,
)
from selfimprove.report.examples import failures_shown, lessons_shown
from selfimprove.report.failing import failure_groups, repairs, tried_again
from selfimprove.report.measured import arm_pairs, baselines_of, rounds_of, test_of
from selfimprove.report.outcome import next_step, outcome, to_go_on
from selfimprove.report.planned import planned
from selfimprove.report.prompts import programs_of
from selfimprove.report.schema import (
    BaselineSummary,
    Best,
    CostSummary,
    GuardSummary,
    Provenance,
    StageCost,
    State,
    Stopped,
    Summary,
)
from selfimprove.report.selected import levels_of, probe_of
from selfimprove.store import RunFolder
from selfimprove.students.adapters import loading

_PACKAGES: Final = ("torch", "transformers", "trl", "peft", "dspy", "litellm", "langgraph", "pydantic")


def summarise(folder: RunFolder, ledger: Ledger) -> Summary:
    """Sum up what a run folder holds so far."""
    config = load_config(folder.checked("campaign.toml"))
    rounds, made = rounds_of(folder, ledger), decided_rounds(folder)
    baselines, best = baselines_of(folder, config), _best(folder, config)
    test, stopped, asked = test_of(folder), _stopped(folder), waits(folder)
    begun = made + (stopped in {None, "budget"})  # what a finished campaign left of a further round is not told
    started, ended = ledger.between()
    return Summary(
        sentence=outcome(rounds, test, best),
        next_step=to_go_on(asked, stopped, made)
        if test is None
        else next_step(rounds, test, best, config, _trained_on(folder)),
        best=best,
        task=config.campaign.task,
        student=config.campaign.student,
        teacher=config.teacher.model,
        seed=config.campaign.seed,
        state="waiting for a person" if asked else _state(stopped),
        stopped=stopped or "",
        baselines=baselines,
        rounds=rounds,
        pairs=arm_pairs(folder, rounds),
        test=test,
        cost=_cost(folder, ledger),
        wall_s=ledger.seconds("campaign"),
        lessons=lessons_shown(folder, rounds),
        failures=failures_shown(folder, rounds),
        failing=failure_groups(folder, begun),
        tried_again=tried_again(folder, begun),
        repairs=repairs(folder, [(row.round, row.arm) for row in rounds]),
        levels=levels_of(folder, begun),
        probe=probe_of(folder),
        answers=answer_counts(folder, rounds[-1].round if rounds else 0),
        dev=_dev(folder, rounds, baselines),
        guard=_guard(folder),
        programs=programs_of(folder, begun),
        provenance=_provenance(folder, config, started, ended),
    )


def _stopped(folder: RunFolder) -> Stopped | None:
    """Read why a campaign stopped; None where it has not."""
    made: Stopped | None = folder.json("finished.json")["stopped"] if folder.has("finished.json") else None
    return made


def _state(stopped: Stopped | None) -> State:
    if stopped is None:
        return "running"
    return "stopped at the budget" if stopped == "budget" else "finished"


def _best(folder: RunFolder, config: Config) -> Best:
    last = round_folder(decided_rounds(folder))
    adapter = folder.json(f"{last}/decision.json")["best"] if folder.has(f"{last}/decision.json") else ""
    if not adapter:
        return Best(path="", round=0, load="")
    path, job = folder.at(adapter), f"{adapter}/job.json"
    base = folder.json(job)["model"] if folder.has(job) else config.campaign.student
    prompt = f"selfimprove export {shlex.quote(str(folder.path.resolve()))} gives the messages to ask it with"
    return Best(path=str(path), round=round_of(adapter), load=loading(path, base, prompt))


def _cost(folder: RunFolder, ledger: Ledger) -> CostSummary:
    total = ledger.totals()
    stages = tuple(StageCost.model_validate(row) for row in ledger.by_stage())
    made = folder.found("plan.json", Plan)
    return CostSummary(
        usd=total.usd,
        held_usd=total.held_usd,
        calls=total.calls,
        teacher_calls=total.teacher_calls,
        tokens=total.prompt_tokens + total.completion_tokens,
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
        in_doubt=total.in_doubt,
        budget_usd=ledger.budget_usd,
        by_stage=stages,
        planned=planned(made, ledger, stages) if made else (),
    )


def _provenance(folder: RunFolder, config: Config, started: float, ended: float) -> Provenance:
    base: Any = folder.found("round-00/evaluation.json", Evaluation)
    kept = "".join(f"{sha}  {name}\n" for name, sha in sorted(folder.hashes.items()) if not name.startswith("report/"))
    return Provenance(
        selfimprove=__version__,
        python=platform.python_version(),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
        machine=f"{platform.system()} {platform.machine()}",
        student_identity=base.model if base else "",
        render_hash=base.render_hash if base else "",
        data={s: folder.hashes.get(f"data/{s}.jsonl", "") for s in ("train", "dev", "test")},
        seeds=(config.campaign.seed,),
        started=_moment(started),
        finished=_moment(ended) if _state(_stopped(folder)) == "finished" else "",
        manifest_sha256=hashlib.sha256(kept.encode()).hexdigest(),
    )


def _dev(folder: RunFolder, rounds: Sequence[RoundSummary], baselines: Sequence[BaselineSummary]) -> DevSummary | None:
    """Count looks at dev: those that this machine knows of, and those of this folder, which may come from another."""
    if not folder.has("data/dev.jsonl"):
        return None
    made = folder.json("fork.json") if folder.has("fork.json") else None
    known = looks_at(folder.hashes["data/dev.jsonl"])
    others = elsewhere(known, folder.path)
    own = {look.what for look in known if look not in others}
    own.update(decided(row.round, row.arm) for row in rounds if row.round > (made["round"] if made else 0))
    own.update(baseline(row.shots) for row in baselines if not made)
    return DevSummary(
        looks=len(own),
        elsewhere=len(others),
        forked_from=f"{made['parent']}, round {made['round']}" if made else "",
    )


def _guard(folder: RunFolder) -> GuardSummary | None:
    if not folder.has("data/leakage.json"):
        return None
    found = folder.json("data/leakage.json")
    refused = [name for name in folder.hashes if name.rpartition("/")[2].startswith("refused")]
    return GuardSummary(
        guarded={each["name"]: each["problems"] for each in found["guarded"]},
        not_guarded={each["name"]: each["why"] for each in found["not_guarded"]},
        dropped=len(found["dropped_from_train"]),
        refused=sum(len(folder.checked(name).read_bytes().splitlines()) for name in refused),
    )


def _trained_on(folder: RunFolder) -> int:
    """Count the training problems that the task gave: those set aside and those dropped are among them."""
    kept = sum(len(folder.rows(name, Problem)) for name in ("data/train.jsonl", "data/aside.jsonl") if folder.has(name))
    guard = _guard(folder)
    return kept + (guard.dropped if guard else 0)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""
