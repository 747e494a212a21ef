"""Distillation from a larger local model: whose tokens it must share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from selfimprove.errors import InputError
from selfimprove.trainers.vocabulary import same_words


def words(**vocabulary: int) -> Any:
    return SimpleNamespace(get_vocab=lambda: vocabulary)


def test_teacher_of_another_vocabulary_is_refused() -> None:
    """One sentence with both sizes and how many tokens differ, whether of other words or in another order."""
    same_words(words(a=0, b=1), words(a=0, b=1), "larger")
    with pytest.raises(InputError, match=r"train.distill.teacher = larger has another vocabulary .*3 tokens against 2"):
        same_words(words(a=0, b=1), words(a=0, b=1, c=2), "larger")
    with pytest.raises(InputError, match=r"2 of the student's are others there\); name a larger model"):
        same_words(words(a=0, b=1), words(a=1, b=0), "larger")
