"""What is asked of a language model, and what comes back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from selfimprove.records.base import Record, digest


class Message(Record):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(Record):
    """How a completion is drawn. Temperature 0 is greedy."""

    temperature: float = Field(default=0.0, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=256, ge=1)
    stop: tuple[str, ...] = ()


class Request(Record):
    """One completion that is wanted from a language model."""

    role: str
    """What it is for: `solve`, `ask`, `answer`, `reason`, ..."""
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    problem: str = ""
    """Id of the problem it is about."""
    sample: int = 0
    """Index of the sample, counted over the whole campaign: a new index is a new completion."""
    attempt: int = 0
    """A refused answer that is asked for again has a new attempt."""
    seed: int = 0
    prefix: str = ""
    """How the reply begins; the completion is what comes after it. Only engines that can continue a reply take one."""

    def key(self, identity: str) -> str:
        """Name this request to one model: the ledger's key, 16 hexadecimal characters."""
        turns = [(m.role, m.content) for m in self.messages]
        s = self.sampling
        drawn = (s.temperature, s.top_p, s.max_tokens, s.stop, self.sample, self.attempt, self.seed)
        begun = [self.prefix] if self.prefix else []  # so that keys from before there were prefixes stay the same
        return digest(self.role, turns, identity, drawn, *begun)


class Completion(Record):
    """One sampled text with what it took."""

    text: str
    finish_reason: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Tokens generated, those of hidden reasoning counted in."""
    mean_logprob: float | None = None
    """Mean natural-log probability of the generated tokens, None where the engine hides it."""
    lowest_logprob: float | None = None
    """Natural-log probability of the generated token that was least likely."""
    sampling: Sampling = Sampling()
    sample: int = 0
    reasoning: str = ""
    """What a thinking model wrote before its answer."""
    model: str = ""
    """Identity of what answered (a fallback may have)."""
    call: str = ""
    """Key of the ledger's row."""
    usd: float = 0.0
    error: str = ""
    """Why there is no text, when `finish_reason` is `error`."""
