"""One round, as LangGraph Studio opens it: scripted parts, no key, no model."""

from selfimprove.graphs.rounds import build_round
from selfimprove.graphs.studio import studio_crew

graph = build_round(studio_crew("round")).compile()
