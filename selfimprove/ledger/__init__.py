"""Every model call, journaled once: the only cache, the only memory of what was spent.

A paid call is looked up under its request's key, reserved at its worst cost, made, and settled; a student's batch is
looked up, made and written whole. What was answered is never asked again; what could go over a cap is never sent.

One SQLite file in write-ahead mode with `synchronous=NORMAL`: a commit is in the operating system's hands before the
answer is used, so a killed process loses no settled call. The disk is made to keep it (fsync) at checkpoints only, so
a power cut may lose the last commits: those calls are asked, and paid, again; the file itself stays whole.
"""

from selfimprove.ledger.caps import CapReachedError, Caps, Used
from selfimprove.ledger.journal import Ledger, stage_of_calls
from selfimprove.ledger.journaled import Journaled
from selfimprove.ledger.purse import StoppedError
from selfimprove.ledger.rows import Made, Reservation, Settlement, Totals

__all__ = [
    "CapReachedError",
    "Caps",
    "Journaled",
    "Ledger",
    "Made",
    "Reservation",
    "Settlement",
    "StoppedError",
    "Totals",
    "Used",
    "stage_of_calls",
]
