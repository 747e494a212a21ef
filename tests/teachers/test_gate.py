"""What stands before a deployment, by a clock that the tests set."""

from __future__ import annotations

import threading
import time

import pytest

from selfimprove.records import Completion
from selfimprove.teachers.breaker import Breaker
from selfimprove.teachers.deadline import DeadlineError, within
from selfimprove.teachers.faults import Fault
from selfimprove.teachers.gate import Gate, Limits
from selfimprove.teachers.limits import Bucket
from selfimprove.teachers.throttle import Throttle


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def passing(**how: object) -> Fault:
    """Give a fault that may pass."""
    return Fault("passing", billable=False, wait_s=None, said="busy")._replace(**how)  # type: ignore[arg-type]


def test_a_rate_is_kept() -> None:
    """Over any length of time no more goes out than the rate allows, beyond one short burst."""
    clock = Clock()
    bucket, sent = Bucket(60, clock), []
    for _ in range(125):
        clock.at += bucket.take(1)
        sent.append(clock.at)
    assert sent[4] == 100.0
    assert sent[124] - sent[4] == pytest.approx(120.0)


def test_a_call_larger_than_the_bucket_goes_and_is_paid_back() -> None:
    """A call of more tokens than a burst waits for a full bucket; the next one waits for its debt."""
    clock = Clock()
    bucket = Bucket(600, clock)
    assert bucket.take(100) == 0.0
    assert bucket.take(10) == pytest.approx(6.0)


def test_what_is_not_used_is_put_back() -> None:
    """A call that is not sent leaves the rate as it was; no rate never waits."""
    bucket = Bucket(60, Clock())
    bucket.take(5)
    bucket.put_back(5)
    assert bucket.take(5) == 0.0
    assert Bucket(None).take(1e9) == 0.0


def test_the_circuit_opens_and_one_probe_closes_it() -> None:
    """After faults in a row nothing goes through but, when the pause is over, one call; its success closes."""
    clock = Clock()
    breaker = Breaker(faults=3, pause_s=2.0, now=clock)
    for _ in range(3):
        assert breaker.enter()
        breaker.fail()
    assert (breaker.is_open, breaker.enter(), breaker.wait_s()) == (True, False, 2.0)
    clock.at += 2.0
    assert [breaker.enter(), breaker.enter()] == [True, False]
    breaker.succeed()
    assert (breaker.is_open, breaker.enter()) == (False, True)


def test_a_success_starts_the_count_again() -> None:
    """Faults that are not in a row do not open it."""
    breaker = Breaker(faults=2, now=Clock())
    for _ in range(5):
        breaker.fail()
        breaker.succeed()
    assert not breaker.is_open


def test_a_probe_that_fails_doubles_the_pause() -> None:
    """The pause grows up to its longest, and is short again after a success."""
    clock = Clock()
    breaker = Breaker(faults=1, pause_s=2.0, longest_s=5.0, now=clock)
    breaker.fail()
    pauses = []
    for _ in range(3):
        clock.at += breaker.wait_s()
        assert breaker.enter()
        breaker.fail()
        pauses.append(breaker.wait_s())
    assert pauses == [4.0, 5.0, 5.0]
    clock.at += 5.0
    breaker.enter()
    breaker.succeed()
    breaker.fail()
    assert breaker.wait_s() == 2.0


def test_a_probe_that_is_broken_off_lets_another_try() -> None:
    """A probe that ends without an outcome, as at the budget's end, does not keep the circuit open for good."""
    clock = Clock()
    breaker = Breaker(faults=1, pause_s=1.0, now=clock)
    breaker.fail()
    clock.at += 1.0
    assert breaker.enter()
    with pytest.raises(KeyboardInterrupt), breaker.watched():
        raise KeyboardInterrupt
    assert breaker.enter()


def test_concurrency_halves_and_rises_by_one_a_window() -> None:
    """A refusal halves the limit, once for all calls sent before; a limit's worth of answers raises it by one."""
    clock = Clock()
    throttle = Throttle(16, clock)
    clock.at += 1
    throttle.cut(sent_at=100.5)
    throttle.cut(sent_at=100.7)
    assert throttle.limit == 8
    for _ in range(9):
        throttle.grow()
    assert throttle.limit == 9
    for _ in range(500):
        throttle.grow()
    assert throttle.limit == 16
    for _ in range(9):
        clock.at += 1
        throttle.cut(clock.at)
    assert throttle.limit == 1


def test_a_place_is_waited_for() -> None:
    """No more than the limit are inside; whoever waits gets the place that is given back, or none in time."""
    throttle = Throttle(1)
    assert throttle.enter(0)
    assert not throttle.enter(0.01)
    threading.Timer(0.02, throttle.leave).start()
    assert throttle.enter(5)


def test_a_gate_learns_from_outcomes() -> None:
    """Too much: fewer at once, circuit closed; told to wait: it waits; a wrong key: dead; faults in a row: open."""
    clock = Clock()
    gate = Gate(Limits(8), clock)
    gate.note(passing(limited=True, wait_s=3.0), clock.at)
    assert (gate.throttle.limit, gate.wait_s(), gate.breaker.is_open) == (4, 3.0, False)
    clock.at += 3.0
    assert gate.wait_s() == 0.0
    for _ in range(10):
        gate.note(passing(), clock.at)
    assert gate.breaker.is_open
    gate.note(Completion(text="x"), clock.at)
    assert not gate.breaker.is_open
    gate.note(passing(kind="deployment", said="no such key"), clock.at)
    assert gate.dead == "no such key"


def test_a_request_that_is_not_sent_is_put_back() -> None:
    """The rate is only used by what is sent."""
    gate = Gate(Limits(8, requests_per_minute=60, tokens_per_minute=6000), Clock())
    for _ in range(50):
        with gate.rate(100) as sending:
            assert sending.wait_s == 0.0
    for _ in range(5):
        with gate.rate(100) as sending:
            sending.sent = True
    with gate.rate(100) as sending:
        assert sending.wait_s == pytest.approx(1.0)


def test_work_that_takes_too_long_is_left_behind() -> None:
    """The deadline holds whatever the work waits for; results and errors come through."""
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="no answer within"):
        within(0.05, lambda: time.sleep(60))
    assert time.monotonic() - started < 30
    assert within(60, lambda: 4) == 4
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)
