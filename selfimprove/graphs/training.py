"""The nodes that make a round pay: gather, build, train, evaluate, decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.graphs.choosing import in_order
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.finding import Node, round_folder
from selfimprove.graphs.guarding import guard_of, guarded
from selfimprove.programs import stated
from selfimprove.records import Adapter, Attempt, Decision, Evaluation, Lesson, Record, Split, TrackRow, TrainingJob
from selfimprove.steps.build import PROGRAM_OF, balance, build, replayed
from selfimprove.steps.decide import alpha_of_round, carried_on, decide
from selfimprove.steps.evaluate import compare, evaluate
from selfimprove.steps.harvest import harvest, pairs


class RoundDecision(Record):
    """What a round ended in, over its arms."""

    round: int
    best: str
    """Best adapter after the round, relative to the run folder; empty: the base."""
    predictions: str
    """Dev predictions of the best, relative to the run folder."""
    promoted: str
    """The arm that was promoted; empty: none."""
    decisions: tuple[Decision, ...]


def tracks(crew: Crew) -> list[str]:
    """Name the arms that are trained in every round, track B first: the others get as many trained tokens."""
    return sorted((arm for arm in crew.config.campaign.arms if arm != "control"), reverse=True)


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
            targets, guard = harvest(lessons, crew.task), guard_of(crew)
            for track in ("track_a", "track_b"):
                rows = build(targets, by_id, crew.task, track, round_=round_, longest=crew.config.student.max_tokens)
                rows = guarded(crew, rows, f"{here}/refused_{track}.jsonl", guard)
                rows = balance(rows, train, seed=crew.config.campaign.seed)
                crew.folder.write_rows(f"{here}/{track}.jsonl", rows)
            shown = {lesson.problem: stated(by_id[lesson.problem]) for lesson in lessons}
            preferred = pairs(lessons, crew.task, shown, round_)
            preferred = guarded(crew, preferred, f"{here}/refused_preferences.jsonl", guard)
            crew.folder.write_rows(f"{here}/preferences.jsonl", preferred)
            watcher.say(f"round {round_}: {len(lessons)} lessons, {len(targets)} verified solutions")
        return {}

    return node


def train_node(crew: Crew) -> Node:
    """Train every arm of the round."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        round_, tokens = state["round"], 0
        for arm in tracks(crew):
            rows = crew.folder.rows(f"{round_folder(round_)}/{arm}.jsonl", TrackRow)
            earlier = [row for r in _usable_rounds(crew, round_) for row in _rows(crew, r, arm)]
            again = earlier
            if not crew.config.train.restart:
                count = round(len(rows) * crew.config.select.replay)
                again = replayed(earlier, count, crew.config.campaign.seed * 1000 + round_)
            start = "" if crew.config.train.restart else _start(crew, arm, state["best"], round_)
            if rows:
                made = train_arm(crew, [*rows, *again], f"{round_folder(round_)}/arms/{arm}", arm, start, tokens)
                tokens = tokens or made.trained_tokens
            else:
                progress.current().say(f"round {round_}: {arm} has no rows, so nothing is trained")
        return {}

    return node


def _start(crew: Crew, arm: str, best: str, round_: int) -> str:
    """Give the adapter an arm goes on from: the best one, or its own last where that has another prompt."""
    owner = best.split("/")[-2] if best else arm
    return best if PROGRAM_OF[owner] == PROGRAM_OF[arm] else last_of(crew, arm, round_ - 1)


def last_of(crew: Crew, arm: str, rounds: int) -> str:
    """Give the newest adapter of an arm in these rounds, empty where there is none."""
    places = [f"{round_folder(r)}/arms/{arm}/adapter" for r in range(rounds, 0, -1)]
    return next((place for place in places if crew.folder.has(f"{place}/metrics.json")), "")


def _usable_rounds(crew: Crew, round_: int) -> list[int]:
    """Give the earlier rounds whose rows were not set aside."""
    earlier = [(r, crew.folder.record(f"{round_folder(r)}/decision.json", RoundDecision)) for r in range(1, round_)]
    return [r for r, made in earlier if not all(d.outcome == "roll back" for d in made.decisions) or not made.decisions]


def _rows(crew: Crew, round_: int, arm: str) -> list[TrackRow]:
    return crew.folder.rows(f"{round_folder(round_)}/{arm}.jsonl", TrackRow)


