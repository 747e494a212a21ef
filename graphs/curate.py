"""Growing a library, as LangGraph Studio opens it: scripted parts, no key, no model."""

from selfimprove.curating.scripted import scripted_nursery
from selfimprove.graphs.curate import build_curate

graph = build_curate(scripted_nursery()).compile()
