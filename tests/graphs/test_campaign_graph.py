from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from selfimprove.errors import InputError
from selfimprove.graphs import campaign as campaign_graph
from selfimprove.graphs import control as control_graph
from selfimprove.graphs import training
from selfimprove.graphs.campaign import Openings
from selfimprove.graphs.control import lineage
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.training import measure
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Adapter, Attempt, Evaluation, Lesson, PracticeRow, PreferenceRow, TrackRow, TrainingJob
from selfimprove.report.summary import summarise
from selfimprove.testing import NullTrainer


def run(crew: Crew) -> dict[str, Any]:
    return run_campaign(crew, crew.folder.at("graph.sqlite"))


def files(crew: Crew) -> dict[str, bytes]:
    """Give the bytes of every listed file but the manifest itself."""
    return {name: crew.folder.at(name).read_bytes() for name in crew.folder.hashes}


def test_scripted_campaign_promotes_what_is_better(make_crew: Any) -> None:
    """A student that really gets better is promoted every round, and the test split shows it."""
    crew = make_crew()
    state = run(crew)
    assert state["best"] == "round-02/arms/track_b/adapter"
    base = crew.folder.record("final/base/evaluation.json", Evaluation)
    best = crew.folder.record("final/best/evaluation.json", Evaluation)
    assert best.lenient.accuracy > base.lenient.accuracy + 0.25


def test_student_that_learns_nothing_is_not_promoted(make_crew: Any) -> None:
    """With a trainer of no gain every round is held, the campaign stops early, and the sentence claims nothing."""
    crew = make_crew(campaign={"rounds": 5, "patience": 2})
    crew = Crew(**{**crew.__dict__, "trainer": type(crew.trainer)(gain=0.0)})
    state = run(crew)
    assert (state["round"], state["best"]) == (2, "")
    assert "No significant change" in summarise(crew.folder, crew.ledger).sentence


def test_every_row_walks_back_to_its_origin(make_crew: Any) -> None:
    """A trained row names its problem, its lesson and the calls it came from, and all of them exist."""
    crew = make_crew()
    run(crew)
    lessons = {x.id: x for x in crew.folder.rows("round-01/lessons.jsonl", Lesson)}
    train = {p.id for p in crew.problems("train")}
    rows = crew.folder.rows("round-01/track_b.jsonl", TrackRow)
    assert rows
    for row in rows:
        assert row.problem in train
        assert lessons[row.lesson].problem == row.problem
        assert len(crew.ledger.lookup(list(row.calls))) == len(set(row.calls))


def test_own_words_that_come_last_are_learned_only_where_the_teacher_has_none(make_crew: Any, tmp_path: Path) -> None:
    """The teacher reasons about what the student solved in a lesson, too, and its words are the rows."""
    select = {"policy": "failures", "solved": 1.0}
    usual = make_crew(tmp_path / "usual", select=select)
    last = make_crew(tmp_path / "last", select=select, lesson={"own_words": "last"})
    rows, solved = dict[str, list[bool]](), dict[str, list[Lesson]]()
    for name, crew in (("usual", usual), ("last", last)):
        run(crew)
        rows[name] = [row.source.startswith("self:") for row in crew.folder.rows("round-01/track_b.jsonl", TrackRow)]
        solved[name] = [x for x in crew.folder.rows("round-01/lessons.jsonl", Lesson) if x.solved]
    assert any(rows["usual"])
    assert not any(x.rationales for x in solved["usual"])
    assert rows["last"]
    assert not any(rows["last"])
    assert solved["last"]
    assert all(x.rationales for x in solved["last"])


def test_no_held_out_problem_is_trained_on(make_crew: Any) -> None:
    """No row of any track asks a question of dev or test."""
    crew = make_crew()
    run(crew)
    held = {p.question for split in ("dev", "test") for p in crew.problems(split)}
    names = [n for n in crew.folder.hashes if n.endswith("rows.jsonl")]
    assert names
    for name in names:
        assert not held & {row.inputs["problem"] for row in crew.folder.rows(name, TrackRow)}


