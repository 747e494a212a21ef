"""A teacher of one's own behind the ledger: its calls are counted and capped, its answers remembered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from selfimprove.errors import TeacherError
from selfimprove.ledger import CapReachedError, Ledger, Reservation, Settlement, Used
from selfimprove.protocols import Rationaliser, Teacher
from selfimprove.records import Answer, Completion, Message, Problem, Question, Rationale, Request
from selfimprove.teachers.faults import redacted, secrets_of
from selfimprove.thinking import whole

_LEAST_USD: Final = 1e-9
"""Held for a call of which nobody knows the price: a cap that is reached stops it, and it may have been billed."""
_ANSWERS: Final = TypeAdapter(list[Answer])
_RATIONALES: Final = TypeAdapter(list[Rationale])

Asked = TypeVar("Asked", Question, Problem)
Said = TypeVar("Said", Answer, Rationale)


class OwnTeacher:
    """Somebody's own object, asked for each question and each problem once. Satisfies `Teacher`.

    A call is one question, or one problem whatever the samples. What it costs is what its answers say (`usd`), so
    dollars are known afterwards: a call is held at what the tries before it took in the mean, and the first at next to
    nothing.
    Batches go to it one at a time.

    Args:
        teacher: the object; where it can `rationalise`, so can this.
        name: of it, in the ledger and its keys.
        ledger: keeps the caps, and what was answered.
    """

    def __init__(self, teacher: Teacher, name: str, ledger: Ledger) -> None:
        self.teacher, self.name = teacher, name
        self._ledger, self._turn = ledger, threading.Lock()
        if isinstance(teacher, Rationaliser):
            explain = teacher.rationalise
            self.rationalise = lambda problems, samples: self._reasons("rationalise", explain, problems, samples)

    def check(self) -> None:
        """See that it can be reached, where it has a way to say so."""
        check = getattr(self.teacher, "check", None)
        if check is not None:
            check()

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer each clarifying question, in order.

        Raises:
            CapReachedError: the next call could go over a cap; those that fit were made.
            TeacherError: it does not give one answer a question.
        """
        wanted = [(_request("answer", q, q.problem, 0), q) for q in asked]
        return [one for (one,) in self._through("answer", wanted, self.teacher.answer, _ANSWERS)]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Give up to `samples` chains of thought a problem; errors as for `answer`."""
        return self._reasons("reason", self.teacher.reason, problems, samples)

    def _reasons(
        self,
        role: str,
        ask: Callable[[Sequence[Problem], int], list[list[Rationale]]],
        problems: Sequence[Problem],
        samples: int,
    ) -> list[list[Rationale]]:
        wanted = [(_request(role, problem, problem, samples), problem) for problem in problems]
        return self._through("reason", wanted, lambda some: ask(some, samples), _RATIONALES)

    def _through(
        self,
        role: str,
        wanted: Sequence[tuple[Request, Asked]],
        ask: Callable[[Sequence[Asked]], Any],
        form: TypeAdapter[list[Said]],
    ) -> list[list[Said]]:
        """Look up what is known, ask for as much of the rest as the caps allow, and keep it."""
        by_key = {request.key(self.name): (request, item) for request, item in wanted}
        with self._turn:
            known = {k: form.validate_json(c.text) for k, c in self._ledger.lookup(list(by_key)).items()}
            missing = {key: pair for key, pair in by_key.items() if key not in known}
            each_usd, held, started = self._each_usd(role), list[str](), time.monotonic()
            try:
                stopped = self._hold(role, missing, each_usd, held)
                given = self._given([missing[key][1] for key in held], ask, form)
            except BaseException as error:
                why = whole(redacted(str(error), secrets_of(None, None)))
                self._settle(held, [Completion(text="", finish_reason="error", error=why)] * len(held), started)
                raise
            self._settle(held, [said for _, said in given], started)
        if stopped is not None:
            mean = self._ledger.mean(role) or Used(usd=each_usd, calls=1)
            raise stopped.to_finish(len(missing) - len(held), mean)
        known.update((key, some) for key, (some, _) in zip(held, given, strict=True))
        return [known[request.key(self.name)] for request, _ in wanted]

    def _each_usd(self, role: str) -> float:
        """Give what a call is held at: the mean of the role's tries, else of all of this teacher's."""
        known = (self._ledger.try_usd(self.name, role), self._ledger.try_usd(self.name))
        return next((usd for usd in known if usd is not None), _LEAST_USD)

    def _hold(
        self, role: str, missing: Mapping[str, tuple[Request, Any]], each_usd: float, held: list[str]
    ) -> CapReachedError | None:
        """Reserve calls into `held` until a cap is met, and give that; None: all of them fit."""
        for key, (request, _) in missing.items():
            try:
                self._ledger.reserve([Reservation(key, request, self.name, role, each_usd)])
            except CapReachedError as error:
                return error
            held.append(key)
        return None

    def _given(
        self, items: Sequence[Asked], ask: Callable[[Sequence[Asked]], Any], form: TypeAdapter[list[Said]]
    ) -> list[tuple[list[Said], Completion]]:
        """Ask, and read what comes; each beside its completion."""
        given = ask(items) if items else []
        one = "an Answer" if form is _ANSWERS else "a list of Rationale"
        try:
            made = [_read([some] if form is _ANSWERS else list(some), form) for some in given]
        except (TypeError, ValidationError) as error:
            raise TeacherError(
                f'teacher "{self.name}" gives what is not {one} each time it is asked; mend it, see '
                "selfimprove.protocols.Teacher"
            ) from error
        if len(made) != len(items):
            raise TeacherError(
                f'teacher "{self.name}" gives {len(made)} answers where it is asked {len(items)} times; mend it'
            )
        return made

    def _settle(self, keys: Sequence[str], said: Sequence[Completion], started: float) -> None:
        each_s = (time.monotonic() - started) / max(1, len(keys))
        full = [one.model_copy(update={"model": self.name, "call": key}) for key, one in zip(keys, said, strict=True)]
        self._ledger.settle([Settlement(one.call, one, each_s) for one in full])


def _request(role: str, item: Question | Problem, problem: Problem, samples: int) -> Request:
    """Write what is asked as a request, whose key names it."""
    said = (Message(role="user", content=item.model_dump_json()),)
    return Request(role=role, messages=said, problem=problem.id, sample=samples)


def _read(given: list[Any], form: TypeAdapter[list[Said]]) -> tuple[list[Said], Completion]:
    """Read what one call gave, its error without secrets, and write it as the ledger keeps it."""
    plain = form.dump_python(form.validate_python(given))
    error = next((one["error"] for one in plain if one.get("error")), "")
    error = redacted(error, secrets_of(None, None))
    plain = [{**one, "error": error} if one.get("error") else one for one in plain]
    text = whole(json.dumps(plain, ensure_ascii=False))
    reason: Literal["error", "stop"] = "error" if error else "stop"
    made = form.validate_json(text)
    return made, Completion(text=text, finish_reason=reason, usd=sum(one.usd for one in made), error=whole(error))
