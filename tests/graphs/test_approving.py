"""A campaign that waits for a person, and one that stops when it has what was asked for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfimprove.campaign import _finished
from selfimprove.cli import main
from selfimprove.errors import InputError, RunFolderError, WaitingError
from selfimprove.graphs.approving import answer
from selfimprove.graphs.arms import train_arm
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.run import run_campaign
from selfimprove.openings import looks_at
from selfimprove.records import Adapter, Evaluation, TrackRow, TrainingJob
from selfimprove.report.summary import summarise

ONE = {"rounds": 1, "arms": ["track_b"]}


def run(crew: Crew) -> dict[str, Any]:
    return run_campaign(crew, crew.folder.at("graph.sqlite"))


def with_campaign(crew: Crew, **changes: object) -> Crew:
    campaign = crew.config.campaign.model_copy(update=changes)
    return replace(crew, config=crew.config.model_copy(update={"campaign": campaign}))


def decision(crew: Crew, round_: int = 1) -> RoundDecision:
    return crew.folder.record(f"round-{round_:02d}/decision.json", RoundDecision)


def test_a_person_lets_it_train_and_promote(make_crew: Any) -> None:
    """It stops before each, is told what comes, goes on behind a yes, and ends as if nobody had been asked."""
    crew = make_crew(campaign={**ONE, "pause": ["train", "promote"]})
    with pytest.raises(WaitingError, match=r"round 1 waits .* train: \d+ rows of track_b .* selfimprove approve"):
        run(crew)
    assert not crew.folder.has("round-01/arms/track_b/rows.jsonl")
    with pytest.raises(WaitingError):  # asked again, as nobody has answered
        run(crew)
    assert "approved" in answer(crew.folder, "approve")
    with pytest.raises(WaitingError, match=r"promote: Round 1, track_b: promoted"):
        run(crew)
    assert not crew.folder.has("round-01/decision.json")
    answer(crew.folder, "approve")
    run(crew)
    with pytest.raises(InputError, match="waits for nobody"):
        answer(crew.folder, "reject")  # it is promoted
    made, plain = decision(crew), make_crew(crew.folder.path.parent / "plain", campaign=ONE)
    run(plain)
    assert made == decision(plain)
    assert made.promoted == "track_b"
    with pytest.raises(InputError, match="waits for nobody"):
        answer(crew.folder, "approve")


def test_a_person_may_say_no(make_crew: Any, tmp_path: Path) -> None:
    """Before training nothing is trained; before promoting the round is held, with the reason."""
    crew = make_crew(tmp_path / "a", campaign={**ONE, "pause": ["train"]})
    with pytest.raises(WaitingError):
        run(crew)
    answer(crew.folder, "reject")
    assert run(crew)["best"] == ""
    assert decision(crew).decisions == ()
    other = make_crew(tmp_path / "b", campaign={**ONE, "pause": ["promote"]})
    with pytest.raises(WaitingError):
        run(other)
    answer(other.folder, "reject")
    run(other)
    (held,) = decision(other).decisions
    assert (held.outcome, decision(other).promoted, held.adapter) == ("hold", "", "")
    assert held.sentence.startswith("Round 1, track_b: held by a person, +")


def test_the_last_word_holds_until_it_is_gone_on_with(make_crew: Any) -> None:
    """A yes that was a mistake can be taken back; what was trained before anybody was asked does not count then."""
    crew = make_crew(campaign={**ONE, "pause": ["train"]})
    with pytest.raises(WaitingError):
        run(crew)
    answer(crew.folder, "approve")
    answer(crew.folder, "reject")
    place = "round-01/arms/track_b"
    crew.folder.write_rows(f"{place}/rows.jsonl", [])
    train_arm(crew, crew.folder.rows("round-01/track_b.jsonl", TrackRow), place, "track_b", "", 0)
    assert run(crew)["best"] == ""
    assert decision(crew).decisions == ()


def test_what_a_person_was_shown_of_dev_is_counted(make_crew: Any) -> None:
    """Before the answer: who forks from an earlier round then has had a look."""
    crew = make_crew(campaign={**ONE, "pause": ["promote"]})
    with pytest.raises(WaitingError):
        run(crew)
    assert "round 1, track_b" in {look.what for look in looks_at(crew.folder.hashes["data/dev.jsonl"])}


def test_a_question_that_is_over_is_not_answered(make_crew: Any) -> None:
    """Somebody took the pause away and went on: the round was decided without an answer."""
    crew = make_crew(campaign={**ONE, "pause": ["promote"]})
    with pytest.raises(WaitingError):
        run(crew)
    waiting = summarise(crew.folder, crew.ledger)
    assert waiting.state == "waiting for a person"
    assert waiting.next_step.startswith("Say selfimprove approve or reject to what it waits for (Round 1, track_b: pro")
    run(with_campaign(crew, pause=()))
    assert summarise(crew.folder, crew.ledger).state == "finished"
    with pytest.raises(InputError, match="waits for nobody"):
        answer(crew.folder, "reject")


class Stops:
    """A trainer that is interrupted."""

    def train(self, _: TrainingJob) -> Adapter:
        raise KeyboardInterrupt


def test_nobody_is_asked_about_what_was_begun_before_the_pause(make_crew: Any) -> None:
    """Killed in training, with a pause before training added: an answer would not be heard, so it goes on."""
    crew = make_crew(campaign=ONE)
    with pytest.raises(KeyboardInterrupt):
        run(replace(crew, trainer=Stops()))
    run(with_campaign(crew, pause=("train",)))
    assert decision(crew).promoted == "track_b"


def test_nobody_is_asked_about_rounds_that_are_decided(make_crew: Any) -> None:
    """The campaign is walked again from the ledger behind its end, with a pause added before every step."""
    crew = make_crew(campaign=ONE)
    run(crew)
    made = decision(crew)
    crew.folder.at("graph.sqlite").unlink()
    run(with_campaign(crew, pause=("train", "promote")))
    assert decision(crew) == made


@pytest.mark.parametrize("at", ["train", "promote"])
def test_a_no_holds_without_the_pause(make_crew: Any, at: str) -> None:
    """A replay of a round that a person said no to neither trains nor promotes, whatever the settings say by then."""
    crew = make_crew(campaign={**ONE, "pause": [at]})
    with pytest.raises(WaitingError):
        run(crew)
    answer(crew.folder, "reject")
    run(crew)
    crew.folder.at("graph.sqlite").unlink()
    assert run(with_campaign(crew, pause=()))["best"] == ""
    assert decision(crew).promoted == ""
    assert crew.folder.has("round-01/arms/track_b/rows.jsonl") == (at == "promote")


def test_a_lost_answer_is_not_guessed_at(make_crew: Any) -> None:
    """Nothing could tell what a person said: the file is to be restored."""
    crew = make_crew(campaign={**ONE, "pause": ["train"]})
    with pytest.raises(WaitingError):
        run(crew)
    answer(crew.folder, "reject")
    run(crew)
    lost = crew.folder.at("round-01/answer_train.json")
    kept = lost.read_bytes()
    lost.unlink()
    with pytest.raises(RunFolderError, match=r"answer_train.json cannot be read: .*; restore it"):
        run(crew)
    lost.write_bytes(kept)
    assert run(crew)["best"] == ""


def test_nobody_is_asked_about_what_is_not_promoted(make_crew: Any) -> None:
    """A round without a promotion goes by without a question."""
    crew = make_crew(campaign={**ONE, "pause": ["promote"]}, gate={"min_gain": 0.9})
    run(crew)
    assert decision(crew).promoted == ""


def test_it_stops_at_the_target(make_crew: Any) -> None:
    """When the best student reaches the target on dev no further round is begun; a higher target goes on."""
    crew = make_crew(campaign={"rounds": 4, "arms": ["track_b"], "target": 0.3})
    state = run(crew)
    accuracy = crew.folder.record("round-01/arms/track_b/evaluation.json", Evaluation).lenient.accuracy
    assert (state["round"], accuracy >= 0.3) == (1, True)
    assert crew.folder.has("final/tested.json")
    assert _finished(crew.folder, crew.config)
    more = with_campaign(crew, target=0.99)
    assert not _finished(more.folder, more.config)
    assert run(more)["round"] > 1


def test_the_commands_answer(
    make_crew: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`selfimprove approve RUN` says what was approved; without a campaign it is bad input."""

    def command(*words: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["selfimprove", *map(str, words)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    crew = make_crew(campaign={**ONE, "pause": ["train"]})
    with pytest.raises(WaitingError) as waiting:
        run(crew)
    assert waiting.value.exit_code == 4
    crew.folder.write_text("campaign.toml", "")
    path = crew.folder.path
    crew.folder.close()
    assert command("reject", path) == command("approve", path) == 0  # the last word holds
    assert "Round 1, train: approved. Run the campaign's command again" in capsys.readouterr().out
    assert command("approve", path.parent) == 2
    assert "holds no campaign" in capsys.readouterr().err
