"""The command line. Every command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from selfimprove import __version__
from selfimprove.commands.compile import compile_program
from selfimprove.commands.curate import curate
from selfimprove.commands.label import coverage, label
from selfimprove.commands.options import changed_config, path_type, quiet_option, set_option
from selfimprove.commands.outcomes import approve, combine, export, fork, reject
from selfimprove.commands.place import doctor, fetch, ledger
from selfimprove.commands.prm import prm
from selfimprove.commands.stages import grade, mine, score
from selfimprove.errors import InputError, SelfImproveError

if TYPE_CHECKING:
    from selfimprove.report.schema import Summary

_INTERRUPTED: Final = 130
_GOES_ON: Final = frozenset({"demo", "run", "mine", "grade", "prm", "compile", "label", "curate"})
"""Commands that find what they did before, when they are given again."""
_WHOLE: Final = 200
"""Characters of a command's first sentence; click breaks it into lines, where it would else cut it off."""
_GROUPS: Final = {
    "The campaign": ("init", "demo", "plan", "run", "approve", "reject", "fork", "report", "combine", "export"),
    "Single stages": ("mine", "grade", "prm", "compile", "score", "label", "coverage", "curate"),
    "The place": ("fetch", "doctor", "ledger"),
}


class _Grouped(click.Group):
    """Lists commands by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as in click
        for title, names in _GROUPS.items():
            commands = [(name, self.commands[name]) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in commands])


@click.group(cls=_Grouped, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="selfimprove")
def cli() -> None:
    """Make a small language model better at a task by itself, with the statistics to prove it.

    Exit codes: 0 finished, 1 failed, 2 bad input, 3 stopped at the budget, 4 waits for a person, 130 interrupted;
    after 1, 130 and a kill the same command goes on, after 3 with a higher cap, after 4 behind approve or reject.
    """


for command in (approve, reject, fork, combine, export):
    cli.add_command(command)
for command in (mine, grade, prm, compile_program, score, label, coverage, curate):
    cli.add_command(command)
for command in (fetch, doctor, ledger):
    cli.add_command(command)
_out = click.option("--out", type=path_type, help="Run folder; default: runs/<name of the config>.")


@cli.command()
@click.argument("task")
@click.argument("path", type=path_type, default=Path("campaign.toml"))
def init(task: str, path: Path) -> None:
    """Write a commented TOML for TASK to PATH (default: campaign.toml).

    TASK: gsm8k, strategyqa, mmlu, math, arithmetic, reasoning_gym:NAME, a .jsonl file, or package.module:MyTask.
    """
    from selfimprove.templates import init as write

    write(task, path)
    click.echo(f"{path} is written. Look through it, then: selfimprove plan {path} and selfimprove run {path}")


@cli.command()
@click.option("--out", type=path_type, default=Path("runs/demo"), help="Default: runs/demo.")
@set_option
@quiet_option
def demo(out: Path, changes: Sequence[str], quiet: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Improve SmolLM2-135M at arithmetic: the whole loop on two cores, in a quarter of an hour and more."""
    from selfimprove.installed import shipped

    _run(shipped("examples/arithmetic.toml"), out, changes, quiet=quiet)


@cli.command()
@click.argument("config", type=path_type)
@set_option
@click.option("--no-probe", is_flag=True, help="Do not try the student on a few problems; hours stay unknown.")
def plan(config: Path, changes: Sequence[str], no_probe: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Say what a campaign will take, before anything is spent."""
    from selfimprove.campaign import Campaign
    from selfimprove.given import check_objects

    check_objects(config.parent, ())
    click.echo(Campaign(changed_config(config, changes)).plan(probe=not no_probe))


@cli.command()
@click.argument("config", type=path_type)
@_out
@set_option
@quiet_option
def run(config: Path, out: Path | None, changes: Sequence[str], quiet: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Run a campaign, or go on with one: the same command again after any interruption."""
    _run(config, out or Path("runs") / config.stem, changes, quiet=quiet)


@cli.command()
@click.argument("run_folder", type=path_type, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON; --schema documents it.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of that summary; needs no RUN_FOLDER.")
def report(run_folder: Path | None, as_json: bool, schema: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Sum up RUN_FOLDER: one sentence, a page, or JSON.

    The page is written anew to RUN_FOLDER/report/index.html; --json and --schema write none.
    """
    import json

    from selfimprove.campaign import read_summary
    from selfimprove.report.schema import Summary

    if schema:
        click.echo(json.dumps(Summary.model_json_schema(), indent=1))
        return
    if run_folder is None:
        raise click.MissingParameter(param_hint="'RUN_FOLDER'", param_type="argument")
    summary = read_summary(run_folder)
    if as_json:
        click.echo(summary.model_dump_json(indent=1))
        return
    _conclude(summary, run_folder)


def _run(config: Path, out: Path, changes: Sequence[str], *, quiet: bool) -> None:
    from selfimprove.begun import files_in, nothing_left
    from selfimprove.campaign import Campaign
    from selfimprove.given import check_objects
    from selfimprove.live import showing

    check_objects(config.parent, ())
    campaign = Campaign(changed_config(config, changes), out=out)
    # Asked for at the end only: a folder that is still locked is another process's, and so is the log in it.
    own_log = (name for name in ("campaign.log",) if not (out / "run.lock").exists())
    with nothing_left(out, files_in(out), own_log), _logged(out), showing(quiet=quiet):
        summary = campaign.run()
    _conclude(summary, out)


def _conclude(summary: Summary, out: Path) -> None:
    """Print what came out and where the page lies."""
    from selfimprove.errors import MissingDependencyError
    from selfimprove.report.page import write_page

    click.echo(summary)
    try:
        click.echo(f"Report: {write_page(summary, out / 'report' / 'index.html')}")
    except MissingDependencyError as error:
        click.echo(f"No page: {error}")


class _Log(logging.FileHandler):
    """A log that says nothing more once its disk is full: the error that ends the run says it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Leave the line out."""


@contextmanager
def _logged(out: Path) -> Iterator[None]:
    """Write the library's log into the run folder, once there is one."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handler = _Log(out / "campaign.log", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be used as a run folder: {error.strerror}; name another with --out") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("selfimprove")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    except SelfImproveError as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence, no traceback
        raise
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; an error is one sentence and an exit code."""
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.append(here)  # a plug may stand beside the TOML that names it
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, _stop)
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(InputError.exit_code)
    except (KeyboardInterrupt, click.Abort):
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        told = "; the same command goes on from here" if command in _GOES_ON else ""
        click.echo(f"Interrupted{told}.", err=True)
        sys.exit(_INTERRUPTED)
    except SelfImproveError as error:
        click.echo(f"selfimprove: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception:  # noqa: BLE001 - a fault of ours or of a plug: told whole, but for keys
        from selfimprove.teachers.faults import redacted, secrets_of

        click.echo(redacted(traceback.format_exc(), secrets_of(None, None)), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
