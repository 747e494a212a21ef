from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from selfimprove.errors import TrainingError
from selfimprove.trainers.alarms import Watchdog, entropy_collapse, few_informative, gamed_reward, length_explosion


def logs(**ends: tuple[float, float]) -> list[dict[str, float]]:
    """Give ten entries whose values go from one end to the other."""
    keys = {name.replace("__", "/"): values for name, values in ends.items()}
    return [{k: low if at < 5 else high for k, (low, high) in keys.items()} for at in range(10)]


def short(**values: tuple[float, ...]) -> list[dict[str, float]]:
    """Give as many entries as there are values: a round's reinforcement has four to seven steps."""
    keys = {name.replace("__", "/"): each for name, each in values.items()}
    return [dict(zip(keys, step, strict=True)) for step in zip(*keys.values(), strict=True)]


def test_entropy_that_collapses_is_told() -> None:
    """A tenth of the first is too little; a fall to a half is not."""
    assert entropy_collapse(logs(entropy=(1.0, 0.05)))
    assert entropy_collapse(logs(entropy=(1.0, 0.5))) is None


def test_few_steps_are_enough() -> None:
    """Four entries have two at either end; three have too little to say anything."""
    collapsed = short(entropy=(1.0, 0.9, 0.05, 0.02))
    assert entropy_collapse(collapsed) == (
        "entropy fell from 0.95 to 0.04: the student explores no more; lower the learning rate or raise beta"
    )
    assert entropy_collapse(collapsed[1:]) is None
    assert length_explosion(short(completions__mean_length=(40, 42, 60, 90, 150, 220, 280)))
    falls, rises = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0), (0.1, 0.1, 0.2, 0.3, 0.5, 0.6, 0.6)
    assert gamed_reward(short(rewards__correct__mean=falls, rewards__form__mean=rises))


def test_chance_of_few_steps_is_no_gaming() -> None:
    """Accuracy and a reward that go up and down from step to step have not moved where the ends differ by less."""
    accuracy, form = (0.55, 0.35, 0.5, 0.25), (0.3, 0.5, 0.4, 0.6)
    assert gamed_reward(short(rewards__correct__mean=accuracy, rewards__form__mean=form)) is None
    assert gamed_reward(short(rewards__correct__mean=(0.5, 0.5, 0.3, 0.3), rewards__form__mean=form)) is None


@pytest.mark.parametrize(("method", "told"), [("grpo", 1), ("rloo", 1), ("distill", 0), ("sft", 0), ("dpo", 0)])
def test_entropy_falls_where_a_student_fits_what_it_is_given(method: str, told: int) -> None:
    """Only a student that is to explore is told of it, also after a checkpoint of when all were."""
    dog = Watchdog(method)
    dog.restore({"said": [], "open": ["entropy_collapse"]})
    state: Any = SimpleNamespace(log_history=logs(entropy=(1.0, 0.02)), global_step=10)
    dog.on_log(None, state, None, {"loss": 0.1})
    assert len(dog.said) == told


def test_steps_without_an_entropy_are_no_collapse() -> None:
    """Where no group moved there is none: neither at the beginning nor now does it count."""
    none: Any = [{"entropy": None}] * 5
    assert entropy_collapse(none + logs(entropy=(1.0, 0.9)) + none) is None
    assert entropy_collapse(none + logs(entropy=(1.0, 0.05)) + none)


def test_completions_that_grow_are_told() -> None:
    """Twice the length is too long."""
    assert length_explosion(logs(completions__mean_length=(40, 90)))
    assert length_explosion(logs(completions__mean_length=(40, 70))) is None


def test_reward_that_is_gamed_is_told() -> None:
    """A part that rises while accuracy falls is named; one that rises with it is not."""
    said = gamed_reward(logs(rewards__correct__mean=(0.5, 0.3), rewards__brevity__mean=(0.2, 0.6)))
    assert said is not None
    assert said.startswith("the reward brevity rises (0.20 to 0.60) while verified accuracy falls (0.50 to 0.30)")
    assert gamed_reward(logs(rewards__correct__mean=(0.3, 0.5), rewards__brevity__mean=(0.2, 0.6))) is None
    assert gamed_reward(logs(rewards__correct__mean=(0.5, 0.3), rewards__brevity__mean=(0.2, 0.1))) is None


def test_groups_that_teach_nothing_are_told() -> None:
    """Fewer than eight of ten that hold both is too few, where the groups so far are enough to know."""
    steps = {"groups_so_far": (8.0, 16.0, 24.0, 32.0)}
    said = few_informative(short(informative_groups_so_far=(0.25, 0.12, 0.12, 0.09), **steps))
    assert said is not None
    assert said.startswith(
        "9\N{NO-BREAK SPACE}% of 32 groups held both right and wrong tries, where 80\N{NO-BREAK SPACE}% are aimed at"
    )
    assert few_informative(short(informative_groups_so_far=(0.25, 0.12, 0.12, 0.09), **steps)[:2])
    assert few_informative(short(informative_groups_so_far=(0.25, 0.12, 0.12, 0.09), **steps)[:1]) is None
    assert few_informative(short(informative_groups_so_far=(0.5, 0.6, 0.7, 0.7), **steps)) is None
    assert few_informative(logs(informative_groups_so_far=(0.5, 0.7), groups_so_far=(100, 200)))
    assert few_informative(logs(informative_groups_so_far=(0.5, 0.8), groups_so_far=(100, 200))) is None


def test_alarm_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The parent hears of it when it is first true, and not at every entry after."""
    dog, history = Watchdog("grpo"), logs(entropy=(1.0, 0.01))
    for count in (8, 9, 10):
        state: Any = SimpleNamespace(log_history=history[:count], global_step=count)
        dog.on_log(None, state, None, {"loss": 0.1})
    assert capsys.readouterr().out.count("note: alarm at step 9: entropy fell") == 1
    assert len(dog.said) == 1


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_no_number_ends_the_training(name: str) -> None:
    """Nothing is learned from there on, so it ends at once and says what to lower."""
    state: Any = SimpleNamespace(log_history=[], global_step=7)
    with pytest.raises(TrainingError, match=rf"{name} is nan at step 7; lower train.sft.learning_rate"):
        Watchdog("sft").on_log(None, state, None, {name: float("nan")})
