r"""How each family of process reward models is shown a solution, and where it says what it thinks of each step.

| family | a solution is written as | a step is scored at |
|---|---|---|
| `qwen2.5-math-prm` | chat; `<extra_0>` behind every step of the reply | that token |
| `math-shepherd` | `QUESTION Step 1: ... ки\nStep 2: ... ки` | the token `ки` |
| `rlhflow` | chat; each step a user turn, each reply `+` | the token before the reply's `+` |
| `skywork-o1-open-prm` | `QUESTION\nSTEP\nSTEP\n` | the line break behind the step |
| `own` | `QUESTION\n\nSTEP\nSTEP\n` | the line break behind the step |

All but the last follow the inference code that was published with the weights. None has been run with the real
weights yet: tests pin tokens and scores on tiny random models of the same architecture, and those of Math-Shepherd and
RLHFlow against the ids that their authors print.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from selfimprove.errors import InputError

QWEN_SYSTEM: Final = "Please reason step by step, and put your final answer within \\boxed{}."
_MARKED: Final = re.compile(r"Step \d+:")
SHEPHERD_TAG: Final = "\u043a\u0438"  # two Cyrillic letters that stand in no problem


class Encoded(NamedTuple):
    """A solution as one family reads it."""

    ids: list[int]
    at: list[int]
    """Position of the hidden state that scores each step, shape `[steps]`."""


Encode = Callable[[Any, str, Sequence[str]], Encoded]
"""From a tokenizer, a question and the steps of a solution."""


def encode_qwen(tokenizer: Any, question: str, steps: Sequence[str]) -> Encoded:
    """Write a chat whose reply has `<extra_0>` behind every step (model card of Qwen2.5-Math-PRM-7B)."""
    mark = tokenizer.convert_tokens_to_ids("<extra_0>")
    if mark is None or mark == tokenizer.unk_token_id:
        raise InputError("the tokenizer has no token <extra_0>, so this is no Qwen2.5-Math-PRM; name another family")
    clean = [step.replace("<extra_0>", "") for step in steps]
    turns = [("system", QWEN_SYSTEM), ("user", question), ("assistant", "".join(f"{step}<extra_0>" for step in clean))]
    text = _chat(tokenizer, turns, reply=False)
    ids = tokenizer.encode(text)
    reply = [place for place, token in enumerate(ids) if token == mark]
    return Encoded(ids, reply[len(reply) - len(steps) :])


def encode_shepherd(tokenizer: Any, question: str, steps: Sequence[str]) -> Encoded:
    """Write numbered lines, each ending in the step tag (model card of math-shepherd-mistral-7b-prm)."""
    tag = tokenizer.encode(SHEPHERD_TAG)[-1]
    numbered = [step if _MARKED.match(step) else f"Step {i}: {step}" for i, step in enumerate(steps, 1)]
    lines = "\n".join(f"{step.replace(SHEPHERD_TAG, '')} {SHEPHERD_TAG}" for step in numbered)
    ids = tokenizer.encode(f"{question.replace(SHEPHERD_TAG, '')} {lines}")
    return Encoded(ids, [place for place, token in enumerate(ids) if token == tag])


def encode_rlhflow(tokenizer: Any, question: str, steps: Sequence[str]) -> Encoded:
    """Write a chat with a user turn a step, all earlier ones approved (`prm_evaluate.py` of RLHFlow).

    The authors score each turn anew from the third token from the end; as attention looks back only, one pass over
    the whole chat gives the same at the token before each `+`.
    """
    turns: list[tuple[str, str]] = []
    heads = []
    for index, step in enumerate(steps):
        turns.append(("user", f"{question} {step}" if index == 0 else step))
        heads.append(len(_chat(tokenizer, turns, reply=True)))
        turns.append(("assistant", "+"))
    whole = _chat(tokenizer, turns, reply=False)
    coded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    begins = {begin: place for place, (begin, end) in enumerate(coded["offset_mapping"]) if end > begin}
    if any(whole[head : head + 1] != "+" or head not in begins for head in heads):
        raise InputError("the chat template does not put the reply + where its turn begins; name another family")
    return Encoded(coded["input_ids"], [begins[head] - 1 for head in heads])


def encode_skywork(tokenizer: Any, question: str, steps: Sequence[str]) -> Encoded:
    """Write each line of each step, and score at a step's last line break (skywork-o1-prm-inference)."""
    line_break = tokenizer.encode("\n")[-1]
    ids, at = list(tokenizer.encode(f"{tokenizer.bos_token or ''}{question}\n")), []
    for step in steps:
        for line in step.split("\n"):
            ids += [*(tokenizer.encode(line) if line else []), line_break]
        at.append(len(ids) - 1)
    return Encoded(ids, at)


def encode_own(tokenizer: Any, question: str, steps: Sequence[str]) -> Encoded:
    """Write question and steps plainly, each step in tokens of its own, and score at the break behind each."""
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    line_break = tokenizer.encode("\n", add_special_tokens=False)
    if not line_break:  # tokenizers that drop white space (BERT's) have a mark for it
        line_break = [tokenizer.sep_token_id]
    ids, at = [*begin, *tokenizer.encode(f"{question}\n\n", add_special_tokens=False)], []
    for step in steps:
        ids += [*tokenizer.encode(step, add_special_tokens=False), *line_break]
        at.append(len(ids) - 1)
    return Encoded(ids, at)


ENCODERS: Final[Mapping[str, Encode]] = {
    "qwen2.5-math-prm": encode_qwen,
    "math-shepherd": encode_shepherd,
    "rlhflow": encode_rlhflow,
    "skywork-o1-open-prm": encode_skywork,
    "own": encode_own,
}


def _chat(tokenizer: Any, turns: Sequence[tuple[str, str]], *, reply: bool) -> str:
    """Write turns as one text; `reply` leads up to the next reply."""
    if not tokenizer.chat_template:
        raise InputError("the tokenizer has no chat template, which this family of reward models needs")
    chat = [{"role": role, "content": content} for role, content in turns]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=reply))
