"""Files of a small curation: two sub-types, in two forms."""

from __future__ import annotations

import json
import os
from pathlib import Path

TAXONOMY = """
name = "tiny"
[[subjects]]
name = "Maths"
size = {size}
forms = {{ short_answer = 0.75, multiple_choice = 0.25 }}
key_stages = ["KS2"]
difficulties = ["easy"]
[[topics]]
under = "Maths"
name = "Number"
[[sub_topics]]
under = "Maths > Number"
name = "Whole"
[[types]]
under = "Maths > Number > Whole"
name = "Work it out"
[[sub_types]]
under = "Maths > Number > Whole > Work it out"
names = ["sums", "products"]
"""
CONFIG = """
[curate]
seeds = "{here}/seeds.jsonl"
taxonomy = "{here}/taxonomy.toml"
held_out = ["{here}/test.jsonl"]
[grow]
window = {window}
variants = 4
[who]
generate = "grow_models:Writer"
solve = ["strong", "cheap"]
[models.strong]
model = "grow_models:Solver"
[models.cheap]
model = "grow_models:Cheap"
{more}
"""
TRACES = '[trace]\ntraces = "shortest"\nsamples = 3\n'
LABELS = {"subject": "Maths", "topic": "Number", "sub_topic": "Whole", "type": "Work it out"}


def seeds(count: int = 6) -> list[dict[str, object]]:
    """Give seeds of both sub-types."""
    rows: list[dict[str, object]] = []
    for at in range(count):
        rows.append(
            {"question": f"What is {at + 3} + {at * 7 + 2}?", "answer": at * 8 + 5, **LABELS, "sub_type": "sums"}
        )
        rows.append(
            {
                "question": f"What is {at + 3} * 4?",
                "answer": str(at * 4 + 12),
                "labels": {**LABELS, "sub_type": "products"},
            }
        )
    return rows


def write(
    here: Path, *, size: int = 80, window: int = 60, more: str = "", rows: list[dict[str, object]] | None = None
) -> Path:
    """Write all files, and give the config's."""
    here.mkdir(parents=True, exist_ok=True)
    (here / "taxonomy.toml").write_text(TAXONOMY.format(size=size))
    (here / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows or seeds()))
    (here / "test.jsonl").write_text(json.dumps({"question": "What is 12 + 13?", "answer": 25}) + "\n")
    config = here / "grow.toml"
    config.write_text(CONFIG.format(here=here, window=window, more=more))
    return config


def grow_slowly(config: Path, out: Path, pause_s: float) -> None:
    """Be a process that grows, with so long a pause before each batch of answers."""
    os.environ["SCRIPTED_PAUSE_S"] = str(pause_s)
    from selfimprove.growth.settings import read_settings
    from selfimprove.growth.stage import curate

    curate(read_settings(config), out)
