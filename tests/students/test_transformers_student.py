import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selfimprove.errors import InputError
from selfimprove.protocols import Student
from selfimprove.records import Message, Request, Sampling
from selfimprove.students import load_student, resident, room_for
from selfimprove.students.resident import slots_for
from selfimprove.students.transformers import TransformersStudent

Family = Callable[[str], Path]


def ask(text: str, **sampling: Any) -> Request:
    """One user turn."""
    drawn = Sampling(**{"max_tokens": 10, **sampling})
    return Request(role="solve", messages=(Message(role="user", content=text),), sampling=drawn, sample=3)


ASKED = [ask("what is seven and nine"), ask("one two"), ask("three four five one two three", max_tokens=6)]


def texts(student: TransformersStudent) -> list[str]:
    """What a student answers to three questions."""
    return [made.text for made in student.complete(ASKED)]


def weights(student: TransformersStudent) -> list[torch.Tensor]:
    """A copy of the weights in force."""
    model = student._resident.model(student.adapter, student._version)
    return [value.clone() for _, value in sorted(model.state_dict().items())]


def lora(base: Path, out: Path, **settings: Any) -> Path:
    """An adapter with random matrices, written by PEFT."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    chosen = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"], **settings}
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM", **chosen))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(out)
    return out


def merged(base: Path, adapter: Path) -> list[torch.Tensor]:
    """The weights that PEFT's own merge gives."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).merge_and_unload()
    return [value for _, value in sorted(model.state_dict().items())]


def test_completions_carry_what_was_asked_and_used(family: Family) -> None:
    """Answers come in input order with model, sampling, sample and token counts."""
    student = TransformersStudent(family("llama"), dtype="float32")
    made = student.complete(ASKED)
    assert isinstance(student, Student)
    assert [one.sampling for one in made] == [asked.sampling for asked in ASKED]
    assert {(one.model, one.sample) for one in made} == {(student.identity, 3)}
    for one, asked in zip(made, ASKED, strict=True):
        prompt = f"<s>user: {asked.messages[0].content}</s><s>assistant:"
        assert one.prompt_tokens == len(student.tokenizer.encode(prompt, add_special_tokens=False))
        assert 1 <= one.completion_tokens <= asked.sampling.max_tokens
        assert one.mean_logprob is not None
        assert one.mean_logprob < 0
    assert student.complete([]) == []


def test_a_prompt_longer_than_the_context_is_an_error_beside_good_ones(family: Family) -> None:
    """One failed request is a completion with its reason; the others are answered, up to the context's end."""
    student = TransformersStudent(family("llama"), dtype="float32", max_length=40)
    long, good = student.complete([ask("one two three four five " * 20), ask("one", max_tokens=500)])
    assert (long.finish_reason, long.text, long.completion_tokens) == ("error", "", 0)
    assert long.error.endswith("student.max_length is 40, the reply counted in")
    assert good.finish_reason in {"stop", "length"}
    assert good.prompt_tokens + good.completion_tokens <= 40


def test_room_is_kept_for_long_completions(family: Family) -> None:
    """Unset, a prompt and a second chance fit beside the longest completion, as far as the model itself reaches."""
    most = 256  # the tiny model's own limit
    assert room_for(900) == 2700
    made = [load_student(family("llama"), max_tokens=900, max_length=length) for length in (None, 99)]
    assert [one.max_length for one in made] == [most, 99]  # type: ignore[attr-defined]
    long = TransformersStudent(family("llama")).complete([ask("one two three " * most)])[0]
    assert f"the model takes {most}" in long.error


