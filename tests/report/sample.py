"""A summary as a finished campaign writes it, built by hand for tests of what shows it."""

from __future__ import annotations

from selfimprove.report.decided_schema import Difference, RoundSummary, ScoreSummary
from selfimprove.report.examples_schema import ClarificationExample, FailureExample, LessonExample
from selfimprove.report.schema import (
    BaselineSummary,
    Best,
    CostSummary,
    LabelPair,
    Provenance,
    StageCost,
    StrictTest,
    Summary,
    TestSummary,
)
from selfimprove.stats import wilson

SCRIPT = "<script>document.title = 'the script ran'</script>"
"""What a model could write and a page must not run."""

_LEVELS = ("1", "2", "3", "4", "8")
_BASE = (0.31, 0.12, 0.04, 0.01, 0.0)
_PATH = {
    (1, "track_b"): (0.94, 0.78, 0.34, 0.08, 0.0),
    (1, "track_a"): (0.92, 0.74, 0.36, 0.06, 0.0),
    (2, "track_b"): (0.96, 0.86, 0.58, 0.30, 0.05),
    (2, "track_a"): (0.95, 0.80, 0.44, 0.11, 0.01),
    (3, "track_b"): (0.95, 0.88, 0.61, 0.31, 0.04),
    (3, "track_a"): (0.90, 0.66, 0.32, 0.10, 0.0),
}


def score(share: float, n: int = 400, no_verdict: int = 0) -> ScoreSummary:
    """Make a score with its Wilson interval."""
    correct = round(share * n)
    found = wilson(correct, n)
    return ScoreSummary(
        n=n, correct=correct, accuracy=correct / n, interval=(found.low, found.high), no_verdict=no_verdict
    )


def mean(shares: tuple[float, ...]) -> float:
    """Average over equally large levels."""
    return sum(shares) / len(shares)


def by_level(shares: tuple[float, ...]) -> dict[str, dict[str, ScoreSummary]]:
    """Spread shares over the levels, 80 problems each."""
    return {"level": {level: score(share, 80) for level, share in zip(_LEVELS, shares, strict=True)}}


def round_row(number: int, arm: str, decision: str, difference: Difference) -> RoundSummary:
    """Make one arm of one round."""
    shares = _PATH[number, arm]
    return RoundSummary.model_validate(
        {
            "round": number,
            "arm": arm,
            "decision": decision,
            "sentence": f"{difference.points:+.1f} points on 400 dev problems against the best so far.",
            "dev": score(mean(shares), no_verdict=3),
            "strict": score(mean(shares) - 0.02),
            "difference": difference,
            "rows": 640 * number,
            "trained_tokens": 41_250 * number,
            "pool": 400,
            "failures": 212,
            "pool_no_verdict": 13,
            "pool_pass_rate": 0.45,
            "wall_s": 214.0,
            "rungs": [str(number + 1), str(number + 2)],
            "by_label": by_level(shares),
            "truncated": 3,
        }
    )


def lessons(text: str = "") -> tuple[LessonExample, ...]:
    """Two lessons; `text` is appended to everything that a model wrote."""
    asked = ClarificationExample(
        question=f"What is 20 + 2?{text}", answer=f"20 + 2 = 22.{text}", refused=(f"The answer is 22.{text}",)
    )
    return (
        LessonExample(
            problem="511cf77619e13947",
            question="Hana has 13 buttons. First she wins 7. Then she gets 2 more. How many buttons does she have now?",
            answer="22",
            draft=f"13 + 7 = 20\n20 - 2 = 18\nAnswer: 18{text}",
            draft_verdict="wrong",
            clarifications=(asked,),
            rewrite=f"13 + 7 = 20\n20 + 2 = 22\nAnswer: 22{text}",
            rewrite_verdict="correct",
            rationale="13 + 7 = 20\n20 + 2 = 22\nAnswer: 22",
            rationale_source="reference",
            round=1,
        ),
        LessonExample(
            problem="78a72b5567f35fe7",
            question="What is (11 + 10) * 7 + 9 - 3?",
            answer="153",
            draft=f"11 + 10 = 21\n21 * 7 = 147\n147 + 9 = 156\n156 + 9 = 165\n165 + 9 ={text}",
            draft_verdict="truncated",
            clarifications=(ClarificationExample(question=f"Is the bracket first?{text}", answer=""),),
            rationale="11 + 10 = 21\n21 * 7 = 147\n147 + 9 = 156\n156 - 3 = 153\nAnswer: 153",
            rationale_source="openai/gpt-4o",
            round=2,
        ),
    )


def failures(text: str = "") -> tuple[FailureExample, ...]:
    """Two dev problems that are still not solved."""
    return (
        FailureExample(
            question="What is (13 + 14) * 9 + 9 + 5?",
            answer="257",
            text=f"13 + 14 = 27\n27 * 9 = 233\n233 + 9 = 242\n242 + 5 = 247\nAnswer: 247{text}",
            verdict="wrong",
            labels={"kind": "bracket", "level": "4"},
        ),
        FailureExample(
            question="Ben has 45 shells. He trades away 7, then 8, wins 11, loses 3 and finds twice as many. How many?",
            answer="114",
            text=f"I think that Ben has many shells.{text}",
            verdict="unparseable",
            labels={"kind": "story", "level": "5"},
        ),
    )


