"""How fast the student's engine generates, beside plain `generate`, on one ragged workload in one run.

    python benchmarks/engine.py          # about 10 minutes on 2 cores; QUICK=1: under 5

Useful tokens are those up to the end token or the limit; what a batch computes for rows that have
ended is not counted. `generate` gets its better dtype, prompts sorted by length, and its best batch.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from selfimprove.records import Message, Request, Sampling
from selfimprove.students.transformers import TransformersStudent

QUICK = bool(os.environ.get("QUICK"))
DATA = Path(os.environ.get("SELFIMPROVE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
MAX_TOKENS = 96
TEMPERATURE = 0.8
SHORTLY = " Answer with one short sentence."
"""Without it the untuned model talks to the limit each time, and nothing is ragged."""


def real() -> bool:
    """Say whether GSM8K's training split is at hand."""
    return (DATA / "gsm8k" / "train.jsonl").is_file()


def questions(count: int) -> list[str]:
    """Questions of GSM8K's training split where they are at hand, else made-up sums in words, which are shorter."""
    rng = random.Random(0)
    if real():
        lines = (DATA / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["question"] + SHORTLY for line in rng.sample(lines, count)]
    what = ["apples", "pencils", "tickets", "coins"]
    parts = [[f"{rng.randrange(2, 99)} {rng.choice(what)}" for _ in range(rng.randrange(2, 12))] for _ in range(count)]
    return [f"Ann buys {', '.join(part)}. How many things does she have?{SHORTLY}" for part in parts]


def ours(student: TransformersStudent, asked: list[str]) -> int:
    """Complete all questions with the slot engine; returns the useful tokens."""
    sampling = Sampling(temperature=TEMPERATURE, max_tokens=MAX_TOKENS)
    requests = [
        Request(role="solve", messages=(Message(role="user", content=text),), sampling=sampling, seed=index)
        for index, text in enumerate(asked)
    ]
    return sum(made.completion_tokens for made in student.complete(requests))


def plain(model: Any, tokenizer: Any, asked: list[str], batch: int) -> int:
    """Complete all questions with `generate`, sorted by length; returns the useful tokens."""
    import torch

    chats = [[{"role": "user", "content": text}] for text in asked]
    prompts = [str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)) for chat in chats]
    prompts.sort(key=lambda text: -len(tokenizer.encode(text)))
    useful, ends = 0, {tokenizer.eos_token_id}
    for start in range(0, len(prompts), batch):
        given = tokenizer(prompts[start : start + batch], return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(
                **given,
                max_new_tokens=MAX_TOKENS,
                do_sample=True,
                temperature=TEMPERATURE,
                top_k=0,
                top_p=1.0,
            )
        for row in out[:, given["input_ids"].shape[1] :].tolist():
            useful += next((at + 1 for at, token in enumerate(row) if token in ends), len(row))
    return useful


def rate(work: Callable[[], int]) -> float:
    """Useful tokens a second."""
    started = time.perf_counter()
    return work() / (time.perf_counter() - started)


def measure(name: str) -> Iterator[tuple[str, float]]:
    """Give (engine, tokens/s), one after the other."""
    import torch
    from transformers import AutoModelForCausalLM

    asked = questions(192 if QUICK else 512)
    student = TransformersStudent(name)
    ours(student, asked[:4])  # loads the model and warms the kernels
    yield "slot engine", rate(partial(ours, student, asked))
    for dtype in ("bfloat16", "float32"):
        model = AutoModelForCausalLM.from_pretrained(student.folder, dtype=getattr(torch, dtype)).eval()
        plain(model, student.tokenizer, asked[:4], 4)
        few = asked[: 2 if QUICK else 6]
        yield (
            f"one by one, {dtype}",
            rate(partial(plain, model, student.tokenizer, few, 1)),
        )
        if dtype == "bfloat16":  # float32 is the slower one from a batch of 8 on
            for batch in (64, 128) if QUICK else (16, 32, 64, 128):
                yield (
                    f"generate, {dtype}, batch {batch}",
                    rate(partial(plain, model, student.tokenizer, asked, batch)),
                )
    yield "slot engine again", rate(partial(ours, student, asked))


def main() -> None:
    """Print a table, then one line of JSON."""
    rates: dict[str, float] = {}
    for name, tokens_per_s in measure(os.environ.get("MODEL", "smollm2-135m")):
        rates[name] = tokens_per_s
        print(f"{name:<32}{tokens_per_s:>10.1f} useful tokens/s", flush=True)
    mine = (rates["slot engine"] + rates["slot engine again"]) / 2
    best = max(value for name, value in rates.items() if name.startswith("generate"))
    single = max(value for name, value in rates.items() if name.startswith("one by one"))
    print(
        json.dumps(
            {
                "times_generate": round(mine / best, 2),
                "times_one_by_one": round(mine / single, 2),
                "tokens_per_s": round(mine, 1),
                "quick": QUICK,
                "questions": "gsm8k" if real() else "made up",
                "rates": {name: round(value, 1) for name, value in rates.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
