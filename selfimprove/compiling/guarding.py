"""The compile split: training problems that the guard has looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from selfimprove.errors import InputError
from selfimprove.leakage import Guard, HeldOut
from selfimprove.protocols import Task
from selfimprove.records import Problem, Split

_HELD_OUT: tuple[Split, ...] = ("dev", "test")


def check_disjoint(problems: Sequence[Problem], task: Task, public: Iterable[HeldOut] = (), where: str = "it") -> None:
    """Refuse problems to compile on that stand in dev, in test, or in a public test set.

    Args:
        problems: to compile on.
        task: whose dev and test are held out.
        public: held out besides.
        where: the file the problems come from.

    Raises:
        InputError: one does.
    """
    own = [HeldOut.of(problem, split) for split in _HELD_OUT for problem in task.problems(split)]
    guard = Guard([*own, *public])
    hits = [(problem, hit) for problem in problems if (hit := guard.leak_of(problem)) is not None]
    if hits:
        problem, hit = hits[0]
        some = "1 problem" if len(hits) == 1 else f"{len(hits)} problems"
        raise InputError(
            f'{where} holds {some} of {hit.where} of {task.name}, such as "{problem.question:.60}"; programs are '
            "compiled on training problems alone, so take them out"
        )
