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


def test_entropy_that_collapses_is_told() -> None:
    """A tenth of the first is too little; a fall to a half is not."""
    assert entropy_collapse(logs(entropy=(1.0, 0.05)))
    assert entropy_collapse(logs(entropy=(1.0, 0.5))) is None
    assert entropy_collapse(logs(entropy=(1.0, 0.05))[:9]) is None


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
    """Fewer than eight of ten that hold both is too few; said once there are enough of them to know."""
    said = few_informative(logs(informative_groups_so_far=(0.5, 0.61)))
    assert said is not None
    assert said.startswith("61 % of the groups held both right and wrong tries, where 80 % are aimed at")
    assert few_informative(logs(informative_groups_so_far=(0.5, 0.8))) is None
    assert few_informative(logs(informative_groups_so_far=(0.5, 0.61))[:9]) is None


def test_alarm_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The parent hears of it when it is first true, and not at every entry after."""
    dog, history = Watchdog("grpo"), logs(entropy=(1.0, 0.01))
    for count in (9, 10, 10):
        state: Any = SimpleNamespace(log_history=history[:count], global_step=count)
        dog.on_log(None, state, None, {"loss": 0.1})
    assert capsys.readouterr().out.count("note: alarm at step 10: entropy fell") == 1
    assert len(dog.said) == 1


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_no_number_ends_the_training(name: str) -> None:
    """Nothing is learned from there on, so it ends at once and says what to lower."""
    state: Any = SimpleNamespace(log_history=[], global_step=7)
    with pytest.raises(TrainingError, match=rf"{name} is nan at step 7; lower train.sft.learning_rate"):
        Watchdog("sft").on_log(None, state, None, {name: float("nan")})