def test_samples_of_one_prompt_differ_and_repeat(family: Family) -> None:
    """Another sample index is another completion; the same request is the same one, alone or in company."""
    student = TransformersStudent(family("llama"), dtype="float32")
    asked = [ask("one two", temperature=1.0).model_copy(update={"sample": i}) for i in range(6)]
    made = student.complete(asked)
    assert len({one.text for one in made}) >= 5
    assert student.complete(asked[2:3])[0].text == made[2].text


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 2}},
        {"target_modules": ["lm_head"]},
        {"init_lora_weights": "olora"},
    ],
)
def test_an_adapter_gives_the_weights_of_pefts_merge_and_leaves_no_trace(
    family: Family, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Plain, rank-stabilised, DoRA and patterned LoRA equal merge_and_unload; the base gets its bits back."""
    base = TransformersStudent(family("llama"), dtype="float32")
    before, said = weights(base), texts(base)
    adapter = lora(base.folder, tmp_path / "adapter", **settings)
    trained = base.with_adapter(adapter)
    for ours, peft in zip(weights(trained), merged(base.folder, adapter), strict=True):
        torch.testing.assert_close(ours, peft, atol=1e-6, rtol=1e-5)
    assert texts(trained) != said
    assert texts(base) == said
    assert all(torch.equal(now, then) for now, then in zip(weights(base), before, strict=True))
    assert texts(trained.with_adapter(None)) == said


def test_identity_names_weights_adapter_and_dtype(family: Family, tmp_path: Path) -> None:
    """The identity changes with base, adapter and dtype, and with nothing else."""
    base = TransformersStudent(family("llama"), dtype="float32")
    one = base.with_adapter(lora(base.folder, tmp_path / "one"))
    two = base.with_adapter(lora(base.folder, tmp_path / "two", lora_alpha=9))
    half = TransformersStudent(family("llama"), dtype="bfloat16")
    other = TransformersStudent(family("qwen2"), dtype="float32")
    assert len({one.identity, two.identity, base.identity, half.identity, other.identity}) == 5
    again = TransformersStudent(family("llama"), dtype="float32", adapter=tmp_path / "one", slots=2, max_length=99)
    assert again.identity == one.identity
    assert one.with_adapter(None).identity == base.identity


def test_other_weights_in_the_same_folder_are_another_adapter(family: Family, tmp_path: Path) -> None:
    """What is trained into a folder again is read again; who still holds the old one is told."""
    base = TransformersStudent(family("llama"), dtype="float32")
    old = base.with_adapter(lora(base.folder, tmp_path / "adapter"))
    said = texts(old)
    new = base.with_adapter(lora(base.folder, tmp_path / "adapter", lora_alpha=80))
    assert new.identity != old.identity
    assert texts(new) != said
    texts(base)
    with pytest.raises(InputError, match="was changed after it was given to the student"):
        texts(old)


def test_an_adapter_of_another_base_is_refused(family: Family, tmp_path: Path) -> None:
    """Recorded for other weights, of another shape or no adapter at all: one sentence, and the base still works."""
    student = TransformersStudent(family("llama"), dtype="float32")
    said = texts(student)
    foreign = lora(family("qwen2"), tmp_path / "foreign")
    with pytest.raises(InputError, match="was trained on"):
        student.with_adapter(foreign)
    settings = foreign / "adapter_config.json"
    settings.write_text(settings.read_text().replace(str(family("qwen2")), "somewhere/else"))
    tensors = foreign / "adapter_model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file(
        {name: value[:, :-1].contiguous() if "lora_A" in name else value for name, value in load_file(tensors).items()},
        tensors,
    )
    with pytest.raises(InputError, match="is for another model"):
        texts(student.with_adapter(foreign))
    with pytest.raises(InputError, match=r"adapter_config\.json is missing"):
        student.with_adapter(tmp_path)
    assert texts(student) == said


def test_unload_gives_memory_back_and_the_next_use_loads_again(family: Family, tmp_path: Path) -> None:
    """After unload nothing is held; the same adapter is put in again when asked for."""
    base = TransformersStudent(family("llama"), dtype="float32")
    trained = base.with_adapter(lora(base.folder, tmp_path / "adapter"))
    said = texts(trained)
    trained.unload()
    assert base._resident._base is None
    assert texts(trained) == said


def test_templates_that_cannot_prompt_are_refused(family: Family, tmp_path: Path) -> None:
    """No chat template, or one that never begins the reply, is bad input; one that needs no mark is fine."""
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(family("llama"), folder)
    template = folder / "chat_template.jinja"
    turns = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    template.write_text(turns)
    with pytest.raises(InputError, match="add_generation_prompt"):
        TransformersStudent(folder)
    mark = "{% if m['role'] == 'user' %}Q {{ m['content'] }} A {% else %}{{ m['content'] }}{% endif %}"
    template.write_text("{% for m in messages %}" + mark + "{% endfor %}")
    assert TransformersStudent(folder).complete([ask("one", max_tokens=2)])[0].completion_tokens >= 1
    template.write_text("{% for m in messages %}")
    with pytest.raises(InputError, match=r"template in .* is broken"):
        TransformersStudent(folder)
    template.unlink()
    with pytest.raises(InputError, match="no chat template"):
        TransformersStudent(folder)


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_one_sentence(family: Family, device: str) -> None:
    """Told before weights are loaded, not by a traceback of torch's."""
    with pytest.raises(InputError, match=rf'student\.device = "{device}" cannot be used: .*doctor'):
        TransformersStudent(family("llama"), device=device)


def test_slots_are_chosen_by_memory() -> None:
    """As many as fit into their share of memory, at least one, at most the cap."""
    assert slots_for(room=10, memory=10_000, most=128) == 128
    assert slots_for(room=1_000, memory=10_000, most=128) == 4
    assert slots_for(room=10**9, memory=10_000, most=128) == 1


def test_a_containers_memory_is_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is less than the machine's; a container without a limit has the machine's."""
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(resident, "_CONTAINERS", (limit, tmp_path / "none"))
    whole = resident.memory_of("cpu")
    for told, memory in (("max\n", whole), ("1000000\n", 1_000_000), (f"{2 * whole}\n", whole)):
        limit.write_text(told)
        assert resident.memory_of("cpu") == memory


@pytest.mark.model
def test_the_real_model_answers_in_batches() -> None:
    """SmolLM2-135M says 4, with a log-probability, and stops by itself."""
    student = TransformersStudent("smollm2-135m")
    made = student.complete([ask("What is 2 + 2?", max_tokens=40), ask("Name a colour.", temperature=0.7)] * 4)
    assert "4" in made[0].text
    assert made[0].finish_reason == "stop"
    assert made[0].text == made[2].text
    assert all(math.isfinite(one.mean_logprob or 0) for one in made)
