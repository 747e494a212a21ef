"""What commands share: options, and the parts that options name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selfimprove.errors import InputError

if TYPE_CHECKING:
    from selfimprove.config import Config
    from selfimprove.ledger import Ledger
    from selfimprove.protocols import LanguageModel, Task

path_type = click.Path(path_type=Path)
set_option = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help='Change one setting. VALUE is TOML, quoted for your shell: 20, true, \'"a text"\', \'["a", "list"]\'.',
)
quiet_option = click.option("--quiet", is_flag=True, help="Say nothing until the end.")
option_option = click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the task: levels=[2,3]."
)
data_dir_option = click.option("--data-dir", type=path_type, help="Folder with local copies of the data sets.")


def changed_config(config: Path, changes: Sequence[str]) -> Config:
    """Load a TOML file with single settings changed, as `section.key=value` with a TOML value."""
    from selfimprove.config import load_config, make_config
    from selfimprove.config.changing import changed_values

    values = load_config(config).model_dump(mode="json", exclude_unset=True)
    return make_config(changed_values(values, changes), str(config))


@contextmanager
def ledger_of(how: dict[str, Any]) -> Iterator[Ledger]:
    """Open the ledger that a command names, for this process alone; a refused command leaves none without calls.

    Raises:
        RunFolderError: it cannot be written, or another process uses it.
    """
    from selfimprove.ledger import Ledger
    from selfimprove.ledger.refused import gone_if_empty

    path: Path = how["ledger_file"]
    with gone_if_empty(path), closing(Ledger(path, alone=True)) as ledger:
        ledger.cap_dollars(how.get("budget_usd"), "--budget-usd")
        yield ledger


def task_of(how: dict[str, Any]) -> Task:
    """Load the task that a command names."""
    from selfimprove.tasks import load_task

    return load_task(how["task"], data_dir=how["data_dir"], options=read_pairs("--option", how["options"]))


def student_of(how: dict[str, Any], ledger: Ledger) -> tuple[LanguageModel, str]:
    """Load the student that a command names; its completions go through the ledger.

    Returns:
        The student, and its identity without its adapter.
    """
    from selfimprove.ledger import Journaled
    from selfimprove.students import load_student

    student = load_student(how["student"], max_tokens=how["max_tokens"], dtype=how["dtype"], device=how["device"])
    adapted = student.with_adapter(how["adapter"]) if how["adapter"] is not None else student
    return Journaled(adapted, ledger), student.identity


def read_pairs(flag: str, given: Sequence[str]) -> dict[str, object]:
    """Read `key=value`s with TOML values.

    Raises:
        InputError: one has no key.

    >>> read_pairs("--set", ["num_train_epochs=2", "optim=adamw_torch"])
    {'num_train_epochs': 2, 'optim': 'adamw_torch'}
    """
    from selfimprove.config.changing import toml_value

    found: dict[str, object] = {}
    for one in given:
        key, sign, text = one.partition("=")
        if not sign or not key.strip():
            raise InputError(f'{flag} "{one}" will not do; write KEY=VALUE, such as levels=[2,3]')
        found[key.strip()] = toml_value(text)
    return found
