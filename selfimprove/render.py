"""Signature and record to chat messages to token ids: the one place, for prompting and for training.

A model that is trained under one prompt and tested under another loses what it learned, so nothing else in
the library writes a prompt, and the hash of what is rendered here is kept in every track and evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import dspy

from selfimprove.errors import InputError
from selfimprove.records import Message, digest

_VERSION: Final = 2
_ITEM: Final = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):])\s*")
_NOTHING: Final = {"", "none", "no questions", "no question", "n/a", "nothing"}
_DATE: Final = {"d": "26", "m": "07", "b": "Jul", "B": "July", "Y": "2024", "y": "24", "a": "Fri", "A": "Friday"}
_FIXED: Final = (
    "{%- macro strftime_now(form) -%}{{ form"
    + "".join(f" | replace('%{code}', '{said}')" for code, said in _DATE.items())
    + " }}{%- endmacro %}\n"  # the line's end goes with the block, so nothing is written before the template
)


class PlainAdapter(dspy.Adapter):
    """Plain chat, without field markers: what a model of 135M parameters can keep to.

    The instruction is the system message. A single input stands bare in the user message; several stand under
    their names. The first output stands bare in the reply, further ones under their names.
    """

    def format(
        self, signature: Any, demos: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        """Write the chat messages for one call."""
        messages = [{"role": "system", "content": signature.instructions}]
        for demo in demos:
            messages.append({"role": "user", "content": _user(signature, demo)})
            messages.append({"role": "assistant", "content": self.write(signature, demo)})
        return [*messages, {"role": "user", "content": _user(signature, inputs)}]

    def write(self, signature: Any, outputs: Mapping[str, Any]) -> str:
        """Write outputs as the reply that `parse` reads back."""
        first, *rest = [(name, _text(outputs.get(name, ""))) for name in _fields(signature).outputs]
        return "\n".join([first[1], *(f"{_title(name)}:\n{text}" for name, text in rest)]).strip()

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Read the outputs from a reply; a missing one is empty (`""` or `[]`)."""
        fields = _fields(signature).outputs
        first, *rest = fields
        texts, remaining = {}, completion
        for name in reversed(rest):
            head, mark, tail = _cut_at(remaining, _title(name))
            texts[name], remaining = (tail, head) if mark else ("", remaining)
        texts[first] = remaining
        return {name: _value(texts[name], annotation) for name, annotation in fields.items()}


class _Fields(NamedTuple):
    inputs: tuple[str, ...]
    outputs: dict[str, object]


@lru_cache(256)
def _fields(signature: Any) -> _Fields:
    """Give a signature's fields; DSPy works them out anew at every look."""
    return _Fields(tuple(signature.input_fields), {n: f.annotation for n, f in signature.output_fields.items()})


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(f"{i}. {item}" for i, item in enumerate(value, 1)) if value else "none"
    return str(value).strip()


def _user(signature: Any, inputs: Mapping[str, Any]) -> str:
    given = [(name, inputs.get(name)) for name in _fields(signature).inputs]
    given = [(name, value) for name, value in given if value not in (None, "", [], ())]
    if len(given) == 1:
        return _text(given[0][1])
    return "\n\n".join(f"{_title(name)}:\n{_text(value)}" for name, value in given)


def _cut_at(text: str, title: str) -> tuple[str, str, str]:
    found = re.search(rf"^\W*{re.escape(title)}\W*?:[ \t*]*", text, re.IGNORECASE | re.MULTILINE)
    return (text[: found.start()], found.group(), text[found.end() :]) if found else (text, "", "")


def _value(text: str, annotation: object) -> object:
    if annotation == list[str]:
        lines = [_ITEM.sub("", line).strip() for line in text.splitlines()]
        return [line for line in lines if line.lower().rstrip(".") not in _NOTHING]
    return text.strip()


class ChatTokenizer(Protocol):
    """The part of a transformers tokenizer that rendering needs."""

    chat_template: str | None
    eos_token_id: int

    def apply_chat_template(self, conversation: list[dict[str, str]], **how: Any) -> Any:
        """Write messages as one text."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Split a text into token ids."""
        ...


