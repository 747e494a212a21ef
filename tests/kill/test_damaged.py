"""What is done about files that are not what was written: made again where that can be, else one sentence."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from selfimprove.errors import RunFolderError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import _connected, mend, run_campaign
from selfimprove.graphs.studio import studio_crew
from selfimprove.records import Adapter, TrainingJob
from selfimprove.testing import NullTrainer

SMALL: dict[str, Any] = {
    "campaign": {"rounds": 2, "arms": ["track_b"]},
    "data": {"train": 80, "dev": 30, "test": 30},
    "mine": {"pool": 20},
}


class StopsAt:
    """A trainer that is interrupted before it trains for a round."""

    def __init__(self, round_: str) -> None:
        self._inner, self._round = NullTrainer(), round_

    def train(self, job: TrainingJob) -> Adapter:
        if self._round in job.out:
            raise KeyboardInterrupt
        return self._inner.train(job)


@contextmanager
def crew_of(folder: Path) -> Iterator[Crew]:
    """Open a run folder as one process would."""
    crew = studio_crew("test", folder, SMALL)
    try:
        yield crew
    finally:
        crew.ledger.close()
        crew.folder.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a campaign that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with crew_of(folder) as crew:
        walk(crew)
    return folder


@pytest.fixture(scope="module")
def whole(finished: Path) -> dict[str, bytes]:
    """Give its files."""
    with crew_of(finished) as crew:
        return files(crew)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a campaign that was interrupted in its second round."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with crew_of(folder) as crew, pytest.raises(KeyboardInterrupt):
        walk(replace(crew, trainer=StopsAt("round-02")))
    return folder


@pytest.fixture
def stopped(tmp_path: Path, interrupted: Path) -> Path:
    """Give a copy of it: a run is its folder."""
    return Path(shutil.copytree(interrupted, tmp_path / "run"))


def walk(crew: Crew) -> None:
    run_campaign(crew, crew.folder.at("graph.sqlite"))


def files(crew: Crew) -> dict[str, bytes]:
    """Give the bytes of every listed file; jobs name their folder, so they are left out."""
    return {name: crew.folder.at(name).read_bytes() for name in crew.folder.hashes if "job.json" not in name}


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)


def headless(path: Path) -> None:
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


def deleted(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [halved, emptied, overwritten, headless, deleted])
def test_damaged_checkpoint_is_put_aside(whole: dict[str, bytes], stopped: Path, harm: Callable[[Path], None]) -> None:
    """The graph starts over, finds every call in the ledger, and ends with the same files."""
    harm(stopped / "graph.sqlite")
    with crew_of(stopped) as crew:
        answered = crew.ledger.totals().answered
        walk(crew)
        assert files(crew) == whole
        assert crew.ledger.totals().answered > answered, "the second round had calls left to make"
    assert (stopped / "graph.sqlite.damaged").exists() == (harm not in {emptied, deleted})


def test_checkpoint_of_another_campaign_is_not_followed(finished: Path, whole: dict[str, bytes], stopped: Path) -> None:
    """A sound file whose state the decisions on disk do not bear out: it would skip what is left to do."""
    shutil.copy(finished / "graph.sqlite", stopped / "graph.sqlite")
    with crew_of(stopped) as crew:
        walk(crew)
        assert files(crew) == whole


def test_checkpoints_do_not_wait_for_the_disk(finished: Path, tmp_path: Path) -> None:
    """As the ledger's calls do not: what a power cut takes of either is walked again."""
    for path in (finished / "graph.sqlite", tmp_path / "new.sqlite"):
        with closing(_connected(path)) as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (1,)


