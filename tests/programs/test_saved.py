from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from selfimprove.answers.kinds import kind
from selfimprove.curating.forms import Form
from selfimprove.errors import InputError
from selfimprove.programs import SIGNATURES, Program, plain, program_for
from selfimprove.programs.in_force import Frozen
from selfimprove.programs.saved import (
    Card,
    Compiled,
    Measured,
    card_of,
    load_saved,
    place_of,
    program_in,
    programs_for,
    proven_for,
    save_program,
    saved_for,
)
from selfimprove.records import Interval
from selfimprove.stats import compare_means
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic()
BETTER = plain("ask").with_instructions("Ask for the one number that is missing.")


def card(program: Program, gain: float = 1.0, held_out: int = 20) -> Card:
    made = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    return Card(
        program=program.name,
        task=TASK.name,
        fields=program.fields,
        saved="",
        optimizer="gepa",
        metric="asking",
        model="m",
        written_by="w",
        cases=20,
        held_out=held_out,
        before=made,
        after=made,
        gain=compare_means([gain] * held_out, [0.0] * held_out),
        data="d",
        seed=0,
        date="2026-01-01",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_program(BETTER, card(BETTER), place_of("ask", TASK.name, tmp_path))
    return tmp_path


def test_a_saved_program_is_read_back_with_its_card(folder: Path) -> None:
    """Instruction, examples and card are those that were saved."""
    path = place_of("ask", TASK.name, folder)
    program, told = load_saved(path)
    assert program.hash() == BETTER.hash()
    assert told.proven
    assert told.model_copy(update={"saved": ""}) == card(BETTER)
    assert sorted(p.name for p in path.parent.iterdir()) == ["ask.card.json", "ask.json"]


@pytest.mark.parametrize(("written", "kept"), [(0, "older"), (1, "older"), (2, "newer"), (3, "newer")])
def test_a_save_that_is_cut_off_leaves_a_program_with_its_own_card(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: int, kept: str
) -> None:
    """Killed before each of the files is in place: the older one or the newer one, and a campaign refuses neither."""
    newer, left = plain("ask").with_instructions("Ask twice."), iter([True] * written)
    path, replace = place_of("ask", TASK.name, folder), Path.replace

    def cut(self: Path, target: Path) -> Path:
        if not next(left, False):
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", cut)
    with suppress(KeyboardInterrupt):
        save_program(newer, card(newer).model_copy(update={"model": "newer"}), path)
    found = proven_for(["ask"], TASK.name, folders=(folder,))["ask"]
    assert (found.program.instructions, found.card.model) == {
        "older": (BETTER.instructions, "m"),
        "newer": ("Ask twice.", "newer"),
    }[kept]
    monkeypatch.undo()
    save_program(BETTER, card(BETTER), path)
    assert load_saved(path).card.model == "m"
    assert sorted(p.suffixes for p in path.parent.glob("[!.]*")) == [[".card", ".json"], [".json"]]


def test_a_card_says_both_scores_with_their_intervals_and_the_model() -> None:
    """So that whoever puts the program in force for another model sees it."""
    said = card(BETTER).sentence()
    assert "asking 0.500 (0.400 to 0.600) before and 0.500 (0.400 to 0.600) after" in said
    assert "measured with m," in said


def test_a_program_for_every_task_is_found_once(folder: Path) -> None:
    """Its own place and that of every task are one."""
    save_program(BETTER, card(BETTER), folder / "label.json")
    assert list(saved_for("label", "", (folder,))) == [folder / "label.json"]


def test_the_first_folder_that_holds_a_program_counts(folder: Path, tmp_path: Path) -> None:
    """Working folder before user's before the library's own, and a task's own before one for all tasks."""
    other = tmp_path / "other"
    for_all = plain("ask").with_instructions("For all.")
    save_program(for_all, card(for_all), other / "ask.json")
    own = place_of("ask", TASK.name, folder)
    assert list(saved_for("ask", TASK.name, (folder, other))) == [own, other / "ask.json"]
    assert list(saved_for("ask", "gsm8k", (folder, other))) == [other / "ask.json"]
    assert not list(saved_for("ask", "gsm8k", (folder,)))
    assert proven_for(["ask"], TASK.name, folders=(folder, other))["ask"].program.hash() == BETTER.hash()


def test_an_unproven_program_does_not_hide_a_proven_one(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What shows no gain is passed over, and the next place is looked at."""
    first = tmp_path_factory.mktemp("first")
    save_program(plain("ask"), card(plain("ask"), gain=0.0), place_of("ask", TASK.name, first))
    assert proven_for(["ask"], TASK.name, folders=(first, folder))["ask"].program.hash() == BETTER.hash()


def test_a_program_that_was_told_another_form_of_answers_is_left_out(tmp_path: Path) -> None:
    """Two tasks of one name, such as two files, need not have answers alike."""
    solve = program_for("solve", TASK).with_instructions("Add.")
    told = card(solve).model_copy(update={"answers": TASK.instruction})
    save_program(solve, told, place_of("solve", "train", tmp_path))
    assert list(proven_for(["solve"], "train", [TASK], (tmp_path,))) == ["solve"]
    assert not proven_for(["solve"], "train", [Form(kind("yes_no"))], (tmp_path,))


def test_a_handful_of_cases_proves_nothing() -> None:
    """Three gained of three held out is an interval without 0, and a chance of one in eight."""
    assert card(BETTER, held_out=3).gain.interval.low > 0
    assert not card(BETTER, held_out=3).proven
    assert card(BETTER, held_out=8).proven


def test_a_program_in_a_tasks_form_serves_no_other_task(tmp_path: Path) -> None:
    """A solving prompt names how that task's answers are written, so one without a task is not looked for."""
    (tmp_path / "solve.json").write_text(plain("solve").dump())
    assert not list(saved_for("solve", "gsm8k", (tmp_path,)))


def test_proven_programs_are_found_with_their_cards(folder: Path) -> None:
    """Of all names those that are saved, and none beside."""
    assert set(programs_for(TASK)) == set(SIGNATURES)
    saved = proven_for(SIGNATURES, TASK.name, [TASK], (folder,))
    assert list(saved) == ["ask"]
    assert saved["ask"].program.instructions == BETTER.instructions
    assert saved["ask"].card.proven


def test_a_program_without_a_proven_gain_is_left_out(tmp_path: Path) -> None:
    """A card whose interval holds 0 puts nothing in force."""
    save_program(BETTER, card(BETTER, gain=0.0), place_of("ask", TASK.name, tmp_path))
    assert not proven_for(["ask"], TASK.name, folders=(tmp_path,))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.write_text(p.read_text().replace(BETTER.fields, "0" * 16)), "other fields"),
        (lambda p: p.write_text("{"), "is no saved program"),
        (lambda p: p.write_text('{"name": "ask", "fields": "' + BETTER.fields + '", "state": {}}'), "is damaged"),
        (lambda p: p.write_text(plain("ask").dump()), "card of another program"),
        (lambda p: card_of(p).unlink(), "cannot be read"),
        (lambda p: card_of(p).write_text("{}"), "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(folder: Path, spoil: object, said: str) -> None:
    """Changed fields, damage, a missing or another's card: the file is named, and nothing is passed over."""
    path = place_of("ask", TASK.name, folder)
    spoil(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=said) as raised:
        proven_for(["ask"], TASK.name, folders=(folder,))
    assert str(path) in str(raised.value) or path.name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_frozen_programs_come_back_as_they_were() -> None:
    """A run folder keeps every program in force, so that what lies elsewhere may change."""
    kept = Frozen.of({"ask": BETTER, "solve": plain("solve")}, {"ask": card(BETTER)}).model_dump_json()
    back = Frozen.model_validate_json(kept)
    assert back.thaw()["ask"].hash() == BETTER.hash()
    assert list(back.compiled()) == ["ask"]
    assert back.compiled()["ask"].card == card(BETTER)


def test_a_program_for_one_form_of_answers_is_not_used_for_another() -> None:
    """A solver that was told to end in a number does not solve multiple choice, whatever it gained."""
    better = plain("solve").with_instructions(f"Look twice. {TASK.instruction}")
    saved = {"solve": Compiled(better, card(better).model_copy(update={"answers": TASK.instruction}))}
    choice = Form(kind("choice"))
    assert program_in(saved, "solve", TASK).hash() == better.hash()
    assert program_in(saved, "solve", choice).hash() == program_for("solve", choice).hash()
    assert program_in({"ask": Compiled(BETTER, card(BETTER))}, "ask", choice).hash() == BETTER.hash()
