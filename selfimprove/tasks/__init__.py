"""Tasks: problems with reference answers, and how their answers are read, compared and written."""

from selfimprove.tasks.load import load_task

__all__ = ["load_task"]
