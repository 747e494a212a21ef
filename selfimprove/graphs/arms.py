"""Training the arms of a round: each goes on from the best student that has its prompt, on as many tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from selfimprove import progress
from selfimprove.arms import ARMS, Arm, in_turn, program_of
from selfimprove.config.training import asking
from selfimprove.graphs.approving import approved
from selfimprove.graphs.choosing import in_order
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.learned import earlier_rows, pairs_of, practised, rows_of, texts_of
from selfimprove.graphs.places import Node, arm_of, round_folder, round_of
from selfimprove.programs import Program
from selfimprove.records import (
    Adapter,
    Evaluation,
    Lesson,
    Method,
    PreferenceRow,
    TrackRow,
    TrainingJob,
    VerdictRow,
)
from selfimprove.steps.build import replayed
from selfimprove.steps.pairs import split


class _Run(NamedTuple):
    """One training of an arm.

    Attributes:
        rows: its file, relative to the run folder.
        start: adapter it goes on from, relative to the run folder; empty: a new one.
        tokens: trained tokens it gets; 0: by epochs.
    """

    arm: str
    place: str
    method: Method
    rows: str
    start: str
    tokens: int


def train_node(crew: Crew) -> Node:
    """Train every arm of the round; the first sets how many tokens the others get."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        round_, tokens = state["round"], 0
        if not approved(crew, round_, "train", _ready(crew, round_)):
            return {}
        for arm in in_turn(crew.config.campaign.arms):
            start = "" if crew.config.train.restart else _start(crew, arm, state["best"], round_)
            train = _train_rows if ARMS[arm].track else _train_practice
            tokens = train(crew, round_, arm, start, tokens)
        return {}

    return node


def _ready(crew: Crew, round_: int) -> str:
    """Say what would be trained on, for a person who looks at it first."""
    arms = {track: arm for arm in in_turn(crew.config.campaign.arms) if (track := ARMS[arm].track)}
    rows = [f"{len(rows_of(crew, round_, arm))} rows of {track}" for track, arm in arms.items()]
    practised = [arm for arm in in_turn(crew.config.campaign.arms) if ARMS[arm].method]
    rows += [f"the problems that {' and '.join(practised)} practise"] if practised else []
    return f"{' and '.join(rows)} are ready, see {crew.folder.at(round_folder(round_))}."


def _train_rows(crew: Crew, round_: int, arm: str, start: str, tokens: int) -> int:
    """Train an arm on its track, with other rows of earlier rounds; give the tokens that the other arms get."""
    rows = rows_of(crew, round_, arm)
    if not rows:
        progress.current().say(f"round {round_}: {arm} has no rows, so nothing is trained")
        return tokens
    earlier = earlier_rows(crew, round_, arm, {row.id for row in rows})
    if not crew.config.train.restart:
        count = round(len(rows) * crew.config.select.replay)
        earlier = replayed(earlier, count, crew.config.campaign.seed * 1000 + round_)
    place, train = f"{round_folder(round_)}/arms/{arm}", _train_both if ARMS[arm].then else _tokens_of
    return train(crew, [*rows, *earlier], place, arm, start, tokens)


def _start(crew: Crew, arm: str, best: str, round_: int) -> str:
    """Give the adapter an arm goes on from: the best one, or the best of its own where that has another prompt.

    Its decisions do not matter there: a roll back tells how it fared beside a student of another prompt.
    """
    if program_of(arm_of(best) or arm) == program_of(arm):
        return best
    places = [f"{round_folder(r)}/arms/{arm}" for r in range(1, round_)]
    own = [place for place in places if crew.folder.has(f"{place}/evaluation.json")]
    if not own:
        return ""
    return max(own, key=lambda p: crew.folder.record(f"{p}/evaluation.json", Evaluation).accuracy) + "/adapter"


