"""How many problems a campaign has: its settings only say how many at most."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from selfimprove.config import Config
from selfimprove.errors import InputError
from selfimprove.graphs.panel import aside_size
from selfimprove.protocols import Task
from selfimprove.records import Problem, Split


class Sizes(NamedTuple):
    """Problems that there are.

    Attributes:
        train: to mine and to train on, without those set aside.
        aside: training problems that the panel is taken from, see `graphs.panel`.
        dev: to decide on.
        test: to report on.
        dev_groups: groups of dev problems that belong together, and count as one draw; 0: each stands alone.
        rungs: of the ladder that is climbed; 0: there is none.
    """

    train: int
    aside: int
    dev: int
    test: int
    dev_groups: int = 0
    rungs: int = 0


def sizes_of(config: Config, task: Task) -> Sizes:
    """Count a task's problems, each split up to its limit; those of held-out sets are still among them.

    Raises:
        InputError: a split is empty.
    """
    data = config.data
    labels = [problem.labels.get(config.select.label, "") for problem in _some(task, "train", data.train)]
    aside = aside_size(config, len(labels))
    dev = [problem.group for problem in _some(task, "dev", data.dev)]
    groups = len(set(dev) - {""}) + dev.count("")
    test = sum(1 for _ in _some(task, "test", data.test))
    rungs = len(set(labels) - {""}) if config.select.policy == "ladder" else 0
    return Sizes(len(labels) - aside, aside, len(dev), test, groups if groups < len(dev) else 0, rungs)


def _some(task: Task, split: Split, most: int) -> Iterator[Problem]:
    problems = islice(task.problems(split), most)
    first = next(problems, None)
    if first is None:
        raise InputError(f'task "{task.name}" has no {split} problems; give it some')
    return chain([first], problems)
