"""Mining a pool, as LangGraph Studio opens it: scripted parts, no key, no model."""

from selfimprove.graphs.mining import build_mining
from selfimprove.graphs.studio import studio_crew

graph = build_mining(studio_crew("mining", settings={"mine": {"most": 16}})).compile()
