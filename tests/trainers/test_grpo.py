"""Reinforcement for real, on a tiny random model, in a process of its own; and its parts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_resuming import job_of
from warm_trainer import Warm

from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError, TrainingError
from selfimprove.programs import program_for, stated
from selfimprove.records import Adapter, Attempt, Completion, PracticeRow, TrainingJob, Verdict
from selfimprove.scorers.exact import ExactSteps
from selfimprove.students.engine import Generated
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers import grpo
from selfimprove.trainers.coach import Coach, Enough
from selfimprove.trainers.practice import PassRates, Practice
from selfimprove.trainers.process import ProcessTrainer
from selfimprove.trainers.rewards import Tried, scorer_for, weighted
from selfimprove.trainers.settings import check_settings

TASK = Arithmetic(levels=(2,), sizes={"train": 12})
SOLVE = program_for("solve", TASK)
Train = Callable[[TrainingJob], Adapter]


def tried(verdict: Verdict, strict: Verdict | None = None, tokens: int = 10) -> Tried:
    attempt = Attempt(problem="p", completion=Completion(text=""), verdict=verdict, strict=strict or verdict)
    return Tried(attempt, tokens, limit=100)


def test_rewards_are_of_what_was_verified() -> None:
    """Right is 1; a short wrong answer earns nothing for being short, and a missing one is no better than a wrong one.

    Of what was cut off or could not be compared nothing is said.
    """
    found = weighted({"correct": 1.0, "form": 0.1, "brevity": 0.2})
    assert list(found) == ["correct", "form", "brevity"]
    right, wrong = tried(Verdict.CORRECT, tokens=25), tried(Verdict.WRONG, tokens=5)
    assert [f(right) for f in found.values()] == [1.0, 1.0, 0.75]
    assert [f(wrong) for f in found.values()] == [0.0, 1.0, 0.0]
    for verdict in (Verdict.TRUNCATED, Verdict.TIMEOUT, Verdict.ERROR):
        assert [f(tried(verdict)) for f in found.values()] == [None, None, None]
    assert [f(tried(Verdict.UNPARSEABLE)) for f in found.values()] == [0.0, 0.0, 0.0]
    assert list(weighted({"correct": 1, "form": 0})) == ["correct"]


@pytest.mark.parametrize(
    ("weights", "said"),
    [({"corect": 1.0}, 'did you mean "correct"'), ({"form": float("nan")}, "give a number"), ({"form": 0}, "above 0")],
)
def test_rewards_that_will_not_do(weights: dict[str, float], said: str) -> None:
    """One sentence each."""
    with pytest.raises(InputError, match=said):
        weighted(weights)


def test_groups_are_drawn_where_they_teach() -> None:
    """Problems solved at times come far more often than those always or never solved; nothing comes twice in a row."""
    rates = PassRates([0, 8, 4, 4, 0, 8], [8, 0, 4, 4, 8, 0], group=4)
    assert rates.informative(2) > 0.7
    assert rates.informative(0) < 0.4
    practice = Practice(rates, groups=1, again=2, seed=0, length=60)
    given = list(practice)
    assert len(given) == len(practice) == 60 * 4 * 2
    batches = [given[at : at + 8] for at in range(0, len(given), 8)]
    assert all(len(set(batch)) == 1 for batch in batches)
    order = [batch[0] for batch in batches]
    assert all(a != b for a, b in pairwise(order))
    assert sum(place in {2, 3} for place in order) > 45
    assert order == [batch[0] for batch in [list(Practice(rates, 1, 2, 0, 60))[at : at + 8] for at in range(0, 480, 8)]]


def test_a_student_that_hardly_solves_anything_still_meets_many_problems() -> None:
    """Chances to teach that are all tiny are still chances: the first places are not drawn alone."""
    draw = list(Practice(PassRates([0] * 300, [20] * 300, group=8), groups=8, again=1, seed=0, length=80))
    assert len(set(draw)) > 50


def test_pass_rates_follow_the_student() -> None:
    """Eighty of a hundred groups are informative even though the student moves, where chance alone gives far fewer."""
    rng, skill = Random(1), [n / 40 for n in range(-20, 61)]
    start = [min(1.0, max(0.0, s)) for s in skill]
    rates = PassRates([round(4 * p) for p in start], [4 - round(4 * p) for p in start], group=8)
    draw = iter(Practice(rates, groups=4, again=1, seed=2, length=400))
    blind = 0
    for step in range(100):
        places = [next(draw) for _ in range(32)][::8]
        for place in places:
            chance = min(1.0, max(0.0, skill[place] + step / 200))
            right = sum(rng.random() < chance for _ in range(8))
            rates.update(place, right, 8 - right)
        chance = min(1.0, max(0.0, skill[rng.randrange(len(skill))] + step / 200))
        blind += 0 < sum(rng.random() < chance for _ in range(8)) < 8
    assert rates.seen == 400
    assert rates.share > 0.8
    assert blind < 60


def test_informative_groups_are_told_for_each_step_and_so_far() -> None:
    """The share since the last look, and of all; a training that is gone on with looks from where it stood."""
    rates = PassRates([1, 1], [1, 1], group=4)
    assert rates.lately() == (None, None)
    rates.update(0, 2, 2)
    rates.update(1, 4, 0)
    assert (rates.lately(), rates.share) == ((0.5, 0.75), 0.5)
    rates.update(0, 3, 1)
    again = PassRates([1, 1], [1, 1], group=4)
    again.restore(json.loads(json.dumps(rates.state())))
    assert (again.lately(), again.share) == ((1.0, 0.75), 2 / 3)


@pytest.fixture
def job(family: Callable[[str], Path], tmp_path: Path) -> TrainingJob:
    """Give a job of twelve problems on a tiny Llama."""
    rows = [
        PracticeRow(id=p.id, program="solve", inputs={"problem": stated(p)}, problem=p, passed=1, failed=1)
        for p in TASK.problems("train")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    grpo = {
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 12, "max_steps": 4,
        "learning_rate": 1e-2, "rewards": {"correct": 1.0, "form": 0.5, "brevity": 0.1, "steps": 0.2}, "scorer": "exact",
    }  # fmt: skip
    return TrainingJob(
        model=str(family("llama")),
        rows=str(tmp_path / "rows.jsonl"),
        out=str(tmp_path / "grpo" / "adapter"),
        method="grpo",
        program_state={"solve": SOLVE.dump()},
        settings={"grpo": grpo, "task": {"name": "arithmetic", "options": {"levels": [2]}}},
        seed=3,
    )


@pytest.fixture
def train(warm: Warm) -> Train:
    """Give what trains, in a process of its own."""
    return ProcessTrainer(launcher=warm.launcher).train


def test_a_student_is_trained_on_its_own_tries(job: TrainingJob, train: Train, tmp_path: Path) -> None:
    """Each reward is logged apart, tokens are counted, four steps tell of groups that teach nothing; the bytes are the same."""
    grpo = {**job.settings["grpo"], "per_device_train_batch_size": 16}  # type: ignore[dict-item]
    job = job.model_copy(update={"settings": {**job.settings, "grpo": grpo}})
    made = train(job)
    lines = [json.loads(line) for line in (Path(made.path) / "training.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "reward" in line]
    assert len(steps) == made.steps == 4
    parts = {f"rewards/{name}/mean" for name in ("correct", "form", "brevity", "steps")}
    shares = {"informative_groups", "informative_groups_so_far", "groups_so_far"}
    assert {*parts, *shares, "loss", "grad_norm", "entropy", "completions/mean_length"} <= set(steps[0])
    assert made.informative_groups == steps[-1]["informative_groups_so_far"]
    assert (Path(made.path) / "training.log").read_text().count("pace at step ") == 4
    assert 0 < made.trained_tokens <= 4 * 16 * 12
    assert made.seen_tokens > made.trained_tokens
    assert any(alarm.startswith("0\N{NO-BREAK SPACE}% of 16 groups held both") for alarm in made.alarms)
    again = train(job.model_copy(update={"out": str(tmp_path / "again" / "adapter")}))
    weights = [(Path(one.path) / "adapter_model.safetensors").read_bytes() for one in (made, again)]
    assert weights[0] == weights[1]


def test_groups_of_one_problem_are_counted_apart() -> None:
    """Where a batch holds a problem twice, two groups that teach nothing are not one that does."""
    coach = coached(Verdict.CORRECT, Verdict.CORRECT, Verdict.WRONG, Verdict.WRONG)
    assert (coach.rates.seen, coach.rates.mixed) == (2, 0)


def test_accuracy_is_told_where_it_has_no_weight() -> None:
    """A reward that is gamed can only be seen beside verified accuracy; where that is rewarded, TRL's figure stands."""
    for entry, told in (({"loss": 0.1}, 0.75), ({"loss": 0.1, "rewards/correct/mean": 0.5}, 0.5)):
        coach = coached(Verdict.CORRECT, Verdict.CORRECT, Verdict.CORRECT, Verdict.WRONG)
        state = SimpleNamespace(log_history=[dict(entry)])
        Enough(coach, 0).on_log(None, state, None, entry)
        assert state.log_history[0]["rewards/correct/mean"] == told
        assert state.log_history[0]["informative_groups"] == 0.5


