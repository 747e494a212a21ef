"""A campaign, as LangGraph Studio opens it: scripted parts, no key, no model."""

from selfimprove.graphs.campaign import build_campaign
from selfimprove.graphs.studio import studio_crew

graph = build_campaign(studio_crew("campaign")).compile()
