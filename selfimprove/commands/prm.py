"""The group `selfimprove prm`, and its commands `label` and `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from selfimprove.commands.options import (
    data_dir_option,
    ledger_of,
    option_option,
    path_type,
    quiet_option,
    read_pairs,
    student_of,
    task_of,
)
from selfimprove.commands.prm_evaluate import evaluate


@click.group()
def prm() -> None:
    """Process reward models: label steps, train a scorer, and is it to be trusted?"""


@prm.command()
@click.argument("task")
@option_option
@data_dir_option
@click.option("--student", default="smollm2-135m", show_default=True, help="Whose solutions and rollouts.")
@click.option("--adapter", type=path_type, help="The student's adapter.")
@click.option("--problems", type=click.IntRange(1), default=500, show_default=True, help="Training problems drawn.")
@click.option("--tries", type=click.IntRange(0, 64), default=2, show_default=True, help="Sampled solutions of each.")
@click.option("--rollouts", type=click.IntRange(1, 256), default=8, show_default=True, help="From each prefix.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Longest completion.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of problems and samples.")
@click.option("--dtype", default="auto", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--ledger", "ledger_file", type=path_type, default=Path("runs/prm/ledger.sqlite"), show_default=True)
@click.option("--out", type=path_type, default=Path("runs/prm/labels.jsonl"), show_default=True)
@quiet_option
def label(out: Path, quiet: bool, **how: Any) -> None:  # noqa: FBT001 - click
    """Label steps of a student's solutions to TASK's training problems by its own rollouts.

    Wrong solutions are searched for their first wrong step by halving (OmegaPRM, arXiv:2406.06592). Completions are
    kept in the ledger: the same command again makes none of them twice. Labels that another command wrote are not
    overwritten: give another --out.
    """
    from selfimprove.live import showing
    from selfimprove.made_of import check_made_of, mark_made_of
    from selfimprove.prm.labelling import label_problems, trainable
    from selfimprove.records import digest
    from selfimprove.store import write_whole

    with showing(quiet=quiet), ledger_of(how) as ledger:
        task = task_of(how)
        drawn = trainable(task, how["problems"], how["data_dir"], how["seed"])
        student = student_of(how, ledger)[0]
        search = {name: how[name] for name in ("tries", "rollouts", "max_tokens", "seed")}
        made_of, mark = digest(how["task"], [p.id for p in drawn], student.identity, search), out.with_suffix(".hash")
        check_made_of(out, mark, made_of, f"{out} holds labels of another task, student or search; give another --out")
        made = label_problems(drawn, student, task, **search)
        mark_made_of(mark, made_of)
        write_whole(out, "".join(row.model_dump_json() + "\n" for row in made.rows).encode())
    click.echo(f"{made}\n\nLabels: {out}")


@prm.command()
@click.argument("labels", nargs=-1, required=True, type=path_type)
@click.option(
    "--format",
    "kind",
    default="steps",
    show_default=True,
    help="steps (of prm label), prm800k, math-shepherd or processbench.",
)
@click.option("--base", default="smollm2-135m", show_default=True, help="Model it is made of: hub id or folder.")
@click.option("--set", "prm", multiple=True, metavar="KEY=VALUE", help="Anything of transformers' TrainingArguments.")
@click.option("--lora", multiple=True, metavar="KEY=VALUE", help="Anything of PEFT's LoraConfig.")
@click.option("--quantize", is_flag=True, help="Load the base in 4 bits (QLoRA).")
@click.option("--max-length", type=click.IntRange(1), default=1024, show_default=True, help="Tokens of a solution.")
@click.option(
    "--guard",
    multiple=True,
    metavar="NAME",
    help="Never learn from the public test sets of gsm8k, math, strategyqa or mmlu, or from dev and test of a task; "
    "default: gsm8k and math, ProcessBench among them; none: nothing is guarded.",
)
@data_dir_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=path_type, default=Path("runs/prm/own"), show_default=True)
@quiet_option
def train(labels: tuple[Path, ...], out: Path, quiet: bool, **how: Any) -> None:  # noqa: FBT001 - click
    """Train a process reward model on files of labelled steps: a LoRA adapter, and a head that scores each step.

    Measure it with `selfimprove prm evaluate OUT/scorer`, then name it as grade.scorer.
    """
    from selfimprove.live import showing
    from selfimprove.prm.training import GUARDED, guard_for, train_scorer
    from selfimprove.scorers.labels import read_labels

    settings = {
        "prm": read_pairs("--set", how["prm"]),
        "lora": read_pairs("--lora", how["lora"]),
        "quantize": how["quantize"],
        "max_length": how["max_length"],
    }
    with showing(quiet=quiet):
        rows = [row for path in labels for row in read_labels(path, how["kind"])]
        names = how["guard"] or GUARDED
        guard = None if names == ("none",) else guard_for(names, how["data_dir"])
        made = train_scorer(rows, how["base"], out, guard=guard, settings=settings, seed=how["seed"])
    click.echo(
        f"{made.rows} labelled solutions learned from, {made.refused} refused; loss {made.made.loss:.3f}\n\n"
        f"Scorer: {made.folder}\nMeasure it: selfimprove prm evaluate {made.folder} --task TASK"
    )


prm.add_command(evaluate)
