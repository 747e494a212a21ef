"""Uploading: only what was asked for, only when asked, and as a private repository."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import Run, runs

from selfimprove.errors import InputError, SelfImproveError
from selfimprove.export import exported
from selfimprove.report.schema import Summary


class Hub:
    """A hub that keeps what it is asked."""

    def __init__(self) -> None:
        self.created: list[tuple[str, bool]] = []
        self.uploaded: list[tuple[str, Path, list[str]]] = []

    def __call__(self) -> Hub:
        """Stand for the client's class."""
        return self

    def create_repo(self, repo: str, *, private: bool, exist_ok: bool) -> None:
        self.created.append((repo, private))

    def repo_info(self, repo: str) -> Any:
        return SimpleNamespace(private=True)

    def upload_folder(self, *, repo_id: str, folder_path: Path) -> str:
        self.uploaded.append((repo_id, Path(folder_path), sorted(path.name for path in Path(folder_path).iterdir())))
        return f"https://hub/{repo_id}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Stand in for the hub."""
    made = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", made)
    return made


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], summary: Summary) -> Run:
    """Give what runs `selfimprove export`."""
    return runs(monkeypatch, capsys, "export")


def test_nothing_is_uploaded_without_being_asked(run: Path, tmp_path: Path, hub: Hub, command: Run) -> None:
    """The hub is not spoken to; asked, it gets the folder that was written, in a private repository."""
    done = command(run, "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, hub.created, hub.uploaded) == (0, [], [])
    done = command(run, "--out", tmp_path / "out", "--push", "me/mine", "--quiet")
    assert done.stdout.endswith("https://hub/me/mine\n")
    assert hub.created == [("me/mine", True)]
    files = ["README.md", "adapter_config.json", "adapter_model.safetensors", "metrics.json", "training.jsonl"]
    assert hub.uploaded == [("me/mine", tmp_path / "out", files)]


def test_a_merge_that_is_refused_is_not_uploaded(
    run: Path, tmp_path: Path, hub: Hub, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command fails with its sentence."""

    def refuse(*_: object) -> str:
        raise SelfImproveError("the merged model is worse")

    monkeypatch.setattr(exported, "merged", refuse)
    done = command(run, "--out", tmp_path / "out", "--merge", "--push", "me/mine", "--quiet")
    assert (done.returncode, done.stderr) == (1, "selfimprove: the merged model is worse\n")
    assert (hub.created, hub.uploaded) == ([], [])


def test_an_upload_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own words in one sentence."""

    class Api:
        def create_repo(self, *_: Any, **__: Any) -> None:
            if not private:
                return
            raise ConnectionError("401 Unauthorized\nmore")

        def repo_info(self, _: str) -> Any:
            return SimpleNamespace(private=False)

    private = True
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    with pytest.raises(InputError, match="me/mine was not uploaded: 401 Unauthorized; log in"):
        exported.push(tmp_path, "me/mine")
    private = False
    with pytest.raises(InputError, match="me/mine is there already and public"):
        exported.push(tmp_path, "me/mine")
