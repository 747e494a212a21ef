"""Grading a mined pool, as LangGraph Studio opens it: scripted parts, no key, no model."""

from selfimprove.graphs.grading import build_grading
from selfimprove.graphs.studio import studio_crew

graph = build_grading(studio_crew("grading")).compile()
