"""The command `selfimprove prm evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selfimprove.commands.options import (
    data_dir_option,
    ledger_of,
    option_option,
    path_type,
    quiet_option,
    student_of,
    task_of,
)
from selfimprove.errors import InputError

if TYPE_CHECKING:
    from selfimprove.ledger import Ledger
    from selfimprove.prm.evaluating import OnTask
    from selfimprove.programs import Program


@click.command()
@click.argument("scorer")
@click.option("--task", help="Measure on a task's problems as a student solves them; arithmetic is checked exactly.")
@option_option
@data_dir_option
@click.option("--student", default="smollm2-135m", show_default=True, help="Who solves the task's problems.")
@click.option("--adapter", type=path_type, help="The student's adapter.")
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="train", show_default=True)
@click.option("--problems", type=click.IntRange(1), default=200, show_default=True, help="Problems that are drawn.")
@click.option("--samples", type=click.IntRange(0, 1024), default=8, show_default=True, help="For each pass rate.")
@click.option("--max-tokens", type=click.IntRange(1), default=128, show_default=True, help="Longest completion.")
@click.option("--label", default="kind", show_default=True, help="Solutions are ranked within each value of it too.")
@click.option("--processbench", multiple=True, type=path_type, help="Measure on a ProcessBench file; may be repeated.")
@click.option("--threshold-from", type=path_type, help="Another ProcessBench file, to choose the threshold on.")
@click.option("--limit", type=click.IntRange(1), help="Rows drawn of each ProcessBench file; default: all.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="Below it: wrong; default: what the scorer says, or 0.5."
)
@click.option("--aggregate", type=click.Choice(["mean", "min", "product", "last"]), default="mean", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of problems, samples and rows.")
@click.option("--dtype", default="auto", show_default=True, help="Of a trained scorer and of the student.")
@click.option("--device", default="auto", show_default=True, help="Of a trained scorer and of the student.")
@click.option(
    "--budget-usd", type=click.FloatRange(0), help="The most that a judge may cost, with what it cost before."
)
@click.option(
    "--input-price", type=click.FloatRange(0), help="A judge's dollars per million prompt tokens, if no list has it."
)
@click.option("--output-price", type=click.FloatRange(0), help="A judge's dollars per million completion tokens.")
@click.option("--ledger", "ledger_file", type=path_type, default=Path("runs/prm/ledger.sqlite"), show_default=True)
@click.option("--program", help="A judge's saved prompt, or plain; default: what campaigns of the task take.")
@click.option("--card", "place", type=path_type, help="Where the card is written; default: beside the scorer.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
@quiet_option
def evaluate(scorer: str, place: Path | None, as_json: bool, quiet: bool, **how: Any) -> None:  # noqa: FBT001 - click
    """Measure SCORER on steps with known labels, beside what costs nothing, and write its card.

    SCORER is the folder of a scorer trained here, FAMILY:MODEL (families: qwen2.5-math-prm, math-shepherd, rlhflow,
    skywork-o1-open-prm), package.module:Name, judge:MODEL[@URL], monte-carlo[:ROLLOUTS] or exact. Completions and a
    judge's calls are kept in the ledger: the same command again, or with another scorer, makes none of them twice.
    """
    from selfimprove.config import TeacherConfig
    from selfimprove.live import showing
    from selfimprove.prm.evaluating import OnProcessBench
    from selfimprove.prm.evaluating import evaluate as measure
    from selfimprove.prm.table import written
    from selfimprove.scorers.names import scorer_named
    from selfimprove.scorers.trust import card_place, write_card

    files = OnProcessBench(how["processbench"], how["threshold_from"], how["limit"], how["seed"])
    if how["task"] is None and not files.files:
        raise InputError("there is nothing to measure on; give --task arithmetic, or --processbench FILE")
    with showing(quiet=quiet), ledger_of(how) as ledger:
        on_task, base = _on_task(how, ledger) if how["task"] is not None else (None, "")
        made = scorer_named(
            scorer,
            ledger,
            student=on_task.student if on_task else None,
            base=base,
            task=on_task.task if on_task else None,
            teacher=TeacherConfig(input_price=how["input_price"], output_price=how["output_price"]),
            judging_by=_judging_by(scorer, how["program"], on_task.task.name if on_task else ""),
            max_tokens=how["max_tokens"],
            seed=how["seed"],
            dtype=how["dtype"],
            device=how["device"],
        )
        card = measure(made, on_task=on_task, on_processbench=files, threshold=how["threshold"])
        place = place or card_place(scorer)
        write_card(card, place)
    click.echo(card.model_dump_json(indent=1) if as_json else f"{written(card, how['aggregate'])}\n\nCard: {place}")


def _judging_by(scorer: str, named: str | None, task: str) -> Program | None:
    """Give the prompt that a judge is measured with; None: the plain one."""
    from selfimprove.programs.saved import load_saved, proven_for

    if named is not None and scorer.partition(":")[0] != "judge":
        raise InputError(f"--program is the prompt of a judge, and {scorer} has none; leave it out")
    if scorer.partition(":")[0] != "judge" or named == "plain":
        return None
    if named is None:
        found = proven_for(["judge_steps"], task).get("judge_steps")
        return found.program if found else None
    program = load_saved(Path(named)).program
    if program.name != "judge_steps":
        raise InputError(f"{named} is the program {program.name}, and steps are judged by judge_steps; name one of it")
    return program


def _on_task(how: dict[str, Any], ledger: Ledger) -> tuple[OnTask, str]:
    """Give the task and the student that solves it, and the student's identity without its adapter."""
    from selfimprove.prm.evaluating import OnTask

    task = task_of(how)
    student, base = student_of(how, ledger)
    on_task = OnTask(
        task,
        student,
        how["split"],
        how["problems"],
        how["samples"],
        how["max_tokens"],
        how["seed"],
        how["label"],
    )
    return on_task, base
