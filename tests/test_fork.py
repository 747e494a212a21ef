from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from selfimprove import Campaign
from selfimprove.cli import cli
from selfimprove.config import load_config, make_config, write_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.fork import fork
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.run import run_campaign
from selfimprove.records import Adapter, PracticeRow, PreferenceRow, TrackRow, TrainingJob, VerdictRow
from selfimprove.report.summary import summarise
from selfimprove.store import RunFolder
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer, ScriptedStudent


def run(crew: Crew) -> dict[str, Any]:
    return run_campaign(crew, crew.folder.at("graph.sqlite"))


@pytest.fixture
def finished(make_crew: Callable[..., Crew], tmp_path: Path) -> Path:
    """Give the folder of a finished campaign of three rounds."""
    crew = make_crew(tmp_path / "first", campaign={"rounds": 3})
    run(crew)
    crew.folder.write_json("report/summary.json", summarise(crew.folder, crew.ledger))
    crew.ledger.close()
    crew.folder.close()
    return tmp_path / "first"


def changed(run: Path, **sections: dict[str, object]) -> Any:
    """Give a campaign's settings with some changed."""
    values = load_config(run / "campaign.toml").model_dump(mode="json", exclude_unset=True)
    return make_config({**values, **{name: {**values.get(name, {}), **some} for name, some in sections.items()}})


def gone_on(out: Path, make_crew: Callable[..., Crew], trainer: Any = None) -> Crew:
    """Run a forked campaign to its end."""
    config = load_config(out / "campaign.toml")
    crew = make_crew(out, **{name: some for name, some in config.model_dump(mode="json").items() if some})
    crew = Crew(**{**crew.__dict__, "config": config, "trainer": trainer or crew.trainer})
    run(crew)
    return crew


def test_fork_goes_on_behind_the_round_with_other_settings(
    finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]
) -> None:
    """Rounds taken over keep their bytes, later ones are made anew, and the parent is as it was."""
    parent = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    made = fork(finished, tmp_path / "second", changed(finished, mine={"pool": 30}), round_=1)
    crew = gone_on(tmp_path / "second", make_crew)
    assert any("mine.pool" in row for row in made.changes)
    for name in ("round-01/decision.json", "round-01/pool.json", "data/dev.jsonl"):
        assert (tmp_path / "second" / name).read_bytes() == (finished / name).read_bytes()
    assert crew.folder.json("round-02/pool.json")["problems"] == 30
    assert crew.folder.record("round-03/decision.json", RoundDecision).best
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file() and p in parent} == parent


def test_fork_pays_for_nothing_that_was_paid_for(
    finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]
) -> None:
    """A fork with the same settings makes no call at all; all are found in what it inherited, also by its own fork."""
    fork(finished, tmp_path / "second", round_=1)
    second = gone_on(tmp_path / "second", make_crew)
    assert second.ledger.totals().calls == 0
    assert second.ledger.totals().hits > 0
    second.ledger.close()
    second.folder.close()
    fork(tmp_path / "second", tmp_path / "third", round_=2)
    assert gone_on(tmp_path / "third", make_crew).ledger.totals().calls == 0


def test_fork_stands_without_its_parent(finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]) -> None:
    """The parent's folder can be removed: a run is its folder."""
    fork(finished, tmp_path / "second", changed(finished, mine={"pool": 30}), round_=2)
    shutil.rmtree(finished)
    assert gone_on(tmp_path / "second", make_crew).folder.has("round-03/decision.json")


def test_patience_begins_with_the_fork(finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]) -> None:
    """A campaign that ended for want of gains can be forked at its end, and has its whole patience again."""
    fork(finished, tmp_path / "flat", changed(finished, campaign={"rounds": 9, "patience": 2}), round_=3)
    flat = gone_on(tmp_path / "flat", make_crew, NullTrainer(gain=0.0))
    assert flat.folder.json("finished.json")["rounds"] == 5
    flat.ledger.close()
    flat.folder.close()
    fork(tmp_path / "flat", tmp_path / "again")
    again = gone_on(tmp_path / "again", make_crew, NullTrainer(gain=0.0))
    assert again.folder.json("finished.json")["rounds"] == 7


def test_looks_of_all_forks_are_counted_and_told(
    finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]
) -> None:
    """A fork's report says that dev and test were looked at before, and its sentence that this is no first look."""
    fork(finished, tmp_path / "second", changed(finished, mine={"pool": 30}), round_=2)
    crew = gone_on(tmp_path / "second", make_crew)
    found = summarise(crew.folder, crew.ledger)
    assert found.test is not None
    assert found.dev is not None
    assert (found.test.opened, found.test.opened_elsewhere) == (1, 1)
    assert found.dev.looks == 2  # the third round's arms
    assert found.dev.elsewhere == 2 + 6  # the baseline, zero-shot and few-shot, and three rounds of two arms
    assert found.dev.forked_from.endswith("first, round 2")
    assert found.sentence.endswith("These problems were opened 2 times: only the first look is a proof.")


