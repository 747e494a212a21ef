"""How numbers and tables are written for people: one place, so that page, terminal and sentence agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

_MINUTE_S, _HOUR_S = 60, 3600
_SMALLEST_P = 0.0001


def percent(share: float, digits: int = 1) -> str:
    r"""Write a share in [0, 1] in per cent.

    >>> percent(0.7884)
    '78.8\xa0%'
    """
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def points(value: float) -> str:
    """Write a difference in percentage points, with its sign.

    >>> points(12.34), points(-0.04)
    ('+12.3', '0.0')
    """
    rounded = f"{value:+.1f}"
    return "0.0" if rounded in {"+0.0", "-0.0"} else rounded.replace("-", "\N{MINUS SIGN}")


def p_value(p: float) -> str:
    """Write a p-value with its sign of relation.

    >>> p_value(0.0312), p_value(0.00000001), p_value(0.5)
    ('p = 0.031', 'p < 0.0001', 'p = 0.50')
    """
    if p < _SMALLEST_P:
        return "p < 0.0001"
    digits = 2 if p >= 0.1 else 3 if p >= 0.001 else 4  # noqa: PLR2004 - two significant digits
    return f"p = {p:.{digits}f}"


def dollars(usd: float) -> str:
    """Write dollars, with more digits where there are only fractions of a cent.

    >>> dollars(0), dollars(12.5), dollars(0.00042), dollars(1234)
    ('$0', '$12.50', '$0.0004', '$1,234.00')
    """
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if abs(usd) >= 0.1 else f"${usd:.4f}"  # noqa: PLR2004 - ten cents


def duration(seconds: float) -> str:
    """Write a length of time in its two largest units.

    >>> duration(4.2), duration(125), duration(7500)
    ('4 s', '2 min 5 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def count(number: int) -> str:
    """Write a whole number with its thousands apart.

    >>> count(1204567)
    '1,204,567'
    """
    return f"{number:,}"


def large(number: int) -> str:
    """Write a large number to three digits.

    >>> large(950), large(12345), large(1_240_000)
    ('950', '12.3 k', '1.24 M')
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}" if number < 1000 * size else f"{number / size:,.0f} {unit}"
    return str(number)


def times(number: int) -> str:
    """Say how often something was done.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def aligned(rows: Sequence[Sequence[str]], names: int = 1) -> list[str]:
    """Write rows of cells as lines, the first `names` columns to the left and the others to the right.

    >>> aligned([("", "all"), ("sums", "7")])
    ['      all', 'sums    7']
    """
    columns = [_column(cells, left=at < names) for at, cells in enumerate(zip(*rows, strict=True))]
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def _column(cells: Sequence[str], *, left: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.ljust(width) if left else cell.rjust(width) for cell in cells]


def as_text(shown: RenderableType, width: int = 120) -> str:
    """Write what rich renders as plain text; what stands in brackets is text, not markup.

    >>> from rich.table import Table
    >>> as_text(Table("Maths [/pure]", box=None, pad_edge=False))
    'Maths [/pure]'
    """
    from rich.console import Console

    console = Console(width=width, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as kept:
        console.print(shown)
    return "\n".join(line.rstrip() for line in kept.get().splitlines())