def test_steps_are_rewarded_by_the_lowest_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong step spoils a solution, before a right answer or as its answer; of what was cut off nothing is said.

    Who gives no answer earns nothing: there is no wrong step in saying that one does not know.
    """
    (problem,) = [p for p in TASK.problems("train") if p.canonical == "sum -7 +5 +19"]
    texts = [
        ("19 - 7 = 12\n12 + 5 = 17\nAnswer: 17", "stop"),
        ("19 - 7 = 13\n13 + 5 = 17\nAnswer: 17", "stop"),
        ("19 - 7 = 12\n12 + 5 = 17\nAnswer: 18", "stop"),
        ("19 - 7 = 12", "length"),
        ("I do not know.", "stop"),
        ("", "stop"),
    ]
    row = PracticeRow(id="0", program="solve", inputs={}, problem=problem, passed=1, failed=1)
    sampler: Any = SimpleNamespace(
        read=lambda ids, _: Generated(texts[ids[0]][0], 9, texts[ids[0]][1], 0, 0, tuple(ids))
    )
    coach = Coach([row], [[1]], TASK, sampler, PassRates([1.0], [1.0], group=2), 20, {})
    weights = {"correct": 1.0, "steps": 0.5}

    def rewards() -> dict[str, list[float | None]]:
        coach.take(["0"] * len(texts), [[at] for at in range(len(texts))])
        made = {name: coach.reward(name, function) for name, function in weighted(weights).items()}
        return {name: reward(completions=texts) for name, reward in made.items()}

    coach.scorer = scorer_for(weights, "exact")
    assert rewards() == {"correct": [1.0, 1.0, 0.0, None, 0.0, 0.0], "steps": [1.0, 0.0, 0.0, None, 0.0, 0.0]}
    monkeypatch.setattr(ExactSteps, "score", lambda _, items: [[] for _ in items])  # it could judge none of them
    assert rewards()["steps"] == [None] * 4 + [0.0] * 2


@pytest.mark.parametrize("named", ["", "judge", "judge:openai/gpt-4o", "monte-carlo:8", 5])
def test_a_scorer_that_is_too_dear_for_every_completion_is_refused(named: Any) -> None:
    """When the settings are looked at, and in the training; where the reward has no weight, nobody is asked for one."""
    weights = {"correct": 1.0, "steps": 0.5}
    said = rf'scorer = "{named}" will not do for the reward steps: .* judges and rollouts are too dear'
    with pytest.raises(InputError, match=said):
        scorer_for(weights, named)
    with pytest.raises(InputError, match=said):
        check_settings(TrainConfig.model_validate({"grpo": {"rewards": weights, "scorer": named}}))
    check_settings(TrainConfig.model_validate({"rloo": {"rewards": weights, "scorer": "exact"}}))
    assert scorer_for({"correct": 1.0, "steps": 0.0}, named) is None


def coached(*verdicts: Verdict) -> Coach:
    """Give a coach whose groups of two are these tries of one problem."""
    sampler: Any = None
    coach = Coach([], [], TASK, sampler, PassRates([1.0], [1.0], group=2), 8, {})
    coach._tried = [tried(verdict) for verdict in verdicts]
    coach._count([0] * len(verdicts))
    return coach


def test_tries_that_were_generated_are_all_learned_from_before_it_ends() -> None:
    """Where a batch of tries is used over four steps, training ends behind the fourth; else behind any."""
    coach = coached(Verdict.CORRECT, Verdict.WRONG)
    coach.tokens = 100
    for cycle, ends in ((1, [1, 2, 3, 4]), (4, [4])):
        enough, found = Enough(coach, 100, cycle), []
        for step in range(1, 5):
            control = SimpleNamespace(should_training_stop=False)
            enough.on_step_end(None, SimpleNamespace(global_step=step), control)
            found += [step] * control.should_training_stop
        assert found == ends


def test_training_stops_behind_the_step_that_comes_nearest_to_the_tokens(job: TrainingJob, train: Train) -> None:
    """As many tokens as the other arms, within half a step."""
    grpo = {**job.settings["grpo"], "max_steps": 0}  # type: ignore[dict-item]
    made = train(job.model_copy(update={"trained_tokens": 150, "settings": {**job.settings, "grpo": grpo}}))
    assert abs(made.trained_tokens - 150) <= 8 * 12 / 2


@pytest.mark.parametrize(
    ("told", "steps"),
    [
        ({}, 12),
        ({"num_iterations": 2}, 24),
        ({"steps_per_generation": 3}, 12),
        ({"gradient_accumulation_steps": 2, "steps_per_generation": 1}, 6),
    ],
    ids=["a step a batch", "each batch twice", "three steps a batch", "two batches a step"],
)
def test_an_epoch_goes_over_as_many_problems_however_a_batch_is_used(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Any, steps: int
) -> None:
    """Steps follow from the batches of tries that 24 problems need, and no more problems are drawn."""
    monkeypatch.setitem(sys.modules, "letters", SimpleNamespace(count=lambda _: 1.0))
    job = job_of("grpo", family("llama"), tmp_path)
    own: Any = {**job.settings["grpo"], "max_steps": 0, "num_train_epochs": 1, **told}  # type: ignore[dict-item]
    trainer = grpo._trainer(job.model_copy(update={"settings": {**job.settings, "grpo": own}}))
    assert (trainer.args.max_steps, trainer.practice.length) == (steps, 24)


def test_what_trl_refuses_is_told(job: TrainingJob, train: Train) -> None:
    """A setting that its configuration will not have is an error with TRL's own words."""
    grpo = {**job.settings["grpo"], "scale_rewards": "sometimes"}  # type: ignore[dict-item]
    with pytest.raises(TrainingError, match="scale_rewards"):
        train(job.model_copy(update={"settings": {**job.settings, "grpo": grpo}}))


