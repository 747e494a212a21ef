"""A student behind the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence

from selfimprove.ledger.journal import Ledger
from selfimprove.ledger.rows import Made
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Request


class Journaled:
    """A language model whose calls go through the ledger: found there, or made in one batch and kept.

    For engines that cost nothing a call (the student's), so nothing is reserved. A batch enters the ledger in one
    transaction: a killed batch is generated again whole, which is what makes its bytes the same.
    """

    def __init__(self, model: LanguageModel, ledger: Ledger) -> None:
        self.model = model
        self._ledger = ledger

    @property
    def identity(self) -> str:
        """The model's own."""
        return self.model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order, each key generated at most once.

        Raises:
            CapReachedError: the campaign's hours are over.
        """
        identity = self.model.identity
        keys = [request.key(identity) for request in requests]
        found = self._ledger.lookup(keys)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
        if missing:
            self._ledger.check_hours()
            started = time.monotonic()
            made = self.model.complete(list(missing.values()))
            each_s = (time.monotonic() - started) / len(made)
            kept = [c.model_copy(update={"call": key}) for key, c in zip(missing, made, strict=True)]
            done = [Made(c.call, request, c, each_s) for c, request in zip(kept, missing.values(), strict=True)]
            self._ledger.record("student", identity, done)
            found.update(zip(missing, kept, strict=True))
        return [found[key] for key in keys]
