"""A small taxonomy that tests share."""

from __future__ import annotations

from pathlib import Path

from selfimprove.labels import Taxonomy, load_taxonomy

TOML = """
name = "small"

[[subjects]]
name = "Maths"
size = 100
forms = { short_answer = 0.8, multiple_choice = 0.2 }
key_stages = ["KS2", "KS3"]
difficulties = { easy = 0.5, medium = 0.3, hard = 0.2 }

[[subjects]]
name = "English"
size = 50
forms = { multiple_choice = 0.8, short_answer = 0.2 }
key_stages = ["KS2"]
difficulties = ["easy", "hard"]

[[topics]]
under = "Maths"
names = { Number = 0.75, Shape = 0.25 }

[[topics]]
under = "English"
names = ["Spelling"]

[[sub_topics]]
under = "Maths > Number"
names = ["Addition", "Fractions"]

[[sub_topics]]
under = "Maths > Shape"
name = "Angles"

[[sub_topics]]
under = "English > Spelling"
name = "Plurals"

[[types]]
under = ["Maths > * > *", "English > * > *"]
names = ["Find it"]

[[types]]
under = "Maths > Number > Addition"
name = "Mend it"
quota = 7

[[sub_types]]
under = ["Maths > * > * > *", "English > * > * > *"]
names = ["one step", "two steps"]
"""


def small(folder: Path, text: str = TOML) -> Taxonomy:
    """Read it from a file of this folder."""
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return load_taxonomy(path)
