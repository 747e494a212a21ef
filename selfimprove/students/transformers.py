"""A student that runs in this process: a transformers model under the slot engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selfimprove.errors import InputError
from selfimprove.records import Completion, Message, Request, digest
from selfimprove.students import adapters, engine
from selfimprove.students.fetch import model_hash, quiet, readable
from selfimprove.students.losses import text_loss
from selfimprove.students.resident import Resident


class TransformersStudent:
    """A causal language model with at most one LoRA adapter. Satisfies `Student`.

    Students made by `with_adapter` share one base in memory and take turns.

    Args:
        folder: a folder, hub id or short name, see `fetch`.
        adapter: a folder that PEFT wrote.
        dtype: `auto`, `bfloat16`, `float32` or `float16`.
        device: `auto`, `cpu`, `cuda:0`, ...
        max_length: tokens of prompt and completion together; the model's own limit where that is less.
        slots: completions that run at once; by default from the memory of the machine.

    Raises:
        InputError: no such model, no usable chat template, or an adapter of another model.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        adapter: Path | None = None,
        dtype: str = "auto",
        device: str = "auto",
        max_length: int = 2048,
        slots: int | None = None,
    ) -> None:
        resident = Resident(folder, dtype=dtype, device=device, max_length=max_length, slots=slots)
        check_template(resident.tokenizer, resident.folder)
        self._set(resident, adapter)

    def _set(self, resident: Resident, adapter: Path | None) -> None:
        self._resident = resident
        self.folder: Path = resident.folder
        self.tokenizer: Any = resident.tokenizer
        self.adapter = Path(adapter).resolve() if adapter is not None else None
        if self.adapter is not None:
            adapters.check_base(self.adapter, self.folder)
        self._version = adapters.adapter_hash(self.adapter) if self.adapter is not None else ""
        parts = (
            model_hash(self.folder),
            self._version,
            resident.dtype,
            engine.VERSION,
        )
        self._identity = f"transformers/{digest(*parts)}"

    @property
    def identity(self) -> str:
        """Hash of weights, adapter, dtype and engine."""
        return self._identity

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`, ..."""
        return self._resident.device

    @property
    def max_length(self) -> int:
        """Tokens of prompt and completion together that it takes."""
        return self._resident.max_length

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete every request, in order; a prompt longer than the context is an error."""
        prompts = self._prompts(requests)
        fitting = [index for index, prompt in enumerate(prompts) if 0 < len(prompt) < self.max_length]
        jobs = [self._job(requests[index], prompts[index]) for index in fitting]
        found = dict(zip(fitting, self._generate(jobs), strict=True))
        return [
            self._completion(request, len(prompt), found.get(index))
            for index, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
        ]

    def losses(self, texts: Sequence[str]) -> list[float]:
        """Give the mean loss on each text as it stands, without a chat template, in nats a token.

        Texts longer than the context are read as far as it goes; one of fewer than two tokens has loss 0.
        """
        resident = self._resident
        with resident.lock:
            model = resident.model(self.adapter, self._version)
            return [text_loss(model, self.tokenizer(text).input_ids[: self.max_length]) for text in texts]

    def with_adapter(self, path: Path | None) -> TransformersStudent:
        """Give the same base with another adapter, or with none; the base is not loaded again."""
        other = object.__new__(type(self))
        other._set(self._resident, path)
        return other

    def save(self, out: Path) -> None:
        """Write the model as it is evaluated, the adapter merged into its weights, with its tokenizer.

        Raises:
            InputError: the adapter does not go into this model.
        """
        with self._resident.lock:
            model = self._resident.model(self.adapter, self._version)
            with quiet():
                model.save_pretrained(out)
        self.tokenizer.save_pretrained(out)
        readable(out)

    def unload(self) -> None:
        """Give the memory back, for all students of this base; the next use loads again."""
        self._resident.unload()

    def _prompts(self, requests: Sequence[Request]) -> list[tuple[int, ...]]:
        from selfimprove.render import prompt_ids

        seen: dict[tuple[tuple[Message, ...], str], tuple[int, ...]] = {}
        for request in requests:
            asked = (request.messages, request.prefix)
            if asked not in seen:
                seen[asked] = tuple(prompt_ids(self.tokenizer, *asked))
        return [seen[request.messages, request.prefix] for request in requests]

    def _job(self, request: Request, prompt: tuple[int, ...]) -> engine.Job:
        drawn = request.sampling
        return engine.Job(
            prompt=prompt,
            limit=min(drawn.max_tokens, self.max_length - len(prompt)),
            temperature=drawn.temperature,
            top_p=drawn.top_p,
            seed=engine.row_seed(request),
            stop=drawn.stop,
        )

    def _generate(self, jobs: Sequence[engine.Job]) -> list[engine.Generated]:
        if not jobs:
            return []
        from selfimprove.students.own_cache import OwnMemory
        from selfimprove.students.slots import SlotMemory, fits

        resident = self._resident
        with resident.lock:
            model = resident.model(self.adapter, self._version)
            memory = (SlotMemory if fits(model) else OwnMemory)(model, min(resident.slots, len(jobs)))
            return engine.Engine(memory, resident.ends(), self._text).run(jobs)

    def _text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def _completion(self, request: Request, prompt_tokens: int, made: engine.Generated | None) -> Completion:
        same = {"model": self.identity, "sampling": request.sampling, "sample": request.sample}
        if made is None:
            reason = f"the prompt has {prompt_tokens} tokens, and {self._resident.limit()}, the reply counted in"
            return Completion(text="", finish_reason="error", prompt_tokens=prompt_tokens, error=reason, **same)
        return Completion(
            text=made.text,
            finish_reason=made.finish_reason,
            prompt_tokens=prompt_tokens,
            completion_tokens=made.tokens,
            mean_logprob=made.mean_logprob,
            lowest_logprob=made.lowest_logprob,
            **same,
        )


def check_template(tokenizer: Any, folder: Path) -> None:
    """Refuse a tokenizer whose chat template is missing or does not lead up to the reply."""
    from jinja2 import TemplateError

    from selfimprove.render import chat_text, prompt_text

    asked = (Message(role="user", content="question"),)
    try:
        bare = prompt_text(tokenizer, asked)
    except TemplateError as error:
        raise InputError(f"the chat template in {folder} is broken: {error}") from error
    if bare != chat_text(tokenizer, asked, add_generation_prompt=False):
        return
    # Some templates (Mistral's) need no generation prompt: the reply follows the question at once.
    replied = (*asked, Message(role="assistant", content="reply"))
    whole = chat_text(tokenizer, replied, add_generation_prompt=False)
    if not whole.startswith(bare) or not whole[len(bare) :].lstrip().startswith("reply"):
        raise InputError(
            f"the chat template in {folder} ignores add_generation_prompt, so the model would not know "
            "that it is its turn; add the generation prompt to the template"
        )
