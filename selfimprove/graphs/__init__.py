"""LangGraph state machines of the loop, returned uncompiled: the caller picks the checkpointer."""
