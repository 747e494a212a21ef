"""Commands on what a campaign made: export it, answer it, fork it, and combine adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from selfimprove.commands.options import changed_config, path_type, quiet_option, set_option


@click.command()
@click.argument("run", type=path_type)
@click.option("--out", type=path_type, help="New folder; default: RUN/export.")
@click.option(
    "--adapter",
    type=path_type,
    help="Folder of another adapter that RUN trained (relative to RUN, or not), or one combined of those.",
)
@click.option("--merge", is_flag=True, help="The whole model, in the number format of student.dtype, checked on dev.")
@click.option("--push", metavar="OWNER/NAME", help="Upload it to the hub, as a private repository.")
@quiet_option
def export(
    run: Path,
    out: Path | None,
    adapter: Path | None,
    merge: bool,  # noqa: FBT001 - click gives flags so
    push: str | None,
    quiet: bool,  # noqa: FBT001 - click gives flags so
) -> None:
    """Write the best student of the campaign in RUN, or another, with a model card, ready to load or to upload."""
    from selfimprove.export import exported
    from selfimprove.live import showing

    with showing(quiet=quiet):
        made = exported.export(run, out or run / "export", adapter=adapter, merge=merge)
        address = exported.push(made.folder, push) if push else ""
    told = [made.checked, f"Exported: {made.folder}", f"Load it with:\n{made.load}", address]
    click.echo("\n".join(filter(None, told)))


@click.command()
@click.argument("run", type=path_type)
@click.option("--out", type=path_type, help="The new run folder; default: RUN-round-N, by the last round taken over.")
@click.option("--round", "round_", type=int, help="Last round that is taken over; default: the last decided one.")
@set_option
def fork(run: Path, out: Path | None, round_: int | None, changes: Sequence[str]) -> None:
    """Start a new campaign behind a round of the one in RUN, with other settings from there on."""
    from selfimprove.fork import beside
    from selfimprove.fork import fork as make
    from selfimprove.given import call_of, objects_in
    from selfimprove.store import check_campaign

    check_campaign(run)
    out = out or beside(run, round_)
    made = make(run, out, changed_config(run / "campaign.toml", changes), round_)
    told = "; ".join(made.changes) or "nothing is changed"
    click.echo(f"{out} begins behind round {made.round} of {run}: {told}")
    for note in made.notes:
        click.echo(note)
    command = f"selfimprove run {out}/campaign.toml --out {out}"
    click.echo(f"Run it with: {call_of(out) if objects_in(out) else command}")
    if "***" in (out / "campaign.toml").read_text(encoding="utf-8"):
        click.echo(f"Secrets are not written down: put them into {out}/campaign.toml in the place of *** first.")


@click.command()
@click.argument("adapters", nargs=-1, type=path_type)
@click.option("--base", default="smollm2-135m", show_default=True, help="The model they were trained on.")
@click.option("--out", type=path_type, required=True, help="The new adapter's folder.")
@click.option("--how", default="linear", show_default=True, help="stack, linear, ties, dare_linear or dare_ties.")
@click.option("--weight", "weights", type=float, multiple=True, help="Of an adapter; given once for each, in order.")
@click.option("--density", default=0.5, show_default=True, help="Share of the values that ties and dare keep.")
def combine(adapters: Sequence[Path], base: str, out: Path, how: str, weights: Sequence[float], density: float) -> None:
    """Make one adapter of several: their sum (stack) or an average."""
    from typing import cast

    from selfimprove.trainers.combining import How
    from selfimprove.trainers.combining import combine as make

    made = make(base, adapters, out, how=cast("How", how), weights=weights or None, density=density)
    click.echo(f"{made} is made of {len(adapters)} adapters by {how}")


@click.command()
@click.argument("run", type=path_type)
def approve(run: Path) -> None:
    """Let the campaign in RUN go on where it waits (campaign.pause)."""
    _answer(run, "approve")


@click.command()
@click.argument("run", type=path_type)
def reject(run: Path) -> None:
    """Say no where the campaign in RUN waits: nothing is trained in that round, or nothing is promoted."""
    _answer(run, "reject")


def _answer(run: Path, outcome: Literal["approve", "reject"]) -> None:
    from contextlib import closing

    from selfimprove.graphs.approving import answer
    from selfimprove.store import RunFolder, check_campaign

    check_campaign(run)
    with closing(RunFolder(run)) as folder:
        click.echo(answer(folder, outcome))