def test_preference_pairs_are_right_over_wrong(make_crew: Any, tmp_path: Path) -> None:
    """The chosen text of a pair is correct, the rejected one wrong; without an arm of pairs none are made."""
    bare = make_crew(campaign={"rounds": 1, "arms": ["track_b"]})
    run(bare)
    assert not bare.folder.has("round-01/preferences.jsonl")
    bare.folder.close()
    crew = make_crew(tmp_path / "pairs", campaign={"rounds": 1, "arms": ["track_b", "track_b+dpo"]})
    run(crew)
    problems = {p.id: p for p in crew.problems("train")}
    pairs = crew.folder.rows("round-01/preferences.jsonl", PreferenceRow)
    assert pairs
    for pair in pairs:
        problem = problems[pair.problem]
        assert crew.task.compare(crew.task.parse(pair.chosen).answer or "", problem) == "correct"
        assert crew.task.compare(crew.task.parse(pair.rejected).answer or "", problem) == "wrong"


def test_same_command_again_changes_nothing(make_crew: Any, tmp_path: Path) -> None:
    """A finished campaign makes no call and writes the same bytes when it is run again in a copied folder."""
    crew = make_crew()
    run(crew)
    before, calls = files(crew), crew.ledger.totals().calls
    crew.folder.close()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "run", copy)
    again = make_crew(copy)
    run(again)
    assert files(again) == before
    assert again.ledger.totals().calls == calls


def test_more_rounds_go_on_behind_the_last(make_crew: Any, tmp_path: Path) -> None:
    """A finished campaign given another round adds it, and writes the second opening of the test split down."""
    crew = make_crew()
    run(crew)
    crew.folder.close()
    more = make_crew(tmp_path / "run", campaign={"rounds": 3, "arms": ["track_b", "track_a", "control"]})
    assert run(more)["round"] == 3
    assert len(more.folder.record("final/openings.json", Openings).openings) == 2


@pytest.mark.parametrize("dies_at", [1, 3, 7, 12, 20])
def test_crash_and_resume_ends_the_same(make_crew: Any, tmp_path: Path, dies_at: int) -> None:
    """A campaign whose student dies in mid-work ends, after the same command again, in the same files."""
    whole = make_crew(tmp_path / "whole")
    run(whole)

    class Dying:
        def __init__(self, student: Any, left: list[int]) -> None:
            self.student, self.left = student, left

        identity = property(lambda self: self.student.identity)

        def complete(self, requests: Any) -> Any:
            self.left[0] -= 1
            if self.left[0] == 0:
                raise RuntimeError("killed")
            return self.student.complete(requests)

        def with_adapter(self, path: Any) -> Any:
            return Dying(self.student.with_adapter(path), self.left)

    crew = make_crew(tmp_path / "killed")
    with pytest.raises(RuntimeError, match="killed"):
        run(Crew(**{**crew.__dict__, "student": Dying(crew.student, [dies_at])}))
    crew.folder.close()
    again = make_crew(tmp_path / "killed")
    run(again)
    assert files(again) == files(whole)
    assert again.ledger.totals().calls == whole.ledger.totals().calls


def test_control_gets_as_many_trained_tokens(make_crew: Any) -> None:
    """The control is trained on as many tokens as the whole line of the best adapter was."""
    crew = make_crew()
    state = run(crew)
    chain = lineage(crew, state["best"])
    assert len(chain) == 2
    tokens = sum(crew.folder.json(f"{a}/metrics.json")["trained_tokens"] for a in chain)
    assert crew.folder.json("final/control-round-02/adapter/metrics.json")["trained_tokens"] == tokens


