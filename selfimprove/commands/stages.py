"""Single stages of the loop: mine a pool, grade it, score a file of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimprove.commands.options import changed_config, data_dir_option, path_type, quiet_option, set_option

if TYPE_CHECKING:
    from selfimprove.config import Config

_mined = click.option("--out", type=path_type, help="Default: runs/<name of the config>-mined.")
_adapter = click.option("--adapter", type=path_type, help="The student's adapter; default: none.")


@click.command()
@click.argument("config", type=path_type)
@_mined
@_adapter
@set_option
@quiet_option
def mine(config: Path, out: Path | None, adapter: Path | None, changes: Sequence[str], quiet: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Find what the student of CONFIG gets wrong, and how, by repeated sampling.

    It wants to know more of each problem than a campaign does: where [mine] of CONFIG leaves it open, up to 16 samples
    are drawn of a problem that fewer do not settle (most).
    """
    from selfimprove.stages import mine_stage

    _stage(partial(mine_stage, adapter=adapter), config, out, changes, quiet=quiet)


@click.command()
@click.argument("config", type=path_type)
@_mined
@_adapter
@set_option
@quiet_option
def grade(config: Path, out: Path | None, adapter: Path | None, changes: Sequence[str], quiet: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Grade a mined pool into the student's library, levels 0 to 5.

    `mine` comes first, into the same folder (--out).

    CONFIG is that of the mining; what its [mine] leaves open is as `mine` says.
    """
    from selfimprove.stages import grade_stage

    _stage(partial(grade_stage, adapter=adapter), config, out, changes, quiet=quiet)


def _stage(
    work: Callable[[Config, Path], str], config: Path, out: Path | None, changes: Sequence[str], *, quiet: bool
) -> None:
    from selfimprove.live import showing

    with showing(quiet=quiet):
        said = work(changed_config(config, changes), out or Path("runs") / f"{config.stem}-mined")
    click.echo(said)


@click.command()
@click.argument("task")
@click.option("--pred", "predictions", type=path_type, required=True, help="File of predictions, see above.")
@click.option("--gold", type=path_type, help="File of problems; default: the task's test split.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(task: str, predictions: Path, gold: Path | None, data_dir: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Score a file of predictions for TASK: accuracy with interval, by label, no verdict counted apart.

    A row of it (JSON lines) names its problem by `id` or `question`, or by its place where no row does, and holds
    `text`, a completion to be read, or `answer`, a bare one. A campaign's predictions.jsonl, lm-evaluation-harness
    samples and one object {id: answer} are read too.
    """
    from selfimprove.score import score as score_file
    from selfimprove.tasks import load_task

    found = score_file(load_task(task, data_dir=data_dir), predictions, gold)
    click.echo(found.model_dump_json(indent=1) if as_json else found.table())