def last_of(crew: Crew, arm: str, rounds: Sequence[int]) -> str:
    """Give the newest adapter of an arm in these rounds, empty where there is none."""
    places = [f"{round_folder(r)}/arms/{arm}/adapter" for r in reversed(rounds)]
    return next((place for place in places if crew.folder.has(f"{place}/metrics.json")), "")


def train_arm(crew: Crew, rows: Sequence[TrackRow], place: str, arm: str, start: str, tokens: int) -> Adapter:
    """Train one adapter, or find it already there; its rows are mixed, or put as `select.order` says.

    Args:
        crew: the campaign's parts.
        rows: what it is trained on.
        place: the arm's folder, relative to the run folder.
        arm: its name.
        start: adapter it goes on from, relative to the run folder; empty: a new one.
        tokens: trained tokens it gets; 0: by epochs.
    """
    config = crew.config
    sft = {**config.train.sft.model_dump(), **(config.train.continued.model_dump() if start else {})}
    by: Callable[[TrackRow], int] | None = None
    if config.select.order == "easy_to_hard" and arm != "control":
        rows = in_order(crew, rows)
        places = {row.id: at for at, row in enumerate(rows)}
        sft["train_sampling_strategy"], by = "sequential", lambda row: places[row.id]
    file = crew.folder.write_rows(f"{place}/rows.jsonl", rows, by=by)
    return _train(crew, _Run(arm, place, "sft", file, start, tokens), sft)


def _tokens_of(crew: Crew, rows: Sequence[TrackRow], place: str, arm: str, start: str, tokens: int) -> int:
    made = train_arm(crew, rows, place, arm, start, tokens)
    return tokens or made.trained_tokens


def _train_both(crew: Crew, rows: Sequence[TrackRow], place: str, arm: str, start: str, tokens: int) -> int:
    """Train on a track, and from there on preference pairs or verdicts; give the tokens of both."""
    method: Method = ARMS[arm].then or "sft"
    here = place.partition("/")[0]
    pairs = pairs_of(crew, round_of(place), arm)
    if not pairs:
        what = "pairs" if method == "dpo" else "verdicts"
        progress.current().say(f"{arm}: there are no {what}, so all is trained on its track")
        return _tokens_of(crew, rows, place, arm, start, tokens)
    share, once = crew.config.train.pairs_share, _carried(crew, here, pairs)
    first = train_arm(crew, rows, f"{place}/sft", arm, start, split(tokens, share, once)[0])
    total = tokens or round(first.trained_tokens / (1 - share))
    most = split(total, share, once)[1]
    if most < int(share * total):
        progress.current().say(
            f"{arm}: {len(pairs)} {'pairs' if method == 'dpo' else 'verdicts'} carry some {once} tokens, too few for "
            f"{share:g} of {total}: they get {most}" + (", and its track the rest" if tokens else "")
        )
    file = crew.folder.write_rows(f"{place}/rows.jsonl", pairs)
    run = _Run(arm, place, method, file, f"{place}/sft/adapter", max(1, min(most, total - first.trained_tokens)))
    both = first.trained_tokens + _train(crew, run, _settings(crew, method)).trained_tokens
    return tokens or both


def _carried(crew: Crew, here: str, pairs: Sequence[PreferenceRow | VerdictRow]) -> int:
    """Estimate the tokens that carry loss when all pairs are gone over once, by those of the round's drafts."""
    drafts = [lesson.draft.completion for lesson in crew.folder.rows(f"{here}/lessons.jsonl", Lesson)]
    tokens = sum(draft.completion_tokens or len(draft.text.split()) for draft in drafts)
    length = sum(len(text) for pair in pairs for text in texts_of(pair))
    return round(length * tokens / max(1, sum(len(draft.text) for draft in drafts)))


