from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from selfimprove.cli import cli
from selfimprove.config import Config, make_config
from selfimprove.errors import InputError, RunFolderError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.finding import draw_of, rule_of
from selfimprove.graphs.grading import build_grading
from selfimprove.graphs.mining import MiningTotals, build_mining
from selfimprove.graphs.places import Pool
from selfimprove.graphs.rounds import build_round
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.wiring import STEPS
from selfimprove.mining.kinds import Mined
from selfimprove.mining.library import Graded, load_library
from selfimprove.mining.patterns import FIRST_WRONG, Patterns
from selfimprove.records import Attempt, Completion, Problem, Request, Sampling
from selfimprove.report.failing import failure_groups
from selfimprove.scorers.figures import ScorerCard
from selfimprove.stages import grade_stage, mine_stage, sampled
from selfimprove.steps.mine import Pull
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import ScriptedStudent

MINE: dict[str, object] = {"samples": 4, "most": 12, "longer": 2.0, "window": 64, "pool": 50}
ALONE = {"round": 1, "best": ""}


def invoke(graph: Any) -> dict[str, Any]:
    return dict(graph.compile().invoke(ALONE, {"recursion_limit": STEPS}))


def mined_in(crew: Crew, windows: int) -> list[Mined]:
    return [m for w in range(windows) for m in crew.folder.rows(f"round-01/mining/{w:04d}/mined.jsonl", Mined)]


def test_mining_runs_alone_on_a_pool(make_crew: Any) -> None:
    """Every problem of the pool is mined, in windows, and the totals and groups add up."""
    crew = make_crew(mine=MINE)
    state = invoke(build_mining(crew))
    found = mined_in(crew, state["windows"])
    totals = crew.folder.record("round-01/mining/totals.json", MiningTotals)
    assert (len(found), state["windows"]) == (300, 5)
    assert len({m.problem for m in found}) == totals.problems == 300
    assert totals.samples == sum(m.samples for m in found)
    assert totals.kinds == dict(Counter(m.kind.value for m in found))
    groups = crew.folder.record("round-01/mining/patterns.json", Patterns).groups
    everything = next(g for g in groups if g.by == "all")
    assert everything.failed == sum(m.kind.failure for m in found)


def test_mining_again_calls_nobody_and_writes_the_same(make_crew: Any, tmp_path: Path) -> None:
    """The same mining in the same folder finds every completion in the ledger and writes the same bytes."""
    crew = make_crew(mine=MINE)
    invoke(build_mining(crew))
    before, calls = crew.folder.hashes, crew.ledger.totals().calls
    crew.folder.close()
    again = make_crew(tmp_path / "run", mine=MINE)
    invoke(build_mining(again))
    assert (again.folder.hashes, again.ledger.totals().calls) == (before, calls)


def test_windows_change_nothing(make_crew: Any, tmp_path: Path) -> None:
    """What is found out about a problem does not depend on the window it is in."""
    small, whole = make_crew(tmp_path / "a", mine=MINE), make_crew(tmp_path / "b", mine={**MINE, "window": 1000})
    windows = [invoke(build_mining(crew))["windows"] for crew in (small, whole)]
    assert windows == [5, 1]
    by_problem = [sorted(mined_in(c, n), key=lambda m: m.problem) for c, n in zip((small, whole), windows, strict=True)]
    assert by_problem[0] == by_problem[1]


def test_grading_makes_the_library_of_this_student(make_crew: Any) -> None:
    """After mining, every problem with a verdict has a level; the library is read by this student and no other."""
    crew = make_crew(mine=MINE, select={"label": "kind"})
    windows = invoke(build_mining(crew))["windows"]
    state = invoke(build_grading(crew))
    path, identity = crew.folder.at(state["library"]), crew.model("").identity
    rows = list(load_library(path, identity))
    assert {r.problem for r in rows} == {m.problem for m in mined_in(crew, windows)}
    assert all((r.difficulty == 0) == (r.verdict == "correct") for r in rows)
    assert all(r.attempt and r.call and r.labels["kind"] and r.kind for r in rows)
    assert crew.folder.json("round-01/mining/library/levels.json")["label"] == "kind"
    with pytest.raises(InputError, match="graded for the student"):
        list(load_library(path, f"{identity} and an adapter"))


