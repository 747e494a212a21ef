"""Make a small language model better at a task by itself, with the statistics to prove it."""

__version__ = "0.1.0"