def _train_practice(crew: Crew, round_: int, arm: str, start: str, tokens: int) -> int:
    """Reinforce the student on the problems that it tried; give the tokens generated."""
    method: Method = ARMS[arm].method or "grpo"
    rows = practised(crew, round_, arm)
    if not rows or (method != "distill" and not any(row.passed for row in rows)):
        what = "that was ever solved" if rows else "with a verdict"
        progress.current().say(f"round {round_}: {arm} has no problem {what}, so nothing is trained")
        return tokens
    if asking(crew.config.train, method):  # half of what it practises, as it drafts in lessons
        rows += practised(crew, round_, arm, "draft_and_ask")
    place = f"{round_folder(round_)}/arms/{arm}"
    file = crew.folder.write_rows(f"{place}/rows.jsonl", rows, by=lambda row: row.id)
    settings = {"max_completion_length": crew.config.student.max_tokens, **_settings(crew, method)}
    made = _train(crew, _Run(arm, place, method, file, start, tokens), settings)
    return tokens or made.trained_tokens


def _settings(crew: Crew, method: str) -> dict[str, Any]:
    """Give the settings of a way to train."""
    given: dict[str, Any] = getattr(crew.config.train, method).model_dump()
    return given


def _beside(crew: Crew, method: str) -> list[Program]:
    """Give the programs that a training needs beside the one that is tested."""
    return [crew.programs[name] for name in ("draft_and_ask", "rewrite")] if asking(crew.config.train, method) else []


def _named(crew: Crew) -> dict[str, Any]:
    """Say how the training process finds the task."""
    config = crew.config
    return {"name": config.campaign.task, "options": dict(config.task), "data_dir": config.data.data_dir}


def _train(crew: Crew, run: _Run, settings: Mapping[str, Any]) -> Adapter:
    """Start the training, or find its adapter."""
    config, program = crew.config, crew.programs[program_of(run.arm)]
    crew.folder.write_json(f"{run.place}/origin.json", {"start": run.start, "method": run.method})
    job = TrainingJob(
        model=crew.model_folder,
        start=str(crew.folder.at(run.start).resolve()) if run.start else "",
        rows=str(crew.folder.at(run.rows).resolve()),
        out=str(crew.folder.at(f"{run.place}/adapter").resolve()),
        method=run.method,
        program_state={one.name: one.dump() for one in (program, *_beside(crew, run.method))},
        settings={
            run.method: settings,
            "lora": config.train.lora.model_dump(),
            "quantize": config.train.quantize,
            "full": config.train.full,
            **({"attention": config.train.attention} if config.train.attention else {}),
            **({"unsloth": True} if config.train.unsloth and run.method == "sft" else {}),
            "checkpoint_steps": config.train.checkpoint_steps,
            **({"task": _named(crew)} if ARMS.get(run.arm, Arm()).method else {}),
        },
        trained_tokens=run.tokens,
        render_hash=program.hash(crew.chat_template),
        seed=config.campaign.seed,
    )
    with crew.stage(f"train {run.arm}", 0):
        unload = getattr(crew.student, "unload", None)
        if unload is not None:
            unload()
        if not crew.folder.has(f"{run.place}/adapter/metrics.json"):
            crew.ledger.check_hours()  # so that a campaign goes over its hours by one training at most
        made = crew.trainer.train(job)
    if made.trained_tokens * (1 + 0.5 / max(1, made.steps)) < run.tokens:  # by more than half a step
        told = f"{run.place}: trained on {made.trained_tokens} of the {run.tokens} tokens asked for"
        progress.current().say(f"{told}; {_why_fewer(crew, run, made.steps, settings.get('max_steps'))}")
    crew.folder.list_tree(run.place)
    return made


def _why_fewer(crew: Crew, run: _Run, steps: int, most: int | None) -> str:
    """Say what ended a training before its tokens, by the setting of a ceiling that it reached, or where to look."""
    if not most or steps < most:
        return f"see {run.place}/adapter/training.log"
    continued = run.method == "sft" and run.start and "max_steps" in crew.config.train.continued.model_dump()
    section = "continued" if continued else run.method
    return f"train.{section}.max_steps = {most} ended it: raise it, or leave it out"
