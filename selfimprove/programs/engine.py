"""A language model of ours as one that DSPy's optimisers can call: every call goes through the model's own ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dspy
from dspy import lm15

from selfimprove.programs.run import seed_of
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Message, Request, Sampling, digest


class StoppedError(BaseException):
    """Work inside an optimiser ended for good: at the budget, or by a fault.

    DSPy counts an `Exception` in an evaluation as a wrong answer and goes on, so this is none; `optimise` raises its
    cause again.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Engine:
    """What a `dspy.LM` calls in the place of a provider.

    A greedy request that was completed in a batch before is answered from there. Requests that are drawn are told apart
    by how often they came, so that a compile that is run again asks for the same.

    Args:
        model: behind the ledger.
        role: what the ledger calls the calls.
        sampling: of requests that do not say how.
        seed: of what is drawn.
    """

    def __init__(self, model: LanguageModel, role: str, sampling: Sampling, seed: int = 0) -> None:
        self.model, self.role, self.sampling, self._seed = model, role, sampling, seed
        self._known: dict[str, Completion] = {}
        self._times: Counter[str] = Counter()

    def __deepcopy__(self, _: dict[int, Any]) -> Engine:
        return self  # DSPy copies models; the ledger behind this one is one

    def lm(self) -> Any:
        """Give the model as DSPy knows models; DSPy's cache and retries are off."""
        how = {"temperature": self.sampling.temperature, "max_tokens": self.sampling.max_tokens}
        return dspy.LM(f"local/{self.role}", engine=self, cache=False, num_retries=0, **how)

    def know(self, messages: Sequence[Message], completion: Completion) -> None:
        """Keep a completion for when it is asked for."""
        self._known[_name(messages)] = completion

    def knows(self, messages: Sequence[Message]) -> bool:
        """Say whether there is a completion for these messages."""
        return _name(messages) in self._known

    def complete(self, request: Any) -> Any:
        """Answer one request of DSPy's."""
        messages = _messages(request)
        told = request.config.temperature
        temperature = self.sampling.temperature if told is None else told
        if not temperature and (known := self._known.get(_name(messages))) is not None:
            return _response(known)
        most = request.config.max_tokens or self.sampling.max_tokens
        how = Sampling(temperature=temperature, max_tokens=most, stop=tuple(request.config.stop or ()))
        return _response(self.ask(messages, how))

    def ask(self, messages: Sequence[Message], sampling: Sampling | None = None) -> Completion:
        """Complete one chat; one that is drawn is a new sample each time.

        Raises:
            StoppedError: the budget is used up, or the model cannot be asked.
        """
        how, name, sample = sampling or self.sampling, _name(messages), 0
        if how.temperature:
            sample, self._times[name] = self._times[name], self._times[name] + 1
        request = Request(
            role=self.role,
            messages=tuple(messages),
            sampling=how,
            sample=sample,
            seed=seed_of(self._seed, name, sample) if how.temperature else 0,
        )
        try:
            (made,) = self.model.complete([request])
        except Exception as error:
            raise StoppedError(error) from error
        return made


def _name(messages: Sequence[Message]) -> str:
    return digest([(message.role, message.content) for message in messages])


def _messages(request: Any) -> tuple[Message, ...]:
    system = request.system or ()
    texts = [system] if isinstance(system, str) else [part.text for part in system]
    head = [Message(role="system", content="\n".join(texts))] if texts else []
    return (*head, *(Message(role=turn.role, content=turn.text or "") for turn in request.messages))


def _response(made: Completion) -> Any:
    usage = lm15.Usage(
        input_tokens=made.prompt_tokens,
        output_tokens=made.completion_tokens,
        total_tokens=made.prompt_tokens + made.completion_tokens,
    )
    reason = "length" if made.finish_reason == "length" else "stop"
    message = lm15.Message.assistant([lm15.TextPart(made.text)])
    return lm15.Response(id=None, model=made.model or "local", message=message, finish_reason=reason, usage=usage)
