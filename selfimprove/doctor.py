"""What this machine has for a campaign, and what is missing. Reads no secret and changes nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from selfimprove import __version__
from selfimprove.errors import InputError
from selfimprove.installed import shipped
from selfimprove.records import Record
from selfimprove.students.fetch import cache_root
from selfimprove.students.resident import memory_of

_NETWORK_S = 3.0
_GRACE_S = 1.0
_TORCH_S = 14.0
_LEAST_RAM_GIB = 8
_LEAST_DISK_GIB = 5
_GIB = 2**30
_EXTRAS = ("train", "tasks", "track", "report", "mine", "label", "curate", "compile")
_NEEDED = ("", "train")
_KEYS = ("HF_TOKEN", "WANDB_API_KEY")
_KEY_NAME = re.compile(r"[A-Z0-9_]+_API_KEY(_\d+)?")
_ASK_TORCH = """
import json, torch
from selfimprove.students.resident import cpu_dtype
cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
found = [f"{c.name}, {c.total_memory / 2**30:.0f} GiB" for c in cards]
found += ["Apple GPU (mps)"] if torch.backends.mps.is_available() else []
print(json.dumps([torch.__version__, found, torch.get_num_threads(), cpu_dtype()]))
"""


class Finding(Record):
    """One thing that was looked at."""

    name: str
    value: str
    ok: bool = True
    """False where a campaign would be stopped or slowed by it."""
    known: bool = True
    """False where it could not be looked at in time."""
    advice: str = ""
    """What to do; also where nothing is wrong but more could be had."""


def examine() -> list[Finding]:
    """Look at versions, machine, network and keys; takes a few seconds, 20 at most, and needs no network."""
    devices = _in_background(_devices, _TORCH_S)
    hub = _in_background(_hub, _NETWORK_S + _GRACE_S)
    found = [
        Finding(name="selfimprove", value=__version__),
        _python(),
        Finding(name="platform", value=platform.platform()),
        *_packages(),
        _cpu(),
        _memory(),
        _disk(),
    ]
    return [*found, devices(), hub(), _keys()]


def to_text(findings: list[Finding]) -> str:
    """Lay the findings out in columns, with what to do at the end.

    >>> print(to_text([Finding(name="memory", value="4 GiB", ok=False, advice="use a smaller model")]))
    !  memory  4 GiB
    <BLANKLINE>
    To do:
      memory: use a smaller model
    """
    width = max((len(each.name) for each in findings), default=0)
    marks = {(True, False): " ", (True, True): "-", (False, True): "!", (False, False): "!"}
    rows = [f"{marks[each.ok, bool(each.advice)]}  {each.name:<{width}}  {each.value}" for each in findings]
    wrong, more = (_advice(each for each in findings if each.ok == ok) for ok in (False, True))
    rows += ["", "To do:", *wrong] if wrong else ["", _nothing_wrong(findings)]
    return "\n".join([*rows, "", "If wanted:", *more] if more else rows)


def _nothing_wrong(findings: list[Finding]) -> str:
    """Say that nothing is wrong, and of what nothing is known."""
    unknown = ", ".join(each.name for each in findings if not each.known)
    if unknown:
        return f"Nothing was found in the way of a campaign; unknown: {unknown}."
    return "Nothing stands in the way of a campaign."


def _advice(findings: Iterable[Finding]) -> list[str]:
    """Say each piece of advice once, with all that it is for."""
    names: dict[str, list[str]] = {}
    for each in findings:
        if each.advice:
            names.setdefault(each.advice, []).append(each.name)
    return [f"  {', '.join(listed)}: {advice}" for advice, listed in names.items()]


def _in_background(look: Callable[[], Finding], limit_s: float) -> Callable[[], Finding]:
    """Start looking; what is given back waits no longer than the limit, since a name server can hang for minutes."""
    result: Future[Finding] = Future()
    until = time.monotonic() + limit_s

    def work() -> None:
        try:
            result.set_result(look())
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()

    def wait() -> Finding:
        try:
            return result.result(timeout=max(0.0, until - time.monotonic()))
        except TimeoutError:
            name = look.__name__.strip("_").replace("_", " ")
            said = f"no answer within {limit_s:.0f} s"
            return Finding(name=name, value=said, known=False, advice="try again later")

    return wait


def _python() -> Finding:
    version = platform.python_version()
    return Finding(name="python", value=f"{version} ({sys.executable})")


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what is required and with what was tested."""
    tested = _tested()
    for requirement, extra in _requirements():
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        yield _package(requirement, extra, version, tested.get(_plain(requirement.name), ""))