def test_grading_needs_a_mined_pool(make_crew: Any) -> None:
    """Grading before mining is refused in one sentence."""
    with pytest.raises(InputError, match="selfimprove mine"):
        invoke(build_grading(make_crew()))


@pytest.mark.parametrize("bins", ["width", "quantiles"])
def test_grading_with_an_injected_scorer(make_crew: Any, bins: str) -> None:
    """A step scorer grades the failed attempts, over all windows with the same bins."""

    class ByLength:
        identity = "by-length"

        def score(self, items: Sequence[Any]) -> list[list[float]]:
            return [[1 / (1 + len(item.problem.question) % 7)] * len(item.steps) for item in items]

    crew = make_crew(mine=MINE, grade={"bins": bins})
    invoke(build_mining(crew))
    state = invoke(build_grading(crew, ByLength()))
    rows = list(load_library(crew.folder.at(state["library"]), crew.model("").identity))
    failed = [r for r in rows if r.difficulty]
    assert {r.by for r in failed} == {"by-length"}
    by_score = {r.score: r.difficulty for r in failed}
    assert [by_score[s] for s in sorted(by_score)] == sorted(by_score.values(), reverse=True)  # type: ignore[type-var]


def test_grading_again_finds_where_failures_begin(make_crew: Any) -> None:
    """Where nothing can be checked exactly, the groups by first wrong step are those that the scorer names."""

    class Plain(Arithmetic):
        def problems(self, split: Any) -> Any:
            return (p.model_copy(update={"canonical": ""}) for p in super().problems(split))

    class Doubts:
        identity = "doubts"

        def score(self, items: Sequence[Any]) -> list[list[float]]:
            return [[0.9, *[0.1] * (len(item.steps) - 1)] for item in items]

    crew, task = make_crew(mine=MINE), Plain(sizes={"train": 300, "dev": 120, "test": 100})
    crew = Crew(**{**crew.__dict__, "task": task, "student": ScriptedStudent(task)})
    name = "round-01/mining/patterns.json"
    windows = invoke(build_mining(crew))["windows"]
    assert not [g for g in crew.folder.record(name, Patterns).groups if g.by == FIRST_WRONG]
    before = list(crew.folder.record(name, Patterns).groups)
    invoke(build_grading(crew, Doubts()))
    groups = crew.folder.record(name, Patterns).groups
    (named,) = [g for g in groups if g.by == FIRST_WRONG]
    wrong = sum(m.kind.failure and m.greedy == "wrong" for m in mined_in(crew, windows))
    assert (named.value, named.failed) == ("2", wrong)
    assert [g for g in groups if g.by != FIRST_WRONG] == before


def test_a_scorer_that_is_shown_late_grades_every_window(make_crew: Any) -> None:
    """Windows too small to prove a scorer prove it together; all are graded by it, and its card is kept."""
    crew = make_crew(mine={**MINE, "window": 15}, grade={"scorer": "exact"})
    invoke(build_mining(crew))
    state = invoke(build_grading(crew))
    rows = list(load_library(crew.folder.at(state["library"]), crew.model("").identity))
    assert {r.by for r in rows if r.difficulty} == {"exact/arithmetic"}
    kept = crew.folder.record("round-01/mining/scorer.json", ScorerCard)
    assert kept.proof is not None
    assert 20 <= kept.proof.solutions < 40
    invoke(build_grading(crew))
    assert crew.folder.record("round-01/mining/scorer.json", ScorerCard) == kept


class CutsOff:
    """A student whose replies to some problems are cut off unless they may be longer."""

    def __init__(self, inner: ScriptedStudent, limit: int) -> None:
        self.inner, self.limit = inner, limit

    identity = property(lambda self: self.inner.identity)

    def with_adapter(self, path: Path | None) -> CutsOff:
        return CutsOff(self.inner.with_adapter(path), self.limit)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        made = self.inner.complete(requests)
        return [
            c.model_copy(update={"text": "and then", "finish_reason": "length"})
            if r.problem < "4" and r.sampling.max_tokens < self.limit
            else c
            for r, c in zip(requests, made, strict=True)
        ]