@pytest.mark.parametrize("method", ["put", "put_writes"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_killed_around_a_checkpoint_skips_nothing(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, method: str, count: int
) -> None:
    """A node whose result is written and whose checkpoint is not, or the other way round, is neither lost nor skipped."""
    calls, real = itertools.count(1), getattr(SqliteSaver, method)

    def killed(*given: Any, **how: Any) -> Any:
        if next(calls) == count:
            raise KeyboardInterrupt
        return real(*given, **how)

    monkeypatch.setattr(SqliteSaver, method, killed)
    with crew_of(tmp_path / "run") as crew, pytest.raises(KeyboardInterrupt):
        walk(crew)
    with crew_of(tmp_path / "run") as crew:
        walk(crew)
        assert files(crew) == whole


@pytest.mark.parametrize("seed", range(4))
def test_scattered_damage_to_a_checkpoint_changes_nothing(whole: dict[str, bytes], stopped: Path, seed: int) -> None:
    """Wherever bytes are wrong, the campaign ends with the same files."""
    rng, path = random.Random(seed), stopped / "graph.sqlite"
    content = bytearray(path.read_bytes())
    for at in rng.sample(range(len(content)), 40):
        content[at] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))
    with crew_of(stopped) as crew:
        walk(crew)
        assert files(crew) == whole


@pytest.mark.parametrize(
    ("name", "harm"),
    [("lessons.jsonl", halved), ("drafts.jsonl", deleted), ("track_b.jsonl", emptied), ("cohorts", halved)]
    + [("decision.json", harm) for harm in (halved, deleted)],
)
def test_damaged_rows_are_made_again(
    whole: dict[str, bytes], stopped: Path, name: str, harm: Callable[[Path], None]
) -> None:
    """A truncated or lost file of a round is found by its hash and written again from the ledger."""
    path = stopped / "round-01" / name
    path = next(path.rglob("reason*.jsonl")) if path.is_dir() else path
    harm(path)
    with crew_of(stopped) as crew:
        walk(crew)
        assert files(crew) == whole
    assert path.with_name(f"{path.name}.damaged").exists() == (harm is not deleted)


def test_damaged_rows_of_a_finished_campaign_are_made_again(
    finished: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """It is not finished any more, until they are."""
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    halved(folder / "round-01/track_b.jsonl")
    halved(folder / "final/base/predictions.jsonl")
    with crew_of(folder) as crew:
        found = mend(crew.folder, folder / "graph.sqlite")
        assert found == ["final/base/predictions.jsonl", "round-01/track_b.jsonl"]
        assert not crew.folder.has("finished.json")
        walk(crew)
        assert files(crew) == whole
        assert mend(crew.folder, folder / "graph.sqlite") == []


def test_damaged_adapter_is_trained_again(whole: dict[str, bytes], stopped: Path) -> None:
    """An adapter of other bytes is put aside whole."""
    adapter = stopped / "round-01/arms/track_b/adapter"
    halved(adapter / "metrics.json")
    with crew_of(stopped) as crew:
        walk(crew)
        assert files(crew) == whole
    assert adapter.with_name("adapter.damaged").is_dir()


def test_damaged_split_is_refused(stopped: Path) -> None:
    """Splits are frozen: what is trained and tested on is not guessed at."""
    halved(stopped / "data/dev.jsonl")
    refused = r"data/dev.jsonl is not what was written there; restore it, or put"
    with crew_of(stopped) as crew, pytest.raises(RunFolderError, match=refused):
        walk(crew)
    assert (stopped / "data/dev.jsonl").exists()


def test_ledger_alone_in_a_new_folder_is_enough(whole: dict[str, bytes], stopped: Path) -> None:
    """What the sentence about a lost folder advises: nothing that was answered is asked again."""
    new = stopped.with_name("new")
    new.mkdir()
    (new / "ledger.sqlite").write_bytes((stopped / "ledger.sqlite").read_bytes())
    with crew_of(new) as crew:
        assert crew.ledger.totals().answered
        walk(crew)
        assert files(crew) == whole
    with sqlite3.connect(new / "ledger.sqlite") as db:
        assert db.execute("SELECT max(tries) FROM calls").fetchone() == (1,)
