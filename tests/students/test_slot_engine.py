import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selfimprove.students.engine import Engine, Generated, Job
from selfimprove.students.own_cache import OwnMemory
from selfimprove.students.slots import SlotMemory, fits

Family = Callable[[str], Path]
STANDARD = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "mistral"]


def load(folder: Path) -> Any:
    """A model in float32, where equal means equal."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def ragged(count: int, *, common: int = 0, repeat: bool = False, seed: int = 0) -> list[tuple[int, ...]]:
    """Prompts of 2 to 30 tokens, some of them twice."""
    rng = random.Random(seed)
    begin = [rng.randrange(3, 250) for _ in range(common)]
    made = [(*begin, *(rng.randrange(3, 250) for _ in range(rng.randrange(2, 30)))) for _ in range(count)]
    return made + made[: count // 2] if repeat else made


def run(memory: Any, jobs: list[Job], ends: frozenset[int] = frozenset()) -> list[Generated]:
    """Complete jobs with token ids for text."""
    return Engine(memory, ends, lambda tokens: " ".join(map(str, tokens))).run(jobs)


def job(prompt: tuple[int, ...], limit: int = 20, **more: Any) -> Job:
    """A greedy job unless told otherwise."""
    return Job(**{"prompt": prompt, "limit": limit, "temperature": 0.0, "top_p": 1.0, "seed": 0, **more})


def plain(model: Any, prompt: tuple[int, ...], limit: int) -> str:
    """What transformers' own `generate` gives, one prompt at a time."""
    model.generation_config.eos_token_id = None
    ids = torch.tensor([prompt])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False)
    return " ".join(map(str, out[0, len(prompt) :].tolist()))


@pytest.mark.parametrize("name", STANDARD)
def test_greedy_slots_equal_generate(family: Family, name: str) -> None:
    """Ragged prompts with refills, repeats and windows give the tokens of plain generate, in every family."""
    model = load(family(name))
    assert fits(model)
    jobs = [job(prompt, 12 + 3 * (i % 7)) for i, prompt in enumerate(ragged(13, repeat=True))]
    found = run(SlotMemory(model, 4), jobs)
    assert [made.text for made in found] == [plain(model, one.prompt, one.limit) for one in jobs]


@pytest.mark.parametrize(("common", "attention", "apart"), [(24, "sdpa", 0), (140, "sdpa", 140), (140, "eager", 0)])
def test_prompts_with_a_common_beginning_equal_generate(
    family: Family, common: int, attention: str, apart: int
) -> None:
    """Reading a shared beginning once changes nothing, also where one prompt is hardly more than it."""
    model = load(family("llama"))
    model.set_attn_implementation(attention)
    prompts = ragged(9, common=common)
    prompts += [prompts[0][: common + 2], prompts[0][: common + 1]]
    memory = SlotMemory(model, 4)
    found = run(memory, [job(prompt) for prompt in prompts])
    assert len(memory.prefix) >= 16
    assert (memory.book.apart > 0) == (apart > 0)
    assert [made.text for made in found] == [plain(model, prompt, 20) for prompt in prompts]


def test_slots_grow_past_their_first_size(family: Family) -> None:
    """A completion longer than a slot's first size keeps all it has seen."""
    model = load(family("llama"))
    prompts = ragged(3)
    found = run(SlotMemory(model, 2), [job(prompt, 100) for prompt in prompts])
    assert [made.text for made in found] == [plain(model, prompt, 100) for prompt in prompts]


def test_other_architectures_fall_back_and_equal_generate(family: Family) -> None:
    """A model with state beyond keys and values does not fit slots and still gives the tokens of generate."""
    model = load(family("lfm2"))
    assert not fits(model)
    prompts = [
        prompt[:length] for prompt, length in zip(ragged(8, common=9), [9, 9, 10, 9, 10, 10, 10, 11], strict=True)
    ]
    jobs = [job(prompt, 8 + i) for i, prompt in enumerate(prompts)]
    found = run(OwnMemory(model, 3), jobs)
    assert [made.text for made in found] == [plain(model, one.prompt, one.limit) for one in jobs]


@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_a_seed_gives_the_same_tokens_among_any_neighbours(family: Family, top_p: float) -> None:
    """What is sampled depends on the row's seed, not on who runs beside it; another seed gives another text."""
    model = load(family("llama"))
    jobs = [job(p, 25, temperature=0.9, top_p=top_p, seed=100 + i) for i, p in enumerate(ragged(10))]
    together = run(SlotMemory(model, 4), jobs)
    alone = [run(SlotMemory(model, 1), [one])[0] for one in jobs]
    assert [made.text for made in together] == [made.text for made in alone]
    other = run(SlotMemory(model, 4), [job(one.prompt, 25, temperature=0.9, top_p=top_p, seed=7) for one in jobs])
    assert sum(a.text != b.text for a, b in zip(other, together, strict=True)) >= 9


def test_the_same_jobs_give_the_same_bytes(family: Family) -> None:
    """Running a batch twice gives equal results, log-probabilities included."""
    model = load(family("qwen3")).bfloat16()
    jobs = [job(p, 15, temperature=0.7, seed=i) for i, p in enumerate(ragged(10))]
    assert run(SlotMemory(model, 4), jobs) == run(SlotMemory(model, 4), jobs)


def test_an_end_token_stops_and_a_limit_cuts(family: Family) -> None:
    """A row ends with its end token (not part of the text, counted) or at its limit."""
    model = load(family("llama"))
    prompt = ragged(1)[0]
    tokens = plain(model, prompt, 12).split()
    end = next(token for token in tokens[2:] if tokens.index(token) >= 2)
    at = tokens.index(end)
    stopped = run(SlotMemory(model, 2), [job(prompt, 12)], frozenset({int(end)}))[0]
    assert (stopped.finish_reason, stopped.text.split(), stopped.tokens) == ("stop", tokens[:at], at + 1)
    cut = run(SlotMemory(model, 2), [job(prompt, 2)])[0]
    assert (cut.finish_reason, cut.text.split(), cut.tokens) == ("length", tokens[:2], 2)


def test_a_stop_string_ends_the_text_before_it(family: Family) -> None:
    """Text is cut where the first stop string begins, though it spans tokens."""
    model = load(family("llama"))
    prompt = ragged(1)[0]
    tokens = plain(model, prompt, 12).split()
    mark = f"{tokens[4]} {tokens[5]}"
    whole = " ".join(tokens)
    made = run(SlotMemory(model, 2), [job(prompt, 12, stop=("nowhere", mark))])[0]
    assert made.finish_reason == "stop"
    assert made.text == whole[: whole.find(mark)]


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_logprobs_are_those_of_a_direct_forward(family: Family, temperature: float) -> None:
    """Mean and lowest are over generated tokens under the unmodified distribution, whatever they were drawn from."""
    model = load(family("gemma3"))
    jobs = [job(p, 10, temperature=temperature, top_p=0.9, seed=i) for i, p in enumerate(ragged(5))]
    for one, made in zip(jobs, run(SlotMemory(model, 3), jobs), strict=True):
        tokens = [int(token) for token in made.text.split()]
        with torch.no_grad():
            scores = model(torch.tensor([[*one.prompt, *tokens]])).logits[0].log_softmax(-1)
        direct = [scores[len(one.prompt) - 1 + i, token].item() for i, token in enumerate(tokens)]
        assert made.mean_logprob == pytest.approx(sum(direct) / len(direct), abs=1e-4)
        assert made.lowest_logprob == pytest.approx(min(direct), abs=1e-4)