class TrainingExample(NamedTuple):
    """Token ids of a prompt with its completion; only the completion carries loss."""

    ids: list[int]
    prompt_length: int


def prompt_text(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> str:
    """Write messages with the model's chat template, up to where the reply begins.

    A template that writes today's date (Llama 3.2's does, by `strftime_now`) is given 26 July 2024, which Llama 3.1's
    states: two students, or a prompt and what is trained on, must not differ by the day they were asked on. One that
    can leave thinking out (Qwen3's) does: replies that are trained on hold none, so a student that thinks before a
    training would not behind it, and what that changes would pass for what it learned.

    Raises:
        InputError: the tokenizer has no chat template.
    """
    return chat_text(tokenizer, messages, add_generation_prompt=True)


def prompt_ids(tokenizer: ChatTokenizer, messages: Sequence[Message], prefix: str = "") -> list[int]:
    """Give the token ids a model is prompted with; a prefix is how its reply begins."""
    return tokenizer.encode(prompt_text(tokenizer, messages) + prefix, add_special_tokens=False)


def training_example(tokenizer: ChatTokenizer, messages: Sequence[Message], target: str) -> TrainingExample:
    """Give the token ids a model is trained on: exactly its prompt, then the reply and one end token.

    Raises:
        InputError: the chat template changes the prompt or drops part of the reply, or there is no end token.
    """
    prompt = prompt_text(tokenizer, messages)
    whole = chat_text(tokenizer, [*messages, Message(role="assistant", content=target)], add_generation_prompt=False)
    if not whole.startswith(prompt):
        raise InputError(
            "the chat template writes another prompt when a reply follows, so training would not match "
            "prompting; use a model whose template keeps the prompt unchanged"
        )
    reply = whole[len(prompt) :]
    if target.strip() not in reply:
        raise InputError(f"the chat template drops part of the reply {target[:60]!r}; use a template that keeps it")
    head = tokenizer.encode(prompt, add_special_tokens=False)
    tail = tokenizer.encode(reply, add_special_tokens=False)
    end = tokenizer.eos_token_id
    if end is None:
        raise InputError("the student's tokenizer has no end token; set eos_token in its tokenizer_config.json")
    tail = tail[: tail.index(end) + 1] if end in tail else [*tail, end]
    return TrainingExample([*head, *tail], len(head))


def chat_text(tokenizer: ChatTokenizer, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    """Write messages with the model's chat template, as `prompt_text` does, with or without the reply's beginning."""
    if not tokenizer.chat_template:
        raise InputError("the student's tokenizer has no chat template; use an instruction-tuned model or add one")
    turns = [{"role": m.role, "content": m.content} for m in messages]
    how: dict[str, Any] = {"tokenize": False, "add_generation_prompt": add_generation_prompt}
    if "strftime_now" in tokenizer.chat_template:
        how["chat_template"] = _FIXED + tokenizer.chat_template
    if "enable_thinking" in tokenizer.chat_template:
        how["enable_thinking"] = False
    try:
        return str(tokenizer.apply_chat_template(turns, **how))
    except Exception as error:
        # Some templates (Gemma's) refuse a system turn; its text then opens the first user turn.
        if len(turns) < 2 or turns[0]["role"] != "system" or "system" not in str(error).lower():  # noqa: PLR2004
            raise
        system, user, *rest = turns
        opened = {"role": "user", "content": f"{system['content']}\n\n{user['content']}"}
        return str(tokenizer.apply_chat_template([opened, *rest], **how))


def render_hash(signature: Any, demos: Sequence[Mapping[str, Any]], chat_template: str | None) -> str:
    """Name everything that decides how a record becomes a prompt, 16 hexadecimal characters."""
    fields = [(name, str(field.annotation)) for name, field in signature.fields.items()]
    return digest(_VERSION, signature.instructions, fields, [dict(d) for d in demos], chat_template or "")
