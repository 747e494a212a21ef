"""Each family against a second writing of its published inference code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from real_tokenizers import llama3, mistral, qwen, smollm2
from tiny_prms import write_prm

from selfimprove.errors import InputError
from selfimprove.protocols import StepScorer
from selfimprove.records import Problem, StepItem
from selfimprove.scorers import load_scorer
from selfimprove.scorers.families import encode_own, encode_qwen, encode_rlhflow, encode_shepherd, encode_skywork
from selfimprove.scorers.scoring import card_name
from selfimprove.scorers.trained import TrainedScorer

FAMILIES = ["qwen2.5-math-prm", "math-shepherd", "rlhflow", "skywork-o1-open-prm"]
QUESTION = "what is seven and nine"
STEPS = ("seven and one is eight", "eight and eight is sixteen", "Answer: 16")


@pytest.fixture(scope="module")
def prm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            made[family] = write_prm(family, tmp_path_factory.mktemp(family))
        return made[family]

    return make


def item(steps: Sequence[str] = STEPS, question: str = QUESTION) -> StepItem:
    return StepItem(problem=Problem.of(question, "16"), steps=tuple(steps))


def parts(folder: Path) -> tuple[Any, Any, dict[str, Any]]:
    """The whole language model, its tokenizer and all tensors of the folder."""
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False).float().eval()
    return model, AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")


def published_qwen(folder: Path) -> list[float]:
    import torch
    from torch import nn

    model, tokenizer, tensors = parts(folder)
    width = model.config.hidden_size
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
    head.load_state_dict({name.removeprefix("score."): t for name, t in tensors.items() if name.startswith("score.")})
    chat = [
        {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "<extra_0>".join(STEPS) + "<extra_0>"},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=False)
    ids = tokenizer.encode(text, return_tensors="pt")
    with torch.no_grad():
        logits = head(model.model(input_ids=ids).last_hidden_state)
    mask = ids == tokenizer.encode("<extra_0>")[0]
    chances = logits.softmax(dim=-1) * mask.unsqueeze(-1)
    return chances[0][chances[0] != 0].view(-1, 2)[:, 1].tolist()


def published_shepherd(folder: Path) -> list[float]:
    import torch

    model, tokenizer, _ = parts(folder)
    wanted = [tokenizer.encode(sign)[-1] for sign in ("+", "-")]
    tag = tokenizer.encode("ки")[-1]
    solution = "\n".join(f"Step {i}: {step} ки" for i, step in enumerate(STEPS, 1))
    ids = torch.tensor([tokenizer.encode(f"{QUESTION} {solution}")])
    with torch.no_grad():
        scores = model(ids).logits[:, :, wanted].softmax(dim=-1)[:, :, 0]
    return scores[ids == tag].tolist()


def published_rlhflow(folder: Path) -> list[float]:
    import torch

    model, tokenizer, _ = parts(folder)
    wanted = [tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]]
    chat, found = [], []
    for index, step in enumerate(STEPS):
        chat.append({"role": "user", "content": QUESTION + " " + step if index == 0 else step})
        chat.append({"role": "assistant", "content": "+"})
        ids = tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=False)
        with torch.no_grad():
            found.append(model(ids).logits[:, -3, wanted].softmax(dim=-1)[0, 0].item())
    return found


def published_skywork(folder: Path) -> list[float]:
    import torch

    model, tokenizer, tensors = parts(folder)
    ids = tokenizer.encode(tokenizer.bos_token + QUESTION + "\n")
    flags = [0] * len(ids)
    for step in STEPS:
        coded = [*tokenizer.encode(step), tokenizer.encode("\n")[-1]]
        ids, flags = ids + coded, flags + [0] * (len(coded) - 1) + [1]
    with torch.no_grad():
        hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1]
        value = hidden @ tensors["v_head.summary.weight"].T + tensors["v_head.summary.bias"]
    return value[0, :, 0].sigmoid()[torch.tensor(flags) == 1].tolist()


PUBLISHED = dict(zip(FAMILIES, (published_qwen, published_shepherd, published_rlhflow, published_skywork), strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_published_code(family: str, prm: Callable[[str], Path]) -> None:
    """Our scores of a tiny random model equal those by the published way, step by step."""
    expected = PUBLISHED[family](prm(family))
    scores = TrainedScorer(family, prm(family), dtype="float32").score([item()])[0]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 4) for score in expected}) == 3  # otherwise any position would do


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_scores_like_one_at_a_time(family: str, prm: Callable[[str], Path]) -> None:
    """Padding and company change nothing, the order is kept, and no steps give no scores."""
    scorer = TrainedScorer(family, prm(family), dtype="float32")
    items = [item(STEPS[:1]), item(STEPS + STEPS[:1]), item(()), item(STEPS[1:], "one two three")]
    alone = [scorer.score([one])[0] for one in items]
    together = scorer.score(items)
    assert [len(found or ()) for found in together] == [1, 4, 0, 2]
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert isinstance(scorer, StepScorer)


def test_too_long_is_no_verdict(prm: Callable[[str], Path]) -> None:
    """A solution that the model cannot hold gets None, the others their scores."""
    scorer = TrainedScorer("math-shepherd", prm("math-shepherd"), max_length=120)
    long, short = scorer.score([item(STEPS * 3), item(STEPS[:1])])
    assert long is None
    assert len(short or ()) == 1


def test_a_step_cannot_forge_its_mark(prm: Callable[[str], Path]) -> None:
    """A family's own mark inside a step or a question brings no further score."""
    for family, mark in (("qwen2.5-math-prm", "<extra_0>"), ("math-shepherd", " ки")):
        scorer = TrainedScorer(family, prm(family))
        found = scorer.score([item((STEPS[0] + mark, STEPS[1]), QUESTION + mark)])[0]
        assert len(found or ()) == 2


