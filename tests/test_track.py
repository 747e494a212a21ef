from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from warm_trainer import Warm

from selfimprove import Campaign, track
from selfimprove.config import make_config
from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.records import Comparison, Decision, Evaluation, Interval, Sampled, Score
from selfimprove.stats import wilson
from selfimprove.store import RunFolder
from selfimprove.track import WandbTracker, load_metric, metrics_of, training_curve
from selfimprove.trainers import process
from selfimprove.trainers.process import ProcessTrainer

COMPLETIONS = ["3 + 4 = 7\nAnswer: 7", "Answer: 9", "I do not know", "so it is 12"]
REFERENCES = ["7", "8", "3", "12"]


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The metric as evaluate loads it, with its cache in a folder of the test."""
    pytest.importorskip("evaluate", reason="evaluate is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evaluate.config.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr("evaluate.config.HF_EVALUATE_OFFLINE", True)
        return load_metric()


def score(correct: int, n: int) -> Score:
    """Make a score."""
    return Score(n=n, correct=correct, accuracy=correct / n, interval=wilson(correct, n), no_verdict=1)


def evaluation() -> Evaluation:
    """Make an evaluation of round 2."""
    return Evaluation(
        split="dev",
        round=2,
        arm="track_b",
        model="m",
        program="solve",
        render_hash="h",
        lenient=score(50, 100),
        strict=score(40, 100),
        truncated=3,
        by_label={"level": {"1": score(9, 10)}},
        completion_tokens=900,
    )


def decision() -> Decision:
    """Make a promotion."""
    compared = Comparison(
        n=100, gained=20, lost=5, difference=0.15, interval=Interval(low=0.05, high=0.25), p_better=0.001, p_worse=0.999
    )
    return Decision(
        round=2,
        arm="track_b",
        outcome="promote",
        comparison=compared,
        alpha=0.01,
        min_gain=0,
        adapter="a",
        sentence="s",
    )


def test_metric_counts_and_gives_the_interval(metric: Any):
    """Two of four are right, one has no answer; the interval is Wilson's."""
    found = metric.compute(predictions=COMPLETIONS, references=REFERENCES)
    between = wilson(2, 4)
    assert found == {
        "accuracy": 0.5,
        "interval_low": between.low,
        "interval_high": between.high,
        "correct": 2,
        "n": 4,
        "no_verdict": 1,
    }


def test_strict_metric_wants_the_form(metric: Any):
    """A right number without the form does not count when strict."""
    found = metric.compute(predictions=COMPLETIONS, references=REFERENCES, strict=True)
    assert (found["correct"], found["no_verdict"]) == (1, 2)


def test_metric_reads_other_kinds(metric: Any):
    """Yes and no are compared as decisions."""
    found = metric.compute(predictions=["Answer: yes", "Answer: no"], references=["yes", "yes"], kind="yes_no")
    assert found["accuracy"] == 0.5


def test_unknown_kind_is_answered_with_the_nearest(metric: Any):
    """A slip in the kind names what was meant."""
    with pytest.raises(Exception, match='did you mean "number"'):
        metric.compute(predictions=["1"], references=["1"], kind="numbr")


def test_unknown_metric_is_answered_with_the_nearest():
    """A slip in the metric's name too, before evaluate is even imported."""
    with pytest.raises(InputError, match='did you mean "selfimprove_accuracy"'):
        load_metric("selfimprove_acuracy")


