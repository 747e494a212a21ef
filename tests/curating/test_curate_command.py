from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from grow_files import TRACES, grow_slowly, seeds, write
from grow_models import right

from selfimprove.config.curating import CurateConfig
from selfimprove.curating.writing import Figures, sentence
from selfimprove.errors import InputError
from selfimprove.growth.settings import claim, read_settings
from selfimprove.growth.stage import curate, ledger_of
from selfimprove.labels.taxonomy import DIMENSIONS
from selfimprove.ledger import CapReachedError, Ledger, Reservation
from selfimprove.records import Request
from selfimprove.store import RunFolder
from selfimprove.tasks import load_task

TOLD = {**seeds()[0], "rationale": "One counts on from the larger one."}
ROWS = [TOLD, *seeds()[1:]]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Figures]:
    """Give a finished curation: its folder and its figures."""
    here = tmp_path_factory.mktemp("grown")
    config = write(here, more=TRACES, rows=ROWS)
    return here / "out", curate(read_settings(config), here / "out")


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_quotas_are_met_exactly_in_every_cell(grown: tuple[Path, Figures]) -> None:
    """Seeds and grown problems together are what each cell asks for."""
    out, figures = grown
    assert figures.ended == "quotas"
    assert all(cell.there == cell.quota for cell in figures.cells)
    counts = Counter((row["sub_type"], row["form"]) for row in rows(out / "curated.jsonl"))
    assert counts == {
        ("sums", "short answer"): 30,
        ("sums", "multiple choice"): 10,
        ("products", "short answer"): 30,
        ("products", "multiple choice"): 10,
    }
    assert "all quotas are met" in sentence(figures)


def test_what_is_admitted_is_right_and_of_its_sub_type(grown: tuple[Path, Figures]) -> None:
    """Of a generator that is wrong in a sixth and strays in a tenth nothing bad is let in."""
    out, figures = grown
    for row in rows(out / "curated.jsonl"):
        options = "".join(f"\n{letter}. {text}" for letter, text in zip("ABCD", row["choices"], strict=False))
        assert right(f"{row['question']}{options}") == row["answer"]
        assert (" * " in row["question"]) == (row["sub_type"] == "products")
    assert figures.reasons["wrong answer"] > 0
    assert figures.reasons["wrong label"] > 0


def test_every_row_knows_its_seed_its_call_and_its_votes(grown: tuple[Path, Figures]) -> None:
    """From a grown row one walks back to a row of the same sub-type, and to the user's own problem."""
    out, _ = grown
    made = {row["id"]: row for row in rows(out / "curated.jsonl")}
    for row in made.values():
        line = row["lineage"]
        if not line["generation"]:
            continue
        assert made[line["seed"]]["sub_type"] == row["sub_type"]
        assert made[line["seed"]]["lineage"]["generation"] == line["generation"] - 1
        assert made[line["root"]]["lineage"]["generation"] == 0
        assert line["call"]
        assert line["program"].startswith("generate#")
        assert {vote["voter"] for vote in line["votes"]} == {"strong", "cheap"}
        assert line["answer_right"] * line["label_right"] >= 0.99


def test_rejected_rows_say_why(grown: tuple[Path, Figures]) -> None:
    """Each names its reason, its seed and its call; one that was outvoted has the votes."""
    out, figures = grown
    found = rows(out / "rejected.jsonl")
    assert Counter(row["reason"] for row in found) == figures.reasons
    assert all(row["detail"] and row["seed"] and row["call"] for row in found)
    assert all(row["votes"] for row in found if row["reason"] == "wrong answer")


def test_traces_are_verified_and_the_shortest_of_them(grown: tuple[Path, Figures]) -> None:
    """A grown row holds a chain of thought without its answer line."""
    out, figures = grown
    with_trace = [row for row in rows(out / "curated.jsonl") if row["lineage"]["trace_call"]]
    assert len(with_trace) == figures.traced > 40
    assert all(row["rationale"] and "Answer:" not in row["rationale"] for row in with_trace)


