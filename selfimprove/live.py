"""What is being done right now, on a terminal or in a log.

round 2 of 3  lesson  ━━━━━━━━━━━━──────────  312/512  714 tokens/s  2 min 13 s, 1 min 25 s left  $1.20 of $12.00
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import IO, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from selfimprove.formats import count, duration
from selfimprove.meter import Meter, Reading, printable
from selfimprove.progress import watched_by

_QUIET_S = 10.0
_REDRAWS_PER_S = 4
_NARROW = 100


class LiveView:
    """One line at the bottom of a terminal, redrawn four times a second; sentences scroll by above it.

    Args:
        console: a rich console on a terminal.
        clock: seconds that only go forward.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._meter = Meter(clock)
        self._live = Live(
            _Line(self._meter),
            console=console,
            refresh_per_second=_REDRAWS_PER_S,
            transient=True,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        """Show the line."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last stage's line behind and the cursor as it was."""
        ended = self._meter.read()
        self._live.stop()
        self._sum_up(ended)

    def stage(self, name: str, total: int) -> None:
        """Begin a stage, with so many items to do (0: unknown)."""
        self._sum_up(self._meter.stage(name, total))

    def advance(self, done: int = 1, tokens: int = 0) -> None:
        """Count items and tokens."""
        self._meter.advance(done, tokens)

    def say(self, text: str) -> None:
        """Print a sentence above the line."""
        self._console.print(Text(printable(text)))

    def round(self, number: int, of: int) -> None:
        """Begin a round."""
        self._meter.round(number, of)

    def spent(self, usd: float, budget_usd: float | None) -> None:
        """Show the money."""
        self._meter.spent(usd, budget_usd)

    def _sum_up(self, ended: Reading) -> None:
        if ended.stage:
            self._console.print(Text(_ended(ended), style="dim"))


class _Line:
    """Draws the meter as it stands whenever rich asks."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = self._meter.read()
        if not now.stage:
            return
        table = Table.grid(padding=(0, 2), expand=False)
        cells: list[Text | ProgressBar] = [Text(part, style="dim") for part in [now.where] if part]
        cells.append(Text(printable(now.stage), style="bold", no_wrap=True))
        if now.total:
            cells.append(ProgressBar(now.total, now.done, width=24 if options.max_width >= _NARROW else 10))
        cells.append(Text(_counted(now)))
        if now.tokens_per_s:
            cells.append(Text(f"{now.tokens_per_s:,.0f} tokens/s", style="cyan"))
        cells.append(Text(_timed(now), style="dim"))
        cells += [Text(now.money, style="green")] if now.money else []
        for _ in cells:
            table.add_column(no_wrap=True)
        table.add_row(*cells)
        yield table


class PlainView:
    """Lines for a log: a stage's beginning and end, and in between at most one every ten seconds.

    Args:
        stream: where the lines go.
        clock: seconds that only go forward.
    """

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._meter = Meter(clock)
        self._lock = RLock()
        self._last = clock()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the last stage's end."""
        self._end(self._meter.read())

    def stage(self, name: str, total: int) -> None:
        """Begin a stage, with so many items to do (0: unknown)."""
        with self._lock:
            self._end(self._meter.stage(name, total))
            begun = self._meter.read()
            parts = [begun.where, name] if begun.where else [name]
            self._write(", ".join(parts) + (f": {count(total)} to do" if total else ""))

    def advance(self, done: int = 1, tokens: int = 0) -> None:
        """Count items and tokens; write a line when the last is ten seconds old."""
        self._meter.advance(done, tokens)
        if self._meter.clock() - self._last < _QUIET_S:
            return
        with self._lock:
            now = self._meter.read()
            if self._meter.clock() - self._last >= _QUIET_S and now.stage:  # another thread may have been first
                speed = f"{now.tokens_per_s:,.0f} tokens/s" if now.tokens_per_s else ""
                parts = [f"{now.stage}: {_counted(now)}", speed, _timed(now), now.money]
                self._write(", ".join(part for part in parts if part))

    def say(self, text: str) -> None:
        """Write a sentence."""
        with self._lock:
            self._write(text)

    def round(self, number: int, of: int) -> None:
        """Begin a round."""
        self._meter.round(number, of)

    def spent(self, usd: float, budget_usd: float | None) -> None:
        """Keep the money for the next line."""
        self._meter.spent(usd, budget_usd)

    def _end(self, ended: Reading) -> None:
        if ended.stage:
            self._write(_ended(ended))

    def _write(self, line: str) -> None:
        self._last = self._meter.clock()
        self._stream.write(printable(line) + "\n")
        self._stream.flush()


@contextmanager
def showing(*, quiet: bool) -> Iterator[None]:
    """Show on stderr how everything done inside the block goes on; quiet: show nothing."""
    if quiet:
        yield
        return
    with view_for(sys.stderr) as view, watched_by(view):
        yield


def view_for(stream: IO[str]) -> LiveView | PlainView:
    """Choose how to show progress on a stream: a live line on a terminal, plain lines elsewhere.

    `NO_COLOR` takes the colours from the live line; a dumb terminal gets plain lines.
    """
    console = Console(file=stream)
    if stream.isatty() and not console.is_dumb_terminal:
        return LiveView(console)
    return PlainView(stream)


def _counted(now: Reading) -> str:
    return f"{count(now.done)}/{count(now.total)}" if now.total else f"{count(now.done)} done"


def _timed(now: Reading) -> str:
    left = f", {duration(now.left_s)} left" if now.left_s is not None else ""
    return duration(now.elapsed_s) + left


def _ended(reading: Reading) -> str:
    average = reading.tokens / reading.elapsed_s if reading.elapsed_s > 0 else 0.0
    speed = f", {average:,.0f} tokens/s" if average >= 1 else ""
    of = f" of {count(reading.total)}" if reading.total and reading.done != reading.total else ""
    where = f"{reading.where}, " if reading.where else ""
    done = f"{count(reading.done)}{of} done" if reading.done else "ended"  # nothing was counted: all was there already
    return f"{where}{reading.stage}: {done} in {duration(reading.elapsed_s)}{speed}"
