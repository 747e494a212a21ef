from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from selfimprove import doctor
from selfimprove.doctor import Finding, examine, to_text
from selfimprove.students.resident import cpu_dtype


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ask no server, and know what the environment holds."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: refused at once
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path / "cache"))


def test_it_is_done_offline_within_twenty_seconds(monkeypatch: pytest.MonkeyPatch):
    """Even where names resolve never and torch does not come; the limits run side by side."""
    assert max(doctor._TORCH_S, doctor._NETWORK_S + doctor._GRACE_S) < 16
    monkeypatch.setattr(doctor, "_TORCH_S", 3.0)
    monkeypatch.setattr(doctor, "_NETWORK_S", 2.0)
    monkeypatch.setattr(doctor, "_answers", lambda _: time.sleep(60) or False)
    monkeypatch.setattr(doctor, "_ASK_TORCH", "import time; time.sleep(60)")
    started = time.monotonic()
    findings = examine()
    assert time.monotonic() - started < 15
    assert "no answer within" in next(each.value for each in findings if each.name == "hub")
    devices = next(each for each in findings if each.name == "devices")
    assert devices.value == "torch was not imported within 2 s"
    assert to_text([devices]).splitlines()[2] == "Nothing was found in the way of a campaign; unknown: devices."
    assert "Nothing stands in the way" in to_text([each for each in findings if each.known and each.ok])


def test_keys_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch):
    """A key's value is in no finding."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("MY_OWN_API_KEY", "also-secret")
    monkeypatch.setenv("EMPTY_API_KEY", "")
    text = to_text(examine())
    assert "MY_OWN_API_KEY, OPENAI_API_KEY" in text
    assert "EMPTY_API_KEY" not in text
    assert "secret" not in text


def test_a_hub_with_a_password_is_shown_without_it(monkeypatch: pytest.MonkeyPatch):
    """Only the host of an address is said."""
    monkeypatch.setenv("HF_ENDPOINT", "http://me:hunter2@127.0.0.1:9/simple")
    assert "hunter2" not in to_text(examine())


def test_a_server_that_answers_anything_is_reachable(monkeypatch: pytest.MonkeyPatch):
    """An error page is a sign of life too."""

    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    assert doctor._hub().value == "127.0.0.1 answers"
    server.shutdown()
    server.server_close()
    assert doctor._hub().value == "127.0.0.1 cannot be reached"


def test_offline_by_choice_is_not_a_fault(monkeypatch: pytest.MonkeyPatch):
    """With HF_HUB_OFFLINE the hub is not asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(doctor, "_answers", lambda address: "9" not in address or pytest.fail("asked"))
    assert "HF_HUB_OFFLINE" in doctor._hub().value


def test_missing_extra_names_its_command(monkeypatch: pytest.MonkeyPatch):
    """What is not installed is said with the extra that brings it; only training is needed for a campaign."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in {"wandb", "trl", "gepa"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    packages = {each.name: each for each in doctor._packages()}
    assert packages["wandb"].advice == 'pip install "selfimprove[track]"'
    assert packages["gepa"].advice == 'pip install "selfimprove[compile]"'
    assert (packages["wandb"].ok, packages["trl"].ok) == (True, False)


def test_version_out_of_range_is_a_fault():
    """A package that is too old is named with the range that is needed."""
    old = doctor._package(Requirement("trl>=1.16,<2"), "train", "0.9.1", "1.16.0")
    assert not old.ok
    assert "0.9.1, needs <2,>=1.16" in old.value


def test_tested_version_stands_beside_another():
    """A version that was not tested is no fault, but is said; a build tag is no difference."""
    requirement = Requirement("torch>=2.9")
    assert doctor._package(requirement, "train", "2.14.0", "2.13.0").value == "2.14.0 (tested with 2.13.0)"
    assert doctor._package(requirement, "train", "2.13.0+cpu", "2.13.0").value == "2.13.0+cpu"


def test_it_tells_what_the_processor_computes_in() -> None:
    """Without products in bfloat16 all takes longer, and a person wants to know why."""
    if torch.cuda.is_available():
        pytest.skip("a GPU is told instead")
    assert f"threads in {cpu_dtype()}" in doctor._devices().value


def test_torch_that_does_not_start_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    """A broken installation is told with its last line."""
    monkeypatch.setattr(doctor, "_ASK_TORCH", "raise OSError('libcudart.so.12: cannot open')")
    devices = doctor._devices()
    assert not devices.ok
    assert "libcudart.so.12" in devices.value


def test_advice_is_said_once():
    """Three missing packages of one extra are one line to act on."""
    rows = [Finding(name=name, value="-", ok=False, advice="pip install x") for name in ("a", "b", "c")]
    assert to_text(rows).splitlines()[-1] == "  a, b, c: pip install x"


def test_looking_imports_nothing_heavy():
    """The doctor's own process never imports torch or a hub client."""
    code = "import sys; from selfimprove import doctor; doctor.examine(); print(sorted({'torch','transformers','dspy','litellm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
