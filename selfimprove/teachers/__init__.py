"""Who answers questions and reasons: a data set's own reference, the student, any LiteLLM model, or a plug-in."""

from selfimprove.teachers.load import load_model, load_teacher, price_of
from selfimprove.teachers.reference import ReferenceTeacher

__all__ = ["ReferenceTeacher", "load_model", "load_teacher", "price_of"]
