"""How fast does a server on this machine answer as a teacher?

Each server gets the same 24 questions, 8 at once, through the library's own teacher pool.

make bench-servers SERVERS="NAME=MODEL@http://127.0.0.1:8000/v1 ..."     keys: tokens_per_s, for each name
"""

from __future__ import annotations

import json
import sys
import time

from selfimprove.config import TeacherConfig
from selfimprove.ledger import Ledger
from selfimprove.programs import Item, program_for, run, stated
from selfimprove.records import Sampling
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.teachers import load_model

QUESTIONS, AT_ONCE, LONGEST = 24, 8, 64


def measure(model: str, url: str) -> dict[str, float]:
    """Ask one server everything; the first question warms it up."""
    task = Arithmetic(sizes={"train": QUESTIONS + 1})
    config = TeacherConfig(model=f"openai/{model}", base_url=url, concurrency=AT_ONCE, timeout_s=300)
    teacher = load_model(config, "reason", Ledger(":memory:"))
    items = [Item(p.id, {"problem": stated(p)}) for p in task.problems("train")]
    program, sampling = program_for("reason", task), Sampling(max_tokens=LONGEST)
    run(program, items[:1], teacher, sampling)
    started = time.perf_counter()
    made = run(program, items[1:], teacher, sampling)
    seconds = time.perf_counter() - started
    failed = sum(c.finish_reason == "error" for c in made)
    return {
        "tokens_per_s": round(sum(c.completion_tokens for c in made) / seconds, 1),
        "read_per_s": round(sum(c.prompt_tokens for c in made) / seconds, 1),
        "seconds": round(seconds, 1),
        "failed": failed,
    }


def main(servers: list[str]) -> None:
    """Print the table and the line of JSON."""
    if not servers:
        sys.exit('name servers: make bench-servers SERVERS="NAME=MODEL@http://127.0.0.1:8000/v1"')
    found = {}
    for server in servers:
        name, _, place = server.partition("=")
        model, _, url = place.rpartition("@")
        found[name] = measure(model, url)
        print(f"{name:<24}" + "  ".join(f"{key} {value}" for key, value in found[name].items()), flush=True)
    print(json.dumps({"tokens_per_s": {name: row["tokens_per_s"] for name, row in found.items()}}))


if __name__ == "__main__":
    main(sys.argv[1:])
