"""What a reply holds: the text, the thinking before it, and the tokens that are paid for."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from selfimprove.thinking import split_thinking, whole

_ALWAYS_READ: Final = 100_000
_CHARACTERS_A_TOKEN: Final = 100


class UnusableReplyError(Exception):
    """A reply came, and there is nothing in it that could be an answer."""


class Reply(NamedTuple):
    """What one reply says.

    Attributes:
        prompt_tokens: read, as the provider counts; 0: it does not say.
        completion_tokens: written, as the provider counts; 0: it does not say.
        all_tokens: both, with reasoning that it may count beside them; 0: it does not say.
    """

    text: str
    reasoning: str
    cut_off: bool
    prompt_tokens: int
    completion_tokens: int
    all_tokens: int

    def made(self, prompt_tokens: int) -> int:
        """Give the tokens written, reasoning that only the sum holds counted in."""
        return max(self.completion_tokens, self.all_tokens - prompt_tokens) if self.completion_tokens else 0


def read_reply(response: Any, max_tokens: int) -> Reply:
    """Read what LiteLLM gives back for one call.

    Raises:
        UnusableReplyError: there is nothing to read, or far more than was allowed.
    """
    if not response.choices:
        raise UnusableReplyError("a reply without choices")
    choice, usage = response.choices[0], getattr(response, "usage", None)
    hidden = whole(getattr(choice.message, "reasoning_content", None) or "")
    content = whole(choice.message.content or "")
    length = len(hidden) + len(content)
    if length > max(_ALWAYS_READ, max_tokens * _CHARACTERS_A_TOKEN):
        raise UnusableReplyError(f"a reply of {length:,} characters where {max_tokens} tokens were allowed")
    text, thought = split_thinking(content)
    reasoning = "\n".join(part for part in (hidden.strip(), thought) if part)
    return Reply(
        text.strip() if reasoning else text,
        reasoning,
        choice.finish_reason in {"length", "max_tokens"},
        *(getattr(usage, f"{kind}_tokens", 0) or 0 for kind in ("prompt", "completion", "total")),
    )
