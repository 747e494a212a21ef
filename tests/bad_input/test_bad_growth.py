"""Bad input of what grows: taxonomies, seeds, quotas, generators, compile splits. One sentence, exit code 2, no traces."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from refusing import Cli, left_behind, refused

TAXONOMY = """name = "tiny"
[[subjects]]
name = "Maths"
size = 40
forms = { short_answer = 0.75, multiple_choice = 0.25 }
key_stages = ["KS2"]
difficulties = ["easy"]
[[topics]]
under = "Maths"
name = "Number"
[[sub_topics]]
under = "Maths > Number"
name = "Whole"
[[types]]
under = "Maths > Number > Whole"
name = "Work it out"
[[sub_types]]
under = "Maths > Number > Whole > Work it out"
names = { sums = 0.5, products = 0.5 }
"""
GROW = """[curate]
seeds = "seeds.jsonl"
taxonomy = "taxonomy.toml"
held_out = ["test.jsonl"]
[who]
generate = "models:Model"
solve = ["models:Model"]
"""
MODEL = """from selfimprove.records import Completion

class Model:
    identity = "scripted"

    def complete(self, requests):
        return [Completion(text=TEXT) for _ in requests]
"""
PATH = {"subject": "Maths", "topic": "Number", "sub_topic": "Whole", "type": "Work it out"}


def seed(kind: str = "sums", at: int = 3, **more: object) -> dict[str, object]:
    sign, answer = ("+", at + 4) if kind == "sums" else ("*", at * 4)
    return {"question": f"What is {at} {sign} 4?", "answer": answer, **PATH, "sub_type": kind, **more}


SEEDS = [seed(kind, at) for kind in ("sums", "products") for at in (3, 5)]


@pytest.fixture
def files(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """Write all files of a curation, with some changed, and name them."""
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    monkeypatch.delitem(sys.modules, "models", raising=False)  # another test's

    def write(
        taxonomy: str = TAXONOMY, seeds: list[dict[str, object]] = SEEDS, grow: str = GROW, reply: str = ""
    ) -> set[str]:
        (here / "taxonomy.toml").write_text(taxonomy)
        (here / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in seeds))
        (here / "test.jsonl").write_text(json.dumps({"question": "What is 88 + 99?", "answer": 187}) + "\n")
        (here / "grow.toml").write_text(grow)
        (here / "models.py").write_text(f"TEXT = {reply!r}\n{MODEL}")
        return {path.name for path in here.iterdir()}

    return write


def stays(here: Path, known: set[str]) -> None:
    """Check that no file came into being."""
    assert {name for name in left_behind(here, known) if "__pycache__" not in name} == set()


TAXONOMIES: dict[str, tuple[str, str, str]] = {
    "unknown parent": ('under = "Maths > Number"', 'under = "Maths > Nmber"', 'did you mean "Number"'),
    "parent of another level": ('under = "Maths > Number > Whole"', 'under = "Maths > Whole"', "under"),
    "forms that do not add up": ("multiple_choice = 0.25", "multiple_choice = 0.3", "add up to"),
    "shares that do not add up": ("products = 0.5", "products = 0.6", "add up to 1.1, not to 1"),
    "quota above the size": (
        "names = { sums = 0.5, products = 0.5 }",
        'name = "sums"\nquota = 41\n[[sub_types]]\nunder = "Maths > Number > Whole > Work it out"\nname = "products"',
        "add up to 41 and cannot be met, as 40 are wanted",
    ),
    "half a problem": ("size = 40", "size = 40.5", "size = 40.5"),
    "no problems": ("size = 40", "size = 0", "size = 0"),
    "negative ratio": (
        "short_answer = 0.75, multiple_choice = 0.25",
        "short_answer = 1.25, multiple_choice = -0.25",
        "forms",
    ),
}


@pytest.mark.parametrize("case", list(TAXONOMIES))
def test_taxonomies_that_will_not_do(here: Path, cli: Cli, files: Callable[..., set[str]], case: str) -> None:
    """Labelling, coverage and growing name the file and the key, and write nothing."""
    old, new, named = TAXONOMIES[case]
    assert old in TAXONOMY
    known = files(taxonomy=TAXONOMY.replace(old, new))
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), "taxonomy.toml", named)
    refused(cli("coverage", "seeds.jsonl", "--taxonomy", "taxonomy.toml", "--out", "sheet"), "taxonomy.toml", named)
    words = ("--taxonomy", "taxonomy.toml", "--model", "m@http://127.0.0.1:9/v1", "--out", "labels")
    refused(cli("label", "seeds.jsonl", *words), "taxonomy.toml", named)
    stays(here, known)


ROWS: dict[str, tuple[dict[str, object], str]] = {
    "sub-type that is not there": ({"sub_type": "quotients"}, "not in the taxonomy"),
    "topic that is not there": ({"topic": "Shape"}, "not in the taxonomy"),
    "label that is missing": ({"subject": None}, '"subject" is missing'),
    "no answer": ({"answer": ""}, '"answer"'),
    "answer beyond the options": ({"choices": ["7", "8"], "answer": "C"}, '"answer"'),
    "option twice": ({"choices": ["7", "7"], "answer": "A"}, '"choices"'),
    "number twice": ({"choices": ["7", "7.0", "8"], "answer": "A"}, '"choices" holds "7" and "7.0", the same number'),
}


@pytest.mark.parametrize("case", list(ROWS))
def test_seeds_that_will_not_do(here: Path, cli: Cli, files: Callable[..., set[str]], case: str) -> None:
    """A seed is named with its file and line."""
    changed, named = ROWS[case]
    known = files(seeds=[*SEEDS, {**seed(at=9), **changed}])
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), "seeds.jsonl, line 5", named)
    stays(here, known)


def test_seeds_that_are_held_out(here: Path, cli: Cli, files: Callable[..., set[str]]) -> None:
    """A seed that stands in the test file would be written, and grown from: it is refused."""
    known = files(seeds=[*SEEDS, {**seed(), "question": "what is 88 + 99", "answer": 187}])
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), "seeds.jsonl holds 1 problem of test.jsonl")
    stays(here, known)


QUOTAS: dict[str, tuple[str, str]] = {
    "too few rounds": ("[grow]\nrounds = 1\nwindow = 35\n", "the quotas want 36 problems more than the seeds"),
    "nothing of it": ('[[branches]]\nat = "Maths > Shape"\n', "Maths > Shape"),
    "no round": ("[grow]\nrounds = 0\n", "grow.rounds = 0"),
    "growth by less than nothing": ("[grow]\nfactor = 0.5\n", "grow.factor = 0.5"),
    "half a problem a call": ("[grow]\nvariants = 2.5\n", "grow.variants = 2.5"),
    "surer than sure": ("[admit]\nprecision = 1.0\n", "admit.precision = 1.0"),
    "a model's role": (
        '[[branches]]\nat = "Maths"\ngenerate = "m"\n[models.m]\nmodel = "openai/m"\nreason.budget_usd = 1\n',
        "models.m.reason is a role of a campaign's teacher",
    ),
    "unknown traces": ('[trace]\ntraces = "longest"\n', "trace.traces"),
}


@pytest.mark.parametrize("case", list(QUOTAS))
def test_quotas_that_cannot_be_met(here: Path, cli: Cli, files: Callable[..., set[str]], case: str) -> None:
    """What no generator could help is said before anything is asked."""
    more, named = QUOTAS[case]
    known = files(grow=f"{GROW}{more}")
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), named)
    stays(here, known)


VOTERS: dict[str, tuple[str, str]] = {
    "solvers": (
        GROW.replace('["models:Model"]', '["models:Model", "models:Other"]') + "[admit]\nvotes = 1\n",
        "admit.votes = 1 is less than the 2 models that solve, and each",
    ),
    "solvers of a branch": (
        GROW + '[admit]\nvotes = 1\n[[branches]]\nat = "Maths > Number"\nsolve = ["models:Model", "models:Other"]\n',
        'admit.votes = 1 is less than the 2 models that solve of "Maths > Number"',
    ),
    "checkers": (
        GROW + 'check = ["models:Model", "models:Other"]\n[admit]\nlabel_votes = 1\n',
        "admit.label_votes = 1 is less than the 2 models that check labels",
    ),
}


@pytest.mark.parametrize("case", list(VOTERS))
def test_fewer_votes_than_voters(here: Path, cli: Cli, files: Callable[..., set[str]], case: str) -> None:
    """As each of them is asked once, "at most" could not hold."""
    grow, named = VOTERS[case]
    known = files(grow=grow)
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), named)
    stays(here, known)


def test_seeds_that_fill_the_quotas_count_towards_what_rounds_can_order(
    here: Path, cli: Cli, files: Callable[..., set[str]]
) -> None:
    """With as many rounds as the rest takes it is no mistake: what is refused is the generator, which says nothing."""
    files(grow=f"{GROW}[grow]\nrounds = 1\nwindow = 36\n")
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), "no problem could be read")


def test_quota_of_a_sub_type_without_a_seed(here: Path, cli: Cli, files: Callable[..., set[str]]) -> None:
    """It is named, with what to do."""
    known = files(seeds=[row for row in SEEDS if row["sub_type"] == "sums"])
    refused(
        cli("curate", "grow.toml", "--out", "out", "--quiet"), "no seed for Maths > Number", "products", "without_seeds"
    )
    stays(here, known)


@pytest.mark.parametrize("reply", ["", "I would rather not.", "Problem: What is 2 + 2?"])
def test_generators_that_return_nothing(here: Path, cli: Cli, files: Callable[..., set[str]], reply: str) -> None:
    """Empty replies, and replies without a problem in them, end it; no folder is left."""
    known = files(reply=reply)
    refused(cli("curate", "grow.toml", "--out", "out", "--quiet"), "no problem could be read in the replies")
    stays(here, known)
    assert not (here / "out").exists()


def test_generators_whose_problems_all_lack_the_form(here: Path, cli: Cli, files: Callable[..., set[str]]) -> None:
    """It is not said that nothing could be read; orders are counted, of which most brought two problems."""
    reply = "Problem: What is 2 + 2?\nAnswer: some\n\nProblem: And 3 + 3?\nAnswer: more"
    known = files(reply=reply, grow=f"{GROW}[grow]\nvariants = 2\n")
    told = cli("curate", "grow.toml", "--out", "out", "--quiet")
    refused(told, "can be used", "refused for the form; the first: it")
    orders, problems = re.search(r"replies to (\d+) orders can be used: (\d+) problems", told.said).groups()  # type: ignore[union-attr]
    assert int(orders) < int(problems) <= 2 * int(orders)
    stays(here, known)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_compile_splits_that_overlap(here: Path, cli: Cli, split: str) -> None:
    """Problems to compile on that are held out are refused before anybody is asked."""
    from selfimprove.tasks.arithmetic import Arithmetic

    task = Arithmetic(kinds=("sum",), levels=(3,), sizes={"train": 30, "dev": 10, "test": 10})
    rows = [*task.problems("train"), next(task.problems(split))]  # type: ignore[arg-type]
    text = "".join(json.dumps({"question": p.question, "answer": p.answer}) + "\n" for p in rows)
    (here / "own.jsonl").write_text(text)
    options = ("--option", 'kinds=["sum"]', "--option", "levels=[3]", "--option", "sizes={train=30,dev=10,test=10}")
    words = ("compile", "reason", *options, "--problems-file", "own.jsonl", "--model", "m@http://127.0.0.1:9/v1")
    refused(cli(*words), "own.jsonl holds 1 problem", split)
    stays(here, {"own.jsonl"})
