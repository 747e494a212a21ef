"""The nodes that make rows of lessons, and that measure what was trained on them: gather, build, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal

from selfimprove.arms import ABLATED, ARMS, in_turn, program_of
from selfimprove.errors import InputError
from selfimprove.formats import percent
from selfimprove.graphs.ablating import ablated
from selfimprove.graphs.approving import rejected
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.guarding import guard_of, guarded
from selfimprove.graphs.panel import renew_panel, try_panel
from selfimprove.graphs.places import Node, attempts_of, round_folder
from selfimprove.graphs.watching import measure_panel
from selfimprove.leakage import Guard
from selfimprove.openings import Look, baseline, count_look, decided, run_id
from selfimprove.programs import Program, stated
from selfimprove.protocols import Task
from selfimprove.records import (
    Attempt,
    Evaluation,
    Lesson,
    PreferenceRow,
    Problem,
    Split,
    TrackRow,
)
from selfimprove.steps.build import balance, build
from selfimprove.steps.evaluate import evaluate, sum_samples
from selfimprove.steps.harvest import harvest
from selfimprove.steps.pairs import length_balanced, lesson_pairs, sample_pairs, verdict_rows


def gather_node(crew: Crew) -> Node:
    """Put the cohorts' lessons into one file."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        lessons: list[Lesson] = []
        for cohort in state["cohorts"]:
            lessons += crew.folder.rows(_last_file(crew, cohort), Lesson)
        return {"lessons": crew.folder.write_rows(f"{round_folder(state['round'])}/lessons.jsonl", lessons)}

    return node


def _last_file(crew: Crew, cohort: str) -> str:
    """Name the file that a finished lesson ended with: the one with most in it, `reason` behind `rewrite`."""
    order = [f"rewrite-{turn}" for turn in range(crew.config.lesson.turns)]
    order += [f"reason-{turn}" for turn in range(crew.config.lesson.turns + 1)]
    names = [f"{cohort}/{name}.jsonl" for name in ("draft", *order)]
    return [name for name in names if crew.folder.has(name)][-1]


def build_node(crew: Crew) -> Node:
    """Write the tracks, guarded."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        here, round_ = round_folder(state["round"]), state["round"]
        lessons = crew.folder.rows(state["lessons"], Lesson)
        train = crew.problems("train")
        by_id = {p.id: p for p in train}
        with crew.stage("build", len(lessons)) as watcher:
            targets, guard = harvest(lessons, by_id, crew.task), guard_of(crew)
            for track in ("track_a", "track_b"):
                rows = build(targets, by_id, crew.task, track, round_=round_, longest=crew.config.student.max_tokens)
                _write_track(crew, rows, track, here, train, guard)
            for track in (arm for arm in in_turn(crew.config.campaign.arms) if arm in ABLATED):
                rows = ablated(crew, track, lessons, by_id, state["best"], round_)
                _write_track(crew, rows, track, here, train, guard)
            then = {ARMS[arm].then for arm in in_turn(crew.config.campaign.arms)}
            if "dpo" in then:
                preferred = _preferred(crew, lessons, by_id, round_)
                preferred = guarded(crew, preferred, f"{here}/refused_preferences.jsonl", guard)
                crew.folder.write_rows(f"{here}/preferences.jsonl", length_balanced(preferred))
            if "kto" in then:
                shown = {problem.id: stated(problem) for problem in train}
                judged = guarded(
                    crew,
                    verdict_rows(attempts_of(crew, round_), shown, round_, crew.config.student.max_tokens),
                    f"{here}/refused_verdicts.jsonl",
                    guard,
                )
                crew.folder.write_rows(f"{here}/verdicts.jsonl", judged)
            watcher.say(f"round {round_}: {len(lessons)} lessons, {len(targets)} verified solutions")
        return {}

    return node


def _write_track(
    crew: Crew, rows: Sequence[TrackRow], track: str, here: str, train: Sequence[Problem], guard: Guard
) -> None:
    """Write a track: guarded, its answer classes as the source has them."""
    kept = guarded(crew, rows, f"{here}/refused_{track}.jsonl", guard)
    crew.folder.write_rows(f"{here}/{track}.jsonl", balance(kept, train, seed=crew.config.campaign.seed))


def _preferred(crew: Crew, lessons: Sequence[Lesson], by_id: dict[str, Problem], round_: int) -> list[PreferenceRow]:
    kinds, longest, rows = crew.config.train.pairs, crew.config.student.max_tokens, list[PreferenceRow]()
    shown = {problem.id: stated(problem) for problem in by_id.values()}
    if kinds != "samples":
        rows += lesson_pairs(lessons, by_id, crew.task, round_, longest)
    if kinds != "lessons":
        rows += sample_pairs(attempts_of(crew, round_), shown, round_, longest)
    return rows


def evaluate_node(crew: Crew) -> Node:
    """Measure every arm of the round on dev, and on what it may not lose."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        panel = renew_panel(crew, state["round"], state["best"])
        if rejected(crew, state["round"], "train"):  # also what was trained before somebody was asked
            return {}
        for arm in in_turn(crew.config.campaign.arms):
            place = f"{round_folder(state['round'])}/arms/{arm}"
            if crew.folder.has(f"{place}/adapter/metrics.json"):
                measure(crew, "dev", f"{place}/adapter", arm, place, round_=state["round"])
                measure_panel(crew, f"{place}/adapter", arm, place)
                try_panel(crew, panel, f"{place}/adapter", arm, place)
        return {}

    return node


