from __future__ import annotations

from typing import Any

import pytest

from selfimprove.errors import InputError
from selfimprove.programs import Program, program_for
from selfimprove.records import Message
from selfimprove.render import chat_text, prompt_ids, prompt_text, training_example
from selfimprove.tasks.arithmetic import Arithmetic

SOLVE = program_for("solve", Arithmetic())


class Chars:
    """A tokenizer of characters with a chat template given as a function."""

    eos_token_id = 0
    chat_template: str | None = "given"

    def __init__(self, template: Any = None) -> None:
        self.template = template or self.plain

    @staticmethod
    def plain(turns: list[dict[str, str]], *, prompt: bool) -> str:
        text = "".join(f"<{t['role']}>{t['content']}\0" for t in turns)
        return text + ("<assistant>" if prompt else "")

    def apply_chat_template(self, conversation: list[dict[str, str]], **how: Any) -> str:
        return str(self.template(conversation, prompt=how["add_generation_prompt"]))

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [ord(c) for c in text]


def test_training_sees_exactly_the_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    """The trained sequence begins with the very token ids the model is prompted with, and ends in one end token."""
    messages = SOLVE.messages({"problem": "2 + 2"})
    example = training_example(Chars(), messages, "4")
    assert example.ids[: example.prompt_length] == prompt_ids(Chars(), messages)
    assert example.ids[example.prompt_length :] == [ord("4"), 0]


def test_template_that_rewrites_the_prompt_is_refused() -> None:
    """A template whose prompt depends on what follows cannot be trained under."""

    def other(turns: list[dict[str, str]], *, prompt: bool) -> str:
        return ("P" if prompt else "Q") + Chars.plain(turns, prompt=prompt)

    with pytest.raises(InputError, match="another prompt"):
        training_example(Chars(other), SOLVE.messages({"problem": "2"}), "4")


def test_template_that_eats_the_reply_is_refused() -> None:
    """A template that drops hidden thoughts from earlier turns would train on nothing."""

    def eats(turns: list[dict[str, str]], *, prompt: bool) -> str:
        kept = [{**t, "content": t["content"].replace("<think>why</think>", "")} for t in turns]
        return Chars.plain(kept, prompt=prompt)

    with pytest.raises(InputError, match="drops part of the reply"):
        training_example(Chars(eats), SOLVE.messages({"problem": "2"}), "<think>why</think>4")


def test_template_without_system_turn_gets_it_in_the_first_user_turn() -> None:
    """Families whose template refuses a system turn still read the instruction."""

    def strict(turns: list[dict[str, str]], *, prompt: bool) -> str:
        if turns[0]["role"] == "system":
            raise ValueError("System role not supported")
        return Chars.plain(turns, prompt=prompt)

    text = prompt_text(Chars(strict), SOLVE.messages({"problem": "2 + 2"}))
    assert text.startswith("<user>Solve the problem.")
    assert "2 + 2" in text


def test_no_template_is_one_sentence() -> None:
    """A base model without a chat template is refused before anything runs."""
    bare = Chars()
    bare.chat_template = None
    with pytest.raises(InputError, match="no chat template"):
        prompt_text(bare, [Message(role="user", content="x")])


def test_a_tokenizer_without_an_end_is_one_sentence() -> None:
    """A student that never learns to end would be trained; refused, as no id can stand for the end."""
    endless = Chars()
    endless.eos_token_id = None
    with pytest.raises(InputError, match=r"no end token; set eos_token in its tokenizer_config\.json"):
        training_example(endless, SOLVE.messages({"problem": "2 + 2"}), "4")


DATED = """\n{% if strftime_now is defined %}{%- set today = strftime_now("%d %b %Y") %}{% endif %}
  {% for m in messages %}<{{ m.role }}>{{ m.content }}
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"""