def _package(requirement: Requirement, extra: str, version: str, tested: str) -> Finding:
    beside = f" (tested with {tested})" if tested and tested != version.partition("+")[0] else ""
    command = f'pip install "selfimprove[{extra}]"' if extra else "pip install --upgrade selfimprove"
    if not version:
        needed_for = f"for [{extra}], not installed" if extra else "not installed"
        return Finding(name=requirement.name, value=needed_for, ok=extra not in _NEEDED, advice=command)
    if not requirement.specifier.contains(version, prereleases=True):
        said = f'pip install "{requirement.name}{requirement.specifier}"'
        return Finding(name=requirement.name, value=f"{version}, needs {requirement.specifier}", ok=False, advice=said)
    return Finding(name=requirement.name, value=f"{version}{beside}")


def _requirements() -> list[tuple[Requirement, str]]:
    """List what selfimprove requires with the extra that asks for it, core first; empty when it is not installed."""
    try:
        lines = importlib.metadata.requires("selfimprove") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    needed: dict[str, tuple[Requirement, str]] = {}
    for extra in ("", *_EXTRAS):
        for requirement in map(Requirement, lines):
            in_core = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            asked = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
            if in_core if not extra else (asked and not in_core):
                needed.setdefault(_plain(requirement.name), (requirement, extra))
    return list(needed.values())


def _tested() -> Mapping[str, str]:
    try:
        lines = shipped("constraints.txt").read_text("utf-8").splitlines()
    except (InputError, OSError):
        return {}
    pairs = (line.partition("#")[0].partition("==") for line in lines)
    return {_plain(name): version.strip() for name, sign, version in pairs if sign}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _cpu() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding(name="processor", value=f"{usable} cores, {platform.machine()}")


def _memory() -> Finding:
    try:
        total = memory_of("cpu")
    except (ValueError, OSError):
        return Finding(name="memory", value="unknown")
    enough = total >= _LEAST_RAM_GIB * _GIB
    advice = "" if enough else f"training a 135M model takes about {_LEAST_RAM_GIB} GiB; lower train.sft's batch size"
    return Finding(name="memory", value=f"{total / _GIB:.1f} GiB", ok=enough, advice=advice)


def _disk() -> Finding:
    place = cache_root()
    there = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    enough = free >= _LEAST_DISK_GIB * _GIB
    advice = "" if enough else "free some space, or let SELFIMPROVE_CACHE name another folder"
    return Finding(name="cache", value=f"{place}, {free / _GIB:.0f} GiB free", ok=enough, advice=advice)


def _devices() -> Finding:
    """Ask torch for its devices, in a process of its own: the import is slow and can fail."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=_TORCH_S - 1, check=False
        )
    except subprocess.TimeoutExpired:
        said = f"torch was not imported within {_TORCH_S - 1:.0f} s"
        return Finding(name="devices", value=said, known=False, advice="try again later")
    if done.returncode:
        if "No module named 'torch'" in done.stderr:
            return Finding(name="devices", value="unknown, torch is not installed")
        reason = (done.stderr.strip() or "it said nothing").splitlines()[-1][:160]
        return Finding(name="devices", value=f"does not start: {reason}", ok=False, advice="install torch again")
    version, cards, threads, dtype = json.loads(done.stdout.splitlines()[-1])
    return Finding(name="devices", value=f"{version}, " + ("; ".join(cards) or f"no GPU, {threads} threads in {dtype}"))


def _hub() -> Finding:
    """Ask the model hub for a sign of life."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return Finding(name="hub", value="not asked (HF_HUB_OFFLINE is set)")
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if _answers(address):
        return Finding(name="hub", value=f"{urlsplit(address).hostname} answers")
    said = (
        "models then come from a folder, the cache, or (smollm2-135m) the package index; data sets from data.data_dir"
    )
    return Finding(name="hub", value=f"{urlsplit(address).hostname} cannot be reached", advice=said)


def _answers(address: str) -> bool:
    """Say whether a server answers at all, whatever it answers; proxies of the environment are used."""
    if not address.startswith(("http://", "https://")):
        return False
    try:
        asked = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the scheme was just checked
        with urllib.request.urlopen(asked, timeout=_NETWORK_S):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _keys() -> Finding:
    """Name the keys that the environment holds, never their values."""
    present = sorted(
        name for name, value in os.environ.items() if value and (name in _KEYS or _KEY_NAME.fullmatch(name))
    )
    if present:
        return Finding(name="keys", value=", ".join(present))
    said = "set a provider's key, such as OPENAI_API_KEY, for a paid teacher"
    return Finding(name="keys", value="none", advice=said)
