"""Whose tokens a teacher must share whose distributions are learned."""

from __future__ import annotations

from typing import Any

from selfimprove.errors import InputError
from selfimprove.students.fetch import fetch


def see_vocabulary(student: Any, named: str) -> None:
    """Refuse a teacher whose tokens are not the student's, before anything is spent; no weights are loaded.

    Args:
        student: its tokenizer.
        named: the teacher, a folder or hub id.

    Raises:
        InputError: the vocabularies differ.
    """
    from transformers import AutoTokenizer

    same_words(student, AutoTokenizer.from_pretrained(fetch(named)), named)


def same_words(student: Any, teacher: Any, named: str) -> None:
    """Refuse a teacher whose tokens are not the student's: distributions over other tokens cannot be compared.

    Args:
        student: its tokenizer.
        teacher: its tokenizer.
        named: the teacher, as the settings name it.

    Raises:
        InputError: the vocabularies differ.
    """
    mine, theirs = student.get_vocab(), teacher.get_vocab()
    if mine != theirs:
        differ = sum(theirs.get(word) != at for word, at in mine.items())
        raise InputError(
            f"train.distill.teacher = {named} has another vocabulary than the student ({len(theirs):,} tokens against "
            f"{len(mine):,}, {differ:,} of the student's are others there); name a larger model of the student's family"
        )
