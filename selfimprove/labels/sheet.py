"""Coverage as a spreadsheet and as CSV: a row for each cell and for each problem, ready for a pivot table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import MissingDependencyError
from selfimprove.labels.coverage import Coverage
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS
from selfimprove.store import write_whole

Value = str | int | float | None
_LONGEST: Final = 1000
"""Characters of a question; a spreadsheet's cell takes 32,767."""
_WIDTHS: Final = {"question": 80.0, "why_not_counted": 40.0, "problem": 18.0}
_WIDTH: Final = 16.0
_NUMBERS: Final = ("want", "have", "missing", "surplus")


def cell_rows(coverage: Coverage) -> Iterator[list[Value]]:
    """Walk the rows of the cells, the header first."""
    traits = [name for name in DIMENSIONS if name in coverage.by]
    yield [*LEVELS, *traits, *_NUMBERS]
    for cell, held in coverage.cells.items():
        values = [str(getattr(cell, trait)) for trait in traits]
        yield [*cell.path, *values, held.want, held.have, held.missing, held.surplus]


def problem_rows(coverage: Coverage) -> Iterator[list[Value]]:
    """Walk the rows of the problems, the header first."""
    yield ["problem", *DIMENSIONS, "counted", "why_not_counted", "lowest_confidence", "disputed", "question"]
    for one in coverage.problems:
        fields, labels = one.given.row.fields, one.given.labels
        sure, disputed = fields.get("label_confidence"), fields.get("label_disputed")
        numbers = [each for each in (sure.values() if isinstance(sure, dict) else ()) if isinstance(each, int | float)]
        yield [
            one.given.problem.id,
            *(labels.get(name, "") for name in DIMENSIONS),
            "yes" if one.cell else "no",
            one.why,
            min(numbers, default=None),
            ", ".join(map(str, disputed)) if isinstance(disputed, list) else "",
            one.given.problem.question[:_LONGEST],
        ]


def write_csv(coverage: Coverage, path: Path) -> None:
    """Write the rows of the cells as CSV.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(cell_rows(coverage))
    write_whole(path, text.getvalue().encode())


def write_xlsx(coverage: Coverage, path: Path) -> None:
    """Write a workbook with the sheets `cells` and `problems`, each with a frozen header and a filter.

    A text that begins like a formula stays a text.

    Raises:
        MissingDependencyError: openpyxl is not installed.
        RunFolderError: the place cannot be written to.
    """
    openpyxl = check_openpyxl()
    book = openpyxl.Workbook(write_only=True)
    counts = {"cells": len(coverage.cells), "problems": len(coverage.problems)}
    for title, rows in (("cells", cell_rows(coverage)), ("problems", problem_rows(coverage))):
        _fill(openpyxl, book.create_sheet(title), rows, counts[title])
    kept = io.BytesIO()
    book.save(kept)
    write_whole(path, kept.getvalue())


def _fill(openpyxl: Any, sheet: Any, rows: Iterable[Sequence[Value]], count: int) -> None:
    """Write rows into a sheet, the first of them as its header."""
    for at, row in enumerate(rows):
        if at == 0:
            letter = openpyxl.utils.get_column_letter
            for column, name in enumerate(row, 1):
                sheet.column_dimensions[letter(column)].width = _WIDTHS.get(str(name), _WIDTH)
            sheet.freeze_panes = "A2"
            sheet.auto_filter.ref = f"A1:{letter(len(row))}{count + 1}"
        sheet.append([_cell(openpyxl, sheet, value, bold=at == 0) for value in row])


def _cell(openpyxl: Any, sheet: Any, value: Value, *, bold: bool) -> Any:
    if not isinstance(value, str):
        return value
    made = openpyxl.cell.WriteOnlyCell(sheet, openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub(" ", value))
    made.data_type = "s"
    if bold:
        made.font = openpyxl.styles.Font(bold=True)
    return made


def check_openpyxl() -> Any:
    """Give openpyxl.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return import_module("openpyxl")
    except ImportError as error:
        raise MissingDependencyError(
            'the sheet needs openpyxl; install it with: pip install "selfimprove[label]"'
        ) from error