def test_looks_at_each_split_are_printed_with_its_hash(
    finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]
) -> None:
    """What the command line ends with: a line a split, and those of other run folders beside one's own."""
    hashes = RunFolder(finished, writer=False).hashes
    dev, test = (f"{split} (problems {hashes[f'data/{split}.jsonl'][:8]}):" for split in ("dev", "test"))
    own = f"{dev} 8 evaluations so far, which the decisions allow for"
    said = CliRunner().invoke(cli, ["report", str(finished)]).output.splitlines()
    assert [line for line in said if "(problems " in line] == [own, f"{test} opened once"]
    fork(finished, tmp_path / "second", changed(finished, mine={"pool": 30}), round_=2)
    crew = gone_on(tmp_path / "second", make_crew)
    crew.ledger.close()
    crew.folder.close()
    said = CliRunner().invoke(cli, ["report", str(finished)]).output.splitlines()
    others = "in other run folders of this machine"
    assert [line for line in said if "(problems " in line] == [
        f"{own}, and 2 {others}, which they do not", f"{test} opened once, and once {others}",
    ]  # fmt: skip


def test_baseline_can_be_forked(finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]) -> None:
    """Round 0 is the baseline alone."""
    fork(finished, tmp_path / "second", changed(finished, select={"solved": 0.0}), round_=0)
    crew = gone_on(tmp_path / "second", make_crew)
    assert crew.folder.record("round-01/decision.json", RoundDecision).decisions


@pytest.mark.parametrize(
    ("sections", "round_", "said"),
    [
        ({"data": {"dev": 50}}, 1, "cannot change data.dev"),
        ({"student": {"max_tokens": 8}}, 1, "cannot change student.max_tokens"),
        ({"campaign": {"seed": 5}}, 1, "cannot change campaign.seed"),
        ({}, 7, "it has decided rounds 0 to 3"),
        ({}, None, "at round 3: campaign.rounds = 3, so .* --round, or more with --set campaign.rounds=4$"),
        ({"campaign": {"rounds": 1}}, 2, "at round 2: campaign.rounds = 1, "),
        (
            {"campaign": {"rounds": 9, "target": 0.2}},
            1,
            r"its best is right on 0\.\d+ of dev, which campaign.target = 0.2 asks for, .* raise campaign.target, or give",
        ),
        ({"mine": {"library": "lib"}}, 1, "cannot change mine.library"),
        ({"select": {"first": 3}}, 1, "cannot change select.first"),
        ({"teacher": {"first": "reference"}, "campaign": {"arms": ["track_b"]}}, 1, "cannot change teacher.first"),
    ],
)
def test_what_cannot_be_forked_is_refused(
    finished: Path, tmp_path: Path, sections: dict[str, Any], round_: int | None, said: str
) -> None:
    """One sentence, and no folder is left."""
    with pytest.raises(InputError, match=said):
        fork(finished, tmp_path / "second", changed(finished, **sections), round_)
    assert not (tmp_path / "second").exists()
    assert not list(tmp_path.glob(".second*"))


def test_what_other_rounds_still_read_can_be_changed(finished: Path, tmp_path: Path) -> None:
    """Behind the baseline the first round is to come, and the control is taught as the first round is."""
    ladder = fork(finished, tmp_path / "ladder", changed(finished, select={"first": 3}, mine={"library": "lib"}), 0)
    taught = fork(finished, tmp_path / "taught", changed(finished, teacher={"first": "reference"}), 1)
    assert [change.split(":")[0] for change in ladder.changes] == ["mine.library", "select.first"]
    assert [change.split(":")[0] for change in taught.changes] == ["teacher.first"]


def test_a_probe_that_was_made_cannot_be_changed(make_crew: Callable[..., Crew], tmp_path: Path) -> None:
    """What it tried and on how many problems is refused behind the round that made it."""
    crew = make_crew(tmp_path / "first", campaign={"rounds": 2, "arms": ["track_b"]}, select={"policy": "probe"})
    run(crew)
    crew.ledger.close()
    crew.folder.close()
    for key, value in (("candidates", ["random", "band"]), ("probe", 50)):
        config = changed(tmp_path / "first", select={key: value})
        with pytest.raises(InputError, match=f"cannot change select.{key}"):
            fork(tmp_path / "first", tmp_path / "second", config, 1)
        fork(tmp_path / "first", tmp_path / key, config, 0)


