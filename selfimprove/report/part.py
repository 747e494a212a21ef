"""What every part of a report's schema is."""

from __future__ import annotations

from pydantic import ConfigDict

from selfimprove.records import Record


class Part(Record):
    """A part of the summary; its attribute docstrings are the descriptions in the JSON schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)
