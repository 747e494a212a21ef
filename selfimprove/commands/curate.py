"""The command `selfimprove curate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from selfimprove.commands.options import path_type, quiet_option, set_option


@click.command()
@click.argument("config", type=path_type)
@click.option("--out", type=path_type, help="Folder; default: runs/<name of the config>.")
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print what it came to as JSON.")
@quiet_option
def curate(config: Path, out: Path | None, changes: Sequence[str], as_json: bool, quiet: bool) -> None:  # noqa: FBT001 - click
    """Grow labelled problems to the quotas of a taxonomy, as CONFIG says: the same command again goes on.

    Variants of the seeds of a sub-type are written, solved independently until it is clear whether the stated answer is
    right, compared with all that is there and with what is held out, and checked against their label.
    """
    from selfimprove.curating.writing import CURATED, REJECTED, guarded, sentence
    from selfimprove.growth.settings import read_settings
    from selfimprove.growth.stage import curate as grow
    from selfimprove.live import showing

    place = out or Path("runs") / config.stem
    with showing(quiet=quiet):
        figures = grow(read_settings(config, changes), place)
    if as_json:
        click.echo(figures.model_dump_json(indent=1))
        return
    click.echo(f"{sentence(figures)}\n")
    if not figures.held_out:
        click.echo(f"Look: {guarded(0)}")
    for alarm in figures.alarms[:3]:
        click.echo(f"Look: {alarm}")
    for name, rows in figures.files.items():
        click.echo(f"Problems: {place / name} ({rows} {'row' if rows == 1 else 'rows'})")
    if CURATED not in figures.files:
        click.echo(f"All of them, in several forms and so no task: {place / CURATED}")
    click.echo(f"Rejected, with reasons: {place / REJECTED}")
    click.echo(f"Report: {place / 'report' / 'index.html'}")
