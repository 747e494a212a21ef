from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from refusing import Cli, Done

from selfimprove.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without keys and without a network."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    def accepted(*_: object, **__: object) -> None:
        raise SystemExit(77)

    # What comes after all checks: a campaign that gets there was accepted.
    monkeypatch.setattr("selfimprove.planning.probing.probe", accepted)
    return tmp_path


@pytest.fixture
def cli(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process."""

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["selfimprove", *words])
        try:
            main()
        except SystemExit as end:
            return Done(int(end.code or 0), capsys.readouterr().err)
        return Done(0, capsys.readouterr().err)

    return run
