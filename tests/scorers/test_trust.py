from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from selfimprove.errors import InputError
from selfimprove.programs import program_for
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Completion, Problem, Request, StepItem
from selfimprove.scorers.exact import ExactSteps
from selfimprove.scorers.figures import Figures, Measured, ScorerCard, step_figures
from selfimprove.scorers.montecarlo import MonteCarlo
from selfimprove.scorers.scoring import Judgement, card_name, judged
from selfimprove.scorers.trust import Gated, card_place, check_card, gated, read_card, write_card
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(kinds=("sum",), levels=(3,), sizes={"train": 120})
PROBLEMS = list(TASK.problems("train"))
NAME = "module:Scorer"


@dataclass
class Scoring:
    """Scores by the exact check, changed by `how`."""

    how: Callable[[float], float] = lambda score: score
    identity: str = "scoring"
    trained_on: frozenset[str] = frozenset()

    def score(self, items: Sequence[StepItem]) -> list[list[float]]:
        return [[self.how(score) for score in some] for some in ExactSteps().score(items)]


class Listening(Nobody):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def listening() -> Listening:
    return Listening()


def failed(count: int = 60) -> list[StepItem]:
    """Attempts whose second or third step is wrong."""
    made = []
    for at, problem in enumerate(PROBLEMS[:count]):
        steps = problem.rationale.splitlines()
        steps[1 + at % 2] = "1 + 1 = 3"
        made.append(StepItem(problem=problem, steps=tuple(steps)))
    return made


def card(auc_like: Callable[[float], float], identity: str = "scoring") -> ScorerCard:
    items = failed()
    labels = [[score > 0 for score in some] for some in ExactSteps().score(items)]
    steps = step_figures([[auc_like(float(label)) for label in some] for some in labels], labels, resamples=50)
    figures = Figures(scorer=identity, steps=steps)
    return ScorerCard(scorer=identity, measured=(Measured(on="made up", data="0", solutions=60, own=figures),))


def test_a_scorer_is_measured_on_what_it_is_to_grade(listening: Listening) -> None:
    """Without a card, failed attempts that can be checked exactly prove a good scorer, which then scores them."""
    with watched_by(listening):
        scorer = gated(Scoring(), NAME)
        assert scorer.score(failed()) == ExactSteps().score(failed())
        assert scorer.identity == "scoring"
        assert scorer.score(failed(2)) == ExactSteps().score(failed(2))  # proven once is proven
    said = "AUC 1.00 (1.00 to 1.00) over 180 steps, 1.00 (1.00 to 1.00) among those at the same place"
    assert listening.heard == [f"step scorer module:Scorer: {said}, on the attempts to be graded"]


@pytest.mark.parametrize("kind", ["reversed", "random", "constant"])
def test_no_better_than_chance_is_refused(kind: str) -> None:
    """A scorer whose AUC in place is not above 0.5 with confidence is refused, with figures and with what to do."""
    rng = Random(0)
    how = {"reversed": lambda s: 1 - s, "random": lambda _: rng.random(), "constant": lambda _: 0.5}[kind]
    with pytest.raises(InputError, match=r'"module:Scorer" is no better than chance: AUC 0\.\d+ .*grade\.trust = true'):
        gated(Scoring(how), NAME).score(failed())


class ByPlace(Scoring):
    """Reads nothing, and trusts a step the less the later it comes."""

    def score(self, items: Sequence[StepItem]) -> list[list[float]]:
        return [[1 / (1 + at) for at in range(len(item.steps))] for item in items]


def test_counting_steps_is_not_reading() -> None:
    """On failed attempts the place alone has a high AUC, which is told, and the scorer is refused."""
    said = (
        r"no better than chance: AUC 0\.[6-9].* over 180 steps, 0\.50 \(0\.50 to 0\.50\) among those at the same place"
    )
    with pytest.raises(InputError, match=said):
        gated(ByPlace(), NAME).score(failed())


def test_it_is_used_when_told_to(listening: Listening) -> None:
    """With trust nothing is measured or refused, and it is said."""
    with watched_by(listening):
        scorer = gated(Scoring(lambda s: 1 - s), NAME, trust=True)
        assert scorer.score(failed(1)) == [[0.0, 1.0, 1.0]]
    assert ["whether or not it is better than chance" in said for said in listening.heard] == [True]


def test_too_few_prove_nothing_and_fall_back(listening: Listening) -> None:
    """A handful of attempts, or attempts that hold no right step, give no verdict, which grades by pass rate."""
    nonsense = [StepItem(problem=problem, steps=("Answer: -1",)) for problem in PROBLEMS]
    with watched_by(listening):
        scorer = gated(Scoring(), NAME)
        assert scorer.score(failed(5)) == [None] * 5
        assert scorer.score(nonsense) == [None] * len(nonsense)
        assert scorer.score([]) == []
    assert "are graded by pass rate" in listening.heard[0]
    assert len(listening.heard) == 2 + 1


def test_problems_it_was_trained_on_prove_nothing() -> None:
    """A scorer that learned from all of these problems is not proven by them."""
    known = frozenset(problem.id for problem in PROBLEMS)
    assert gated(Scoring(trained_on=known), NAME).score(failed()) == [None] * 60


def test_a_proof_lasts_for_the_campaign() -> None:
    """What was measured in one round is a card that a later round, with few failures, is given."""
    first = Gated(Scoring(), NAME)
    assert first.card is None
    first.score(failed())
    assert first.card is not None
    kept = ScorerCard.model_validate_json(first.card.model_dump_json())
    assert gated(Scoring(), NAME, card=kept).score(failed(2)) == ExactSteps().score(failed(2))
    assert gated(Scoring(identity="other"), NAME, card=kept).score(failed(2)) == [None, None]