def test_control_draws_as_many_problems_as_the_best_was_taught(make_crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tracks' in every round, also where no pairs came behind, and those of its pairs; what was replayed counts once."""
    monkeypatch.setattr(training, "length_balanced", lambda pairs: [pair for pair in pairs if pair.round == 1])
    drawn = list[int]()

    class Listening(Nobody):
        def stage(self, name: str, total: int) -> None:
            drawn.extend([total] if name == "control" else [])

    crew = make_crew(campaign={"arms": ["track_b+dpo", "control"]})
    with watched_by(Listening()):
        state = run(crew)
    last, *before = lineage(crew, state["best"])
    assert [last, *before] == [
        f"round-{at}/adapter" for at in ("02/arms/track_b+dpo", "01/arms/track_b+dpo", "01/arms/track_b+dpo/sft")
    ]
    later, pairs, first = (f"{one.rpartition('/')[0]}/rows.jsonl" for one in (last, *before))
    tracks = [row.problem for name in (later, first) for row in crew.folder.rows(name, TrackRow)]
    paired = {row.problem for row in crew.folder.rows(pairs, PreferenceRow)}
    assert drawn == [len(paired.union(tracks))]
    assert len(set(tracks)) < len(tracks)


def test_control_draws_the_problems_that_the_best_practised_too(make_crew: Any) -> None:
    """A best that was taught in round 1 and practised in round 2 has met the problems of both."""
    drawn = list[int]()

    class Listening(Nobody):
        def stage(self, name: str, total: int) -> None:
            drawn.extend([total] if name == "control" else [])

    class Practising:
        def train(self, job: TrainingJob) -> Adapter:
            better = ("track_b" if "round-01" in job.out else "grpo") in job.out
            return NullTrainer(gain=0.3 if better else 0.0).train(job)

    crew = make_crew(campaign={"arms": ["track_b", "grpo", "control"]}, mine={"samples": 4}, data={"dev": 200})
    with watched_by(Listening()):
        state = run(Crew(**{**crew.__dict__, "trainer": Practising()}))
    chain = [f"round-{at}/adapter" for at in ("02/arms/grpo", "01/arms/track_b")]
    assert lineage(crew, state["best"]) == chain
    tried, taught = (f"{one.rpartition('/')[0]}/rows.jsonl" for one in chain)
    practised = {row.problem.id for row in crew.folder.rows(tried, PracticeRow)}
    assert drawn == [len(practised | {row.problem for row in crew.folder.rows(taught, TrackRow)})]


@pytest.mark.parametrize(("empty", "taught"), [("rationales", "0"), ("guarded", r"[1-9]\d*")])
def test_a_control_without_rows_says_where_they_went(
    make_crew: Any, monkeypatch: pytest.MonkeyPatch, empty: str, taught: str
) -> None:
    """A teacher that could not teach and a guard that kept every row out are different reasons."""
    said = list[str]()

    class Listening(Nobody):
        def say(self, text: str) -> None:
            said.append(text)

    monkeypatch.setattr(control_graph, empty, lambda *given: [[] for _ in given[0]] if empty == "rationales" else [])
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b", "control"]})
    with watched_by(Listening()):
        run(crew)
    assert list(crew.folder.json("final/tested.json")) == ["base", "best"]
    (sentence,) = [text for text in said if "no control" in text]
    why = rf"the best has no control: of [1-9]\d* problems drawn, {taught} were taught, and no row was left"
    assert re.fullmatch(why, sentence)


def test_control_is_made_anew_for_the_best_of_added_rounds(make_crew: Any, tmp_path: Path) -> None:
    """More rounds, more tokens: the control is the one that a campaign of as many rounds from the start would have."""
    arms = ["track_b", "control"]
    for rounds in (1, 2):
        crew = make_crew(tmp_path / "added", campaign={"rounds": rounds, "arms": arms})
        run(crew)
        crew.folder.close()
    whole = make_crew(tmp_path / "whole", campaign={"rounds": 2, "arms": arms})
    run(whole)
    assert crew.folder.json("final/tested.json") == whole.folder.json("final/tested.json")
    control = whole.folder.json("final/tested.json")["control"]
    assert crew.folder.json(f"{control}/metrics.json") == whole.folder.json(f"{control}/metrics.json")


@pytest.mark.parametrize(
    ("graph", "stops_in"), [(control_graph, "rationales"), (campaign_graph, "measure")], ids=["control", "test"]
)
def test_rounds_added_where_it_stopped_before_the_test_come_first(
    make_crew: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graph: ModuleType, stops_in: str
) -> None:
    """Stopped in the control or in the test and given more rounds, it walks these, and then opens the test."""

    def stop(*args: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    real = getattr(graph, stops_in)
    monkeypatch.setattr(graph, stops_in, lambda *args, **named: real(*args, **named) if args[1] == "dev" else stop())
    crew = make_crew(tmp_path / "run", campaign={"rounds": 1, "arms": ["track_b", "control"]})
    with pytest.raises(KeyboardInterrupt):
        run(crew)
    crew.folder.close()
    monkeypatch.setattr(graph, stops_in, real)
    more = make_crew(tmp_path / "run", campaign={"rounds": 2, "arms": ["track_b", "control"]})
    assert run(more)["round"] == 2
    openings = more.folder.record("final/openings.json", Openings).openings
    assert [one.after_round for one in openings] == ([2] if stops_in == "rationales" else [1, 2])


def test_a_student_that_failed_once_does_not_bar_its_campaign(make_crew: Any, tmp_path: Path) -> None:
    """What a student could not answer is no call that the ledger lost: the same command goes on."""

    class Failing:
        def __init__(self, student: Any) -> None:
            self.student = student

        identity = property(lambda self: self.student.identity)

        def complete(self, requests: Any) -> Any:
            made = self.student.complete(requests)
            failed = {"text": "", "finish_reason": "error", "error": "the prompt is too long"}
            return [made[0].model_copy(update=failed), *made[1:]]

        def with_adapter(self, path: Any) -> Any:
            return Failing(self.student.with_adapter(path))

    crew = make_crew(tmp_path / "run", campaign={"rounds": 1})
    failing = Crew(**{**crew.__dict__, "student": Failing(crew.student)})
    ended = run(failing)
    assert "error" in {a.completion.finish_reason for a in crew.folder.rows("round-00/predictions.jsonl", Attempt)}
    assert run(failing) == ended


def test_arms_get_equal_tokens(make_crew: Any) -> None:
    """Track A is trained on as many tokens as track B of the same round."""
    crew = make_crew(campaign={"rounds": 1})
    run(crew)
    a, b = (crew.folder.json(f"round-01/arms/{arm}/adapter/metrics.json") for arm in ("track_a", "track_b"))
    assert a["trained_tokens"] == b["trained_tokens"]


def test_adapter_of_another_prompt_is_not_evaluated(make_crew: Any) -> None:
    """Evaluation under a prompt that training did not use is refused in one sentence."""
    crew = make_crew(campaign={"rounds": 1})
    run(crew)
    with pytest.raises(InputError, match="trained under prompt"):
        measure(crew, "dev", "round-01/arms/track_b/adapter", "track_a", "elsewhere", round_=1)


def test_rolled_back_rows_are_not_replayed(make_crew: Any) -> None:
    """Rows of a round that made the student worse are set aside."""
    crew = make_crew(campaign={"rounds": 3, "patience": 3, "arms": ["track_b"]}, select={"replay": 1.0})

    class WorseThenBetter:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def train(self, job: TrainingJob) -> Any:
            gain = -0.2 if "round-02" in job.out else 0.3
            return type(self.inner)(gain=gain).train(job)

    crew = Crew(**{**crew.__dict__, "trainer": WorseThenBetter(crew.trainer)})
    run(crew)
    second = crew.folder.record("round-02/decision.json", RoundDecision)
    assert second.decisions[0].outcome == "roll back"
    assert second.best == "round-01/arms/track_b/adapter"
    rows = crew.folder.rows("round-03/arms/track_b/rows.jsonl", TrackRow)
    assert {row.round for row in rows} == {1, 3}


def test_ladder_moves_up(make_crew: Any) -> None:
    """The frontier leaves a rung behind once the student has mastered it."""
    crew = make_crew(
        campaign={"rounds": 3, "arms": ["track_b"], "patience": 3},
        mine={"samples": 0},
        select={"policy": "ladder", "first": 1, "width": 1, "threshold": 0.55},
    )
    run(crew)
    tried = [crew.folder.json(f"round-0{r}/pool.json")["tried_rungs"] for r in (1, 2, 3)]
    assert tried[0] == ["2"]
    assert tried[2][-1] > tried[0][-1]


def test_predictions_are_attempts_sorted_by_problem(make_crew: Any) -> None:
    """Predictions hold one attempt for each dev problem, in order of problem."""
    crew = make_crew(campaign={"rounds": 1})
    run(crew)
    ids = [a.problem for a in crew.folder.rows("round-00/predictions.jsonl", Attempt)]
    assert ids == sorted(p.id for p in crew.problems("dev"))