def cost() -> CostSummary:
    """Make what a small paid campaign costs."""
    rows = (
        ("baseline", "student", "solve", 1200, 118_000, 96_000, 0.0),
        ("mine", "student", "solve", 1200, 121_000, 88_400, 0.0),
        ("lesson", "student", "ask", 620, 64_000, 21_000, 0.0),
        ("lesson", "teacher", "answer", 811, 162_000, 19_300, 0.598),
        ("lesson", "teacher", "reason", 415, 51_000, 60_100, 0.7285),
        ("evaluate", "student", "solve", 2400, 236_000, 171_000, 0.0),
    )
    stages = tuple(StageCost.model_validate(dict(zip(StageCost.model_fields, row, strict=True))) for row in rows)
    prompt, completion = sum(row.prompt_tokens for row in stages), sum(row.completion_tokens for row in stages)
    return CostSummary(
        usd=1.3265,
        held_usd=0.004,
        calls=sum(row.calls for row in stages),
        teacher_calls=1226,
        tokens=prompt + completion,
        prompt_tokens=prompt,
        completion_tokens=completion,
        in_doubt=1,
        budget_usd=12.0,
        by_stage=stages,
    )


def tested() -> TestSummary:
    """Make what a test split of 400 said."""
    base, best, control = score(0.1), score(0.5575, no_verdict=2), score(0.4475)
    pairs = {
        level: LabelPair(base=score(before, 80), best=score(after, 80))
        for level, before, after in zip(_LEVELS, _BASE, _PATH[2, "track_b"], strict=True)
    }
    return TestSummary(
        n=400,
        opened=1,
        base=base,
        best=best,
        control=control,
        arms={"track_b": score(0.56)},
        strict=StrictTest(base=score(0.02), best=score(0.55), control=score(0.44)),
        difference=Difference(points=45.75, interval=(40.1, 51.2), p_value=1e-40),
        best_minus_control=Difference(points=11.0, interval=(5.6, 16.3), p_value=0.00007),
        by_label={"level": pairs},
    )


def summary(text: str = "", **changes: object) -> Summary:
    """Make the summary of three rounds with two arms; `text` is appended to everything that a model wrote."""
    gains = {1: (39.0, 33.9, 44.2), 2: (12.25, 7.7, 16.8), 3: (0.75, -2.4, 3.9)}
    rounds = []
    for number, (points, low, high) in gains.items():
        p = 0.32 if number == 3 else 1e-7
        gained = Difference(points=points, interval=(low, high), p_value=p)
        rounds.append(round_row(number, "track_b", "hold" if number == 3 else "promote", gained))
        less = Difference(points=points - 14, interval=(low - 14, high - 14), p_value=min(1.0, p * 3e5 + 0.02))
        rounds.append(round_row(number, "track_a", "roll back" if number == 3 else "hold", less))
    made = Summary(
        sentence="SmolLM2-135M went from 10.0 % to 55.8 % on 400 unseen arithmetic problems "
        "(+45.8 points, 95 % interval 40.1 to 51.2), 11 points more than a control arm trained on as many tokens.",
        next_step="Load the best adapter, or go on with more rounds: the third was inconclusive.",
        best=Best(
            path="round-02/arms/track_b/adapter",
            round=2,
            load='student = load_student("smollm2-135m").with_adapter("runs/arithmetic/round-02/arms/track_b/adapter")',
        ),
        task="arithmetic",
        student="smollm2-135m",
        teacher="openai/gpt-4o",
        seed=0,
        state="finished",
        baselines=(
            BaselineSummary(name="zero-shot", dev=score(0.025), shots=0, chosen=False),
            BaselineSummary(name="four-shot", dev=score(mean(_BASE)), shots=4, chosen=True, by_label=by_level(_BASE)),
        ),
        rounds=tuple(rounds),
        test=tested(),
        cost=cost(),
        wall_s=2712.0,
        lessons=lessons(text),
        failures=failures(text),
        provenance=Provenance(
            selfimprove="0.1.0",
            python="3.11.9",
            packages={"torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0", "peft": "0.21.2", "dspy": "3.4.1"},
            machine="2 CPU cores, 24 GiB, no GPU",
            student_identity="2c8d0f7a61b9e3d4",
            render_hash="91a3c07f5be2d846",
            data={"train": "5f2a" * 16, "dev": "09be" * 16, "test": "c41d" * 16},
            seeds=(0,),
            started="2026-11-20T09:12:44+00:00",
            finished="2026-11-20T09:57:56+00:00",
            manifest_sha256="77e0" * 16,
        ),
    )
    return made.model_copy(update=changes)
