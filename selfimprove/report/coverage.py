"""The page of a library's coverage: heat maps of what is there against what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selfimprove.labels.coverage import Coverage, Held
from selfimprove.labels.outline import WORDS
from selfimprove.report.page import environment
from selfimprove.store import write_whole

_TOPIC, _TYPE = 2, 4
_MOST_LISTED: Final = 25


@dataclass(frozen=True)
class HeatMap:
    """A subject's rows by the values of every trait.

    Attributes:
        title: what the rows are.
        groups: trait as people call it, with its values, in order; the first is the whole row.
        rows: name and its cells, in the order of the values; None where the row does not take the value.
    """

    title: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, tuple[Held | None, ...]], ...]


@dataclass(frozen=True)
class SubjectPart:
    """What the page says of a subject."""

    name: str
    held: Held
    met: int
    """Cells that have all that is wanted."""
    cells: int
    topics: HeatMap
    types: HeatMap


def write_coverage_page(coverage: Coverage, out: Path) -> Path:
    """Write the page as one self-contained HTML file, and give its path; the same coverage gives the same bytes.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        RunFolderError: the place cannot be written to.
    """
    parts = _parts(coverage)
    short = sorted(((held, cell) for cell, held in coverage.cells.items() if held.missing), key=lambda e: -e[0].missing)
    page = (
        environment()
        .get_template("coverage.html.jinja")
        .render(
            taxonomy=coverage.taxonomy,
            parts=parts,
            wanted=sum(part.held.want for part in parts),
            filled=sum(min(held) for held in coverage.cells.values()),
            missing=sum(held.missing for held in coverage.cells.values()),
            problems=len(coverage.problems),
            counted=coverage.counted,
            short=[
                (" > ".join(cell.path), [value for value in cell[1:] if value], held)
                for held, cell in short[:_MOST_LISTED]
            ],
            short_in_all=len(short),
        )
    )
    write_whole(out, page.encode("utf-8", "replace"))
    return out


def _parts(coverage: Coverage) -> list[SubjectPart]:
    topics, types = coverage.crossed(_TOPIC), coverage.crossed(_TYPE)
    return [
        SubjectPart(
            name=name,
            held=Held(sum(held.have for held in cells), sum(held.want for held in cells)),
            met=sum(not held.missing for held in cells),
            cells=len(cells),
            topics=_heat("Topics", name, topics),
            types=_heat("Sub-topics and question types", name, types),
        )
        for name, cells in coverage.subjects()
    ]


def _heat(title: str, subject: str, crossed: Mapping[tuple[str, ...], Mapping[tuple[str, str], Held]]) -> HeatMap:
    own = {path: cells for path, cells in crossed.items() if path[0] == subject}
    columns = list(dict.fromkeys(column for cells in own.values() for column in cells))
    groups: dict[str, list[str]] = {}
    for trait, value in columns:
        groups.setdefault(WORDS.get(trait, "all"), []).append(value or "all")
    rows = tuple((" > ".join(path[1:]), tuple(cells.get(column) for column in columns)) for path, cells in own.items())
    return HeatMap(title, tuple((trait, tuple(values)) for trait, values in groups.items()), rows)