@pytest.mark.parametrize(("limit", "technical"), [(400, False), (4000, True)])
def test_cut_off_problems_are_tried_longer_and_never_fail(make_crew: Any, limit: int, technical: bool) -> None:  # noqa: FBT001
    """Problems that need a longer limit are judged by what came then; those cut off again are in no failure count."""
    crew = make_crew(mine=MINE)
    crew = Crew(**{**crew.__dict__, "student": CutsOff(crew.student, limit)})
    found = mined_in(crew, invoke(build_mining(crew))["windows"])
    cut = [m for m in found if m.problem < "4"]
    assert cut
    assert all(m.rerun for m in cut)
    assert {m.kind.value == "truncated" for m in cut} == {technical}
    groups = crew.folder.record("round-01/mining/patterns.json", Patterns).groups
    everything = next(g for g in groups if g.by == "all")
    assert everything.technical == (len(cut) if technical else 0)
    assert everything.failed == sum(m.kind.failure for m in found if not (technical and m.problem < "4"))


def test_samples_of_later_rounds_are_new_ones(make_crew: Any) -> None:
    """Sample indices go on over rounds, behind the most that an earlier round may have drawn."""
    config = make_config({"mine": {"samples": 4, "most": 12}})
    assert [rule_of(config, round_).first for round_ in (1, 2, 3)] == [1, 13, 25]
    assert [rule_of(make_config({"mine": {"samples": 2}}), r).first for r in (1, 2)] == [1, 3]


