"""Who answers questions and reasons: a data set's own reference, the student itself, any LiteLLM model, or a plug-in."""

from selfimprove.teachers.load import load_model, load_teacher
from selfimprove.teachers.reference import ReferenceTeacher

__all__ = ["ReferenceTeacher", "load_model", "load_teacher"]
