"""Every prompt of the loop, as DSPy programs."""

from selfimprove.programs.program import SIGNATURES, Program, program_for, stated
from selfimprove.programs.run import Item, request_of, run

__all__ = ["SIGNATURES", "Item", "Program", "program_for", "request_of", "run", "stated"]