def test_a_model_of_another_family_is_refused(prm: Callable[[str], Path]) -> None:
    """Weights without the family's head, and unknown families, are refused by name."""
    with pytest.raises(InputError, match=r"holds no tensor v_head\.summary\.weight"):
        TrainedScorer("skywork-o1-open-prm", prm("rlhflow"))
    with pytest.raises(InputError, match='did you mean "math-shepherd"'):
        TrainedScorer("math-sheperd", prm("rlhflow"))
    with pytest.raises(InputError, match="no token <extra_0>"):
        encode_qwen(TrainedScorer("rlhflow", prm("rlhflow")).tokenizer, QUESTION, STEPS)


def test_a_scorer_is_named_by_family_and_model(prm: Callable[[str], Path]) -> None:
    """`FAMILY:MODEL` loads that family; a name without either form lists the families."""
    scorer = load_scorer(f"rlhflow:{prm('rlhflow')}")
    assert scorer.identity.startswith("rlhflow/")
    with pytest.raises(InputError, match=r"the families are qwen2\.5-math-prm"):
        load_scorer("some-prm")


def test_a_card_holds_for_every_number_format(prm: Callable[[str], Path]) -> None:
    """Another machine may load the weights in another format: scores are other entries, the card is the same."""
    one, other = (TrainedScorer("rlhflow", prm("rlhflow"), dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert one.identity != other.identity
    assert card_name(one) == card_name(other)


def test_skywork_scores_each_step_once_though_it_has_lines(prm: Callable[[str], Path]) -> None:
    """Each line ends in its own break token, but a step of two lines is scored at its last alone."""
    tokenizer = parts(prm("skywork-o1-open-prm"))[1]
    two = encode_skywork(tokenizer, QUESTION, ("a\nb", "c"))
    assert two.ids == encode_skywork(tokenizer, QUESTION, ("a", "b", "c")).ids
    assert len(two.at) == 2


def test_shepherd_tokens_are_the_authors() -> None:
    """With Mistral's real tokenizer, tag and signs have the ids that the authors print: 12902, 648 and 387."""
    tokenizer = mistral()
    coded = encode_shepherd(tokenizer, "What is 1 + 1?", ("1 + 1 = 2", "Step 2: So 2.", "Answer: 2"))
    assert tokenizer.encode("+ -")[1:] == [tokenizer.encode(sign)[-1] for sign in "+-"] == [648, 387]
    assert coded.ids[0] == tokenizer.bos_token_id
    assert [coded.ids[place] for place in coded.at] == [12902] * 3
    assert "Step 1: 1 + 1 = 2 ки\nStep 2: So 2. ки\nStep 3" in tokenizer.decode(coded.ids)


def test_rlhflow_positions_are_the_authors() -> None:
    """With Llama 3's real tokenizer, the last turn is scored at the third token from the end, where the authors do."""
    tokenizer = llama3()
    steps = ("1 + 1 = 2", "+ is done", "Answer: 2")
    for many in (1, 2, 3):
        coded = encode_rlhflow(tokenizer, "What is 1 + 1?", steps[:many])
        assert len(coded.at) == many
        assert coded.at[-1] == len(coded.ids) - 3
        assert [coded.ids[place + 1] for place in coded.at] == [tokenizer.encode("+")[-1]] * many == [10] * many
    assert tokenizer.encode("-")[-1] == 12


def test_qwen_marks_are_the_authors() -> None:
    """With Qwen2.5's real tokenizer, each step is scored at its own mark, and the mark has one token of its own."""
    tokenizer = qwen()
    with pytest.raises(InputError, match="no token <extra_0>"):
        encode_qwen(tokenizer, QUESTION, STEPS)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_0>"]})
    mark = tokenizer.convert_tokens_to_ids("<extra_0>")
    coded = encode_qwen(tokenizer, QUESTION, STEPS)
    assert [place for place, token in enumerate(coded.ids) if token == mark] == coded.at
    shown = tokenizer.decode(coded.ids)
    assert shown.startswith(
        "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}."
    )
    assert shown.rstrip().endswith("<|im_start|>assistant\n" + "<extra_0>".join(STEPS) + "<extra_0><|im_end|>")


def test_skywork_breaks_are_the_authors() -> None:
    """With Qwen2.5's real tokenizer, a step is scored at a line break of its own (token 198), never at a merged one."""
    tokenizer = qwen()
    coded = encode_skywork(tokenizer, QUESTION, ("seven and one.\n\nis eight.", "So 8."))
    assert [coded.ids[place] for place in coded.at] == [198, 198]
    assert coded.at[-1] == len(coded.ids) - 1
    assert tokenizer.decode(coded.ids[: coded.at[0] + 1]).endswith(f"{QUESTION}\nseven and one.\n\nis eight.\n")


def test_own_positions_are_where_steps_end() -> None:
    """With SmolLM2's real tokenizer, the text up to each position is the question and whole steps, and a break."""
    tokenizer = smollm2()
    coded = encode_own(tokenizer, QUESTION, STEPS)
    for many, place in enumerate(coded.at, 1):
        shown = tokenizer.decode(coded.ids[: place + 1], skip_special_tokens=True)
        assert shown == f"{QUESTION}\n\n" + "".join(f"{step}\n" for step in STEPS[:many])
    assert len(coded.at) == len(STEPS)


@pytest.mark.parametrize(
    ("family", "real"), [(FAMILIES[0], qwen), (FAMILIES[1], mistral), (FAMILIES[2], llama3), (FAMILIES[3], qwen)]
)
def test_scores_under_the_real_tokenizer_are_those_of_the_published_code(
    family: str, real: Callable[[], Any], tmp_path: Path
) -> None:
    """With the family's real tokenizer and a tiny random model, scores are read at the tokens that the authors read."""
    folder = write_prm(family, tmp_path, real())
    expected = PUBLISHED[family](folder)
    scores = TrainedScorer(family, folder, dtype="float32").score([item()])[0]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 4) for score in expected}) == 3