def train_arm(crew: Crew, rows: Sequence[TrackRow], place: str, arm: str, start: str, tokens: int) -> Adapter:
    """Train one adapter, or find it already there; its rows are mixed, or put as `select.order` says.

    Args:
        crew: the campaign's parts.
        rows: what it is trained on.
        place: the arm's folder, relative to the run folder.
        arm: its name.
        start: adapter it goes on from, relative to the run folder; empty: a new one.
        tokens: trained tokens it gets; 0: by epochs.

    Raises:
        InputError: the student cannot be trained here.
    """
    if not crew.model_folder:
        raise InputError(
            f"the student {crew.student.identity} serves only the stages before training; "
            "name a hub id or a folder as campaign.student"
        )
    config = crew.config
    program = crew.programs[PROGRAM_OF[arm]]
    sft = {**config.train.sft.model_dump(), **(config.train.continued.model_dump() if start else {})}
    by: Callable[[TrackRow], int] | None = None
    if config.select.order == "easy_to_hard" and arm != "control":
        rows = in_order(crew, rows)
        places = {row.id: at for at, row in enumerate(rows)}
        sft["train_sampling_strategy"], by = "sequential", lambda row: places[row.id]
    file = crew.folder.write_rows(f"{place}/rows.jsonl", rows, by=by)
    crew.folder.write_json(f"{place}/origin.json", {"start": start})
    job = TrainingJob(
        model=crew.model_folder,
        start=str(crew.folder.at(start).resolve()) if start else "",
        rows=str(crew.folder.at(file).resolve()),
        out=str(crew.folder.at(f"{place}/adapter").resolve()),
        program_state={program.name: program.dump()},
        settings={
            "sft": sft,
            "lora": config.train.lora.model_dump(),
            "quantize": config.train.quantize,
        },
        trained_tokens=tokens,
        render_hash=program.hash(crew.chat_template),
        seed=config.campaign.seed,
    )
    with crew.stage(f"train {arm}", 0):
        unload = getattr(crew.student, "unload", None)
        if unload is not None:
            unload()
        made = crew.trainer.train(job)
    crew.folder.list_tree(place)
    return made


def evaluate_node(crew: Crew) -> Node:
    """Measure every arm of the round on dev."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        for arm in tracks(crew):
            place = f"{round_folder(state['round'])}/arms/{arm}"
            if crew.folder.has(f"{place}/adapter/metrics.json"):
                measure(crew, "dev", f"{place}/adapter", arm, place, round_=state["round"])
        return {}

    return node


def measure(crew: Crew, split: Split, adapter: str, arm: str, place: str, *, round_: int, shots: int = 0) -> Evaluation:
    """Evaluate a student on a split under the prompt it was trained under, and write both files.

    Raises:
        InputError: the adapter was trained under another prompt.
    """
    program = crew.programs[PROGRAM_OF.get(arm, "solve")]
    if shots:
        program = program.with_demos(worked_examples(crew, shots))
    rendered = program.hash(crew.chat_template)
    if adapter:
        trained = crew.folder.json(f"{adapter}/metrics.json")["render_hash"]
        if trained != rendered:
            raise InputError(
                f"{adapter} was trained under prompt {trained} and would be tested under {rendered}; train it again"
            )
    problems = sorted(crew.problems(split), key=lambda p: p.id)
    with crew.stage(f"evaluate {arm}" + (f" {shots}-shot" if shots else ""), len(problems)) as watcher:
        attempts = [some[0] for some in crew.solve(problems, adapter, program)]
        result = evaluate(
            attempts,
            problems,
            split=split,
            round_=round_,
            arm=arm,
            program=program.name,
            render_hash=rendered,
            shots=shots,
        )
        s = result.lenient
        watcher.say(f"{split}: {arm} answers {s.correct} of {s.n} ({100 * s.accuracy:.1f} %)")
    crew.folder.write_rows(f"{place}/predictions.jsonl", attempts)
    crew.folder.write_json(f"{place}/evaluation.json", result)
    return result


def worked_examples(crew: Crew, shots: int) -> list[dict[str, str]]:
    """Give worked training examples, spread over the split's order."""
    able = [p for p in crew.problems("train") if p.rationale] or crew.problems("train")
    step = max(1, len(able) // shots)
    chosen = able[::step][:shots]
    return [{"problem": stated(p), "solution": crew.task.conclude(p.rationale, p.answer)} for p in chosen]


def decide_node(crew: Crew) -> Node:
    """Compare every arm with the best so far, and keep the better."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        round_, gate = state["round"], crew.config.gate
        before = crew.folder.record(f"{round_folder(round_ - 1)}/decision.json", RoundDecision)
        old = crew.folder.rows(before.predictions, Attempt)
        arms = tracks(crew)
        decisions, scored = [], list[tuple[int, Decision]]()
        for arm in arms:
            name = f"{round_folder(round_)}/arms/{arm}/predictions.jsonl"
            if not crew.folder.has(name):
                continue
            new = crew.folder.rows(name, Attempt)
            decision = decide(
                compare(new, old),
                round_=round_,
                arm=arm,
                alpha=alpha_of_round(gate.alpha, round_, len(arms), carried_on(before.decisions)),
                min_gain=gate.min_gain,
                adapter=f"{round_folder(round_)}/arms/{arm}/adapter",
                best=before.best,
            )
            decisions.append(decision)
            progress.current().say(decision.sentence)
            if decision.outcome == "promote":
                scored.append((sum(a.verdict == "correct" for a in new), decision))
        winner = max(scored, key=lambda pair: pair[0])[1] if scored else None
        made = RoundDecision(
            round=round_,
            best=winner.adapter if winner else before.best,
            predictions=f"{round_folder(round_)}/arms/{winner.arm}/predictions.jsonl" if winner else before.predictions,
            promoted=winner.arm if winner else "",
            decisions=tuple(decisions),
        )
        crew.folder.write_json(f"{round_folder(round_)}/decision.json", made)
        return {"best": made.best}

    return node