def test_counted_seeds_without_a_rationale_are_traced_once(grown: tuple[Path, Figures]) -> None:
    """Those that bring one keep it."""
    out, _ = grown
    made = [row for row in rows(out / "curated.jsonl") if not row["lineage"]["generation"]]
    assert [row["rationale"] for row in made if row["question"] == TOLD["question"]] == [TOLD["rationale"]]
    traced = {row["problem"] for row in rows(out / "seed-traces.jsonl") if row["text"]}
    assert {row["id"] for row in made if row["lineage"]["trace_call"]} == traced
    assert len(made) == 12
    assert len(traced) > 8
    assert all(row["rationale"] for row in made if row["id"] in traced)


def test_output_loads_as_a_task_of_a_campaign(grown: tuple[Path, Figures]) -> None:
    """Each form's file is a task whose labels come along."""
    out, _ = grown
    for name, count in (("short-answer", 60), ("multiple-choice", 20)):
        task = load_task(str(out / f"curated-{name}.jsonl"), options={"label_fields": DIMENSIONS})
        every = [p for split in ("train", "dev", "test") for p in task.problems(split)]
        assert len(every) == count
        assert {p.labels["sub_type"] for p in every} == {"sums", "products"}
        assert all(bool(p.choices) == (name == "multiple-choice") for p in every)


def test_no_seed_is_in_two_splits_of_a_campaign(grown: tuple[Path, Figures]) -> None:
    """What is decided and tested on is no variant of what is trained on."""
    out, _ = grown
    root = {row["question"]: row["lineage"]["root"] for row in rows(out / "curated-short-answer.jsonl")}
    task = load_task(str(out / "curated-short-answer.jsonl"))
    found = [{root[p.question] for p in task.problems(split)} for split in ("train", "dev", "test")]
    assert sum(map(len, found)) == len(set(root.values())) == 12


def test_output_loads_as_a_data_set(grown: tuple[Path, Figures], tmp_path: Path) -> None:
    """Hugging Face's loader reads it, with its lineage."""
    datasets = pytest.importorskip("datasets")
    out, figures = grown
    table = datasets.load_dataset("json", data_files=str(out / "curated.jsonl"), split="train", cache_dir=str(tmp_path))
    assert len(table) == figures.rows
    assert {"question", "answer", "sub_type", "lineage"} <= set(table.column_names)
    assert table[0]["lineage"]["votes"][0]["voter"] in {"strong", "cheap"}


def test_report_shows_yields_and_asks_nothing_of_the_network(grown: tuple[Path, Figures]) -> None:
    """The page names every sub-type, and holds no script and no address."""
    page = (grown[0] / "report" / "index.html").read_text()
    assert "generation 1" in page
    assert "products" in page
    assert "<script" not in page
    assert "http://" not in page


def test_the_same_command_again_changes_nothing(grown: tuple[Path, Figures], tmp_path: Path) -> None:
    """A finished curation is read, not grown again; other settings are refused."""
    out, figures = grown
    before = (out / "curated.jsonl").read_bytes()
    again = curate(read_settings(out.parent / "grow.toml"), out)
    assert again == figures
    assert (out / "curated.jsonl").read_bytes() == before
    with pytest.raises(InputError, match="begun under other settings"):
        curate(read_settings(out.parent / "grow.toml", ["grow.variants=3"]), out)


@pytest.mark.parametrize(
    ("key", "value", "may"), [("input_price", 2.0, True), ("retries", 9, True), ("model", "b/c", False)]
)
def test_of_a_model_limits_and_prices_may_change(tmp_path: Path, key: str, value: object, *, may: bool) -> None:
    """They change no problem; another model would."""
    folder = RunFolder(tmp_path / "out")
    model = {"model": "a/b", "input_price": 1.0, "output_price": 1.0}
    begun = CurateConfig.model_validate({"curate": {"seeds": "s", "taxonomy": "t"}, "models": {"own": model}})
    claim(folder, begun, {})
    later = begun.model_copy(update={"models": {"own": begun.models["own"].model_copy(update={key: value})}})
    if may:
        claim(folder, later, {})
    else:
        with pytest.raises(InputError, match=rf"models\.own\.{key}"):
            claim(folder, later, {})


