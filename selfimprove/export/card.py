"""The model card of an exported student: what it was taught, on what, and what may be claimed of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from selfimprove.export.chosen import Chosen
from selfimprove.formats import percent, times
from selfimprove.graphs.places import round_folder
from selfimprove.report.decided_schema import RoundSummary, ScoreSummary
from selfimprove.report.schema import Summary

_OTHER: Final = "other"
"""What the hub calls a licence that it has no abbreviation of; its name stands beside it."""


class Licence(NamedTuple):
    """The licence of a base model.

    Attributes:
        abbreviated: as the hub does it; empty: unknown.
        name: of one that the hub has no abbreviation of; empty: unknown.
    """

    abbreviated: str
    name: str


class Told(NamedTuple):
    """What a card tells beside the campaign's summary.

    Attributes:
        adapter: whose card it is.
        base: hub id or name of the base model.
        licence: the base model's.
        merged: whether the weights are the whole model's.
        checked: what merging was checked to change; empty where nothing was merged.
        asked: the messages that it was taught to answer, as JSON.
        render_hash: of the prompt and chat template that it was taught under.
    """

    adapter: Chosen
    base: str
    licence: Licence
    merged: bool
    checked: str
    asked: str
    render_hash: str


def card_of(summary: Summary, told: Told) -> str:
    """Write a model card with the hub's front matter."""
    return "\n".join([*_front(summary, told), *_body(summary, told)]) + "\n"


def _front(summary: Summary, told: Told) -> Iterator[str]:
    yield "---"
    yield f"base_model: {told.base}"
    licence = told.licence.abbreviated or _OTHER
    yield f"license: {licence}"
    if licence == _OTHER:
        yield f"license_name: {told.licence.name or 'unknown'}"
    yield f"library_name: {'transformers' if told.merged else 'peft'}"
    yield "pipeline_tag: text-generation"
    yield "tags:"
    yield "- selfimprove"
    yield f"- {_task(summary)}"
    yield "---"
    yield ""


def _body(summary: Summary, told: Told) -> Iterator[str]:
    yield f"# {told.base.rpartition('/')[2]}, taught {_task(summary)}"
    yield ""
    yield summary.sentence if told.adapter.best else _standing(summary, told.adapter)
    yield ""
    if not told.licence.abbreviated:
        yield "The licence of the base model was not found beside its weights; see the base model, and set it here."
        yield ""
    if scores := list(_scores(summary, told.adapter)):
        yield "| split | model | correct | 95 % interval |"
        yield "|---|---|---|---|"
        for name, score in scores:
            low, high = score.interval
            yield f"| {name} | {percent(score.accuracy)} of {score.n} | {percent(low)} to {percent(high)} |"
        yield ""
    if told.checked:
        yield told.checked
        yield ""
    yield "## How it is asked"
    yield ""
    taught = "Its parts were taught" if told.adapter.how else "It was taught, and tested,"
    yield f"{taught} with these messages under the base model's chat template:"
    yield ""
    yield "```json"
    yield told.asked
    yield "```"
    yield ""
    yield "## How it was made"
    yield ""
    yield f"- Teacher: {summary.teacher}. Seed {summary.seed}. Rounds:"
    for row in summary.rounds:
        yield f"  - {row.sentence} {row.rows} rows, {row.trained_tokens:,} trained tokens."
    found = summary.provenance
    yield "- Data, sha256: " + ", ".join(f"{split} {value[:16]}" for split, value in sorted(found.data.items()))
    yield f"- Prompt and chat template: {told.render_hash}. Student: {found.student_identity}."
    yield "- " + ", ".join(f"{name} {version}" for name, version in sorted(found.packages.items()))
    listed = "(sha256 of its lines `HASH  NAME` outside report/)"
    yield f"- selfimprove {found.selfimprove}, manifest {found.manifest_sha256[:16]} {listed}"


def _task(summary: Summary) -> str:
    """Name the task without the folders of this machine."""
    return summary.task.rpartition("/")[2]


def _standing(summary: Summary, adapter: Chosen) -> str:
    """Say what an adapter is that is not the campaign's best."""
    if adapter.how:
        made = f"Adapters of one campaign in one: {adapter.name}. No campaign promoted or measured it"
        return f"{made}: there are no figures to claim anything by."
    row = next((row for row in summary.rounds if _is_of(row, adapter)), None)
    said = f"{row.sentence} " if row else ""
    if row and row.decision == "promote":
        said += f"The campaign's best is of round {summary.best.round}."
    else:
        said += f"No campaign promoted this adapter ({adapter.name})."
    if adapter.tested:
        return f"{said} If it was chosen for its figures on test, they prove nothing."
    return f"{said} It was not measured on test."


def _is_of(row: RoundSummary, adapter: Chosen) -> bool:
    return adapter.parts == (f"{round_folder(row.round)}/arms/{row.arm}/adapter",)


def _scores(summary: Summary, adapter: Chosen) -> Iterator[tuple[str, ScoreSummary]]:
    """Give what was measured: of the best all promotions on dev that led to it, of another its own."""
    for row in summary.rounds:
        if row.decision == "promote" if adapter.best else _is_of(row, adapter):
            yield f"dev | round {row.round}, {row.arm}", row.dev
    test = summary.test
    if test is None or not adapter.tested:
        return
    mine = {"best": test.best, "control": test.control, **test.arms}[adapter.tested]
    beside = f", and {times(test.opened_elsewhere)} in other run folders" if test.opened_elsewhere else ""
    control = test.control if adapter.best else None  # that of the best
    for name, score in (("base", test.base), ("this model", mine), ("control", control)):
        if score is not None:
            yield f"test, opened {times(test.opened)}{beside} | {name}", score
