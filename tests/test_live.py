from __future__ import annotations

import io
import os
import pty
import re
import threading

import pytest
from rich.console import Console

from selfimprove.live import LiveView, PlainView, showing, view_for
from selfimprove.meter import Meter, printable
from selfimprove.progress import current, watched_by


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def plain() -> tuple[PlainView, io.StringIO, Clock]:
    """Make a plain view with its stream and its clock."""
    stream, clock = io.StringIO(), Clock()
    return PlainView(stream, clock), stream, clock


def test_plain_lines_at_a_stages_beginning_and_end():
    """A log gets one line for each, with counts, time and speed."""
    view, stream, clock = plain()
    with view:
        view.round(2, 3)
        view.stage("lesson", 512)
        clock.now = 4.0
        view.advance(512, tokens=3000)
    assert stream.getvalue().splitlines() == [
        "round 2 of 3, lesson: 512 to do",
        "round 2 of 3, lesson: 512 done in 4 s, 750 tokens/s",
    ]


def test_plain_lines_in_between_are_ten_seconds_apart():
    """A fast engine does not flood the log."""
    view, stream, clock = plain()
    view.stage("mine", 100_000)
    for _ in range(99_000):
        clock.now += 0.001
        view.advance(1)
    assert len(stream.getvalue().splitlines()) == 1 + 9


def test_line_says_done_total_speed_money_and_time_left():
    """Half done after 20 s means 20 s left."""
    view, stream, clock = plain()
    view.spent(1.2, 12.0)
    view.stage("mine", 400)
    for _ in range(20):
        clock.now += 1
        view.advance(10, tokens=700)
    last = stream.getvalue().splitlines()[-1]
    assert last == "mine: 200/400, 747 tokens/s, 20 s, 20 s left, $1.20 of $12.00"


def test_unknown_total_gives_no_time_left():
    """Without a total nothing is promised."""
    view, stream, clock = plain()
    view.stage("train", 0)
    clock.now = 30.0
    view.advance(5)
    assert stream.getvalue().splitlines() == ["train", "train: 5 done, 30 s"]


def test_few_done_give_no_time_left():
    """The first that are done are the short ones, and say little of the others."""
    view, stream, clock = plain()
    view.stage("mine", 400)
    for done in (19, 1):
        clock.now += 30
        view.advance(done)
    assert stream.getvalue().splitlines()[1:] == ["mine: 19/400, 30 s", "mine: 20/400, 1 min 0 s, 19 min 0 s left"]


def test_interrupted_stage_says_how_far_it_came():
    """A stage that ends early is not called done."""
    view, stream, clock = plain()

    def interrupted() -> None:
        with view:
            view.stage("mine", 400)
            clock.now = 3.0
            view.advance(17)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().splitlines()[-1] == "mine: 17 of 400 done in 3 s"


def test_escape_sequences_of_a_model_do_not_reach_the_terminal():
    """What is said cannot clear the screen or paint it."""
    view, stream, _ = plain()
    view.say("all \x1b[2J\x1b[31mgone\r\x07")
    assert stream.getvalue() == "all [2J[31mgone\n"
    assert printable("caf\u00e9 \u2713") == "caf\u00e9 \u2713"


def test_speed_is_of_the_last_seconds():
    """A stall shows: tokens of a minute ago do not count."""
    clock = Clock()
    meter = Meter(clock)
    meter.stage("mine", 10)
    clock.now = 1.0
    meter.advance(0, 15_000)
    assert meter.read().tokens_per_s == 15_000
    clock.now = 61.0
    assert meter.read().tokens_per_s == 0


def test_threads_lose_no_count():
    """Concurrent callers add up."""
    meter = Meter()
    meter.stage("answer", 8000)
    threads = [threading.Thread(target=lambda: [meter.advance(1, 2) for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.read().done, meter.read().tokens) == (8000, 16_000)


def live_output(**console: object) -> str:
    """Give all that a live view sends to a terminal in one stage."""
    stream = Terminal()
    view = LiveView(Console(file=stream, force_terminal=True, width=120, **console))  # type: ignore[arg-type]
    with view:
        view.round(1, 3)
        view.spent(0.5, 2.0)
        view.stage("lesson [bold]", 512)
        view.advance(312, tokens=5000)
        view._live.refresh()
        view.say("a sentence [red]with brackets[/red]")
    return stream.getvalue()


def test_live_line_shows_round_stage_count_and_money(monkeypatch: pytest.MonkeyPatch):
    """All of it is on the line, and markup in names is shown, not obeyed."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", live_output())
    for part in ("round 1 of 3", "lesson [bold]", "312/512", "tokens/s", "$0.50 of $2.00", "[red]with brackets[/red]"):
        assert part in shown


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch):
    """With NO_COLOR no colour is sent, without it some is."""
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])[;m]")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour.search(live_output(color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(live_output(color_system="standard"))


def test_a_real_terminal_gets_the_live_view(monkeypatch: pytest.MonkeyPatch):
    """A pseudo-terminal is recognised, a dumb one is not drawn on."""
    main, side = pty.openpty()
    with os.fdopen(side, "w") as terminal:
        monkeypatch.setenv("TERM", "xterm-256color")
        assert isinstance(view_for(terminal), LiveView)
        monkeypatch.setenv("TERM", "dumb")
        assert isinstance(view_for(terminal), PlainView)
    os.close(main)


def test_a_pipe_gets_plain_lines_even_where_colour_is_forced(monkeypatch: pytest.MonkeyPatch):
    """FORCE_COLOR does not put cursor movements into a log."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(view_for(io.StringIO()), PlainView)


@pytest.mark.parametrize(("quiet", "said"), [(False, ["mine: 3 to do", "hello", "mine: 3 done"]), (True, [])])
def test_what_is_done_is_shown_on_stderr_but_for_quiet(
    *, quiet: bool, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reports inside the block is heard; asked for nothing, it shows nothing."""
    with showing(quiet=quiet):
        current().stage("mine", 3)
        current().say("hello")
        current().advance(3)
    current().say("outside")
    assert [line.partition(" in ")[0] for line in capsys.readouterr().err.splitlines()] == said


def test_engines_reach_the_view_through_the_context():
    """`progress.current()` is the view inside its block and nobody after it."""
    view, stream, _ = plain()
    with view, watched_by(view):
        current().say("inside")
    current().say("outside")
    assert stream.getvalue() == "inside\n"


def test_a_stage_that_had_nothing_to_wait_for_does_not_look_undone():
    """What the mined attempts or the ledger hold already is not counted; "0 of 400 done" would read as a failure."""
    view, stream, _ = plain()
    with view:
        view.stage("draft", 400)
    assert stream.getvalue().splitlines()[-1] == "draft: ended in 0 s"