@pytest.mark.parametrize("package", ["evaluate", "wandb"])
def test_missing_package_names_the_command(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Both come with the extra `track`."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r'pip install "selfimprove\[track\]"'):
        load_metric() if package == "evaluate" else WandbTracker("p", {}, tmp_path)


def test_a_whole_campaign_is_tracked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Rounds as they end, and at the end the control's curve and every test figure."""

    class Kept:
        def __init__(self, *_: object) -> None:
            self.logged, self.curves, self.ended = [], [], False
            kept.append(self)

        def log(self, round_: int, metrics: dict[str, float]) -> None:
            self.logged.append((round_, metrics))

        def curve(self, name: str, entries: object) -> None:
            self.curves.append(name)

        def finish(self) -> None:
            self.ended = True

    kept: list[Kept] = []
    monkeypatch.setattr(track, "WandbTracker", Kept)
    folder = RunFolder(tmp_path)
    for name in ("base", "best"):
        folder.write_json(f"final/{name}/evaluation.json", evaluation().model_copy(update={"split": "test"}))
    folder.write_json(
        "final/control/evaluation.json", evaluation().model_copy(update={"split": "test", "arm": "control"})
    )
    control = "final/control-round-01/adapter"
    folder.write_json("final/tested.json", {"base": "", "best": "round-01/arms/track_b/adapter", "control": control})
    adapter = tmp_path / control
    adapter.mkdir(parents=True)
    (adapter / "training.jsonl").write_text('{"step": 5, "loss": 1.0}\n')
    with track.tracked(folder, make_config({"track": {"wandb": "project"}}, "here")):
        pass
    (one,) = kept
    assert [round_ for round_, _ in one.logged] == [2, 2, 2]
    names = [f"test/{name}/accuracy" for name in ("base", "best", "control")]
    assert [next(iter(metrics)) for _, metrics in one.logged] == names
    assert one.curves == ["train/final/control-round-01"]  # of which best it is the control
    assert one.ended


def test_a_refused_campaign_leaves_no_folder_of_wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It begins before the parts are found; left alone it would be another's file to the next start."""

    class Begun:
        def __init__(self, _project: str, _config: object, run: Path) -> None:
            (run / "wandb").mkdir(exist_ok=True)
            (run / "wandb" / "run_id").touch()

        def finish(self) -> None: ...

    monkeypatch.setattr(track, "WandbTracker", Begun)
    campaign = Campaign(student=str(tmp_path / "none"), out=tmp_path / "run", track={"wandb": "project"})
    for _ in range(2):
        with pytest.raises(InputError, match="none"):
            campaign.run()
        assert not (tmp_path / "run").exists()
    (tmp_path / "run" / "wandb").mkdir(parents=True)  # of a start that was killed
    with pytest.raises(InputError, match="none"):
        campaign.run()


def test_curves_are_sent_while_a_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, family: Callable[[str], Path], warm: Warm
) -> None:
    """A campaign's trainer tells of each step: what is logged is sent before the adapter is there, and each once."""
    run = tmp_path / "run"
    adapter = run / "round-01/arms/track_b/adapter/metrics.json"
    sent: list[tuple[str, bool, int]] = []

    class Kept:
        def __init__(self, *_: object) -> None: ...

        def log(self, round_: int, metrics: dict[str, float]) -> None: ...

        def curve(self, name: str, entries: list[dict[str, int]]) -> None:
            sent.extend((name, adapter.is_file(), entry["step"]) for entry in entries if "loss" in entry)

        def finish(self) -> None: ...

    monkeypatch.setattr(track, "WandbTracker", Kept)
    monkeypatch.setattr(track, "_EVERY_S", 0.0)
    monkeypatch.setattr(process, "ProcessTrainer", partial(ProcessTrainer, launcher=warm.launcher))
    small = {"data": {"train": 40, "dev": 5, "test": 5}, "mine": {"pool": 8, "samples": 0}, "evaluate": {"shots": 0}}
    sections = {
        **small, "task": {"kinds": ["sum"], "levels": [2]}, "student": {"max_tokens": 12}, "gate": {"panel": 0},
        "train": {"sft": {"max_steps": 6, "logging_steps": 1}}, "track": {"wandb": "project"},
    }  # fmt: skip
    student = str(family("llama"))
    Campaign(student=student, out=run, rounds=1, arms=["track_b"], sections=sections).run()
    assert {name for name, _, _ in sent} == {"train/round-01/track_b"}
    assert [step for _, _, step in sent] == [1, 2, 3, 4, 5, 6]
    assert not sent[0][1]  # the first entry came before the adapter
    assert sent[-1][1]


