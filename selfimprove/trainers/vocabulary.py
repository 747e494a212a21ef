"""Whose tokens a teacher must share whose distributions are learned."""

from __future__ import annotations

from pathlib import Path

from selfimprove.errors import InputError


def check_vocabulary(student: Path, teacher: Path, named: str) -> None:
    """Refuse a teacher whose distributions are over other tokens than the student's; no weights are loaded.

    Two models may share a tokenizer and still differ in how far their embeddings are padded beyond it.

    Args:
        student: its folder.
        teacher: its folder.
        named: the teacher, as the settings name it.

    Raises:
        InputError: the vocabularies differ, or the widths of the logits.
    """
    from transformers import AutoConfig, AutoTokenizer

    mine, theirs = (AutoTokenizer.from_pretrained(each).get_vocab() for each in (student, teacher))
    if mine != theirs:
        differ = sum(theirs.get(word) != at for word, at in mine.items())
        raise InputError(
            f"train.distill.teacher = {named} has another vocabulary than the student ({len(theirs):,} tokens against "
            f"{len(mine):,}, {differ:,} of the student's are others there); name a larger model of the student's family"
        )
    ours, wide = (AutoConfig.from_pretrained(each).get_text_config().vocab_size for each in (student, teacher))
    if ours != wide:
        raise InputError(
            f"train.distill.teacher = {named} has the student's tokens, but {wide:,} logits where the student has "
            f"{ours:,} (vocab_size in config.json); name a model of the family in which they are as many"
        )