def test_the_engine_generates_with_the_weights_in_training(job: TrainingJob) -> None:
    """Greedy completions of the copy are those of the model with its adapter, which stays as it was."""
    from selfimprove.trainers.loading import begun, load
    from selfimprove.trainers.rollouts import Sampler

    tokenizer, model = load(job)
    _, copy = load(job)
    copy.set_attn_implementation("sdpa")
    model, _ = begun(model, job)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(7))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    prompts = [[3, 5, 7, 9], [4, 4, 2]]
    sampler = Sampler(model, copy, tokenizer, frozenset(), seed=0)
    made = sampler.generate(prompts, limit=6, temperature=0.0)
    model.float()
    for prompt, one in zip(prompts, made, strict=True):
        ids = list(prompt)
        for token in one.ids:
            with torch.no_grad():
                scores = model(torch.tensor([ids])).logits[0, -1]
            assert scores[token] >= scores.max() - 0.05 * scores.abs().max()
            ids.append(token)
    bare = sampler.generate(prompts, limit=6, temperature=0.0)
    assert [one.ids for one in bare] == [one.ids for one in made]
    assert all(torch.equal(before[name].float(), p.detach().float()) for name, p in model.named_parameters())


@pytest.mark.parametrize(("held", "slots"), [(10**12, 64), (10, 4), (1, 1)])
def test_as_many_tries_run_at_once_as_memory_holds(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch, held: int, slots: int
) -> None:
    """At most 64, by all memory of the device and the longest try: a training that goes on takes as many as before."""
    from selfimprove.trainers import rollouts

    monkeypatch.setattr(rollouts, "token_bytes", lambda *_: 1)
    coach = grpo._trainer(job).coach
    longest = max(map(len, coach.prompts)) + coach.limit
    monkeypatch.setattr(rollouts, "memory_of", lambda _: held * longest)
    assert grpo._trainer(job).coach.sampler.slots == slots


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head"])
def test_what_the_engine_would_not_take_over_is_refused(job: TrainingJob, target: str) -> None:
    """An adapter of the embeddings, and one of a head that shares their matrix, are named; linear layers are fine."""
    from selfimprove.trainers.loading import begun, load
    from selfimprove.trainers.rollouts import check_taken_over

    def made(**lora: object) -> object:
        _, model = load(job)
        return begun(model, job.model_copy(update={"settings": {**job.settings, "lora": lora}}))[0]

    _, copy = load(job)
    check_taken_over(made(), copy)
    copy.get_output_embeddings().weight = copy.get_input_embeddings().weight
    with pytest.raises(InputError, match=rf"{target}.* is trained, and tries would be made without it"):
        check_taken_over(made(target_modules=[target]), copy)
    check_taken_over(made(target_modules=[target]), None)
