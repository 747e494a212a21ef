import numpy as np
import pytest
import torch

from selfimprove.students.sampling import draw, uniforms

DRAWS = 10_000


def frequencies(logits: torch.Tensor, temperature: float, top_p: float, n: int = DRAWS) -> torch.Tensor:
    """Draw one row's next token many times."""
    rows = logits.expand(n, -1)
    chance = torch.from_numpy(uniforms(list(range(n)), [3] * n))
    drawn = draw(rows, torch.full((n,), temperature), torch.full((n,), top_p), chance)
    return torch.bincount(torch.tensor(drawn.tokens), minlength=logits.shape[-1]) / n


def test_uniforms_are_even_and_independent_of_order() -> None:
    """Numbers fill [0, 1) evenly over seeds and over steps, and depend on their own seed and step alone."""
    for numbers in (uniforms(range(40_000), [0] * 40_000), uniforms([2**63] * 40_000, range(40_000))):
        assert numbers.min() >= 0
        assert numbers.max() < 1
        counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
        assert ((counts - 2000) ** 2 / 2000).sum() < 60
    assert uniforms([5, 6], [1, 2])[1] == uniforms([6], [2])[0]


@pytest.mark.parametrize("size", [40, 700])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_samples_follow_the_distribution(size: int, temperature: float) -> None:
    """Frequencies are those of the softmax at the temperature, within four standard errors."""
    torch.manual_seed(0)
    logits = torch.randn(1, size) * 2
    wanted = (logits[0] / temperature).softmax(-1)
    error = (wanted * (1 - wanted) / DRAWS).sqrt() + 1e-4
    assert ((frequencies(logits, temperature, 1.0) - wanted).abs() / error).max() < 5


@pytest.mark.parametrize("size", [40, 3000])
def test_top_p_draws_from_the_smallest_likely_set(size: int) -> None:
    """Nothing outside the nucleus is drawn, and inside it the proportions are kept; also where all is flat."""
    torch.manual_seed(0)
    logits = torch.randn(1, size) * (2 if size == 40 else 0.1)
    ranked, order = logits[0].softmax(-1).sort(descending=True)
    kept = ranked.cumsum(-1) - ranked < 0.9
    wanted = torch.zeros(size)
    wanted[order[kept]] = ranked[kept] / ranked[kept].sum()
    found = frequencies(logits, 1.0, 0.9)
    assert found[wanted == 0].sum() == 0
    error = (wanted * (1 - wanted) / DRAWS).sqrt() + 1e-4
    assert ((found - wanted).abs() / error).max() < 5


def test_temperature_zero_is_greedy_beside_sampled_rows() -> None:
    """Greedy, sampled and nucleus rows share a batch; log-probabilities are those of temperature 1."""
    torch.manual_seed(0)
    logits = torch.randn(3, 300)
    drawn = draw(logits, torch.tensor([0.0, 1.5, 0.7]), torch.tensor([1.0, 1.0, 0.5]), torch.tensor([0.9, 0.5, 0.1]))
    assert drawn.tokens[0] == logits[0].argmax().item()
    scores = logits.log_softmax(-1)
    assert drawn.logprobs == pytest.approx([scores[i, t].item() for i, t in enumerate(drawn.tokens)], abs=1e-5)


@pytest.mark.parametrize("chance", [0.0, 1 - 2**-24])
def test_extreme_chances_give_possible_tokens(chance: float) -> None:
    """The ends of [0, 1) never fall on a token of probability zero."""
    logits = torch.full((1, 1000), -torch.inf)
    logits[0, [300, 511]] = 0.0
    for top_p in (1.0, 0.99):
        drawn = draw(logits, torch.tensor([1.0]), torch.tensor([top_p]), torch.tensor([chance]))
        assert drawn.tokens[0] in {300, 511}
