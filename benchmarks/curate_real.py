"""What does a real teacher's growing yield, type by type?

TEACHER=MODEL@URL make bench-curate     an OpenAI-compatible server; CHEAP=MODEL@URL adds a second solver
ROWS=20 (a type), TYPES=13, ROUNDS=3, OUT=runs/bench-curate (kept: the same command goes on)

Of each type: problems ordered, read, believed (the solvers' votes proved the stated answer) and let in (the label was
proved too), and how right each kind is, as an oracle works the question out; problems that it cannot read are counted
apart.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from curate_families import families, is_test
from curate_oracles import ORACLES, Oracle
from curate_run import SEEDS, labels_of, taxonomy_of
from curate_script import World

from selfimprove.config.curating import CurateConfig
from selfimprove.curating.nursery import Growers, Nursery
from selfimprove.curating.rows import Candidate, Grown, Order, Rejected
from selfimprove.curating.writing import FIGURES
from selfimprove.curating.writing import Figures as Curated
from selfimprove.graphs.curate import build_curate
from selfimprove.graphs.wiring import STEPS
from selfimprove.growth.people import members_of
from selfimprove.labels import quotas
from selfimprove.leakage import Guard
from selfimprove.ledger import Ledger
from selfimprove.protocols import LanguageModel
from selfimprove.records import Sampling
from selfimprove.store import RunFolder

_TOKENS: Final = 768
_KINDS: Final = ("read", "believed", "let in")
_LABEL: Final = {"wrong label", "undecided label"}
"""Why a problem is refused whose answer was believed."""


def grow_real(
    world: World, models: Mapping[str, LanguageModel], folder: RunFolder, ledger: Ledger, rows: int, rounds: int
) -> None:
    """Grow with these models: the first writes, all solve and check labels."""
    names = tuple(world.families)
    taxonomy = taxonomy_of(names, rows + SEEDS)
    settings = {
        "curate": {"seeds": "real", "taxonomy": "real"},
        "grow": {"variants": 3, "rounds": rounds, "temperature": 0.9},
        "admit": {"votes": 8, "label_votes": 4},
    }
    solving = tuple(models)
    nursery = Nursery(
        config=CurateConfig.model_validate(settings),
        folder=folder,
        ledger=ledger,
        taxonomy=taxonomy,
        quotas=quotas(taxonomy),
        seeds=[seed for name in names for seed in world.seeds(name, SEEDS, labels_of)],
        models=models,
        sampling=dict.fromkeys(models, Sampling(max_tokens=_TOKENS)),
        who=lambda _: Growers(solving[0], solving, solving, solving[0]),
        guard=Guard([]),
    )
    build_curate(nursery).compile().invoke({}, {"recursion_limit": STEPS})


def yields(folder: RunFolder, oracles: Mapping[str, Oracle]) -> dict[str, Counter[str]]:
    """Count by type what was ordered, read, believed and let in, and what the oracle says of it."""
    found: dict[str, Counter[str]] = {}
    for number in range(1, folder.record(FIGURES, Curated).rounds + 1):
        place = f"round-{number:03d}"
        for order in folder.rows(f"{place}/orders.jsonl", Order):
            found.setdefault(order.place.path[-1], Counter())["ordered"] += order.variants
        read = folder.rows(f"{place}/candidates.jsonl", Candidate)
        let_in = [grown.candidate for grown in folder.rows(f"{place}/grown.jsonl", Grown)]
        refused = folder.rows(f"{place}/rejected.jsonl", Rejected)
        believed = let_in + [one.candidate for one in refused if one.candidate and one.reason in _LABEL]
        for what, some in zip(_KINDS, (read, believed, let_in), strict=True):
            for one in some:
                name = one.place.path[-1]
                said = {True: "right", False: "wrong", None: "unknown"}[oracles[name](one.problem)]
                found[name].update([what, f"{what}, {said}"])
    return found


def table(found: Mapping[str, Counter[str]]) -> str:
    """Write the counts as a table."""
    heads = "".join(f"{what:>10}{'right':>10}" for what in _KINDS)
    lines = [f"{'type':26}{'ordered':>9}{heads}{'unknown':>9}"]
    for name, counts in found.items():
        cells = "".join(f"{counts[what]:10}{_right_of(counts, what):>10}" for what in _KINDS)
        lines.append(f"{name:26}{counts['ordered']:9}{cells}{counts['read, unknown']:9}")
    return "\n".join(lines)


def _right_of(counts: Mapping[str, int], what: str) -> str:
    right, wrong = counts[f"{what}, right"], counts[f"{what}, wrong"]
    return f"{right} of {right + wrong}" if right + wrong else "-"


def summed(found: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """Give the figures over all types."""
    total: Counter[str] = Counter()
    for counts in found.values():
        total.update(counts)

    def right(what: str) -> float | None:
        known = total[f"{what}, right"] + total[f"{what}, wrong"]
        return round(total[f"{what}, right"] / known, 4) if known else None

    return {
        "ordered": total["ordered"],
        "read": total["read"],
        "generator_right": right("read"),
        "believed": total["believed"],
        "believed_right": right("believed"),
        "let_in": total["let in"],
        "precision": right("let in"),
        "recall": round(total["let in, right"] / max(1, total["read, right"]), 4),
        "unknown": total["read, unknown"],
    }


def main(teacher: str) -> None:
    """Grow with real models, and print the table and the line of JSON."""
    names = tuple(ORACLES)[: int(os.environ.get("TYPES", str(len(ORACLES))))]
    out = Path(os.environ.get("OUT", "runs/bench-curate"))
    solving = [teacher, *filter(None, [os.environ.get("CHEAP")])]
    with closing(RunFolder(out)) as folder, closing(Ledger(out / "ledger.sqlite")) as ledger:
        settings = {
            "curate": {"seeds": "real", "taxonomy": "real"},
            "who": {"generate": teacher, "solve": solving},
        }
        members = members_of(CurateConfig.model_validate(settings), taxonomy_of(names, 1), ledger)
        models = {name: member.model for name, member in members.items()}
        rows, rounds = int(os.environ.get("ROWS", "20")), int(os.environ.get("ROUNDS", "3"))
        grow_real(World(families(names), is_test), models, folder, ledger, rows, rounds)
        found = yields(folder, ORACLES)
    print(table(found))
    print(json.dumps(summed(found)))
