"""Metrics for others' tools: Weights & Biases, and Hugging Face's `evaluate`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from selfimprove.config import Config, written
from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.records import Decision, Evaluation, TrainingJob, digest
from selfimprove.store import RunFolder, write_whole

_EXTRA = 'pip install "selfimprove[track]"'
_METRICS = Path(__file__).parent / "metrics"
_EVERY_S: Final = 10.0
"""A training that goes on is looked at so often, in seconds."""
_PACE: Final = re.compile(r"^pace at step (\d+): ([\d.]+) tokens/s$", re.MULTILINE)


class Tracker(Protocol):
    """Where metrics go besides the run folder."""

    def log(self, round_: int, metrics: Mapping[str, float]) -> None:
        """Take the metrics of a round; 0 is the baseline."""
        ...

    def curve(self, name: str, entries: Sequence[Mapping[str, object]]) -> None:
        """Take what a training logged, an entry a step or so."""
        ...

    def finish(self) -> None:
        """Write out what is still held."""
        ...


class WandbTracker:
    """A run of Weights & Biases that goes on when the campaign does.

    Its files lie in `RUN/wandb`, the run's id among them. `WANDB_MODE` chooses `online`, `offline` or `disabled`;
    nothing of the machine, the code or the terminal is recorded.

    Args:
        project: name of the project.
        config: settings that are shown beside the run.
        run_dir: the run folder.

    Raises:
        MissingDependencyError: wandb is not installed.
        InputError: there is no key, or the server cannot be reached.
    """

    def __init__(self, project: str, config: Mapping[str, Any], run_dir: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingDependencyError(f"Weights & Biases needs wandb; install it with: {_EXTRA}") from error
        quietly = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True)
        try:
            self._run: Any = wandb.init(
                project=project,
                name=run_dir.name,
                id=_run_id(project, run_dir),
                resume="allow",
                config=dict(config),
                dir=str(run_dir),
                reinit="create_new",
                settings=quietly,
            )
        except wandb.errors.Error as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise InputError(
                f'track.wandb = "{project}" cannot be used: {reason}; set WANDB_API_KEY, or WANDB_MODE=offline'
            ) from error
        self._run.define_metric("*", step_metric="round")

    def log(self, round_: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of a round; a round that is logged again replaces nothing, its points lie on each other."""
        self._run.log({**metrics, "round": round_})

    def curve(self, name: str, entries: Sequence[Mapping[str, object]]) -> None:
        """Log what a training logged, under `NAME/loss` and the like, over `NAME/step`."""
        self._run.define_metric(f"{name}/*", step_metric=f"{name}/step")
        for entry in entries:
            numbers = {key: value for key, value in entry.items() if isinstance(value, int | float)}
            self._run.log({f"{name}/{key}": value for key, value in numbers.items()})

    def finish(self) -> None:
        """Write out and end the run; the same folder goes on with it."""
        self._run.finish()


class Told(NamedTuple):
    """What is called as a campaign goes on.

    Attributes:
        after_round: with each finished round; 0 is the baseline.
        after_step: with the job of a training and the folder that it logs into.
    """

    after_round: Callable[[int], None] = lambda _: None
    after_step: Callable[[TrainingJob, Path], None] = lambda _job, _folder: None


