"""The prompts of a curation: saved programs that fit it, frozen into its folder when it begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from selfimprove.config.curating import CurateConfig
from selfimprove.curating.forms import Form
from selfimprove.growth.settings import FILE
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.programs.saved import Compiled, proven_for
from selfimprove.store import RunFolder


def compiled_for(folder: RunFolder, config: CurateConfig, forms: Collection[Form]) -> dict[str, Compiled]:
    """Give the compiled programs of a curation: those it was begun with, else the saved ones that fit it.

    Saved ones are those of the task that the seeds are, `programs/NAME/` for `NAME.jsonl`, and those for every task.

    Args:
        folder: of the curation.
        config: its settings.
        forms: of the answers that it grows.

    Raises:
        InputError: a saved program cannot be used.
        RunFolderError: the folder's own cannot be read.
    """
    if folder.has(FILE):
        return folder.record(FROZEN, Frozen).compiled()
    if config.curate.programs == "plain":
        return {}
    return proven_for(_used(config), Path(config.curate.seeds).stem, forms)


def _used(config: CurateConfig) -> Iterator[str]:
    """Name the programs that a curation runs."""
    yield from ("generate", "solve_independently")
    if config.admit.label_votes:
        yield "check_label"
    if config.trace.traces != "off":
        yield "reason"
        if (config.trace.scorer or "").partition(":")[0] == "judge":
            yield "judge_steps"
