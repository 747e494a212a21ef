"""One call, from its first try to its answer or its failure: the only retrier.

LiteLLM's Router has retries, fallbacks, cooldowns and rates too, but all of them act inside one `completion`: it would
send a second request, perhaps to a dearer model, under the reservation of the first, and the ledger would see neither.
So each request goes to one deployment through `litellm.completion`, and what the Router does stands here behind the
ledger: the rate, the breaker and the throttle of a deployment (`gate`), and the order of tries (this file).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from selfimprove.errors import TeacherError
from selfimprove.ledger import Ledger, Made, Reservation, Settlement, StoppedError
from selfimprove.records import Completion, Request
from selfimprove.teachers.deadline import DeadlineError
from selfimprove.teachers.deployment import Deployment
from selfimprove.teachers.faults import Fault, fault_of
from selfimprove.teachers.gate import Gate
from selfimprove.teachers.replies import UnusableReplyError

_FIRST_WAIT_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 30.0
_SHORTEST_S: Final = 0.1
_WORTH_WAITING_S: Final = 30.0
"""Where a provider asks to be left alone for longer, the next deployment is tried first."""


class Call(NamedTuple):
    """One request on its way.

    Attributes:
        stop: set when the batch has ended.
        began: when it was its turn, by the monotonic clock.
        until: when all its tries are over.
    """

    key: str
    request: Request
    stop: threading.Event
    began: float
    until: float

    def left_s(self) -> float:
        """Give the seconds that are left."""
        return self.until - time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait, or raise `StoppedError` when the batch ends."""
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise StoppedError


class _Turns:
    """Lets one call for a key be under way at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: Counter[str] = Counter()
        self._turns: dict[str, threading.Lock] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[bool]:
        """Wait for the turn of a key, and say whether somebody had it before."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
            waited = self._wanted[key] > 0
            self._wanted[key] += 1
        try:
            with turn:
                yield waited
        finally:
            with self._lock:
                self._wanted[key] -= 1
                if not self._wanted[key]:
                    del self._wanted[key], self._turns[key]


