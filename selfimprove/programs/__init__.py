"""Every prompt of the loop, as DSPy programs."""

from selfimprove.programs.program import SIGNATURES, Program, plain, program_for, stated
from selfimprove.programs.run import Complaint, Item, Read, request_of, run, run_read

__all__ = [
    "SIGNATURES",
    "Complaint",
    "Item",
    "Program",
    "Read",
    "plain",
    "program_for",
    "request_of",
    "run",
    "run_read",
    "stated",
]
