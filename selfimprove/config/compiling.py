"""How a campaign optimises its own programs between rounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from selfimprove.config.section import Section


class CompilingConfig(Section):
    """How the programs of `campaign.compile` are optimised."""

    optimizer: Literal["gepa", "mipro", "bootstrap"] = "gepa"
    """Of DSPy: `gepa` rewrites the instruction, `mipro` tries instructions and examples, `bootstrap` examples."""
    problems: Annotated[int, Field(ge=8)] = 80
    """Training problems that cases are made of, each round and program."""
    calls: Annotated[int, Field(ge=1)] = 200
    """Replies that an optimiser may look at, about."""
    demos: Annotated[int, Field(ge=0, le=16)] = 4
    """Worked examples in a prompt, at most; gepa gives none."""
