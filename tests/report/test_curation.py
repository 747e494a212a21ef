"""The page of a curation."""

from __future__ import annotations

import re

from selfimprove.curating.diversity import Spread
from selfimprove.curating.writing import Figures
from selfimprove.growth.page import page


def test_a_curations_page_is_drawn_and_escaped() -> None:
    """Each generation has its bar; names of data open no tag; nothing is asked of the network."""
    leaf = "Maths > <i>" + "long " * 10
    spreads = tuple(Spread(leaf=leaf, generation=at, problems=8, distinct=0.5, self_bleu=0.2) for at in range(7))
    figures = Figures(
        ended="quotas", rounds=1, rows=2, grown=1, rejected=3, missing=0, reasons={"check": 1, "<b>votes": 2},
        cells=(), generations=(), spreads=spreads, alarms=("<u>alarm",), held_out=1,
    )  # fmt: skip
    made = page(figures)
    assert not re.search(r"<(i|b|u)>|(?:src|href)=|url\(|<script", made)
    assert '<p class="alarm">&lt;u&gt;alarm</p>' in made
    assert made.index("&lt;b&gt;votes") < made.index("<td>check</td>")
    assert re.findall(r'<rect class="(tone-\d)"', made) == [f"tone-{at % 5}" for at in range(7)]
    assert "default-src 'none'" in made
    assert made == page(figures)
