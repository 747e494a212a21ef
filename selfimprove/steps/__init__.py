"""The loop, one verb a file. A step takes records and returns records; each works without LangGraph."""