class _Curves:
    """Sends each entry that a training logs once: most while it goes on, the rest behind it."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker, self._sent, self._looked_s = tracker, dict[str, int](), -_EVERY_S

    def look(self, place: str, folder: Path) -> None:
        """Send what is new, now and then, but for the newest entry: its pace may not be told yet."""
        if time.monotonic() - self._looked_s >= _EVERY_S:
            self.send(place, training_curve(folder)[:-1])
            self._looked_s = time.monotonic()

    def send(self, place: str, entries: Sequence[Mapping[str, object]]) -> None:
        """Send the entries that were not sent yet; all of a training that was begun anew."""
        name = _curve_name(place)
        sent = self._sent.get(name, 0)
        new = entries[sent if sent <= len(entries) else 0 :]
        if new and name:
            self._tracker.curve(name, new)
            self._sent[name] = len(entries)


def _curve_name(place: str) -> str:
    """Name the curve of an arm or of the control by its adapter's place; empty for other trainings.

    >>> _curve_name("round-01/arms/track_b+dpo/sft/adapter"), _curve_name("final/control-round-02/adapter")
    ('train/round-01/track_b+dpo/sft', 'train/final/control-round-02')
    """
    first, kind, *rest = place.split("/")
    names = {"arms": (first, *rest[:-1])}.get(kind, (first, kind) if first == "final" else ())
    return "/".join(("train", *names)) if names else ""


@contextmanager
def tracked(folder: RunFolder, config: Config) -> Iterator[Told]:
    """Send curves while trainings go on, each round's metrics as it ends, and the test's at the end, if asked to."""
    if config.track.wandb is None:
        yield Told()
        return
    from selfimprove.graphs.deciding import RoundDecision
    from selfimprove.graphs.places import round_folder

    tracker = WandbTracker(config.track.wandb, written(config), folder.path)
    curves, root = _Curves(tracker), folder.path.resolve()

    def log(round_: int) -> None:
        here = round_folder(round_)
        if round_ == 0:
            tracker.log(0, metrics_of(folder.record(f"{here}/evaluation.json", Evaluation)))
        for decision in folder.record(f"{here}/decision.json", RoundDecision).decisions:
            made = folder.record(f"{here}/arms/{decision.arm}/evaluation.json", Evaluation)
            tracker.log(round_, metrics_of(made, decision))
            for part in ("", "sft/"):  # arms of two parts have both
                place = f"{here}/arms/{decision.arm}/{part}adapter"
                curves.send(place, training_curve(folder.at(place)))

    def log_step(job: TrainingJob, attempt: Path) -> None:
        curves.look(Path(job.out).relative_to(root).as_posix(), attempt)

    def log_test() -> None:
        tested = folder.json("final/tested.json") if folder.has("final/tested.json") else {}
        if "control" in tested:
            curves.send(tested["control"], training_curve(folder.at(tested["control"])))
        for name in tested:
            made = folder.record(f"final/{name}/evaluation.json", Evaluation)
            tracker.log(made.round, metrics_of(made.model_copy(update={"arm": name})))

    try:
        yield Told(log, log_step)
        log_test()
    finally:
        tracker.finish()


def metrics_of(evaluation: Evaluation, decision: Decision | None = None) -> dict[str, float]:
    """Flatten an evaluation, and the decision about it, to named numbers such as `dev/track_b/accuracy`.

    Accuracies are shares in [0, 1], the difference is in percentage points.
    """
    at = "/".join(part for part in (evaluation.split, evaluation.arm) if part)
    score = evaluation.lenient
    named: dict[str, float] = {
        f"{at}/accuracy": score.accuracy,
        f"{at}/accuracy_low": score.interval.low,
        f"{at}/accuracy_high": score.interval.high,
        f"{at}/strict": evaluation.strict.accuracy,
        f"{at}/no_verdict": score.no_verdict,
        f"{at}/truncated": evaluation.truncated,
        f"{at}/completion_tokens": evaluation.completion_tokens,
    }
    if evaluation.sampled is not None:
        sampled = evaluation.sampled
        named |= {f"{at}/pass_at_k": sampled.pass_at_k, f"{at}/consistency": sampled.consistency}
        named |= {f"{at}/sampled_accuracy": sampled.accuracy}
    for label, values in evaluation.by_label.items():
        named |= {f"{at}/{label}={value}": each.accuracy for value, each in values.items()}
    if decision is not None:
        named |= {
            f"{at}/difference_points": 100 * decision.comparison.difference,
            f"{at}/p_better": decision.comparison.p_better,
            f"{at}/promoted": float(decision.outcome == "promote"),
        }
    return named


def training_curve(adapter: Path) -> list[dict[str, object]]:
    """Give what a training logged, an entry a step or so: loss, gradient norm, entropy, rewards, lengths, tokens/s.

    Args:
        adapter: its folder; without a log there is nothing to give.
    """
    logged, log = adapter / "training.jsonl", adapter / "training.log"
    if not logged.is_file():
        return []
    text = log.read_text("utf-8", "replace") if log.is_file() else ""
    paces = {int(step): float(rate) for step, rate in _PACE.findall(text)}
    lines = logged.read_text("utf-8").splitlines(keepends=True)
    entries = [json.loads(line) for line in lines if line.endswith("\n")]  # the last may still be written
    return [
        {**entry, "tokens_per_s": paces[entry["step"]]} if "loss" in entry and entry["step"] in paces else entry
        for entry in entries
    ]


def load_metric(name: str = "selfimprove_accuracy") -> Any:
    """Load one of selfimprove's metrics with `evaluate`, from this installation and without a hub.

    Raises:
        InputError: there is no such metric.
        MissingDependencyError: evaluate is not installed.
    """
    known = {path.stem: path for path in _METRICS.glob("*.py") if path.stem != "__init__"}
    if name not in known:
        raise InputError(f'there is no metric "{name}"; {nearest(name, known)}')
    try:
        import evaluate
    except ImportError as error:
        raise MissingDependencyError(f"metrics need evaluate; install it with: {_EXTRA}") from error
    return evaluate.load(str(known[name]))


def _run_id(project: str, run_dir: Path) -> str:
    """Give the id under which this folder was logged before, or a new one kept for next time."""
    kept = run_dir / "wandb" / "run_id"
    if kept.is_file():
        return kept.read_text("utf-8").strip()
    made = digest(project, str(run_dir.resolve()))
    write_whole(kept, made.encode())
    return made