def test_a_target_that_is_not_reached_leaves_rounds(finished: Path, tmp_path: Path) -> None:
    """Nothing is asked of the baseline, and a target may be raised."""
    base = fork(finished, tmp_path / "base", changed(finished, campaign={"target": 0.01}), 0)
    more = fork(finished, tmp_path / "more", changed(finished, campaign={"target": 0.9999}), 1)
    assert [(made.round, made.changes[0].split(":")[0]) for made in (base, more)] == [
        (0, "campaign.target"),
        (1, "campaign.target"),
    ]


def test_an_arm_that_a_fork_adds_is_replayed_what_its_track_is(make_crew: Callable[..., Crew], tmp_path: Path) -> None:
    """Arms of a track train on the same rows, also the one that is new; what was rolled back comes again for neither."""

    class WorseInRoundTwo:
        def train(self, job: TrainingJob) -> Adapter:
            return NullTrainer(gain=-0.2 if "round-02" in job.out else 0.3).train(job)

    crew = make_crew(tmp_path / "first", campaign={"rounds": 2, "arms": ["track_b"]})
    run(Crew(**{**crew.__dict__, "trainer": WorseInRoundTwo()}))
    crew.ledger.close()
    crew.folder.close()
    arms = {"rounds": 3, "arms": ["track_b", "track_b+kto"]}
    fork(tmp_path / "first", tmp_path / "second", changed(tmp_path / "first", campaign=arms, select={"replay": 1.0}))
    second = gone_on(tmp_path / "second", make_crew)
    old, new = (
        second.folder.rows(f"round-03/arms/{arm}/rows.jsonl", TrackRow) for arm in ("track_b", "track_b+kto/sft")
    )
    assert {row.round for row in old} == {1, 3}
    assert [row.id for row in new] == [row.id for row in old]


def test_an_arm_that_a_fork_adds_has_pairs_of_its_own_rounds(
    finished: Path, tmp_path: Path, make_crew: Callable[..., Crew]
) -> None:
    """With `restart` it learns from its track's rows of all rounds, and from pairs and tries of those that made any."""
    arms = ["track_b", "track_b+dpo", "track_b+kto", "grpo"]
    fork(finished, tmp_path / "second", changed(finished, campaign={"arms": arms}, train={"restart": True}), 2)
    folder = gone_on(tmp_path / "second", make_crew).folder
    pairs = folder.rows("round-03/arms/track_b+dpo/rows.jsonl", PreferenceRow)
    verdicts = folder.rows("round-03/arms/track_b+kto/rows.jsonl", VerdictRow)
    tries = folder.rows("round-03/arms/grpo/rows.jsonl", PracticeRow)
    assert {row.round for rows in (pairs, verdicts, tries) for row in rows} == {3}
    assert all((pairs, verdicts, tries))
    for arm in ("track_b", "track_b+dpo/sft", "track_b+kto/sft"):
        assert {row.round for row in folder.rows(f"round-03/arms/{arm}/rows.jsonl", TrackRow)} == {1, 2, 3}


def test_an_alpha_that_is_spent_is_refused(make_crew: Callable[..., Crew], tmp_path: Path) -> None:
    """Of 0.05 a round that promoted nothing has used 0.025: with no more than that nothing could be promoted."""
    crew = make_crew(tmp_path / "first", campaign={"rounds": 1, "arms": ["track_b"]})
    run(Crew(**{**crew.__dict__, "trainer": type(crew.trainer)(gain=0.0)}))
    crew.ledger.close()
    crew.folder.close()
    more: dict[str, Any] = {"campaign": {"rounds": 2}}
    with pytest.raises(InputError, match=r"alpha = 0.025 is spent: the rounds taken over used 0.025; give more"):
        fork(tmp_path / "first", tmp_path / "second", changed(tmp_path / "first", gate={"alpha": 0.025}, **more))
    fork(tmp_path / "first", tmp_path / "second", changed(tmp_path / "first", gate={"alpha": 0.03}, **more))


def test_damaged_round_is_not_taken_over(finished: Path, tmp_path: Path) -> None:
    """A changed file of the parent is refused; one of the fork's own first rounds cannot be made again."""
    fork(finished, tmp_path / "second", round_=2)
    (finished / "round-01" / "pool.json").write_text("{}")
    with pytest.raises(RunFolderError, match="is not what was written there"):
        fork(finished, tmp_path / "third", round_=2)
    assert not (tmp_path / "third").exists()
    (tmp_path / "second" / "round-01" / "pool.json").write_text("{}")
    from selfimprove.graphs.run import mend

    with pytest.raises(RunFolderError, match="is not what was written there"):
        mend(RunFolder(tmp_path / "second", writer=False), tmp_path / "second" / "graph.sqlite")


