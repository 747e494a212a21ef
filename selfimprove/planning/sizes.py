"""How many problems a campaign has: its settings only say how many at most."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from selfimprove.config import Config
from selfimprove.errors import InputError
from selfimprove.graphs.panel import aside_size
from selfimprove.protocols import Task
from selfimprove.records import Split


class Sizes(NamedTuple):
    """Problems that there are.

    Attributes:
        train: to mine and to train on, without those set aside.
        aside: training problems that the panel is taken from, see `graphs.panel`.
        dev: to decide on.
        test: to report on.
    """

    train: int
    aside: int
    dev: int
    test: int


def sizes_of(config: Config, task: Task) -> Sizes:
    """Count a task's problems, each split up to its limit; those of held-out sets are still among them.

    Raises:
        InputError: a split is empty.
    """
    data = config.data
    train = _count(task, "train", data.train)
    aside = aside_size(config, train)
    return Sizes(train - aside, aside, _count(task, "dev", data.dev), _count(task, "test", data.test))


def _count(task: Task, split: Split, most: int) -> int:
    found = sum(1 for _ in islice(task.problems(split), most))
    if not found:
        raise InputError(f'task "{task.name}" has no {split} problems; give it some')
    return found