def real(template: str) -> Any:
    """Give a transformers tokenizer with a chat template."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    made.chat_template = template
    return made


@pytest.mark.parametrize(
    ("form", "written"), [("%d %b %Y", "26 Jul 2024"), ("%Y-%m-%d", "2024-07-26"), ("%A, %B %d", "Friday, July 26")]
)
def test_a_template_that_writes_todays_date_writes_the_same_every_day(form: str, written: str) -> None:
    """A student asked before midnight and an adapter trained after it read one prompt."""
    dated = real(f"{{{{ strftime_now('{form}') }}}}: {{{{ messages[0].content }}}}")
    assert prompt_text(dated, [Message(role="user", content="2 + 2")]) == f"{written}: 2 + 2"


def test_a_fixed_date_changes_nothing_else() -> None:
    """Blank space at the template's beginning and in it comes out as it did."""
    messages = [Message(role="user", content="2 + 2")]
    plain = real(DATED).apply_chat_template([m.model_dump() for m in messages], tokenize=False)
    assert plain.startswith("\n")
    assert prompt_text(real(DATED), messages) == f"{plain}<assistant>"
    assert prompt_text(real("  {% if true %}x{% endif %}{{ strftime_now('%Y') }}"), messages) == "x2024"


THINKING = """{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and enable_thinking is false %}<think></think>
{% endif %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% if enable_thinking is false %}<think></think>
{% endif %}{% endif %}"""


def test_what_can_think_is_asked_and_trained_without_it() -> None:
    """The prompt ends behind an empty thought, and the reply is trained on alone: thinking is not unlearned."""
    tokenizer = real(THINKING)
    tokenizer.add_special_tokens({"eos_token": "</s>"})
    asked = [Message(role="user", content="2 + 2")]
    assert prompt_text(tokenizer, asked) == "<user>2 + 2<assistant><think></think>\n"
    whole = chat_text(tokenizer, [*asked, Message(role="assistant", content="4")], add_generation_prompt=False)
    assert whole == f"{prompt_text(tokenizer, asked)}4"


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("6\nQuestions:\n1. Who?\n2. Why?", ["Who?", "Why?"]),
        ("6\n**Questions:**\n- Who?", ["Who?"]),
        ("6\nQuestions: none", []),
        ("6", []),
        ("6\nQuestions:\nNo questions.", []),
    ],
)
def test_draft_is_read_with_its_questions(text: str, questions: list[str]) -> None:
    """The first output stands bare, the second under its name, in the forms small models write."""
    read = program_for("draft_and_ask", Arithmetic()).parse(text)
    assert read["questions"] == questions
    assert read["solution"].startswith("6")


def test_what_is_written_is_read_back() -> None:
    """The adapter parses its own writing."""
    program = program_for("draft_and_ask", Arithmetic())
    shown = program.with_demos([{"problem": "p", "solution": "s\nt", "questions": ["Who?", "Why?"]}])
    reply = shown.messages({"problem": "q"})[2].content
    assert program.parse(reply) == {"solution": "s\nt", "questions": ["Who?", "Why?"]}


def test_saved_program_renders_the_same() -> None:
    """A program that was saved and loaded writes the same prompt, demonstrations and all."""
    shown = SOLVE.with_demos([{"problem": "1 + 1", "solution": "2"}])
    again = Program.load(shown.dump())
    assert again.messages({"problem": "x"}) == shown.messages({"problem": "x"})
    assert again.hash("t") == shown.hash("t")


def test_program_saved_for_other_fields_is_refused() -> None:
    """DSPy matches fields by position, so a changed signature is caught by its fingerprint."""
    stale = SOLVE.dump().replace(SOLVE.fields, "0" * 16)
    with pytest.raises(InputError, match="other fields"):
        Program.load(stale)


def test_hash_names_instruction_demos_and_template() -> None:
    """Whatever changes the prompt changes its hash."""
    hashes = {
        SOLVE.hash("t"),
        SOLVE.hash("u"),
        SOLVE.with_demos([{"problem": "1", "solution": "2"}]).hash("t"),
        program_for("answer_only", Arithmetic()).hash("t"),
    }
    assert len(hashes) == 4
