"""What does a training step cost beside a bare loop, and a step of reinforcement beside plain TRL's?

sft     trained and prompt tokens a second of `trainers.sft` over those of a bare PyTorch loop on the very same batches:
        the same LoRA over the same base, the head at the trained positions alone, the same optimizer; in turns
dpo     so too, of pairs: the loop asks the adapter, and the base without it as the reference
kto     so too, of verdicts: the loop also asks both about another row's reply, for the divergence
distill so too, of replies written before, as generating is `grpo`'s part; the student's base is the teacher
grpo    seconds a step of `trainers.grpo`, which generates by our engine, over those of TRL's own trainer, which
        generates by `model.generate`, in turns: the same problems, as many completions of as many tokens at most, the
        same base and adapter. TRL's has the attention that transformers takes unasked (sdpa), and no gradient
        checkpoints on a CPU, as ours; ours has its own settings. Told beside it: the share of groups of each that held
        both right and wrong tries
memory  the most memory that a process of `trainers.grpo` holds in a step, by how many tries it goes through at once

make bench-training         keys: sft_share_of_bare_loop (goal >= 0.9), grpo_times_trl (goal <= 0.33), and
                            dpo_share_of_bare_loop, kto_..., distill_..., grpo_peak_gb

    python benchmarks/training.py                    # about 25 minutes on 2 cores; QUICK=1: under 10
    PARTS=sft python benchmarks/training.py          # one of the parts
    ADAPTER=runs/demo/round-01/arms/track_b/adapter PARTS=grpo ...    # tries of a student that solves some problems

Tries of the bare student are hardly ever right, groups that are alike teach nothing, and our trainer leaves them out:
only with an adapter is the second figure one of training.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from training_bare import LOSSES, bare_loop, recorded
from transformers import TrainerCallback
from worked import worked_rows

from selfimprove.programs import program_for, stated
from selfimprove.records import PracticeRow, PreferenceRow, Record, TrackRow, TrainingJob, VerdictRow
from selfimprove.students.fetch import fetch
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers import distill, dpo, kto, sft
from selfimprove.trainers.arguments import arguments
from selfimprove.trainers.loading import begun, load
from selfimprove.trainers.precision import trained_in
from selfimprove.trainers.process import ProcessTrainer

QUICK = bool(os.environ.get("QUICK"))
MODEL, ADAPTER = os.environ.get("MODEL", "smollm2-135m"), os.environ.get("ADAPTER", "")
STEPS, FEW, TURNS, BATCH = (4, 2, 2, 4) if QUICK else (12, 4, 3, 8)
"""Steps of `sft`, and of the others, which ask several times about each row."""
GROUPS, TRIES, TOKENS, ROLLOUTS = (2, 4, 24, 1) if QUICK else (16, 4, 80, 3)
AT_ONCE = (4, 8) if QUICK else (8, 16)
"""Tries that are gone through at once where memory is measured, fewest first: a peak is of all children so far."""
IN_MEMORY = 8 if QUICK else 16
"""Completions that both compute gradients of at once, as 64 in float32 take 24 GB; either generates all in one."""
STEP: dict[str, object] = {"per_device_train_batch_size": BATCH, "learning_rate": 1e-6}
TASK = Arithmetic(kinds=("sum", "story", "equation"), levels=(3, 4, 5), sizes={"train": STEPS * BATCH}, seed=5)
SOLVE = program_for("solve", TASK)


class Clock(TrainerCallback):
    """Keeps the seconds of each step."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self._begun = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin."""
        del args, state, control
        self._begun = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End."""
        del args, state, control
        self.took.append(time.perf_counter() - self._begun)


def job_of(folder: Path, method: Any, rows: Sequence[Record], settings: dict[str, object]) -> TrainingJob:
    """A job on the real student."""
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return TrainingJob(
        model=str(fetch(MODEL)),
        rows=str(folder / "rows.jsonl"),
        out=str(folder / "adapter"),
        method=method,
        program_state={"solve": SOLVE.dump()},
        settings={method: settings, "task": {"name": "arithmetic", "options": {}, "data_dir": None}},
        seed=1,
    )


def shares(folder: Path, method: str) -> float:
    """Measure a trainer against the bare loop of its loss, in turns of all batches; the first warms both up."""
    trainer, job = TRAINERS[method](folder / method)
    batches = recorded(trainer)
    bare = bare_loop(job, batches)
    bare()
    ours, theirs = list[float](), list[float]()
    for _ in range(TURNS):
        started = time.perf_counter()
        trainer.train()
        ours.append(time.perf_counter() - started)
        theirs.append(bare())
    seen = sum(map(tokens_of, batches))
    share = median(theirs) / median(ours)
    rates = f"{seen / median(ours):,.0f} tokens/s; a bare loop {seen / median(theirs):,.0f}"
    print(f"{method}: {rates}; {share:.2f} of it; {len(batches)} steps of {BATCH}")
    return share


def tokens_of(batch: Mapping[str, Any]) -> int:
    """Count the tokens of a batch, those of other rows' replies too, each once."""
    masks = ("prompt_mask", "completion_mask") if "prompt_mask" in batch else ("attention_mask", "KL_attention_mask")
    return sum(int(batch[name].sum()) for name in masks if name in batch)


