from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from warm_trainer import Warm, warm_trainer

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.studio import studio_crew

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
_ROOT = Path(__file__).resolve().parent.parent
_BENCHMARKS = _ROOT / "benchmarks"
_DATA = _ROOT.parent / "shared" / "data"
if "SELFIMPROVE_DATA" not in os.environ and _DATA.is_dir():
    os.environ["SELFIMPROVE_DATA"] = str(_DATA)


_LONGEST = (
    "kill/test_killed.py", "trainers/test_resuming.py", "prm/test_prm_making.py", "test_end_to_end.py",
    "scorers/test_prm_training.py", "trainers/test_extras.py", "trainers/test_launching.py", "trainers/test_sft.py",
    "graphs/test_arms.py", "kill/test_damaged.py", "trainers/test_dpo.py", "curating/test_curate_command.py",
    "graphs/test_studio.py", "commands/test_compile_command.py", "trainers/test_grpo.py", "test_examples.py",
    "graphs/test_mining_graph.py", "graphs/test_library_start.py", "benchmarks/test_bench_curate.py",
    "trainers/test_process.py", "teachers/test_misbehaving.py", "trainers/test_questions.py",
)  # fmt: skip
"""The files that take longest. They come first, so that no worker is left with one at the end (Makefile: whole files
are given out in this order)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, each in its own order."""
    tests = Path(__file__).parent
    place = {tests / name: at for at, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a test's looks at splits apart from the user's and from other tests'."""
    monkeypatch.setenv("SELFIMPROVE_STATE", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Wait for no disk (some milliseconds a file, and only a power cut could tell) and hardly for a server's recovery."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr("selfimprove.teachers.asking._FIRST_WAIT_S", 0.01)
        yield


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Give what begins training processes in a moment; where a fork cannot be watched, in the ordinary way."""
    if not hasattr(os, "pidfd_open"):
        yield Warm((sys.executable,), Path("none"))
        return
    with warm_trainer() as made:
        yield made


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a tiny random model of one family, written once a session."""
    from tiny_models import write_model

    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = write_model(name, tmp_path_factory.mktemp(name))
        return made[name]

    return make


@pytest.fixture
def make_crew(tmp_path: Path) -> Callable[..., Crew]:
    """Give a maker of crews without a model: a scripted student, a fixed teacher, a trainer that trains nothing."""

    def make(out: Path | None = None, **sections: dict[str, object]) -> Crew:
        return studio_crew("test", out or tmp_path / "run", sections)

    return make


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> ModuleType:
    """Load the benchmark that the test module names as BENCH."""
    name: str = request.module.BENCH
    if not _BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not beside the tests")
    if str(_BENCHMARKS) not in sys.path:
        sys.path.append(str(_BENCHMARKS))  # its files import each other as scripts do
    spec = importlib.util.spec_from_file_location(f"bench_{name}", _BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[f"bench_{name}"] = made
    spec.loader.exec_module(made)
    return made