def look_at(crew: Crew, split: Literal["dev", "test"], what: str) -> None:
    """Write a look at a split down, in the file that all run folders of this machine share."""
    look = Look(split=split, run=run_id(crew.folder.path), what=what)
    count_look(crew.folder.hashes[f"data/{split}.jsonl"], look)


def measure(crew: Crew, split: Split, adapter: str, arm: str, place: str, *, round_: int, shots: int = 0) -> Evaluation:
    """Evaluate a student on a split under the prompt it was trained under, and write both files.

    A look at dev is counted before it is made; one at test is when the campaign opens it.

    Raises:
        InputError: the adapter was trained under another prompt.
    """
    program = crew.programs[program_of(arm)]
    if shots:
        program = program.with_demos(worked_examples(crew.problems("train"), crew.task, shots))
    rendered = program.hash(crew.chat_template)
    if adapter:
        trained = crew.folder.json(f"{adapter}/metrics.json")["render_hash"]
        if trained != rendered:
            raise InputError(
                f"{adapter} was trained under prompt {trained} and would be tested under {rendered}; train it again"
            )
    if split == "dev":
        look_at(crew, split, decided(round_, arm) if adapter else baseline(shots))
    problems = sorted(crew.problems(split), key=lambda p: p.id)
    stage = "final" if split == "test" else "evaluate"
    with crew.stage(f"{stage} {arm}" + (f" {shots}-shot" if shots else ""), len(problems)) as watcher:
        attempts = [some[0] for some in crew.solve(problems, adapter, program)]
        drawn = _samples(crew, problems, adapter, program)
        result = evaluate(
            attempts,
            problems,
            split=split,
            round_=round_,
            arm=arm,
            program=program.name,
            render_hash=rendered,
            shots=shots,
            sampled=sum_samples(drawn, problems, crew.task) if drawn else None,
        )
        s = result.lenient
        watcher.say(f"{split}: {arm} answers {s.correct} of {s.n} ({percent(s.accuracy)})")
    crew.folder.write_rows(f"{place}/predictions.jsonl", attempts)
    if drawn:
        crew.folder.write_rows(f"{place}/samples.jsonl", chain.from_iterable(drawn), by=_by_sample)
    crew.folder.write_json(f"{place}/evaluation.json", result)
    return result


def _samples(crew: Crew, problems: Sequence[Problem], adapter: str, program: Program) -> list[list[Attempt]]:
    """Draw what `evaluate.samples` asks for; nothing where it does not."""
    asked = crew.config.evaluate
    if not asked.samples:
        return []
    how = crew.greedy().model_copy(update={"temperature": asked.temperature})
    return crew.solve(problems, adapter, program, how, range(1, 1 + asked.samples))


def _by_sample(attempt: Attempt) -> tuple[str, int]:
    return attempt.problem, attempt.completion.sample


def worked_examples(train: Sequence[Problem], task: Task, shots: int) -> list[dict[str, str]]:
    """Give worked training examples, spread over the split's order."""
    able = [p for p in train if p.rationale] or train
    step = max(1, len(able) // shots)
    chosen = able[::step][:shots]
    return [{"problem": stated(p), "solution": task.conclude(p.rationale, p.answer)} for p in chosen]