@pytest.mark.parametrize("policy", ["random", "curriculum", "uniform", "easy", "band", "p_eval", "steps"])
def test_round_with_each_policy(make_crew: Any, policy: str) -> None:
    """A round chooses exactly as many lessons as wanted from its graded pool, and writes its quotas down."""
    crew = make_crew(mine=MINE, select={"policy": policy, "lessons": 20}, campaign={"rounds": 1, "arms": ["track_b"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    pool = crew.folder.record("round-01/pool.json", Pool)
    taught = [
        p.id
        for name in sorted(crew.folder.hashes)
        if name.endswith("problems.jsonl")
        for p in crew.folder.rows(name, Problem)
    ]
    graded = {g.problem for g in crew.folder.rows("round-01/grades.jsonl", Graded)}
    assert len(taught) == len(set(taught)) == 20
    assert set(taught) <= graded
    assert sum(q.taken for q in pool.quotas) == 20
    assert (pool.policy, pool.lessons) == (policy, 20)


def test_failures_move_from_round_to_round(make_crew: Any) -> None:
    """A student that gets better fails less in the next round, and the groups show it."""
    crew = make_crew(mine=MINE, campaign={"rounds": 2, "arms": ["track_b"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    moved = next(g for g in failure_groups(crew.folder, 2) if g.by == "all")
    assert moved.change is not None
    assert moved.change < 0
    assert [made.round for made in moved.rounds] == [1, 2]


def test_round_machine_still_begins_with_mining(make_crew: Any) -> None:
    """The round's wiring is as it was."""
    nodes = set(build_round(make_crew()).nodes)
    assert {"mine", "grade", "select"} <= nodes


def test_stages_alone_and_again(tmp_path: Path) -> None:
    """The two commands' functions mine and grade a task's training problems, and other settings need another folder."""
    task = Arithmetic(sizes={"train": 60, "dev": 10, "test": 10})
    config = make_config({"mine": {"samples": 2, "most": 8}, "data": {"train": 60}, "select": {"label": "kind"}})
    said = mine_stage(config, tmp_path / "m", task=task, student=ScriptedStudent(task))
    assert said.startswith("mined 60 problems")
    assert "kind" in said
    graded = grade_stage(config, tmp_path / "m", task=task, student=ScriptedStudent(task))
    assert "level 5" in graded
    assert (tmp_path / "m" / "round-01" / "mining" / "library" / "grades.jsonl").is_file()
    other = make_config({**config.model_dump(), "mine": {"samples": 5}})
    with pytest.raises(RunFolderError, match="mined under other settings"):
        mine_stage(other, tmp_path / "m", task=task, student=ScriptedStudent(task))


def test_a_trained_students_library(tmp_path: Path) -> None:
    """With an adapter the pool is mined and graded for that student, and a folder is for one adapter."""
    task = Arithmetic(sizes={"train": 60, "dev": 10, "test": 10})
    config = make_config({"mine": {"samples": 2, "most": 8}, "data": {"train": 60}})
    better, other = (adapter_in(tmp_path / name, skill) for name, skill in (("better", 0.9), ("other", 0.5)))
    out, student = tmp_path / "m", ScriptedStudent(task)
    mine_stage(config, out, task=task, student=student, adapter=better)
    grade_stage(config, out, task=task, student=student, adapter=better)
    rows = list(load_library(out / "round-01/mining/library/grades.jsonl", student.with_adapter(better).identity))
    assert sum(r.difficulty == 0 for r in rows) > 40
    for wrong in (None, other):
        with pytest.raises(RunFolderError, match="was mined with another adapter; give the one"):
            grade_stage(config, out, task=task, student=student, adapter=wrong)
    mine_stage(config, tmp_path / "base", task=task, student=student)
    with pytest.raises(RunFolderError, match="was mined without an adapter"):
        mine_stage(config, tmp_path / "base", task=task, student=student, adapter=better)


def adapter_in(folder: Path, skill: float) -> Path:
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps({"skill": skill}))
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(folder.name.encode())
    return folder


@pytest.mark.parametrize("command", ["mine", "grade"])
def test_the_commands_hand_an_adapter_on(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--adapter FOLDER` reaches the stage."""
    given: list[Any] = []
    monkeypatch.setattr(f"selfimprove.stages.{command}_stage", lambda *_, adapter: given.append(adapter) or "done")
    (tmp_path / "c.toml").write_text('[campaign]\ntask = "arithmetic"\n')
    for more in ([], ["--adapter", str(tmp_path)]):
        made = CliRunner().invoke(cli, [command, str(tmp_path / "c.toml"), "--quiet", *more])
        assert made.output == "done\n"
    assert given == [None, tmp_path]


def test_attempts_of_a_window_are_all_there(make_crew: Any) -> None:
    """The passes of a window hold one greedy attempt and as many samples a problem as its record says."""
    crew = make_crew(mine=MINE)
    windows = invoke(build_mining(crew))["windows"]
    names = [n for n in crew.folder.hashes if "/pass-" in n]
    attempts = Counter(a.problem for name in names for a in crew.folder.rows(name, Attempt))
    assert attempts == Counter({m.problem: 1 + m.samples for m in mined_in(crew, windows)})


class Mute(ScriptedStudent):
    """Says nothing that can be read, whatever it was taught."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return [Completion(text="Who knows?", sampling=r.sampling, sample=r.sample) for r in requests]


def test_without_a_verdict_a_problem_is_still_taught(make_crew: Any) -> None:
    """A student whose every reply is unreadable fails at nothing, and its problems become lessons all the same."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b"]}, mine={"pool": 20})
    crew = Crew(**{**crew.__dict__, "student": Mute(crew.task)})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    pool = crew.folder.record("round-01/pool.json", Pool)
    assert (pool.policy, pool.failures, pool.no_verdict, pool.lessons) == ("curriculum", 0, 20, 20)
    assert any("without a verdict" in note for note in pool.notes)


def test_mining_asks_as_the_other_steps_do(make_crew: Any) -> None:
    """A greedy attempt or a sample that another step has already drawn is found in the ledger, not drawn again."""
    crew = make_crew(mine=MINE)
    problems = list(crew.task.problems("train"))[:10]
    warm = Sampling(temperature=crew.config.mine.temperature, max_tokens=crew.config.student.max_tokens)
    known = crew.solve(problems, "", crew.programs["solve"])
    known += crew.solve(problems, "", crew.programs["solve"], warm, [3])
    calls = crew.ledger.totals().calls
    wanted = [Pull(p, sample) for sample in (0, 3) for p in problems]
    assert draw_of(crew, "")(wanted) == [a for some in known for a in some]
    assert crew.ledger.totals().calls == calls == 20


def test_mining_alone_samples_unless_told_otherwise() -> None:
    """Who mines alone gets samples and a second chance by default; what the settings say goes over that."""
    open_, greedy = sampled(Config()).mine, sampled(make_config({"mine": {"samples": 0}})).mine
    assert (open_.samples, open_.most, open_.longer) == (4, 16, 2.0)
    assert (greedy.samples, greedy.most) == (0, 0)
    assert sampled(make_config({"mine": {"most": 6, "longer": 1.0}})).mine.most == 6