@dataclass(frozen=True)
class Asking:
    """One role's deployments, in order.

    Attributes:
        identity: of the role's list, as in the ledger's keys.
        gates: by the deployments' identities; shared with other roles.
        retries: further tries of one deployment after a passing fault; 0: none, not even where it was too much at once.
        timeout_s: longest wait for one try, in seconds.
    """

    role: str
    identity: str
    deployments: Sequence[Deployment]
    gates: Mapping[str, Gate]
    ledger: Ledger
    retries: int
    timeout_s: float
    secrets: frozenset[str]
    _turns: _Turns = field(default_factory=_Turns)

    def ask(self, call: Call) -> Completion:
        """Try each deployment in turn; a failure for good is a completion with an error, in its row.

        Raises:
            CapReachedError: the next try could go over a cap.
            TeacherError: no deployment can answer, or none has for a while.
            StoppedError: the batch has ended.
        """
        with self._turns.of(call.key) as waited:
            if waited and (found := self.ledger.lookup([call.key])):
                return found[call.key]  # another batch wanted the same
            said: list[str] = []
            alive = [d for d in self.deployments if not self._gate(d).dead]
            for deployment in alive:
                got = self._persist(deployment, call, last=deployment is alive[-1])
                if isinstance(got, Completion):
                    return got
                said.append(got.said)
            self._refuse_silence(call)
            failed = _failed(call, "; ".join(said), self.identity)
            self.ledger.record("teacher", self.identity, [Made(call.key, call.request, failed)], self.role)
            return failed

    def _gate(self, deployment: Deployment) -> Gate:
        return self.gates[deployment.identity]

    def _refuse_silence(self, call: Call) -> None:
        """Stop the batch when nobody can answer: a failure for each of its calls would help nobody."""
        gates = [self._gate(d) for d in self.deployments]
        if all(gate.dead for gate in gates):
            why = "; ".join(gate.dead for gate in gates)
            raise TeacherError(
                f"no model can answer for the role {self.role}: {why}; mend that and run the same command again"
            )
        if all(gate.dead or _silent(gate, call) for gate in gates):
            names = " and ".join(d.identity for d in self.deployments)
            raise TeacherError(
                f"{names} cannot be asked for now, the last fault: {gates[-1].last_fault}; run the same command again "
                "when that is over"
            )

    def _persist(self, deployment: Deployment, call: Call, *, last: bool) -> Completion | Fault:
        """Try one deployment, again after passing faults."""
        gate, tried = self._gate(deployment), 0
        got: Completion | Fault | None = None
        while True:
            wait_s = gate.wait_s()
            elsewhere = wait_s > 0 and not last and (gate.breaker.is_open or wait_s > _WORTH_WAITING_S)
            if elsewhere or gate.dead or wait_s >= call.left_s():
                return got or _left_alone(deployment, gate)
            if wait_s > 0:
                call.wait(wait_s * random.uniform(1.0, 1.1))
                continue
            made = self._enter(deployment, gate, call)
            if made is None:
                continue
            got = made
            # Too much at once is no fault of the call: with nowhere else to go it is tried until its time is over.
            patient = isinstance(got, Fault) and got.limited and last and self.retries > 0
            if isinstance(got, Completion) or got.kind != "passing" or (tried >= self.retries and not patient):
                return got
            call.wait(min(call.left_s(), random.uniform(0, min(_LONGEST_BACKOFF_S, _FIRST_WAIT_S * 2**tried))))
            tried += 1

    def _enter(self, deployment: Deployment, gate: Gate, call: Call) -> Completion | Fault | None:
        """Wait for a place and for the rate, then try; None where the circuit opened meanwhile."""
        if not gate.throttle.enter(call.left_s()):
            return _left_alone(deployment, gate)
        try:
            worst_usd, tokens = deployment.worst(call.request)
            with gate.rate(tokens) as sending:
                if sending.wait_s >= call.left_s():
                    return _left_alone(deployment, gate)
                call.wait(sending.wait_s)
                if gate.dead or not gate.breaker.enter():
                    return None
                with gate.breaker.watched():
                    wanted = Reservation(call.key, call.request, self.identity, self.role, worst_usd, tokens)
                    self.ledger.reserve([wanted], call.stop)
                    sending.sent = True
                    return self._try(deployment, gate, call, wanted)
        finally:
            gate.throttle.leave()

    def _try(self, deployment: Deployment, gate: Gate, call: Call, held: Reservation) -> Completion | Fault:
        """Send what is reserved, and settle it."""
        import openai

        sent_at, doubtful = time.monotonic(), True
        got: Completion | Fault | None = None
        try:
            try:
                got = deployment.send(call.request, call.key, min(self.timeout_s, max(_SHORTEST_S, call.left_s())))
                doubtful = False
            except (openai.OpenAIError, UnusableReplyError, DeadlineError) as error:
                got = fault_of(error, deployment.identity, self.secrets)
                doubtful = got.billable
        finally:  # whatever else happened, the call is out of our hands and may be billed
            kept = got
            if not isinstance(kept, Completion):
                kept = _failed(call, kept.said if kept else "the call broke off here", deployment.identity)
            doubt = (held.worst_usd, held.worst_tokens) if doubtful else (0.0, 0)
            self.ledger.settle([Settlement(call.key, kept, time.monotonic() - sent_at, *doubt)])
        gate.note(got, sent_at)
        return got


def _silent(gate: Gate, call: Call) -> bool:
    """Say whether a deployment is out of reach for a while, or gave no answer in all of a call's time."""
    nothing_came = call.left_s() <= 0 and gate.answered_at < call.began
    return nothing_came or gate.breaker.is_open or gate.wait_s() > _WORTH_WAITING_S


def _left_alone(deployment: Deployment, gate: Gate) -> Fault:
    """Say that a deployment was not asked; there is no use in trying it again for this call."""
    why = f", its last fault: {gate.last_fault}" if gate.last_fault else ""
    return Fault("request", billable=False, wait_s=None, said=f"{deployment.identity} could not be asked in time{why}")


def _failed(call: Call, said: str, model: str) -> Completion:
    return Completion(
        text="",
        finish_reason="error",
        sampling=call.request.sampling,
        sample=call.request.sample,
        model=model,
        call=call.key,
        error=said,
    )
