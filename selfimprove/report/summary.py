"""Read a run folder and sum it up; everything said here comes from files and the ledger."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import combinations
from typing import Any, Final

from selfimprove import __version__
from selfimprove.arms import is_told
from selfimprove.config import Config, load_config
from selfimprove.graphs.approving import waits
from selfimprove.graphs.places import decided_rounds, round_folder, round_of
from selfimprove.ledger import Ledger
from selfimprove.openings import baseline, decided, elsewhere, looks_at
from selfimprove.planning.plans import Plan
from selfimprove.records import Attempt, Comparison, Evaluation, Lesson, Problem, Verdict
from selfimprove.report.classes import answer_counts
from selfimprove.report.decided_schema import (
    ArmPair,
    DevSummary,
    Difference,
    RoundSummary,
    SampledSummary,
    ScoreSummary,
    WatchedSummary,
)
from selfimprove.report.examples_schema import ClarificationExample, FailureExample, LessonExample
from selfimprove.report.failing import failure_groups, repairs, tried_again
from selfimprove.report.outcome import next_step, outcome, to_go_on
from selfimprove.report.planned import planned
from selfimprove.report.prompts import programs_of
from selfimprove.report.schema import (
    BaselineSummary,
    Best,
    CostSummary,
    GuardSummary,
    LabelPair,
    Provenance,
    StageCost,
    State,
    Stopped,
    StrictTest,
    Summary,
    TestSummary,
)
from selfimprove.report.selected import levels_of, probe_of, selection_of
from selfimprove.steps.evaluate import compare, grouped
from selfimprove.store import RunFolder

_SHOWN: Final = 6
_PACKAGES: Final = ("torch", "transformers", "trl", "peft", "dspy", "litellm", "langgraph", "pydantic")
_SHOT_NAMES: Final = {0: "zero-shot", 1: "one-shot", 2: "two-shot", 3: "three-shot", 4: "four-shot", 8: "eight-shot"}


def summarise(folder: RunFolder, ledger: Ledger) -> Summary:
    """Sum up what a run folder holds so far."""
    config = load_config(folder.checked("campaign.toml"))
    rounds, made = _rounds(folder, ledger), decided_rounds(folder)
    baselines, best = _baselines(folder, config), _best(folder, config)
    test, stopped, asked = _test(folder), _stopped(folder), waits(folder)
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
        pairs=_arm_pairs(folder, rounds),
        test=test,
        cost=_cost(folder, ledger),
        wall_s=ledger.seconds("campaign"),
        lessons=_lessons(folder, rounds),
        failures=_failures(folder, rounds),
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
    """Read why a campaign stopped: empty where an older one did not write it, None where it has not."""
    made: Stopped | None = folder.json("finished.json").get("stopped", "") if folder.has("finished.json") else None
    return made


def _state(stopped: Stopped | None) -> State:
    if stopped is None:
        return "running"
    return "stopped at the budget" if stopped == "budget" else "finished"


def _baselines(folder: RunFolder, config: Config) -> tuple[BaselineSummary, ...]:
    if not folder.has("round-00/baseline.json"):
        return ()
    chosen = folder.json("round-00/baseline.json")["shots"]
    found = []
    for shots in sorted({0, config.evaluate.shots}):
        name = f"round-00/few-shot-{shots}" if shots else "round-00"
        made = folder.record(f"{name}/evaluation.json", Evaluation)
        found.append(
            BaselineSummary(
                name=_SHOT_NAMES.get(shots, f"{shots}-shot"),
                dev=ScoreSummary.of(made.lenient),
                shots=shots,
                chosen=shots == chosen,
                sampled=_sampled(made),
                by_label=_labels(made),
            )
        )
    return tuple(found)


def _labels(made: Evaluation) -> dict[str, dict[str, ScoreSummary]]:
    return {label: {v: ScoreSummary.of(s) for v, s in some.items()} for label, some in made.by_label.items()}


def _rounds(folder: RunFolder, ledger: Ledger) -> tuple[RoundSummary, ...]:
    found = []
    for round_ in range(1, decided_rounds(folder) + 1):
        here = round_folder(round_)
        pool = folder.json(f"{here}/pool.json")
        for decision in folder.json(f"{here}/decision.json")["decisions"]:
            arm = f"{here}/arms/{decision['arm']}"
            made = folder.record(f"{arm}/evaluation.json", Evaluation)
            phases = [f"{arm}/{phase}adapter/metrics.json" for phase in ("", "sft/")]
            trained = [folder.json(name) for name in phases if folder.has(name)]
            found.append(
                RoundSummary(
                    round=round_,
                    arm=decision["arm"],
                    decision=decision["outcome"],
                    sentence=decision["sentence"],
                    dev=ScoreSummary.of(made.lenient),
                    strict=ScoreSummary.of(made.strict),
                    difference=Difference.of(Comparison.model_validate(decision["comparison"])),
                    rows=sum(one["rows"] for one in trained),
                    trained_tokens=sum(one["trained_tokens"] for one in trained),
                    pool=pool["problems"],
                    failures=pool["failures"],
                    pool_pass_rate=pool["pass_rate"],
                    wall_s=ledger.seconds(here),
                    rungs=tuple(pool["tried_rungs"]),
                    selection=selection_of(pool),
                    by_label=_labels(made),
                    truncated=made.truncated,
                    sampled=_sampled(made),
                    watched=tuple(WatchedSummary.model_validate(each) for each in decision.get("watched", ())),
                    informative_groups=next(
                        (one["informative_groups"] for one in trained if "informative_groups" in one), None
                    ),
                    alarms=tuple(alarm for one in trained for alarm in one.get("alarms", ())),
                    phase=pool.get("phase", 0),
                    start=_start(folder, arm),
                )
            )
    return tuple(found)


def _start(folder: RunFolder, arm: str) -> str:
    """Read what an arm went on from; one of two trainings began with the first."""
    names = [f"{arm}/{phase}origin.json" for phase in ("sft/", "")]
    return next((str(folder.json(name)["start"]) for name in names if folder.has(name)), "")


def _sampled(made: Evaluation) -> SampledSummary | None:
    sampled = made.sampled
    if sampled is None:
        return None
    between = (sampled.interval.low, sampled.interval.high)
    return SampledSummary(**{**sampled.model_dump(), "interval": between})


def _arm_pairs(folder: RunFolder, rounds: Sequence[RoundSummary]) -> tuple[ArmPair, ...]:
    """Compare the arms of each round with each other, by what it was decided on; one that is told has no equals."""
    found, groups = [], grouped(folder.rows("data/dev.jsonl", Problem)) if rounds else {}
    for one, other in combinations(rounds, 2):
        if one.round == other.round and not (is_told(one.arm) or is_told(other.arm)):
            made, before = _decided_on(folder, one), _decided_on(folder, other)
            difference = Difference.of(compare(made, before, groups=groups))
            pair = {"round": one.round, "arm": one.arm, "other": other.arm, "same_start": one.start == other.start}
            found.append(ArmPair(**pair, difference=difference))
    return tuple(found)


def _decided_on(folder: RunFolder, row: RoundSummary) -> list[Attempt]:
    name = "samples" if row.sampled else "predictions"
    return folder.rows(f"{round_folder(row.round)}/arms/{row.arm}/{name}.jsonl", Attempt)


def _best(folder: RunFolder, config: Config) -> Best:
    last = round_folder(decided_rounds(folder))
    adapter = folder.json(f"{last}/decision.json")["best"] if folder.has(f"{last}/decision.json") else ""
    if not adapter:
        return Best(path="", round=0, load="")
    path = str(folder.at(adapter))
    job = f"{adapter}/job.json"
    base = folder.json(job)["model"] if folder.has(job) else config.campaign.student
    whole = folder.has(f"{adapter}/config.json")
    lora = f'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "{path}")'
    load = f'AutoModelForCausalLM.from_pretrained("{path}")' if whole else lora
    return Best(path=path, round=round_of(adapter), load=load)


def _test(folder: RunFolder) -> TestSummary | None:
    """Give what test came to; None where it was not opened, or not yet for what a later round has made the best."""
    last = f"{round_folder(decided_rounds(folder))}/decision.json"
    tested = folder.json("final/tested.json") if folder.has("final/tested.json") else None
    if tested is None or tested.get("best", "") != folder.json(last)["best"]:
        return None
    names = list(tested)
    made = {name: folder.record(f"final/{name}/evaluation.json", Evaluation) for name in names}
    scores = {name: ScoreSummary.of(one.lenient) for name, one in made.items()}
    strict = {name: ScoreSummary.of(one.strict) for name, one in made.items() if name in {"base", "best", "control"}}
    openings = folder.json("final/openings.json")["openings"]
    best = "best" if "best" in made else "base"
    return TestSummary(
        n=scores["base"].n,
        groups=len(set(grouped(folder.rows("data/test.jsonl", Problem)).values())),
        opened=len(openings),
        opened_elsewhere=len(elsewhere(looks_at(folder.hashes["data/test.jsonl"]), folder.path)),
        base=scores["base"],
        best=scores[best],
        control=scores.get("control"),
        arms={name: score for name, score in scores.items() if name not in {"base", "best", "control"}},
        strict=StrictTest(**{**strict, "best": strict[best]}),
        sampled={name: sampled for name, one in made.items() if (sampled := _sampled(one))},
        difference=_difference(folder, made, "base") if best == "best" else None,
        best_minus_control=_difference(folder, made, "control") if {"best", "control"} <= made.keys() else None,
        by_label=_pairs(made["base"], made[best]),
    )


def _difference(folder: RunFolder, made: Mapping[str, Evaluation], old: str) -> Difference:
    """Compare the best with another on test, by what dev was decided on: samples where some were drawn."""
    name = "samples" if made["best"].sampled and made[old].sampled else "predictions"
    new, before = (folder.rows(f"final/{each}/{name}.jsonl", Attempt) for each in ("best", old))
    return Difference.of(compare(new, before, groups=grouped(folder.rows("data/test.jsonl", Problem))))


def _pairs(base: Evaluation, best: Evaluation) -> dict[str, dict[str, LabelPair]]:
    old, new = _labels(base), _labels(best)
    return {
        label: {value: LabelPair(base=old[label].get(value), best=score) for value, score in some.items()}
        for label, some in new.items()
    }


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


def _lessons(folder: RunFolder, rounds: Sequence[RoundSummary]) -> tuple[LessonExample, ...]:
    """Show some lessons, those with most to see first."""
    by_id = _problems(folder, "train")
    found: list[Lesson] = []
    for round_ in dict.fromkeys(r.round for r in rounds):
        found += folder.rows(f"{round_folder(round_)}/lessons.jsonl", Lesson)
    found.sort(key=lambda x: (not x.clarifications, x.draft.verdict != Verdict.WRONG, not x.rationales, x.id))
    return tuple(_lesson(lesson, by_id[lesson.problem]) for lesson in found[:_SHOWN])


def _lesson(lesson: Lesson, problem: Problem) -> LessonExample:
    kept = next((r for r in lesson.rationales if r.verdict is Verdict.CORRECT), None)
    last = lesson.rewrites[-1] if lesson.rewrites else None
    return LessonExample(
        problem=problem.id,
        question=problem.question,
        answer=problem.answer,
        draft=lesson.draft.completion.text,
        draft_verdict=lesson.draft.verdict,
        clarifications=tuple(
            ClarificationExample(question=c.question, answer=c.answer, refused=c.refused) for c in lesson.clarifications
        ),
        rewrite=last.completion.text if last else "",
        rewrite_verdict=last.verdict if last else None,
        rationale=kept.text if kept else "",
        rationale_source=kept.source if kept else "",
        round=lesson.round,
    )


def _failures(folder: RunFolder, rounds: Sequence[RoundSummary]) -> tuple[FailureExample, ...]:
    if not rounds:
        return ()
    by_id = _problems(folder, "dev")
    name = folder.json(f"{round_folder(rounds[-1].round)}/decision.json")["predictions"]
    wrong = [a for a in folder.rows(name, Attempt) if a.verdict is not Verdict.CORRECT][:_SHOWN]
    return tuple(
        FailureExample(
            question=by_id[a.problem].question,
            answer=by_id[a.problem].answer,
            text=a.completion.text,
            verdict=a.verdict,
            labels=by_id[a.problem].labels,
        )
        for a in wrong
    )


def _problems(folder: RunFolder, split: str) -> Mapping[str, Problem]:
    return {p.id: p for p in folder.rows(f"data/{split}.jsonl", Problem)}


def _provenance(folder: RunFolder, config: Config, started: float, ended: float) -> Provenance:
    base: Any = folder.found("round-00/evaluation.json", Evaluation)
    manifest = folder.at("manifest.json").read_bytes()
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
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
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
