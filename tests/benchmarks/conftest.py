from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> ModuleType:
    """Load the benchmark that the test module names as BENCH."""
    name: str = request.module.BENCH
    if not FOLDER.is_dir():
        pytest.skip("the benchmarks are not beside the tests")
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))  # its files import each other as scripts do
    spec = importlib.util.spec_from_file_location(f"bench_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[f"bench_{name}"] = made
    spec.loader.exec_module(made)
    return made