def learner(module: Any, read: str, rows: Callable[[], Sequence[Record]]) -> Callable[[Path], tuple[Any, TrainingJob]]:
    """Give what makes a trainer that learns from rows as they are."""

    def made(folder: Path) -> tuple[Any, TrainingJob]:
        job = job_of(folder, module.__name__.split(".")[-1], rows(), {**STEP, "logging_steps": 1})
        tokenizer, model = load(job)
        return module._trainer(job, tokenizer, model, getattr(module, read)(job, tokenizer)), job  # noqa: SLF001

    return made


def distiller(folder: Path) -> tuple[Any, TrainingJob]:
    """Make a trainer that learns a teacher's distribution over replies that are written already."""
    settings = {**STEP, "teacher": str(fetch(MODEL)), "max_completion_length": TOKENS}
    job = job_of(folder, "distill", practised(FEW * BATCH), settings)
    trainer = distill._trainer(job)  # noqa: SLF001 - what the process runs
    coach = trainer.coach
    worked = [trainer.processing_class(row.target)["input_ids"] for row in solved()]
    coach.sampler.generate = lambda asked, **_: [
        coach.sampler.read(worked[coach.prompts.index(list(one))][:TOKENS], TOKENS) for one in asked
    ]
    return trainer, job


def solved() -> list[TrackRow]:
    """Give the worked solutions."""
    return worked_rows(list(TASK.problems("train")), TASK)


def pairs() -> list[PreferenceRow]:
    """Give worked solutions over those of the problems before."""
    rows = solved()[: FEW * BATCH]
    return [
        PreferenceRow(**shared(row), chosen=row.target, rejected=other.target, lesson="")
        for row, other in zip(rows, [rows[-1], *rows], strict=False)
    ]


def verdicts() -> list[VerdictRow]:
    """Give worked solutions, and those of the problems before as wrong ones, in turns."""
    return [
        VerdictRow(**shared(row), text=pair.rejected if at % 2 else pair.chosen, right=not at % 2)
        for at, (row, pair) in enumerate(zip(solved(), pairs(), strict=False))
    ]


def shared(row: TrackRow) -> dict[str, Any]:
    """Give what rows of all kinds hold."""
    return {name: getattr(row, name) for name in ("id", "program", "inputs", "problem", "round")}


def practised(count: int) -> list[PracticeRow]:
    """Give problems of which nothing is known."""
    return [
        PracticeRow(id=p.id, program="solve", inputs={"problem": stated(p)}, problem=p, passed=2, failed=2)
        for p in list(TASK.problems("train"))[:count]
    ]


TRAINERS: Mapping[str, Callable[[Path], tuple[Any, TrainingJob]]] = {
    "sft": learner(sft, "job_examples", solved),
    "dpo": learner(dpo, "job_pairs", pairs),
    "kto": learner(kto, "job_rows", verdicts),
    "distill": distiller,
}


