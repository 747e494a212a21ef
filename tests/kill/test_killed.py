"""A whole campaign, killed for real and resumed by the same command: nothing repeated, nothing lost, the same bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from killing import Killer, Matrix, ended, trainers_of
from matrix import KILLS, kill_amid_answers, kill_at_boundaries, stages, whole_matrix
from paid_server import PaidServer, paid_server
from victim import Place, one_thread, write_student

Campaigns = Callable[[str], Place]


@pytest.fixture(scope="module")
def server() -> Iterator[PaidServer]:
    """Give a paid teacher that outlives what is killed."""
    with one_thread(), paid_server() as running:
        yield running


@pytest.fixture(scope="module")
def campaign(server: PaidServer, tmp_path_factory: pytest.TempPathFactory) -> Campaigns:
    """Give what makes a campaign that was not started yet."""
    student = write_student(tmp_path_factory.mktemp("student") / "model")
    return lambda name: Place(tmp_path_factory.mktemp(name) / "run", server).settle_down(student)


@pytest.fixture(scope="module")
def whole(campaign: Campaigns) -> Place:
    """Give a campaign that was left alone."""
    place = campaign("whole")
    place.finish()
    return place


@pytest.fixture(scope="module")
def early(campaign: Campaigns, whole: Place) -> Place:
    """Give a campaign that was killed amid the first paid answers."""
    killer = Killer(campaign("early"), whole)
    assert killer.kill_when(lambda moment: "round-01/reason" in moment.begun, 0.1) is not None
    return killer.place


@pytest.fixture
def copy(early: Place, tmp_path: Path) -> Place:
    """Give a copy of it: a run is its folder."""
    shutil.copytree(early.out.parent, tmp_path / "copy")
    return Place(tmp_path / "copy" / "run", early.server)


def refused(place: Place, words: str, file_limit: int = 0) -> None:
    """See that the command ends with code 2 and one sentence that holds these words."""
    before = len(place.said())
    process = place.start(file_limit)
    process.join(300)
    said = place.said()[before:]
    assert (process.exitcode, said.count("\n")) == (2, 1), said
    assert said.startswith("selfimprove: ")
    assert words in said
    assert "Traceback" not in said


def goes_on(place: Place, whole: Place) -> None:
    """See that the same command goes on to the first tracks, and all that is written is what it should be."""
    killer = Killer(place, whole)
    assert killer.kill_when(lambda moment: "round-01/train track_b" in moment.begun) is not None
    made, wanted = place.files(), whole.files()
    left = ("attempt-", ".damaged", ".part")  # of this kill, and of what was put aside
    made = {name: text for name, text in made.items() if not any(each in name for each in left)}
    assert "round-01/track_b.jsonl" in made
    assert made == {name: wanted[name] for name in made}


def nothing_happened(matrix: Matrix) -> bool:
    """Say whether the kills left no trace."""
    return (matrix.repeated, matrix.lost, matrix.differing, matrix.orphans) == (0, 0, [], 0)


def test_uninterrupted_campaign_has_what_a_kill_could_lose(whole: Place) -> None:
    """It pays for both kinds of answers, promotes an adapter, and trains on from it."""
    roles = dict(whole.rows("SELECT role, count(*) FROM calls WHERE payer='teacher' GROUP BY role"))
    assert roles["answer"] > 1
    assert roles["reason"] > 40
    assert '"promoted": "track_b"' in (whole.out / "round-01/decision.json").read_text()
    assert '"start": "round-01' in (whole.out / "round-02/arms/track_b/origin.json").read_text()
    assert whole.rows("SELECT total(usd) FROM calls")[0][0] > 1


def test_killed_at_each_stage_boundary(campaign: Campaigns, whole: Place) -> None:
    """One campaign of two rounds, killed where each stage begins and each round ends and amid paid answers."""
    killer, order = Killer(campaign("boundaries"), whole), list(stages(whole))
    paid = order.index("round-01/reason") + 1
    kill_at_boundaries(killer, order[:paid])
    kill_amid_answers(killer, 3, Random(0))
    kill_at_boundaries(killer, [event for event in order[paid:] if event.startswith("round-0")])
    for sent in (signal.SIGTERM, signal.SIGINT):
        killer.kill_when(lambda moment: bool(moment.begun), sent=sent)
    kill_at_boundaries(killer, [event for event in order if event.startswith("final")])
    matrix = killer.conclude()
    assert matrix.kills >= 20
    assert nothing_happened(matrix), matrix
    assert matrix.doubted <= 4 * 3, "no more than the concurrency is ever in doubt"


def test_stop_while_training_is_clean_and_quick(copy: Place, whole: Place) -> None:
    """Code 130 and one sentence, while the parent waits for its trainer; the trainer goes too, the campaign goes on."""
    process = copy.start()
    while not (found := trainers_of(process.pid or 0)):
        assert process.exitcode is None, copy.said()
        time.sleep(0.005)
    started = time.monotonic()
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(120)
    assert process.exitcode == 130
    assert time.monotonic() - started < 60
    assert all(ended(pid) for pid in found)
    assert copy.said().endswith("Interrupted; the same command goes on from here.\n")
    goes_on(copy, whole)


def test_stop_amid_paid_answers_is_clean(campaign: Campaigns, whole: Place) -> None:
    """What is in flight is waited for and kept: nothing is in doubt."""
    killer = Killer(campaign("stopped"), whole)
    assert killer.kill_when(lambda moment: "round-01/reason" in moment.begun, 0.1, signal.SIGINT) is not None
    assert killer.place.answered()
    assert not killer.place.rows("SELECT key FROM calls WHERE payer='teacher' AND state!='answered'")
    goes_on(killer.place, whole)


@pytest.mark.parametrize("limit", [3_000, 80_000])
def test_file_that_cannot_grow_is_one_sentence(campaign: Campaigns, limit: int) -> None:
    """Where the system takes no more bytes of a file, at the first of them or in a round: code 2, no traceback."""
    refused(campaign("full"), "", limit)


def test_full_disk_is_one_sentence(campaign: Campaigns, whole: Place, small_disk: Callable[..., Path]) -> None:
    """A file system with no room left: code 2, no traceback; with room again the same command goes on."""
    place = campaign("tmpfs")
    place.out = small_disk("size=120k") / "run"
    shutil.copy(place.log.with_name("campaign.toml"), place.out.parent)
    refused(place, "")
    small_disk("remount,size=64m")
    goes_on(place, whole)


def test_folder_that_cannot_be_written_is_one_sentence(campaign: Campaigns, small_disk: Callable[..., Path]) -> None:
    """A file system that is mounted to be read only."""
    place = campaign("readonly")
    place.out = small_disk("size=1m") / "run"
    shutil.copy(place.log.with_name("campaign.toml"), place.out.parent)
    small_disk("remount,ro")
    refused(place, "Read-only file system")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Give what mounts a file system in memory, or mounts it anew with other options; skips where that is refused."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(
            [str(shutil.which("mount")), "-t", "tmpfs", "-o", options, "tmpfs", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and "remount" not in options:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return folder

    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    yield mount
    subprocess.run([str(shutil.which("umount")), "-l", folder], capture_output=True, check=False)


def test_damaged_ledger_is_one_sentence(copy: Place, whole: Place) -> None:
    """It holds what was paid for, so it is not guessed at; a copy put back, the campaign goes on."""
    ledger = copy.out / "ledger.sqlite"
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = ledger.read_bytes()
    assert len(sound) > 40_000
    for damaged in (b"\0" * 40 + sound[40:], sound[:8192] + b"\xa5" * 8192 + sound[16384:], sound[: len(sound) // 2]):
        ledger.write_bytes(damaged)
        refused(copy, "ledger.sqlite")
    ledger.write_bytes(sound)
    goes_on(copy, whole)


def test_lost_ledger_is_one_sentence(copy: Place) -> None:
    """A new one would pay for everything again."""
    for path in copy.out.glob("ledger.sqlite*"):
        path.unlink()
    asked = copy.server.counts()
    refused(copy, "calls that")
    assert copy.server.counts() == asked


@pytest.mark.parametrize(
    ("name", "words"),
    [("manifest.json", "manifest.json is damaged"), ("data/train.jsonl", "train.jsonl is not what was written there")],
)
def test_truncated_file_that_cannot_be_made_again_is_one_sentence(copy: Place, name: str, words: str) -> None:
    """It names the file and what to do."""
    path = copy.out / name
    path.write_bytes(path.read_bytes()[:-30])
    refused(copy, words)


def test_truncated_rows_and_checkpoint_are_made_again(copy: Place, whole: Place) -> None:
    """What the ledger can tell again is put aside and written anew, without a paid call."""
    for name in ("round-01/drafts.jsonl", "graph.sqlite"):
        path = copy.out / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    goes_on(copy, whole)


@pytest.mark.slow
def test_kill_matrix(tmp_path: Path) -> None:
    """Sixty kills and more: boundaries, random moments inside stages, trainers alone, parents while a trainer runs."""
    matrix = whole_matrix(tmp_path, quick=False)
    assert matrix.kills >= KILLS
    assert matrix.where["the trainer alone"] >= 3
    assert nothing_happened(matrix), matrix