def test_metrics_are_named_by_split_and_arm():
    """Accuracy, labels and the decision are flat numbers."""
    named = metrics_of(evaluation(), decision())
    assert named["dev/track_b/accuracy"] == 0.5
    assert named["dev/track_b/level=1"] == 0.9
    assert named["dev/track_b/difference_points"] == 15.0
    assert named["dev/track_b/promoted"] == 1.0
    assert all(isinstance(value, int | float) for value in named.values())


def test_a_training_is_a_curve_with_its_speed(tmp_path: Path):
    """What was logged step by step, with the speed that only the log tells; nothing where nothing was trained."""
    entries = [{"step": 5, "loss": 1.0, "grad_norm": 2.0, "entropy": 0.5}, {"step": 5, "train_loss": 1.0}]
    (tmp_path / "training.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    (tmp_path / "training.log").write_text("step 5 of 5\npace at step 5: 812.5 tokens/s\n")
    assert training_curve(tmp_path) == [{**entries[0], "tokens_per_s": 812.5}, entries[1]]
    assert training_curve(tmp_path / "none") == []


def test_what_samples_tell_is_tracked():
    """pass@k and consistency are numbers of their own."""
    sampled = Sampled(samples=4, accuracy=0.5, interval=Interval(low=0.4, high=0.6), pass_at_k=0.8, consistency=0.3)
    named = metrics_of(evaluation().model_copy(update={"sampled": sampled}))
    assert (named["dev/track_b/pass_at_k"], named["dev/track_b/consistency"]) == (0.8, 0.3)


def test_every_named_curve_reaches_wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Loss, gradient norm, tokens/s, reward parts, KL, entropy and completion length, each under its arm."""
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    named = {
        "step": 1, "loss": 0.5, "grad_norm": 1.0, "tokens_per_s": 700.0, "rewards/correct/mean": 0.5, "kl": 0.01,
        "entropy": 1.5, "completions/mean_length": 40.0,
    }  # fmt: skip
    tracker = WandbTracker("selfimprove-tests", {}, tmp_path)
    tracker.curve("train/round-01/grpo", [named, {**named, "step": 2}])
    tracker.finish()
    (path,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    wanted = [f"train/round-01/grpo/{name}".encode() for name in named]
    until = time.monotonic() + 60  # a process of wandb's own writes the file, on a busy machine behind `finish`
    while not all(name in path.read_bytes() for name in wanted) and time.monotonic() < until:
        time.sleep(0.2)
    written = path.read_bytes()
    assert all(name in written for name in wanted)


def test_wandb_runs_offline_and_goes_on_under_its_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without a network the files lie in the run folder, and the same folder keeps its id."""
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for round_ in (1, 2):
        tracker = WandbTracker("selfimprove-tests", {"seed": 0}, tmp_path)
        tracker.log(round_, metrics_of(evaluation()))
        tracker.finish()
    identity = (tmp_path / "wandb" / "run_id").read_text()
    files = list((tmp_path / "wandb").glob(f"offline-run-*/run-{identity}.wandb"))
    assert files
    assert any(b"dev/track_b/accuracy" in path.read_bytes() for path in files)


def test_wandb_without_a_key_is_one_sentence(tmp_path: Path):
    """Online without a key says what to set; in a process of its own, since wandb keeps its first mode."""
    pytest.importorskip("wandb", reason="wandb is not installed")
    code = "import sys; from pathlib import Path; from selfimprove.track import WandbTracker; WandbTracker('p', {}, Path(sys.argv[1]))"
    free = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    home = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=free | home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "InputError" in done.stderr.splitlines()[-1]
    assert "WANDB_MODE=offline" in done.stderr.splitlines()[-1]