def practice_job(folder: Path, at_once: int) -> tuple[TrainingJob, list[PracticeRow], dict[str, object]]:
    """Give a job of reinforcement on problems of which nothing is known, its rows and its settings."""
    rows = practised(GROUPS * 2)
    settings: dict[str, object] = {
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": GROUPS * TRIES // at_once,
        "num_generations": TRIES,
        "max_completion_length": TOKENS,
        "max_steps": 1,  # a turn
        "learning_rate": 1e-6,
        "mask_truncated_completions": False,
    }
    job = job_of(folder / "grpo", "grpo", rows, settings)
    return job.model_copy(update={"start": ADAPTER}), rows, settings


def plain_trainer(job: TrainingJob, settings: dict[str, object], prompts: Sequence[str], rows: Sequence[Any]) -> Any:
    """Make TRL's own trainer as it comes, over the same base with the same adapter."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    def correct(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
        return [
            float((TASK.parse(text).answer or "") == right) for text, right in zip(completions, answer, strict=True)
        ]

    model, new = begun(AutoModelForCausalLM.from_pretrained(job.model, dtype=trained_in()), job)
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    asked = [{"prompt": prompt, "answer": row.problem.answer} for prompt, row in zip(prompts, rows, strict=True)]
    return GRPOTrainer(
        model=model,
        args=arguments(GRPOConfig, job, {**settings, "num_train_epochs": 1.0, "logging_steps": 1}),
        reward_funcs=[correct],
        train_dataset=Dataset.from_list(asked),
        processing_class=tokenizer,
        peft_config=new,
    )


def grpo_seconds(folder: Path) -> dict[str, float]:
    """Measure steps of reinforcement over our engine and over TRL's own way to generate, in turns of a step each."""
    from selfimprove.trainers import grpo

    job, rows, settings = practice_job(folder, IN_MEMORY)
    trainer = grpo._trainer(job)  # noqa: SLF001 - what the process runs
    coach = trainer.coach
    plain = plain_trainer(job, settings, [trainer.processing_class.decode(ids) for ids in coach.prompts], rows)
    ours, theirs, alike, mixed, blind = Clock(), Clock(), list[float](), list[float](), coach.rates.state()
    trainer.add_callback(ours)
    plain.add_callback(theirs)
    for turn in range(ROLLOUTS):
        coach.rates.restore(blind)  # so that problems are drawn as blindly as TRL draws them
        trainer.practice.restore({**trainer.practice.state(), "drawn": []})
        trainer.train()
        mixed.append(coach.rates.share)
        plain.args.seed = turn
        plain.train()
        alike += [entry["frac_reward_zero_std"] for entry in plain.state.log_history if "frac_reward_zero_std" in entry]
    return {
        "grpo_step_s": median(ours.took),
        "trl_step_s": median(theirs.took),
        "informative_groups": fmean(mixed),
        "trl_informative_groups": 1 - fmean(alike),
    }


def grpo_peaks(folder: Path) -> dict[int, float]:
    """Measure the most memory that a training's process holds, in GB, by the tries that it goes through at once."""
    found = dict[int, float]()
    for at_once in AT_ONCE:
        job, _, _ = practice_job(folder / str(at_once), at_once)
        ProcessTrainer().train(job)
        found[at_once] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9, 1)
    return found


def main() -> None:
    """Print the parts and the line of JSON."""
    parts, told = os.environ.get("PARTS", "memory,sft,dpo,kto,distill,grpo").split(","), dict[str, object]()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as place:
        if "memory" in parts:
            told["grpo_peak_gb"] = grpo_peaks(Path(place) / "memory")
            print(f"grpo, most memory in GB by tries gone through at once: {told['grpo_peak_gb']}")
        for method in LOSSES:
            if method in parts:
                told[f"{method}_share_of_bare_loop"] = round(shares(Path(place), method), 3)
        if "grpo" in parts:
            found = grpo_seconds(Path(place))
            told["grpo_times_trl"] = round(found["grpo_step_s"] / found["trl_step_s"], 3)
            told |= {key: round(value, 3) for key, value in found.items()}
            print(
                f"grpo, {GROUPS} x {TRIES} completions of {TOKENS} tokens: {found['grpo_step_s']:.1f} s a step, "
                f"{100 * found['informative_groups']:.0f} % of groups informative; plain TRL "
                f"{found['trl_step_s']:.1f} s, {100 * found['trl_informative_groups']:.0f} %"
            )
    print(json.dumps({"quick": QUICK, **told}))


if __name__ == "__main__":
    main()
