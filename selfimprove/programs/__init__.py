"""Every prompt of the loop, as DSPy programs."""

from selfimprove.programs.program import SIGNATURES, Program, program_for, stated

__all__ = ["SIGNATURES", "Program", "program_for", "stated"]
