from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.studio import studio_crew

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
if "SELFIMPROVE_DATA" not in os.environ and _DATA.is_dir():
    os.environ["SELFIMPROVE_DATA"] = str(_DATA)


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