def test_end_names_the_files_that_load_as_a_task(grown: tuple[Path, Figures]) -> None:
    """With two forms of answers the file of all is none of them, and is said to be none."""
    from click.testing import CliRunner

    from selfimprove.commands.curate import curate as command

    out, figures = grown
    told = CliRunner().invoke(command, [str(out.parent / "grow.toml"), "--out", str(out)]).output
    assert figures.files == {"curated-multiple-choice.jsonl": 20, "curated-short-answer.jsonl": 60}
    assert f"Problems: {out / 'curated-short-answer.jsonl'} (60 rows)" in told
    assert f"Problems: {out / 'curated-multiple-choice.jsonl'} (20 rows)" in told
    assert f"no task: {out / 'curated.jsonl'}\n" in told


def test_killed_anywhere_it_goes_on_to_the_same_bytes(grown: tuple[Path, Figures], tmp_path: Path) -> None:
    """SIGKILL while solving seeds, generating, voting and tracing: the library is the uninterrupted one's."""
    whole = grown[0]
    config, out = write(tmp_path, more=TRACES, rows=ROWS), tmp_path / "out"
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["selfimprove.growth.stage", "selfimprove.scorers.names"])
    killed = 0
    for mark in ("known", "round-001/candidates", "round-001/solve-00", "round-001/check-00", "round-002/orders", ""):
        process = forked.Process(target=grow_slowly, args=(config, out, 0.02 if mark else 0.0))
        process.start()
        deadline = time.monotonic() + 240
        while mark and process.exitcode is None and not (out / f"{mark}.jsonl").exists():
            assert time.monotonic() < deadline, "it never came so far"
            time.sleep(0.001)
        if mark and process.exitcode is None:
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join(240)
        killed += process.exitcode == -signal.SIGKILL
    assert process.exitcode == 0
    assert killed >= 3
    for name in ("curated.jsonl", "rejected.jsonl", "curated.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_budget_ends_it_and_more_goes_on(tmp_path: Path) -> None:
    """At the cap it stops with exit code 3, and goes on with a higher one."""
    config = write(tmp_path, size=24)
    with pytest.raises(CapReachedError) as stopped:
        curate(read_settings(config, ["curate.max_hours=1e-9"]), tmp_path / "out")
    assert stopped.value.exit_code == 3
    assert curate(read_settings(config), tmp_path / "out").ended == "quotas"


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a curation whose hours are over as its second round begins."""
    here = tmp_path_factory.mktemp("capped")
    config, out = write(here, more=TRACES, rows=ROWS), here / "out"

    def check_hours(_: Ledger) -> None:
        if (out / "round-001" / "yield.json").exists():
            raise CapReachedError("", "hours", 1.0, 1.0, 0.0, named="curate.max_hours")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "check_hours", check_hours)
        with pytest.raises(CapReachedError) as stopped:
            curate(read_settings(config), out)
    assert stopped.value.exit_code == 3
    return out


def test_at_a_cap_what_the_finished_rounds_admitted_is_written(capped: Path) -> None:
    """Rows, figures and page; the end is named."""
    figures = Figures.model_validate_json((capped / "curated.json").read_text())
    assert (figures.ended, figures.rounds) == ("budget", 1)
    assert figures.missing > 0
    assert len(rows(capped / "curated.jsonl")) == figures.rows > figures.grown > 0
    assert sentence(figures).endswith(f"{figures.missing} are missing, as a cap was reached")
    assert sentence(figures) in (capped / "report" / "index.html").read_text()


def test_with_a_higher_cap_it_goes_on_to_the_same_bytes(
    capped: Path, grown: tuple[Path, Figures], tmp_path: Path
) -> None:
    """The library is written anew, and is the uninterrupted one's."""
    out = shutil.copytree(capped, tmp_path / "out")
    assert curate(read_settings(capped.parent / "grow.toml"), out).ended == "quotas"
    for name in ("curated.jsonl", "rejected.jsonl", "curated.json"):
        assert (out / name).read_bytes() == (grown[0] / name).read_bytes()


def test_begun_round_beyond_the_most_is_not_gone_on_with(capped: Path, tmp_path: Path) -> None:
    """Fewer rounds end what was begun with more."""
    out = shutil.copytree(capped, tmp_path / "out")
    assert (out / "round-002" / "orders.jsonl").exists()
    figures = curate(read_settings(capped.parent / "grow.toml", ["grow.rounds=1"]), out)
    assert (figures.ended, figures.rounds) == ("rounds", 1)
    assert not (out / "round-002" / "candidates.jsonl").exists()


@pytest.mark.parametrize("cap", ["curate.budget_usd=0.2", "curate.max_tokens=50"])
def test_cap_that_ends_it_is_named_as_the_settings_name_it(tmp_path: Path, cap: str) -> None:
    """A curation's own, not a campaign's."""
    config = read_settings(write(tmp_path), [cap])
    dear = Reservation("key", Request(role="reason", messages=()), "m", "reason", 0.25, 100)
    with (
        closing(ledger_of(config, tmp_path)) as ledger,
        pytest.raises(CapReachedError, match=rf"^{cap.replace('=', ' = ')} is reached"),
    ):
        ledger.reserve([dear], None)


def test_generator_that_returns_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """One sentence, and no folder."""
    config = write(tmp_path)
    with pytest.raises(InputError, match="no problem could be read") as refused:
        curate(read_settings(config, ["who.generate=grow_models:Silent"]), tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_curation_that_is_kept_away_from_no_test_set_says_so(
    grown: tuple[Path, Figures], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the start, in the figures, on the page and at the end; with something held out it says how much."""
    from click.testing import CliRunner

    from selfimprove.commands.curate import curate as command

    config = write(tmp_path, size=24)
    told = CliRunner().invoke(command, [str(config), "--out", str(tmp_path / "out"), "--set", "curate.held_out=[]"])
    assert told.exit_code == 0
    assert told.output.count("nothing is held out") == 2
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert '<p class="alarm">Nothing is held out' in page
    assert json.loads((tmp_path / "out" / "curated.json").read_text())["held_out"] == 0
    assert grown[1].held_out == 1
    assert "1 problem is held out" in (grown[0] / "report" / "index.html").read_text()


def test_yield_under_the_floor_ends_it(tmp_path: Path) -> None:
    """A sub-type whose problems are all refused is given up, and the end says so."""
    config = write(tmp_path, more='[admit]\nchecks = { "Maths" = "grow_models:never" }\n')
    made = curate(read_settings(config, ["grow.floor_after=20"]), tmp_path / "out")
    assert made.ended == "yield"
    assert made.grown == 0
    assert made.reasons["check"] > 0


def test_row_that_a_check_admits_names_it(tmp_path: Path) -> None:
    """Nobody votes on its answer; a row that the check cannot tell has votes, and no check."""
    config = write(tmp_path, size=24, more='[admit]\nchecks = { "Maths" = "arithmetic" }\n')
    curate(read_settings(config), tmp_path / "out")
    lines = [row["lineage"] for row in rows(tmp_path / "out" / "curated.jsonl") if row["lineage"]["generation"]]
    shown = [line for line in lines if not line["votes"]]
    voted = [line for line in lines if line["votes"]]
    assert shown
    assert voted
    assert {line["check"] for line in shown} == {"arithmetic"}
    assert {line["check"] for line in voted} == {""}
    refused = [row for row in rows(tmp_path / "out" / "rejected.jsonl") if row["reason"] == "check"]
    assert all("the check arithmetic works out" in row["detail"] for row in refused)
    assert refused