def test_what_cannot_be_checked_needs_a_card() -> None:
    """On another task's problems a scorer without a card is refused, and one with a good card scores."""
    items = [StepItem(problem=Problem.of("Why?", "So"), steps=("a", "b"))]

    class Fixed(Scoring):
        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            return [[0.5] * len(item.steps) for item in items]

    with pytest.raises(InputError, match=r"has no card .*`selfimprove prm evaluate module:Scorer "):
        gated(Fixed(), NAME).score(items)
    write_card(card(lambda s: s), card_place(NAME))
    assert gated(Fixed(), NAME).score(items) == [[0.5, 0.5]]


def test_what_can_never_be_measured_is_refused_at_the_door() -> None:
    """Problems that cannot be checked need a card of this very scorer, before anything is paid."""
    unknown = [Problem.of("Why?", "So"), Problem.of("Sum?", "1").model_copy(update={"canonical": "sum of two"})]
    with pytest.raises(InputError, match=r"has no card .*`selfimprove prm evaluate module:Scorer --task arithmetic`"):
        check_card(NAME, unknown)
    with pytest.raises(InputError, match=r"prm evaluate monte-carlo:4 --task arithmetic --student STUDENT`"):
        check_card("monte-carlo:4", unknown)
    write_card(card(lambda s: s), card_place(NAME))
    check_card(NAME, unknown)
    check_card(NAME, unknown, "scoring")
    with pytest.raises(InputError, match=r"has a card of another model or prompt \(scoring\) alone"):
        check_card(NAME, unknown, "another")
    check_card(NAME, [*unknown, PROBLEMS[0]], "another")  # is measured on what can be checked


def test_the_card_of_rollouts_holds_for_every_adapter(listening: Listening) -> None:
    """Monte Carlo measured with one adapter is trusted with the next, of the same base and no other."""

    @dataclass
    class Adapted:
        identity: str

        def complete(self, requests: Sequence[Request]) -> list[Completion]:
            return [Completion(text="Answer: -1") for _ in requests]

    def rollouts(adapter: str, base: str) -> MonteCarlo:
        return MonteCarlo(Adapted(adapter), TASK, program_for("solve", TASK), base=base)

    assert card_name(rollouts("base+one", "base")) == card_name(rollouts("base", "")) == "monte-carlo-8/base"
    kept = card(lambda s: s, identity=card_name(rollouts("base+one", "base")))
    with watched_by(listening):
        assert Gated(rollouts("base+two", "base"), "monte-carlo", kept).card == kept
        assert Gated(rollouts("other+two", "other"), "monte-carlo", kept).card is None
    assert "is of another model or prompt (monte-carlo-8/base, not monte-carlo-8/other)" in listening.heard[-1]


def test_what_is_seen_in_several_calls_is_measured_together() -> None:
    """Attempts that are too few by themselves prove a scorer with those before them."""
    scorer = Gated(Scoring(), NAME)
    assert scorer.score(failed()[:12]) == [None] * 12
    assert scorer.score(failed()[12:24]) == ExactSteps().score(failed()[12:24])


def test_the_gate_passes_on_what_a_scorer_calls_wrong() -> None:
    """The first wrong step is the one that a judge names behind the gate, or the first under its own threshold."""

    @dataclass
    class Naming(Scoring):
        def judge(self, items: Sequence[StepItem]) -> list[Judgement | None]:
            return [Judgement(scores=tuple(some), first_wrong=0) for some in self.score(items)]

    @dataclass
    class Low(Scoring):
        threshold: float = -1.0

    kept, some = card(lambda s: s), failed(2)
    for scorer, named in ((Scoring(), [1, 2]), (Naming(), [0, 0]), (Low(), [None, None])):
        found = judged(Gated(scorer, NAME, kept), some)
        assert [one.first_wrong for one in found if one is not None] == named


def test_a_bad_card_is_refused_at_the_door(tmp_path: Path) -> None:
    """A card that speaks against a scorer refuses it before it is loaded; the card of a folder lies in the folder."""
    (tmp_path / "scorer").mkdir()
    for name in (NAME, str(tmp_path / "scorer")):
        check_card(name, PROBLEMS)
        write_card(card(lambda _: 0.5), card_place(name))
        with pytest.raises(InputError, match=r"no better than chance: .* on made up"):
            check_card(name, PROBLEMS)
        with pytest.raises(InputError, match=r"no better than chance: .* on made up"):
            gated(Scoring(), name)
    assert (tmp_path / "scorer" / "measured.json").is_file()


def test_the_card_of_another_model_is_not_used(listening: Listening) -> None:
    """A card made of other weights proves nothing, and that is said."""
    write_card(card(lambda s: s, identity="older"), card_place(NAME))
    with watched_by(listening):
        assert gated(Scoring(), NAME).score(failed(3)) == [None] * 3
    assert "is of another model or prompt (older, not scoring)" in listening.heard[0]


def test_a_card_is_read_back_and_a_damaged_one_refused() -> None:
    """What is written is read; what is no card ends in a sentence."""
    place, made = card_place(NAME), card(lambda s: s)
    assert read_card(place) is None
    write_card(made, place)
    assert read_card(place) == made
    place.write_text('{"scorer": 1}')
    with pytest.raises(InputError, match="is no card of a scorer"):
        read_card(place)
