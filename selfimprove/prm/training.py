"""Train a process reward model of one's own from labelled steps, without what is held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.graphs.guarding import read_public
from selfimprove.leakage import Guard, HeldOut, Refused
from selfimprove.leakage.public import FAMILIES
from selfimprove.made_of import check_made_of, mark_made_of
from selfimprove.records import Adapter, TrainingJob, digest
from selfimprove.scorers.labels import LabelledSteps
from selfimprove.splits import distinct
from selfimprove.store import write_whole
from selfimprove.tasks import load_task

GUARDED: Final = ("gsm8k", "math")
"""Families whose public test sets, ProcessBench's among them, a scorer is not trained on unless told to."""


class Trained(NamedTuple):
    """A scorer that was trained.

    Attributes:
        folder: what `grade.scorer` names.
        made: what its training took.
        rows: labelled solutions that it learned from.
        refused: those that hold a held-out problem.
    """

    folder: Path
    made: Adapter
    rows: int
    refused: int


def guard_for(names: Iterable[str], data_dir: Path | None = None) -> Guard:
    """Make a guard of what a scorer must not learn from.

    Args:
        names: families with public test sets (see `FAMILIES`), or tasks, whose dev and test are held out.
        data_dir: folder with local copies of the data sets.

    Raises:
        InputError: there is no such task.
    """
    held: list[HeldOut] = []
    for name in names:
        if name in FAMILIES:
            held += [one for each in read_public([name], data_dir)[0] for one in each.held_out]
            continue
        task = load_task(name, data_dir=data_dir)
        held += [HeldOut.of(p, split) for split in ("dev", "test") for p in distinct(task.problems(split))]
    return Guard(held)


def screened(rows: Sequence[LabelledSteps], guard: Guard) -> tuple[list[LabelledSteps], list[Refused]]:
    """Part rows into those that may be trained on and those that hold a held-out problem, in question or steps."""
    guard.learn({row.question for row in rows})
    kept, out = list[LabelledSteps](), list[Refused]()
    known: dict[tuple[str, str], Any] = {}
    for row in rows:
        asked = (row.question, row.canonical)
        if asked not in known:
            known[asked] = guard.leak(*asked)
        steps = "\n".join(row.steps)
        hit, field, text = known[asked], "question", row.question
        if hit is None:
            hit, field, text = guard.leak(steps), "steps", steps
        if hit is None:
            kept.append(row)
        else:
            out.append(
                Refused(id=digest(row.question, row.steps), problem=row.problem, field=field, text=text, hit=hit)
            )
    return kept, out


def train_scorer(
    rows: Sequence[LabelledSteps],
    base: str,
    out: Path,
    *,
    guard: Guard | None = None,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
) -> Trained:
    """Train a scorer in a process of its own; the same call again finds it.

    Args:
        rows: labelled solutions, see `labels.read_labels`.
        base: the model it is made of: a hub id, a folder or `smollm2-135m`; causal models and encoders alike.
        out: folder for `rows.jsonl`, `refused.jsonl` and `scorer/`.
        guard: what must not be learned from; None: nothing is held out.
        settings: `prm` (anything of transformers' `TrainingArguments`), `lora` (PEFT's `LoraConfig`), `quantize`,
            `max_length` in tokens.
        seed: of the adapter's first weights and the order of rows.

    Raises:
        InputError: no row is left, a setting is unknown, or the folder holds another scorer.
        TrainingError: the training failed.
    """
    from selfimprove.students.fetch import fetch, model_hash
    from selfimprove.trainers.prm import check_settings
    from selfimprove.trainers.process import ProcessTrainer

    check_settings(settings or {})
    kept, refused = screened(rows, guard) if guard else (list(rows), [])
    if refused:
        progress.current().say(f"{len(refused)} of {len(rows)} rows hold held-out problems and were refused")
    if not kept:
        raise InputError(f"none of the {len(rows)} labelled solutions may be trained on; give others")
    job = TrainingJob(
        model=str(fetch(base)),
        rows=str((out / "rows.jsonl").resolve()),
        out=str((out / "scorer").resolve()),
        method="prm",
        settings=dict(settings or {}),
        seed=seed,
    )
    made_of = digest(model_hash(Path(job.model)), settings, seed, [row.model_dump(mode="json") for row in kept])
    mark, said = out / "training.hash", f"{out} holds a scorer of other rows or settings; name another folder"
    check_made_of(out / "rows.jsonl", mark, made_of, said)
    mark_made_of(mark, made_of)
    _write(out / "rows.jsonl", kept)
    _write(out / "refused.jsonl", refused)
    progress.current().stage("train", 0)
    return Trained(out / "scorer", ProcessTrainer().train(job), len(kept), len(refused))


def _write(path: Path, rows: Sequence[LabelledSteps] | Sequence[Refused]) -> None:
    write_whole(path, "".join(row.model_dump_json() + "\n" for row in rows).encode())
