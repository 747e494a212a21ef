"""The command group `selfimprove prm`."""

from __future__ import annotations

import click

from selfimprove.prm.evaluate_command import evaluate
from selfimprove.prm.making_commands import label, train


@click.group()
def prm() -> None:
    """Process reward models: label steps, train a scorer, and is it to be trusted?"""


for command in (label, train, evaluate):
    prm.add_command(command)
