"""The errors a caller can meet, each with the exit code the command line ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_MOST_KNOWN: Final = 40


class SelfImproveError(Exception):
    """Anything this library raises on purpose: one sentence a person can act on."""

    exit_code = 1


class InputError(SelfImproveError, ValueError):
    """What the user gave cannot be used: a file, a field, a name, a key."""

    exit_code = 2


class MissingDependencyError(SelfImproveError, ImportError):
    """A part was asked for whose optional packages are not installed."""

    exit_code = 2


class RunFolderError(InputError):
    """The run folder is locked, damaged, or belongs to another campaign."""


class BudgetExceededError(SelfImproveError):
    """The next call could cost more than is left; nothing was sent."""

    exit_code = 3


class WaitingError(SelfImproveError):
    """The campaign waits for a person's word; nothing is lost."""

    exit_code = 4


class StudentError(SelfImproveError, RuntimeError):
    """The server of the student is not there."""


class TeacherError(SelfImproveError, RuntimeError):
    """No deployment of a role could answer."""


class TrainingError(SelfImproveError, RuntimeError):
    """A training process ended without an adapter."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or list them.

    >>> nearest("learning_rat", ["learning_rate", "epochs"])
    'did you mean "learning_rate"?'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    more = f" and {len(names) - _MOST_KNOWN} more" if len(names) > _MOST_KNOWN else ""
    return f"known: {', '.join(names[:_MOST_KNOWN])}{more}"
