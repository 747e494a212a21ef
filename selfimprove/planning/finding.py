"""What finding a round's failures takes: attempts expected, and at most."""

from __future__ import annotations

from typing import Final

from selfimprove.graphs.finding import rule_of
from selfimprove.mining.posterior import Posterior
from selfimprove.planning.expected import Expected, Line, total
from selfimprove.steps.mine import MiningRule

_EDGE: Final = 0.02


def samples_each(rule: MiningRule, passed: float) -> float:
    """Give how many samples a problem is expected to get until its kind is settled or the cap is reached.

    Pass rates are taken to spread over problems as a Beta distribution around the share that is passed, worth one
    sample: most problems are nearly always or nearly never solved. The greedy attempt is taken for one more sample.

    Args:
        rule: how many there are in any case and at most, and when a kind is settled.
        passed: share of problems that the student solves, in [0, 1].

    >>> samples_each(MiningRule(samples=4, most=4), 0.3)
    4.0
    """
    if not rule.sequential:
        return float(rule.samples)
    share = min(max(passed, _EDGE), 1 - _EDGE)
    right = _walked(rule, rule.lucky, share + 1, 1 - share)
    return share * right + (1 - share) * _walked(rule, rule.rare, share, 2 - share)


def _walked(rule: MiningRule, bound: float, right: float, wrong: float) -> float:
    """Sum samples over all ways that they can come out, behind a greedy attempt that is counted in."""
    open_, drawn, expected = {0: 1.0}, 0, 0.0
    wanted = rule.samples
    while open_:
        for _ in range(wanted):
            coming: dict[int, float] = {}
            for passed, chance in open_.items():
                hit = (right + passed) / (right + wrong + drawn)
                coming[passed + 1] = coming.get(passed + 1, 0.0) + chance * hit
                coming[passed] = coming.get(passed, 0.0) + chance * (1 - hit)
            open_, drawn = coming, drawn + 1
        going = {
            passed: chance
            for passed, chance in open_.items()
            if drawn < rule.most and not Posterior(passed, drawn - passed).settles(bound, rule.confidence)
        }
        expected += drawn * (sum(open_.values()) - sum(going.values()))
        open_, wanted = going, min(rule.step, rule.most - drawn)
    return expected


def mining(expected: Expected) -> Line:
    """Sum up the attempts of all rounds, second chances among them; none where a library stands for them."""
    return total([_round(expected, round_) for round_ in expected.rounds] or [Line(stage="mine", seconds=0.0)])


def _round(expected: Expected, round_: int) -> Line:
    config, pool = expected.config, expected.mined(round_)
    tries = pool * (1 + samples_each(rule_of(config, round_), 1 - expected.failed(round_)))
    lines = [expected.line("mine", tries, expected.prompt, expected.length(round_))]
    if config.mine.longer > 1:
        longest = config.student.max_tokens * config.mine.longer
        lines.append(expected.line("mine", tries * expected.cut_off(round_), expected.prompt, longest))
    return total(lines)


def most_tries(expected: Expected) -> int | None:
    """Bound the attempts of all rounds: no kind is settled, and each attempt needs its second chance.

    None where settings alone say how many there are: no ladder is climbed, and no phase has a pool of its own.
    """
    mine = expected.config.mine
    varies = expected.sizes.rungs or any(phase.pool for phase in expected.config.phases)
    if mine.longer == 1 and mine.most <= mine.samples and not varies:
        return None
    each = (1 + max(mine.samples, mine.most)) * (2 if mine.longer > 1 else 1)
    return sum(expected.most_mined(round_) for round_ in expected.rounds) * each
