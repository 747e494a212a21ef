from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selfimprove.campaign import Campaign
from selfimprove.config import make_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.fork import fork
from selfimprove.graphs import panel
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.library import check_library, known_pool, library_file
from selfimprove.graphs.places import Pool
from selfimprove.graphs.run import mend, run_campaign
from selfimprove.mining.kinds import KindRule, Mined
from selfimprove.mining.library import Graded, load_library, mined_from, save_library
from selfimprove.mining.patterns import Patterns
from selfimprove.records import Attempt, Completion, Problem, Request
from selfimprove.report.summary import summarise
from selfimprove.stages import grade_stage, mine_stage
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, NullTrainer, ScriptedStudent

SIZES: dict[Any, int] = {"train": 300, "dev": 120, "test": 100}


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a pool mined and graded by the commands' functions, with the student of `make_crew`."""
    out, task = tmp_path_factory.mktemp("lib") / "mined", Arithmetic(sizes=SIZES)
    config = make_config({"mine": {"samples": 4, "most": 8}, "data": {"train": 200}})
    mine_stage(config, out, task=task, student=ScriptedStudent(task))
    grade_stage(config, out, task=task, student=ScriptedStudent(task))
    return out


def library(mined: Path) -> Path:
    return mined / "round-01" / "mining" / "library" / "grades.jsonl"


def start(make_crew: Any, name: Path, **sections: Any) -> Crew:
    made: Crew = make_crew(
        **{"campaign": {"rounds": 2, "arms": ["track_b"]}, **sections, "mine": {"library": str(name), "pool": 40}}
    )
    return made


def run(crew: Crew) -> None:
    run_campaign(crew, crew.folder.at("graph.sqlite"))


class Counting:
    """A student that remembers which training problems it was asked to try, and in which words."""

    def __init__(self, inner: ScriptedStudent, asked: list[Request]) -> None:
        self.inner, self.asked = inner, asked

    identity = property(lambda self: self.inner.identity)
    folder = "scripted"

    def with_adapter(self, path: Path | None) -> Counting:
        return Counting(self.inner.with_adapter(path), self.asked)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return self.inner.complete(requests)


def test_first_round_takes_the_library_and_mines_nothing(make_crew: Any, mined: Path) -> None:
    """The library is the first round's pool, grade by grade; the student tries none of it anew to mine; round 2 mines others."""
    crew = start(make_crew, mined, select={"lessons": 10, "solved": 0.0})
    asked: list[Request] = []
    crew = Crew(**{**crew.__dict__, "student": Counting(crew.student, asked)})
    run(crew)
    known = list(load_library(library(mined), crew.model("").identity))
    assert crew.folder.rows("round-01/grades.jsonl", Graded) == sorted(known, key=lambda g: g.problem)
    pool = crew.folder.record("round-01/pool.json", Pool)
    assert (pool.problems, pool.library) == (200, str(mined))
    assert crew.folder.record("round-02/pool.json", Pool).library == ""
    second = {a.problem for a in crew.folder.rows("round-02/drafts.jsonl", Attempt)}
    assert len(second) == 40
    assert not second & {g.problem for g in known}
    tried = {r.problem for r in asked} & {g.problem for g in known}
    assert len(tried) == 10  # the lessons alone