def test_a_fork_of_objects_is_run_with_objects(tmp_path: Path) -> None:
    """What no settings can name is said by the command, by `run` and by `plan`, and the call that is printed runs."""
    task = Arithmetic(sizes={"train": 60, "dev": 20, "test": 20})
    plugs: dict[str, Any] = {"student": ScriptedStudent(task), "trainer": NullTrainer()}
    small = {"data": {"train": 60, "dev": 20, "test": 20}, "mine": {"pool": 20, "samples": 0}}
    first, second = tmp_path / "first", tmp_path / "second"
    Campaign(task="arithmetic", out=first, rounds=2, arms=["track_b"], sections=small, **plugs).run()
    done = CliRunner().invoke(cli, ["fork", str(first), "--out", str(second), "--round", "1"])
    assert (
        f'Run it with: Campaign("{second}/campaign.toml", student=..., trainer=..., out="{second}").run()'
        in done.output
    )
    for words in (["run", f"{second}/campaign.toml", "--out", str(second)], ["plan", f"{second}/campaign.toml"]):
        refused = CliRunner().invoke(cli, words).exception
        assert isinstance(refused, InputError)
        assert "objects for the student (ScriptedStudent) and the trainer (NullTrainer): give them" in str(refused)
    with pytest.raises(InputError, match=r"objects for the trainer \(NullTrainer\)"):
        Campaign(second / "campaign.toml", student=plugs["student"], out=second).run()
    assert Campaign(second / "campaign.toml", out=second, **plugs).run().state == "finished"


def test_command_says_what_differs_and_how_to_run_it(finished: Path, tmp_path: Path) -> None:
    """The fork's line names the round and the changes; a round that is not there is one sentence and code 2."""
    out = str(tmp_path / "second")
    done = CliRunner().invoke(cli, ["fork", str(finished), "--out", out, "--round", "2", "--set", "mine.pool=30"])
    assert done.exit_code == 0, done.output
    assert f"{out} begins behind round 2 of {finished}: mine.pool: 50 -> 30" in done.output
    assert f"selfimprove run {out}/campaign.toml --out {out}" in done.output
    free = CliRunner().invoke(
        cli, ["fork", str(finished), "--out", str(tmp_path / "free"), "--set", "campaign.rounds=9"]
    )
    assert "campaign.rounds: 3 -> 9" in free.output
    again = CliRunner().invoke(cli, ["fork", str(finished), "--out", str(tmp_path / "third"), "--round", "9"])
    assert isinstance(again.exception, InputError)
    assert "it has decided rounds 0 to 3" in str(again.exception)


def test_a_fork_lies_beside_its_parent_where_no_place_is_named(finished: Path) -> None:
    """Its name says behind which round it begins; a folder that is there is never written to."""
    out = finished.with_name("first-round-2")
    for words in ([str(finished), "--round", "2"], [f"{finished}/.", "--round", "2"]):
        done = CliRunner().invoke(cli, ["fork", *words])
        assert done.exit_code == 0, done.output
        assert f"Run it with: selfimprove run {out}/campaign.toml --out {out}" in done.output
        again = CliRunner().invoke(cli, ["fork", *words])
        assert isinstance(again.exception, InputError)
        assert str(again.exception) == f"{out} is there already; name another with --out"
        shutil.rmtree(out)
    done = CliRunner().invoke(cli, ["fork", str(finished), "--set", "campaign.rounds=9"])
    assert finished.with_name("first-round-3").is_dir(), done.output


def test_a_setting_that_another_goes_over_is_told(finished: Path, tmp_path: Path) -> None:
    """Rounds that go on from an adapter have `train.continued` over what was changed in `train.sft`."""
    rate, over = "train.sft.learning_rate=1e-4", "train.continued.learning_rate=5e-5"
    config = changed(finished, train={"continued": {"learning_rate": 2e-5, "num_train_epochs": 1}})
    (finished / "campaign.toml").write_text(write_config(config))
    RunFolder(finished).list_tree("campaign.toml")
    told = (
        "train.continued.learning_rate goes over train.sft.learning_rate where an adapter is trained further, as behind "
        "round 2; change that"
    )
    for at, (words, said) in enumerate((
        (["--round", "2", "--set", rate], True),
        (["--round", "2", "--set", rate, "--set", over], False),
        (["--round", "2", "--set", rate, "--set", "train.restart=true"], False),
        (["--round", "2", "--set", "train.sft.warmup_steps=3"], False),
        (["--round", "0", "--set", rate], False),
    )):  # fmt: skip
        done = CliRunner().invoke(cli, ["fork", str(finished), "--out", str(tmp_path / str(at)), *words])
        assert done.exit_code == 0, done.output
        assert (told in done.output.splitlines()) is said, words
        assert ("goes over" in done.output) is said, words
