"""The page of a curation: one HTML file that asks nothing of the network and runs nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from selfimprove.curating.library import leaf_name
from selfimprove.curating.writing import Figures, guarded, leaf_of, sentence
from selfimprove.curating.yields import Yield
from selfimprove.programs.saved import Card
from selfimprove.store import write_whole

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #667; --line: #ccd; --paper: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #99a; --line: #445; --paper: #15181c } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
body { color: var(--ink); background: var(--paper) }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
th, td { padding: .2rem .5rem; border-bottom: 1px solid var(--line); text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
th { color: var(--soft); font-weight: 500 }
.alarm { border-left: 4px solid #c60; padding: .2rem .8rem }
.scroll { overflow-x: auto }
svg { max-width: 100%; height: auto }
text { fill: currentColor; font-size: 11px }
"""
_COLOURS: Final = ("#3b76b5", "#4f9d69", "#c98a2b", "#a0569b", "#b0524d", "#5b9aa0")
_BAR_PX: Final = 14
_NAME_PX: Final = 260
_WIDE_PX: Final = 420


class _Bar(NamedTuple):
    name: str
    values: Sequence[tuple[int, float]]
    """Generation, and a share in [0, 1]."""


def write_page(figures: Figures, out: Path) -> Path:
    """Write the page, and give its path; the same figures give the same bytes.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    write_whole(out, page(figures).encode("utf-8", "replace"))
    return out


def page(figures: Figures) -> str:
    """Give the page as text."""
    generations = _by_leaf(figures)
    yields = [_Bar(leaf, [(at, one.rate) for at, one in sorted(some.items())]) for leaf, some in generations.items()]
    spreads: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for one in figures.spreads:
        spreads[one.leaf].append((one.generation, one.distinct))
    varied = [_Bar(leaf, some) for leaf, some in spreads.items()]
    told, mark = guarded(figures.held_out), "" if figures.held_out else ' class="alarm"'
    parts = [
        f"<h1>{escape(sentence(figures))}</h1>",
        f"<p{mark}>{escape(f'{told[0].upper()}{told[1:]}')}.</p>",
        *(f'<p class="alarm">{escape(alarm)}</p>' for alarm in figures.alarms),
        "<h2>Yield by sub-type and generation</h2>",
        "<p>Share of the problems ordered that were good enough; variants of the seeds are generation 1.</p>",
        _bars(yields),
        "<h2>Diversity by generation</h2>",
        "<p>Distinct word 3-grams among eight problems; generation 0 is the seeds. 1 is all different.</p>",
        _bars(varied) if varied else "<p>There were too few problems to measure it.</p>",
        "<h2>Why problems were rejected</h2>",
        _table(("reason", "problems"), [(why, str(n)) for why, n in _largest(figures.reasons.items())]),
        "<h2>Quotas</h2>",
        _table(("cell", "quota", "there", "ordered", "admitted", "yield"), _cells(figures)),
        "<h2>Spread</h2>",
        _table(("sub-type", "generation", "distinct", "self-BLEU", "distance"), _spreads(figures)),
        "<h2>Prompts</h2>",
        *_prompts(figures),
    ]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    body = "\n".join(parts)
    return f"{head}{policy}<title>Curation</title><style>{_STYLE}</style>\n<body>\n{body}\n</body></html>\n"


def _by_leaf(figures: Figures) -> dict[str, dict[int, Yield]]:
    found: dict[str, dict[int, Yield]] = defaultdict(dict)
    for one in figures.generations:
        own = found[leaf_name(one.place.path)]
        own[one.generation] = own.get(one.generation, Yield()) + one.counted
    return dict(sorted(found.items()))


def _bars(bars: Sequence[_Bar]) -> str:
    """Draw shares side by side, a colour a generation."""
    lines, top = [], _BAR_PX
    for bar in bars:
        height = _BAR_PX * max(1, len(bar.values))
        name = bar.name if len(bar.name) <= 44 else f"...{bar.name[-41:]}"  # noqa: PLR2004 - what fits
        lines.append(f'<text x="{_NAME_PX - 6}" y="{top + height / 2 + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        for at, (generation, share) in enumerate(bar.values):
            y, width = top + at * _BAR_PX, max(1.0, _WIDE_PX * min(1.0, share))
            colour = _COLOURS[generation % len(_COLOURS)]
            title = f"{bar.name}, generation {generation}: {100 * share:.0f} %"
            lines.append(
                f'<rect x="{_NAME_PX}" y="{y}" width="{width:.1f}" height="{_BAR_PX - 3}" fill="{colour}">'
                f"<title>{escape(title)}</title></rect>"
            )
            lines.append(f'<text x="{_NAME_PX + width + 4:.1f}" y="{y + 10}">{generation}: {100 * share:.0f} %</text>')
        top += height + 6
    width = _NAME_PX + _WIDE_PX + 70
    return (
        f'<svg viewBox="0 0 {width} {top + 4}" width="{width}" height="{top + 4}" role="img">'
        + "".join(lines)
        + "</svg>"
    )


def _largest(pairs: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _cells(figures: Figures) -> list[tuple[str, ...]]:
    rows = []
    for cell in figures.cells:
        traits = ", ".join(v for name in ("form", "difficulty", "key_stage") if (v := cell.labels.get(name, "")))
        counted = cell.counted
        numbers = (cell.quota, cell.there, counted.ordered, counted.admitted)
        share = f"{100 * counted.rate:.0f} %" if counted.ordered else ""
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


def _prompts(figures: Figures) -> Iterator[str]:
    """Name the optimised prompts, with what their cards prove."""
    if not figures.programs:
        yield "<p>All prompts are plain: none that was optimised was in force.</p>"
        return
    yield "<p>These were optimised, all others are plain. Scores are of held-out cases, with 95 % intervals.</p>"
    head = ("program", "optimizer", "metric", "before", "after", "gain", "cases", "made")
    yield _table(head, [_prompt(card) for _, card in sorted(figures.programs.items())])


def _prompt(card: Card) -> tuple[str, ...]:
    scores = [
        f"{one.score:.3f} ({one.interval.low:.3f} to {one.interval.high:.3f})" for one in (card.before, card.after)
    ]
    gain = f"{card.gain.difference:+.3f} ({card.gain.interval.low:+.3f} to {card.gain.interval.high:+.3f})"
    return card.program, card.optimizer, card.metric, *scores, gain, str(card.held_out), card.date


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th{_right(at)}>{escape(name)}</th>" for at, name in enumerate(head))
    lines = [
        "<tr>" + "".join(f"<td{_right(at)}>{escape(cell)}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in rows
    ]
    return f'<div class="scroll"><table><tr>{top}</tr>\n' + "\n".join(lines) + "</table></div>"


def _right(at: int) -> str:
    return ' class="n"' if at else ""
