"""What may be spent: dollars, calls, tokens and hours, in all and for each of the teacher's roles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from selfimprove.errors import BudgetExceededError

_ROUNDING: Final = 1e-12
_KEYS: Final = {"usd": "budget_usd", "calls": "max_calls", "tokens": "max_tokens", "hours": "max_hours"}
ALL: Final = ""
"""The scope of the whole campaign, beside those of the roles."""


class Caps(NamedTuple):
    """The most that may be spent; None: no cap."""

    usd: float | None = None
    calls: int | None = None
    tokens: int | None = None
    hours: float | None = None
    dollars_by: str = ""
    """The setting that caps the dollars, where it is not the scope's own."""
    section: str = ""
    """The section that holds the caps, where it is not the scope's own."""

    def named(self, kind: str) -> str:
        """Name the setting of a cap; empty: the scope's own."""
        if kind == "usd" and self.dollars_by:
            return self.dollars_by
        return f"{self.section}.{_KEYS[kind]}" if self.section else ""


@dataclass
class Used:
    """What is spent or held.

    Attributes:
        usd: dollars.
        calls: requests sent, those that were tried again counted each time.
        tokens: read and written.
        hours: of the whole campaign: gone by while it ran; of a role: its calls' own time, added up.
    """

    usd: float = 0.0
    calls: float = 0.0
    tokens: float = 0.0
    hours: float = 0.0

    def add(self, other: Used, times: int = 1) -> None:
        """Add something to it, or with `times=-1` take it off."""
        self.usd += times * other.usd
        self.calls += times * other.calls
        self.tokens += times * other.tokens
        self.hours += times * other.hours

    def broken(self, caps: Caps, more: Used) -> str | None:
        """Name the first cap that would not hold with `more`; None where all hold. What is free breaks no budget."""
        if caps.usd is not None and more.usd > 0 and self.usd + more.usd > caps.usd + _ROUNDING:
            return "usd"
        if caps.calls is not None and self.calls + more.calls > caps.calls:
            return "calls"
        if caps.tokens is not None and self.tokens + more.tokens > caps.tokens:
            return "tokens"
        return "hours" if caps.hours is not None and self.hours >= caps.hours else None


class CapReachedError(BudgetExceededError):
    """A call would go over a cap; nothing was sent.

    Args:
        scope: empty for the whole campaign, else the role.
        kind: `usd`, `calls`, `tokens` or `hours`.
        cap: the cap.
        used: what is spent or held already, in the cap's unit.
        more: what the next calls could take.
        advice: what to do.
        named: the setting; default: the scope's own.
        ending: what else could be done.

    Attributes:
        setting: that caps, such as `campaign.max_hours`.
    """

    def __init__(
        self,
        scope: str,
        kind: str,
        cap: float,
        used: float,
        more: float,
        advice: str = "raise it",
        named: str = "",
        ending: str = "",
    ) -> None:
        self.scope, self.kind, self.cap, self.used, self.more = scope, kind, cap, used, more
        self.said, self.needed, self.named, self.advice = "", used + more, named, advice
        self.setting = named or f"{f'teacher.{scope}' if scope else 'campaign'}.{_KEYS[kind]}"
        spent = {"usd": "spent or held", "hours": "gone"}.get(kind, "used or held")
        could = "" if kind == "hours" else f" and the next could take {_amount(kind, more)}"
        reason = f"{self.setting} = {cap:g} is reached: {_amount(kind, used)} {spent}{could}"
        super().__init__(f"{reason}; {advice} and run the same command{ending}")

    def to_finish(self, calls: int, mean: Used) -> CapReachedError:
        """Give it again, saying also what it would take to finish the stage.

        Args:
            calls: that are left in the stage.
            mean: what one took so far.
        """
        left = calls * float(getattr(mean, self.kind))
        some = "1 call" if calls == 1 else f"{calls} calls"
        said = f"the {some} left in this stage would take about {_amount(self.kind, left)}"
        return self._again(said, self.used + max(left, self.more))

    def as_planned(self, planned: Used) -> CapReachedError:
        """Give it again, saying also what the whole campaign takes by its plan, where that is more."""
        whole = float(getattr(planned, self.kind))
        if self.scope or self.named or whole <= self.needed:
            return self
        said = f"the plan has the whole campaign at about {_amount(self.kind, whole)}"
        return self._again(f"{self.said}, and {said}" if self.said else said, whole)

    def or_ended(self, rounds: int) -> CapReachedError:
        """Give it again, saying also how to end a campaign with the rounds that are decided, where there are some."""
        if not rounds:
            return self
        ending = f", or end with what is decided by campaign.rounds = {rounds}"
        return CapReachedError(self.scope, self.kind, self.cap, self.used, self.more, self.advice, self.named, ending)

    def _again(self, said: str, needed: float) -> CapReachedError:
        advice = f"{said}, so set it to {_rounded_up(self.kind, needed)} or more"
        made = CapReachedError(self.scope, self.kind, self.cap, self.used, self.more, advice, self.named)
        made.said, made.needed = said, needed
        return made


def reached(caps: Mapping[str, Caps], used: Mapping[str, Used], more: Mapping[str, Used]) -> CapReachedError | None:
    """Find the first cap that would not hold, by scope; None where all hold."""
    for scope, wanted in more.items():
        held = caps.get(scope, Caps())
        kind = used[scope].broken(held, wanted)
        if kind is not None:
            amounts = (getattr(held, kind), getattr(used[scope], kind), getattr(wanted, kind))
            return CapReachedError(scope, kind, *amounts, named=held.named(kind))
    return None


def _amount(kind: str, amount: float) -> str:
    """Write an amount with its unit.

    >>> _amount("usd", 0.25), _amount("calls", 3), _amount("hours", 1.5)
    ('$0.2500', '3 calls', '1.50 hours')
    """
    if kind == "usd":
        return f"${amount:.4f}"
    if kind == "hours":
        return f"{amount:.2f} hours"
    return f"{math.ceil(amount):,} {kind if math.ceil(amount) != 1 else kind[:-1]}"


def _rounded_up(kind: str, amount: float) -> str:
    step = 100 if kind in {"usd", "hours"} else 1
    return f"{math.ceil(amount * step - _ROUNDING) / step:g}"
