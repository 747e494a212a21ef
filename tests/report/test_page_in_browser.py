from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sample import SCRIPT, summary

from selfimprove.report.page import write_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on PATH")


def dumped(page: Path, profile: Path) -> str:
    """Open a page without a window and give its document as the browser holds it."""
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom")
    done = subprocess.run([str(BROWSER), *flags, page.as_uri()], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample's page, with a script in everything that a model wrote."""
    folder = tmp_path_factory.mktemp("page")
    return dumped(write_page(summary(SCRIPT), folder / "index.html"), folder / "profile")


def test_sentence_is_in_the_document(document: str):
    """The browser holds the opening sentence."""
    assert summary().sentence in document


def test_script_of_a_model_did_not_run(document: str):
    """No script element exists, and the title is still the page's own."""
    assert "<script" not in document
    assert re.findall(r"<title>(.*?)</title>", document)[0] == "arithmetic, smollm2-135m: a selfimprove campaign"
    assert "&lt;script&gt;" in document


def test_a_script_that_runs_would_be_seen(tmp_path: Path):
    """The check above can fail: unescaped, the same text does change the title."""
    (tmp_path / "bad.html").write_text(f"<title>before</title>{SCRIPT}")
    assert "<title>the script ran</title>" in dumped(tmp_path / "bad.html", tmp_path / "profile")


def test_no_element_points_outside(document: str):
    """Every address in the document is a place in it."""
    assert all(target.startswith("#") for target in re.findall(r'(?:href|src)="([^"]*)"', document))
