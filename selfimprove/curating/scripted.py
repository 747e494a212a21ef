"""A curation that needs no key and no model, for looking at its graph and running it in LangGraph Studio."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from selfimprove.config.curating import CurateConfig
from selfimprove.curating.nursery import Growers, Nursery
from selfimprove.labels.quotas import quotas
from selfimprove.labels.reading import make_taxonomy
from selfimprove.labels.taxonomy import LEVELS
from selfimprove.leakage import Guard
from selfimprove.ledger import Journaled, Ledger
from selfimprove.records import Completion, Problem, Request, Sampling
from selfimprove.store import RunFolder

_SUM: Final = re.compile(r"What is (\d+) ([+*]) (\d+)\?")
_COUNT: Final = re.compile(r"Count:\n(\d+)")
_WRONG: Final = 0.15
_MOST: Final = 999
_ABOVE: Final = ("Maths", "Number", "Whole numbers", "Work it out")
_KINDS: Final = {"sums": "+", "products": "*"}


def _value(text: str) -> int:
    found = _SUM.search(text)
    if found is None:
        return 0
    a, b = int(found[1]), int(found[3])
    return a + b if found[2] == "+" else a * b


@dataclass(frozen=True)
class ScriptedGrower:
    """Writes sums and products, solves them and tells them apart, each wrong with a known chance."""

    identity: str = "scripted/grower"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request by its role."""
        return [Completion(text=self._one(request), model=self.identity) for request in requests]

    def _one(self, request: Request) -> str:
        told = request.messages[-1].content
        rng = Random(f"{self.identity} {request.role} {request.problem} {request.sample} {len(told)}")
        wrong = rng.random() < _WRONG
        if request.role == "check_label":
            return f"It takes one step.\nLabels:\nsub-type: {'products' if ' * ' in told else 'sums'} | 0.9"
        if request.role != "generate":
            return f"Answer: {_value(told) + wrong}"
        sign = _KINDS["products" if "products" in told.partition("\n\n")[0] else "sums"]
        count = int(found[1]) if (found := _COUNT.search(told)) else 1
        return "\n\n".join(_written(rng, sign) for _ in range(count))


def _written(rng: Random, sign: str) -> str:
    question = f"What is {rng.randrange(2, _MOST)} {sign} {rng.randrange(2, _MOST)}?"
    return f"Problem: {question}\nAnswer: {_value(question) + (rng.random() < _WRONG)}"


def scripted_nursery(out: Path | None = None, size: int = 60) -> Nursery:
    """Give a small scripted curation's parts.

    Args:
        out: its folder; default: a new temporary one.
        size: problems of both sub-types that are wanted.
    """
    tables: dict[str, Any] = {
        "name": "scripted",
        "subjects": [
            {
                "name": _ABOVE[0],
                "size": size,
                "forms": ["short answer"],
                "key_stages": ["any"],
                "difficulties": ["any"],
            }
        ],
        "sub_types": [{"under": " > ".join(_ABOVE), "names": list(_KINDS)}],
    }
    for at, level in enumerate(("topics", "sub_topics", "types"), 1):
        tables[level] = [{"under": " > ".join(_ABOVE[:at]), "name": _ABOVE[at]}]
    taxonomy = make_taxonomy(tables)
    folder = RunFolder(out or Path(tempfile.mkdtemp(prefix="selfimprove-curate-")))
    ledger = Ledger(folder.at("ledger.sqlite"))
    models = {name: Journaled(ScriptedGrower(f"scripted/{name}"), ledger) for name in ("writer", "strong", "cheap")}
    seeds = [_seed(kind, at) for kind in _KINDS for at in range(5)]
    return Nursery(
        config=CurateConfig.model_validate(
            {"curate": {"seeds": "scripted", "taxonomy": "scripted"}, "grow": {"window": 40, "variants": 4}}
        ),
        folder=folder,
        ledger=ledger,
        taxonomy=taxonomy,
        quotas=quotas(taxonomy),
        seeds=seeds,
        models=models,
        sampling=dict.fromkeys(models, Sampling()),
        who=lambda _: Growers("writer", ("strong", "cheap"), ("strong", "cheap"), "strong"),
        guard=Guard([]),
    )


def _seed(kind: str, at: int) -> Problem:
    question = f"What is {at + 3} {_KINDS[kind]} {2 * at + 5}?"
    labels = dict(zip(LEVELS, (*_ABOVE, kind), strict=True)) | {"form": "short answer"}
    return Problem.of(question, str(_value(question)), labels=labels)
