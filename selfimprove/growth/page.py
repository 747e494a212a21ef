"""The page of a curation: one HTML file that asks nothing of the network and runs nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from selfimprove.curating.library import leaf_name
from selfimprove.curating.writing import Figures, guarded, leaf_of, sentence
from selfimprove.curating.yields import Yield
from selfimprove.formats import percent
from selfimprove.programs.saved import Card
from selfimprove.report.page import environment
from selfimprove.store import write_whole

_TONES: Final = 5
"""Colours of the page's style."""
_BAR_PX: Final = 14
_NAME_PX: Final = 260
_WIDE_PX: Final = 420


class _Part(NamedTuple):
    y: int
    width: float
    tone: str
    title: str
    text: str


class _Chart(NamedTuple):
    """Shares side by side, a colour a generation; places and sizes are pixels."""

    width: int
    height: int
    left: int
    """Where bars begin."""
    thick: int
    rows: tuple[tuple[str, int, tuple[_Part, ...]], ...]
    """Name, where it is written, and its bars."""


def write_page(figures: Figures, out: Path) -> Path:
    """Write the page, and give its path; the same figures give the same bytes.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        RunFolderError: the place cannot be written to.
    """
    write_whole(out, page(figures).encode("utf-8", "replace"))
    return out


def page(figures: Figures) -> str:
    """Give the page as text."""
    told, spreads = guarded(figures.held_out), defaultdict[str, list[tuple[int, float]]](list)
    for one in figures.spreads:
        spreads[one.leaf].append((one.generation, one.distinct))
    yields = {leaf: [(at, one.rate) for at, one in sorted(some.items())] for leaf, some in _by_leaf(figures).items()}
    template = environment().get_template("curation.html.jinja")
    return template.render(
        sentence=sentence(figures),
        held_out=figures.held_out,
        guarded=f"{told[0].upper()}{told[1:]}",
        alarms=figures.alarms,
        yields=_chart(yields),
        varied=_chart(spreads),
        reasons=sorted(figures.reasons.items(), key=lambda pair: (-pair[1], pair[0])),
        cells=_cells(figures),
        spreads=_spreads(figures),
        prompts=[_prompt(card) for _, card in sorted(figures.programs.items())],
    )


def _by_leaf(figures: Figures) -> dict[str, dict[int, Yield]]:
    found: dict[str, dict[int, Yield]] = defaultdict(dict)
    for one in figures.generations:
        own = found[leaf_name(one.place.path)]
        own[one.generation] = own.get(one.generation, Yield()) + one.counted
    return dict(sorted(found.items()))


def _chart(shares: Mapping[str, Sequence[tuple[int, float]]]) -> _Chart:
    """Lay out bars of each name: generation, and a share in [0, 1]."""
    rows, top = [], _BAR_PX
    for name, values in shares.items():
        height = _BAR_PX * max(1, len(values))
        short = name if len(name) <= 44 else f"...{name[-41:]}"  # noqa: PLR2004 - what fits
        parts = tuple(_part(name, top + at * _BAR_PX, *value) for at, value in enumerate(values))
        rows.append((short, top + height // 2 + 4, parts))
        top += height + 6
    return _Chart(_NAME_PX + _WIDE_PX + 70, top + 4, _NAME_PX, _BAR_PX - 3, tuple(rows))


def _part(name: str, y: int, generation: int, share: float) -> _Part:
    width, written = round(max(1.0, _WIDE_PX * min(1.0, share)), 1), f"{generation}: {percent(share, 0)}"
    return _Part(y, width, f"tone-{generation % _TONES}", f"{name}, generation {written}", written)


def _cells(figures: Figures) -> list[tuple[str, ...]]:
    rows = []
    for cell in figures.cells:
        traits = ", ".join(v for name in ("form", "difficulty", "key_stage") if (v := cell.labels.get(name, "")))
        counted = cell.counted
        numbers = (cell.quota, cell.there, counted.ordered, counted.admitted)
        share = percent(counted.rate, 0) if counted.ordered else ""
        rows.append(
            (f"{leaf_of(cell.labels)} ({traits})" if traits else leaf_of(cell.labels), *map(str, numbers), share)
        )
    return rows


def _spreads(figures: Figures) -> list[tuple[str, ...]]:
    return [
        (
            one.leaf,
            str(one.generation),
            f"{one.distinct:.2f}",
            f"{one.self_bleu:.2f}",
            "" if one.distance is None else f"{one.distance:.3f}",
        )
        for one in figures.spreads
    ]


def _prompt(card: Card) -> tuple[str, ...]:
    scores = [
        f"{one.score:.3f} ({one.interval.low:.3f} to {one.interval.high:.3f})" for one in (card.before, card.after)
    ]
    gain = f"{card.gain.difference:+.3f} ({card.gain.interval.low:+.3f} to {card.gain.interval.high:+.3f})"
    return card.program, card.optimizer, card.metric, *scores, gain, str(card.held_out), card.date
