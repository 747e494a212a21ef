"""Metrics for others' tools: Weights & Biases, and Hugging Face's `evaluate`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from selfimprove.config import Config, written
from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.records import Decision, Evaluation, digest
from selfimprove.store import RunFolder, write_whole

_EXTRA = 'pip install "selfimprove[track]"'
_METRICS = Path(__file__).parent / "metrics"


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


@contextmanager
def tracked(folder: RunFolder, config: Config) -> Iterator[Callable[[int], None]]:
    """Send each round's metrics and curves to where the config asks, as it ends, and the test's at the end."""
    if config.track.wandb is None:
        yield lambda _: None
        return
    from selfimprove.graphs.deciding import RoundDecision
    from selfimprove.graphs.places import round_folder

    tracker = WandbTracker(config.track.wandb, written(config), folder.path)

    def log(round_: int) -> None:
        here = round_folder(round_)
        if round_ == 0:
            tracker.log(0, metrics_of(folder.record(f"{here}/evaluation.json", Evaluation)))
        for decision in folder.record(f"{here}/decision.json", RoundDecision).decisions:
            made = folder.record(f"{here}/arms/{decision.arm}/evaluation.json", Evaluation)
            tracker.log(round_, metrics_of(made, decision))
            for part in ("", "sft/"):  # arms of two parts have both
                name = f"train/{here}/{decision.arm}/{part}".rstrip("/")
                if curve := training_curve(folder.at(f"{here}/arms/{decision.arm}/{part}adapter")):
                    tracker.curve(name, curve)

    def log_test() -> None:
        tested = folder.json("final/tested.json") if folder.has("final/tested.json") else {}
        if curve := training_curve(folder.at(tested["control"])) if "control" in tested else []:
            tracker.curve("train/final/control", curve)
        for name in tested:
            made = folder.record(f"final/{name}/evaluation.json", Evaluation)
            tracker.log(made.round, metrics_of(made.model_copy(update={"arm": name})))

    try:
        yield log
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
    entries = [json.loads(line) for line in logged.read_text("utf-8").splitlines()]
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
