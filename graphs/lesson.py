"""One lesson for a cohort, as LangGraph Studio opens it: scripted parts, no key, no model."""

from selfimprove.graphs.lesson import build_lesson
from selfimprove.graphs.studio import studio_crew

graph = build_lesson(studio_crew("lesson")).compile()
