from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.studio import studio_crew

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
_ROOT = Path(__file__).resolve().parent.parent
_BENCHMARKS = _ROOT / "benchmarks"
_DATA = _ROOT.parent / "shared" / "data"
if "SELFIMPROVE_DATA" not in os.environ and _DATA.is_dir():
    os.environ["SELFIMPROVE_DATA"] = str(_DATA)


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a test's looks at splits apart from the user's and from other tests'."""
    monkeypatch.setenv("SELFIMPROVE_STATE", str(tmp_path_factory.mktemp("state")))


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
