from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from selfimprove import Campaign
from selfimprove.records import Attempt, Completion, Problem, TrackRow, Verdict
from selfimprove.store import RunFolder
from selfimprove.testing import NullTrainer, ScriptedStudent

BENCH = "real"
RIGHT, WRONG, NONE = Verdict.CORRECT, Verdict.WRONG, Verdict.UNPARSEABLE


def attempt(
    problem: str, verdict: Verdict, strict: Verdict | None = None, answer: str = "", sample: int = 0
) -> Attempt:
    done = Completion(text="", sample=sample)
    return Attempt(problem=problem, completion=done, answer=answer or None, verdict=verdict, strict=strict or verdict)


def saying(answers: Sequence[str], right: dict[str, str], samples: int = 1) -> list[Attempt]:
    """Give attempts that say an answer to each problem, as often as there are samples; empty: none can be read."""
    made = []
    for problem, answer in zip(right, answers, strict=True):
        verdict = (RIGHT if answer == right[problem] else WRONG) if answer else NONE
        made += [attempt(problem, verdict, answer=answer, sample=n) for n in range(1, samples + 1)]
    return made


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Give a run folder in which track B was promoted and track A was not."""
    made = RunFolder(tmp_path / "run")
    adapters = {name: f"round-01/arms/{name}/adapter" for name in ("track_a", "track_b")}
    made.write_json("final/tested.json", {"base": "", "best": adapters["track_b"], "track_a": adapters["track_a"]})
    return made


def summed(**fields: object) -> SimpleNamespace:
    """Give what the figures take of a summary."""
    rows = [
        SimpleNamespace(arm=arm, pool=747, rows=500, trained_tokens=900, sentence=f"Round 1, {arm}: held.")
        for arm in ("track_b", "track_a")
    ]
    chosen = SimpleNamespace(name="four-shot", chosen=True)
    return SimpleNamespace(rounds=rows, baselines=[SimpleNamespace(name="zero-shot", chosen=False), chosen], **fields)


@pytest.mark.parametrize(("name", "problems", "test"), [("gsm8k", 1000, 1319), ("strategyqa", 1200, 229)])
def test_settings_are_those_of_a_campaign(bench: ModuleType, name: str, problems: int, test: int) -> None:
    """Both cells are valid, test on all published problems, train by the example's rule and say what they try."""
    config = Campaign(bench.ROOT / "examples" / f"{name}.toml", sections=bench.sections_of(name, problems)).config
    assert (config.data.test, config.mine.pool, config.campaign.rounds) == (test, problems, 1)
    assert config.train.sft.model_dump()["num_train_epochs"] == 1
    assert bench.tried(name, gpu=False) == problems
    assert bench.tried(name, gpu=True) == bench.ALL[name]
    assert 20 < bench.estimate(name, problems // 2) < bench.estimate(name, problems) < 60


def test_arms_of_strategyqa_differ_in_their_rows_alone(bench: ModuleType) -> None:
    """Eight samples decide on both arms, and nothing is asked or kept that is right by chance."""
    config = Campaign(bench.ROOT / "examples" / "strategyqa.toml", sections=bench.sections_of("strategyqa", 100)).config
    assert config.campaign.arms == ("track_b", "track_a")
    assert (config.evaluate.samples, config.lesson.questions, config.select.solved) == (8, 0, 0.0)


def test_a_promoted_arm_is_found_under_best(bench: ModuleType, folder: RunFolder) -> None:
    """Each arm's answers on test are where the campaign put them; an arm that was never trained has none."""
    assert bench.tested(folder, "track_b") == "final/best"
    assert bench.tested(folder, "track_a") == "final/track_a"
    assert bench.tested(folder, "grpo") == ""


def test_gsm8k_is_told_by_both_readings(
    bench: ModuleType, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The strict figures count the strict verdicts alone, the difference is paired, the part of the data is told."""
    ids = [f"{n:03d}" for n in range(100)]
    folder.write_rows("final/base/predictions.jsonl", [attempt(p, RIGHT if p < "010" else WRONG, NONE) for p in ids])
    folder.write_rows(
        "final/best/predictions.jsonl",
        [
            attempt(p, RIGHT if "005" <= p < "030" else Verdict.TRUNCATED, RIGHT if "005" <= p < "025" else NONE)
            for p in ids
        ],
    )
    made = bench.gsm8k(folder, summed())
    lenient, strict = made["lenient"], made["strict"]
    assert [lenient[who]["percent"] for who in ("base", "trained", "difference")] == [10.0, 25.0, 15.0]
    assert [strict[who]["percent"] for who in ("base", "trained", "difference")] == [0.0, 20.0, 20.0]
    low, high = lenient["difference"]["interval"]
    assert 0 < low < 15 < high
    assert (made["part"], made["base"]) == (0.1, "four-shot")
    told = capsys.readouterr().out
    assert "747 of 7473 training problems (10 %)" in told
    assert "cut off: base (four-shot) 0, trained 75" in told


def test_always_no_is_seen_through(bench: ModuleType) -> None:
    """Who says no to everything has the share of no as accuracy and one half when balanced; both counts show it."""
    right = {f"{n:02d}": "no" if n < 12 else "yes" for n in range(20)}
    made = bench.sampled(saying(["no"] * 20, right, 8), right)
    assert (made["percent"], made["balanced"]) == (60.0, 50.0)
    assert made["said"] == {"yes": 0, "no": 160, "no verdict": 0}
    half = bench.sampled(saying(["no"] * 10 + [""] * 10, right, 8), right)
    assert (half["percent"], half["balanced"], half["said"]["no verdict"]) == (50.0, 41.7, 80)


def test_track_b_is_compared_with_track_a_by_problem(
    bench: ModuleType, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The difference is paired, more samples that all agree do not narrow it, and the counts stand beside it."""
    right = {f"{n:02d}": "no" if n < 20 else "yes" for n in range(40)}
    folder.write_rows("data/test.jsonl", [Problem(id=p, question=p, answer=a) for p, a in right.items()])
    row = {"id": "r", "track": "track_b", "program": "solve", "inputs": {}, "target": "t", "answer": "no"}
    rows = [TrackRow(**row, problem="01", lesson="l", source="reference", round=1)]
    folder.write_rows("round-01/track_b.jsonl", rows)
    found = {}
    for samples in (2, 8):
        for where, answers in {
            "base": ["no"] * 40,
            "track_a": ["no"] * 30 + ["yes"] * 10,
            "best": ["no"] * 15 + ["yes"] * 25,
        }.items():
            folder.write_rows(
                f"final/{where}/samples.jsonl",
                saying(answers, right, samples),
                by=lambda a: (a.problem, a.completion.sample),
            )
        found[samples] = bench.strategyqa(folder, summed())
    made = found[8]
    assert made["reference"] == {"no": 20, "yes": 20}
    assert [made[arm]["percent"] for arm in ("base", "track_a", "track_b")] == [50.0, 75.0, 87.5]
    assert made["b_minus_a"]["percent"] == 12.5
    assert made["b_minus_a"]["interval"] == found[2]["b_minus_a"]["interval"]
    assert made["b_minus_a"]["interval"][0] < 0 < made["b_minus_a"]["interval"][1]
    told = capsys.readouterr().out
    assert "40 test problems, 20 yes and 20 no" in told
    assert "track_a  75.0 %" in told
    assert "says 80 yes, 240 no, 0 no verdict" in told
    assert "{'reference': 1}" in told


@pytest.mark.parametrize("name", ["gsm8k", "strategyqa"])
def test_a_cell_ends_at_its_minutes_and_goes_on(
    bench: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell out of time is told and has no figures; the same command finishes it, and the line of JSON has them."""
    if not (Path(os.environ.get("SELFIMPROVE_DATA", "")) / name).is_dir():
        pytest.skip(f"SELFIMPROVE_DATA names no folder with {name}")

    def scripted(*given: Any, **named: Any) -> Campaign:
        task = Campaign(*given, **named).load_task()
        return Campaign(*given, **named, student=ScriptedStudent(task), trainer=NullTrainer())

    for what, value in {"QUICK": True, "SAMPLES": 2, "OUT": tmp_path, "Campaign": scripted, "MINUTES": 1e-6}.items():
        monkeypatch.setattr(bench, what, value)
    monkeypatch.setattr(bench, "on_gpu", lambda: False)
    monkeypatch.setenv("CELLS", name)
    bench.main()
    told = capsys.readouterr().out
    assert "campaign.max_hours" in told
    assert json.loads(told.splitlines()[-1])[name] is None
    monkeypatch.setattr(bench, "MINUTES", 20.0)
    bench.main()
    made = json.loads(capsys.readouterr().out.splitlines()[-1])[name]
    if name == "gsm8k":
        assert made["lenient"]["trained"]["percent"] > made["lenient"]["base"]["percent"]
        assert made["part"] == round(40 / 7473, 3)
    else:
        assert sum(made["track_a"]["said"].values()) == sum(made["track_b"]["said"].values()) == 60
        assert sum(made["reference"].values()) == 30
        assert made["track_a"]["tokens"] == made["track_b"]["tokens"]