def test_problems_set_aside_are_left_out_of_a_library(
    make_crew: Any, mined: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library was graded before anything was set aside; its other problems are the pool."""
    monkeypatch.setattr(panel, "FEWEST", 10)
    crew = start(make_crew, mined, campaign={"rounds": 1, "arms": ["track_b"]})
    run(crew)
    known = {g.problem for g in load_library(library(mined), crew.model("").identity)}
    aside = panel.ids_aside(crew) & known
    assert len(aside) > 5
    assert crew.folder.record("round-01/pool.json", Pool).problems == 200 - len(aside)
    assert not aside & {a.problem for a in crew.folder.rows("round-01/drafts.jsonl", Attempt)}


def test_attempts_verdicts_and_kinds_are_the_librarys(make_crew: Any, mined: Path) -> None:
    """Drafts are the library's attempts with their verdicts, and the patterns of failures count its kinds."""
    crew = start(make_crew, library(mined))
    run(crew)
    known = {g.problem: g for g in load_library(library(mined), crew.model("").identity)}
    for draft in crew.folder.rows("round-01/drafts.jsonl", Attempt):
        row = known[draft.problem]
        assert (draft.completion.text, draft.verdict, draft.completion.call) == (row.attempt, row.verdict, row.call)
    everything = next(g for g in crew.folder.record("round-01/patterns.json", Patterns).groups if g.by == "all")
    assert everything.failed == sum(g.kind in {"wrong", "inconsistent", "lucky"} for g in known.values())
    summary = summarise(crew.folder, crew.ledger)
    assert summary.rounds[0].selection is not None
    assert summary.rounds[0].selection.library == str(library(mined))


def test_what_the_library_keeps_of_mining_is_what_mining_found(mined: Path) -> None:
    """Kind, counts and posterior of a row are those of the record it was graded from."""
    rule = KindRule()
    rows = {g.problem: g for g in (Graded.model_validate_json(x) for x in library(mined).read_text().splitlines())}
    found = (mined / "round-01/mining/0000/mined.jsonl").read_text().splitlines()
    for one in (Mined.model_validate_json(line) for line in found):
        made = mined_from(rows[one.problem], rule)
        for field in ("kind", "greedy", "samples", "passed", "failed", "pass_rate", "posterior_mean", "interval"):
            assert getattr(made, field) == getattr(one, field), field


def test_the_campaigns_rule_settles_the_librarys_kinds(make_crew: Any, mined: Path) -> None:
    """What counts as settled is what `[mine]` says, not the default."""
    crew = make_crew(mine={"library": str(mined), "confidence": 0.99, "rare": 0.4})
    crew.folder.write_rows("data/train.jsonl", crew.task.problems("train"))
    known = known_pool(crew, 1)
    assert known is not None
    asked, default = KindRule(confidence=0.99, rare=0.4), KindRule()
    assert known.mined == {row.problem: mined_from(row, asked) for row in known.graded}
    assert known.mined != {row.problem: mined_from(row, default) for row in known.graded}


@pytest.mark.parametrize("policy", ["curriculum", "ladder", "band"])
def test_policies_choose_from_the_library(make_crew: Any, mined: Path, policy: str) -> None:
    """Quotas are of the whole library; a ladder climbs through what it holds of each rung."""
    crew = start(make_crew, mined, select={"policy": policy, "lessons": 20, "first": 1})
    run(crew)
    known = {g.problem for g in load_library(library(mined), crew.model("").identity)}
    pool = crew.folder.record("round-01/pool.json", Pool)
    tried = {a.problem for a in crew.folder.rows("round-01/drafts.jsonl", Attempt)}
    assert tried <= known
    assert pool.lessons == 20
    assert pool.tried_rungs == (("2",) if policy == "ladder" else ())


def test_another_students_library_is_refused(make_crew: Any, mined: Path) -> None:
    """A student with other weights gets one sentence, before anything is generated."""
    crew = start(make_crew, mined)
    better = ScriptedStudent(Arithmetic(sizes=SIZES), skill=0.6)
    crew = Crew(**{**crew.__dict__, "student": better})
    with pytest.raises(InputError, match="levels hold for one student and adapter"):
        check_library(crew)
    assert crew.ledger.totals().calls == 0


def test_library_of_an_adapter_is_refused_for_the_base(make_crew: Any, mined: Path, tmp_path: Path) -> None:
    """Rows graded for the student with an adapter are not the base's."""
    rows = [Graded.model_validate_json(x) for x in library(mined).read_text().splitlines()]
    save_library(tmp_path / "grades.jsonl", [rows[0].model_copy(update={"student": "0" * 16}), *rows[1:]])
    with pytest.raises(InputError, match=r"line 1: graded for the student '?0000000000000000"):
        check_library(start(make_crew, tmp_path / "grades.jsonl"))


def test_problems_of_dev_and_test_are_refused(make_crew: Any, mined: Path, tmp_path: Path) -> None:
    """A library that holds one held-out problem is refused whole, with that problem's id."""
    rows = [Graded.model_validate_json(x) for x in library(mined).read_text().splitlines()]
    held = next(iter(Arithmetic(sizes=SIZES).problems("test")))
    save_library(tmp_path / "grades.jsonl", [*rows, rows[0].model_copy(update={"problem": held.id})])
    crew = start(make_crew, tmp_path)
    with pytest.raises(InputError, match=rf"1 of its 201 problems, such as {held.id}, are not among the 300 training"):
        check_library(crew)
    with pytest.raises(InputError, match="are not among the"):
        run(crew)


def test_problems_that_the_guard_dropped_are_left_out(make_crew: Any, mined: Path) -> None:
    """A training problem that the guard drops for a held-out twin is neither drafted nor taught from the library."""
    crew = start(make_crew, mined)
    train = list(crew.task.problems("train"))
    known = {g.problem for g in load_library(library(mined), crew.model("").identity)}
    leaked = next(p for p in train if p.id in known)

    class Twin(Arithmetic):
        def problems(self, split: Any) -> Any:
            twin = leaked.model_copy(update={"id": "twin", "question": f"{leaked.question} "})
            own = [*super().problems(split)]
            yield from [*own[:-1], twin] if split == "test" else own

    crew = Crew(**{**crew.__dict__, "task": Twin(sizes=SIZES)})
    crew = Crew(**{**crew.__dict__, "student": ScriptedStudent(crew.task)})
    run(crew)
    assert leaked.id in {d["id"] for d in crew.folder.json("data/leakage.json")["dropped_from_train"]}
    assert leaked.id not in {p.id for p in crew.folder.rows("data/train.jsonl", Problem)}
    assert leaked.id not in {a.problem for a in crew.folder.rows("round-01/drafts.jsonl", Attempt)}
    assert leaked.id not in {g.problem for g in crew.folder.rows("round-01/grades.jsonl", Graded)}
    assert crew.folder.json("round-01/library.json")["left_out"] == 1


def test_campaign_goes_on_without_the_library(make_crew: Any, mined: Path, tmp_path: Path) -> None:
    """The run folder holds what it took: the campaign walked again does not need the library's folder."""
    shutil.copytree(mined, tmp_path / "lib")
    crew = start(make_crew, tmp_path / "lib")
    run(crew)
    before = crew.folder.hashes
    crew.folder.at("graph.sqlite").unlink()
    crew.folder.close()
    shutil.rmtree(tmp_path / "lib")
    again = start(lambda **s: make_crew(tmp_path / "run", **s), tmp_path / "lib")
    check_library(again)
    run(again)
    assert again.folder.hashes == before


def test_a_fork_of_the_baseline_takes_its_own_library(make_crew: Any, mined: Path, tmp_path: Path) -> None:
    """Behind the baseline the library that the fork names is round 1's pool; behind round 1 none can be named."""
    first = start(lambda **s: make_crew(tmp_path / "run", **s), mined)
    run(first)
    first.ledger.close()
    first.folder.close()
    save_library(tmp_path / "other.jsonl", [*load_library(library(mined), first.model("").identity)][:50])
    other = {"library": str(tmp_path / "other.jsonl"), "pool": 40}
    out = tmp_path / "fork"
    config = make_config({**first.config.model_dump(mode="json", exclude_unset=True), "mine": other})
    with pytest.raises(InputError, match=r"cannot change mine\.library"):
        fork(tmp_path / "run", out, config, 1)
    fork(tmp_path / "run", out, config, 0)
    made = start(lambda **s: make_crew(out, **s), tmp_path / "other.jsonl")
    run(made)
    pool = made.folder.record("round-01/pool.json", Pool)
    assert (pool.problems, pool.library) == (50, other["library"])


def test_what_was_taken_of_a_library_is_not_taken_again(make_crew: Any, mined: Path) -> None:
    """The library may have changed since: a damaged copy is refused, as damaged splits are."""
    crew = start(make_crew, mined)
    run(crew)
    crew.folder.at("round-01/library.jsonl").write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"library\.jsonl is not what was written there"):
        mend(crew.folder, crew.folder.at("graph.sqlite"))


def test_missing_library_is_one_sentence(tmp_path: Path) -> None:
    """A folder without a library is refused with what to name."""
    with pytest.raises(InputError, match=r"holds no grades\.jsonl; name a folder that selfimprove grade wrote"):
        library_file(str(tmp_path))


def test_strange_library_is_refused_at_the_door(mined: Path, tmp_path: Path) -> None:
    """A campaign that names another student's library ends before the baseline and binds its folder to nothing."""
    task = Arithmetic(sizes=SIZES)
    campaign = Campaign(
        task=task,
        student=ScriptedStudent(task, skill=0.6),
        teacher=FixedTeacher(task),
        trainer=NullTrainer(),
        out=tmp_path / "run",
        data=dict(SIZES),
        mine={"library": str(mined)},
    )
    with pytest.raises(InputError, match="levels hold for one student and adapter"):
        campaign.run()
    assert not (tmp_path / "run" / "campaign.toml").exists()
    assert not (tmp_path / "run" / "round-00").exists()
