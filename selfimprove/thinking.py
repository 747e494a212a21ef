"""What a model wrote before its answer, parted from it; servers and providers give both in one text at times."""

from __future__ import annotations

import re
from typing import Final

_THINK: Final = re.compile(r"<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL)


def whole(text: str) -> str:
    """Put a question mark for half a character, as an emoji cut in its JSON escape leaves: no file takes it."""
    return text.encode("utf-8", "replace").decode()


def split_thinking(content: str) -> tuple[str, str]:
    """Part a reply from what a thinking model wrote before it.

    The opening tag may be missing (it stood in the prompt), the closing one too (it was cut off).

    >>> split_thinking("<think>2 and 2</think>Answer: 4")
    ('Answer: 4', '2 and 2')
    """
    thoughts = _THINK.findall(content)
    rest = _THINK.sub("", content)
    for closing in ("</think>", "</thinking>"):
        head, mark, tail = rest.rpartition(closing)
        if mark:
            thoughts, rest = [*thoughts, head], tail
    head, mark, tail = rest.partition("<think>")
    if mark and not head.strip():
        thoughts, rest = [*thoughts, tail], ""
    return rest.strip() if thoughts else rest, "\n".join(t.strip() for t in thoughts).strip()
