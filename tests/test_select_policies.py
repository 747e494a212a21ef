from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from selfimprove.errors import InputError
from selfimprove.mining.library import Graded, student_hash
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Attempt, Completion, Grade, TrackRow, Verdict
from selfimprove.steps.select import Selection, choose, easy_to_hard, select

KINDS = ("sum", "story")


def pool(size: int = 600, seed: int = 0) -> list[Graded]:
    rng, rows = Random(seed), []
    for number in range(size):
        level = number % 6
        rate = 1.0 if level == 0 else max(0.0, min(1.0, 1 - level / 5 + rng.uniform(-0.1, 0.1)))
        rows.append(
            Graded(
                problem=f"p{number:04d}",
                difficulty=level,
                pass_rate=round(rate, 3),
                samples=8,
                by="pass_rate",
                student=student_hash("s"),
                verdict=Verdict.WRONG if level else Verdict.CORRECT,
                steps=number % 9,
                labels={"kind": KINDS[number % 10 < 3]},  # 70 % sums, 30 % stories
            )
        )
    return rows


def levels(made: Selection, rows: list[Graded]) -> list[int]:
    by_id = {row.problem: row.difficulty for row in rows}
    found = Counter(by_id[i] for i in made.ids)
    return [found[level] for level in range(6)]


def test_curriculum_takes_fewer_the_harder() -> None:
    """Levels 1 to 5 get ever fewer, exactly by their weights, and level 0 none."""
    rows = pool()
    assert levels(choose(rows, "curriculum", 150), rows) == [0, 50, 40, 30, 20, 10]


def test_uniform_easy_and_given_weights() -> None:
    """Equal shares of all levels; only the two lowest; exactly as given."""
    rows = pool()
    assert levels(choose(rows, "uniform", 100), rows) == [17, 17, 17, 17, 16, 16]
    assert levels(choose(rows, "easy", 100), rows) == [50, 50, 0, 0, 0, 0]
    assert levels(choose(rows, "weights", 10, weights=[0, 0, 0, 1, 0, 1]), rows) == [0, 0, 0, 5, 0, 5]


def test_p_eval_takes_the_levels_of_a_pool_of_its_own() -> None:
    """Shares follow the levels of the other pool, none of whose problems is needed here."""
    rows = pool()
    own = [row for row in pool(60, seed=1) if row.difficulty in {0, 4}]
    assert levels(choose(rows, "p_eval", 40, own=own), rows) == [20, 0, 0, 0, 20, 0]


@pytest.mark.parametrize("size", [0, 1, 2, 6])
def test_p_eval_without_a_pool_of_its_own_goes_by_what_it_chooses_from(size: int) -> None:
    """A pool so small that none of it is to spare ends nothing: its own levels are taken, and that is said."""
    rows = pool(size)
    made = choose(rows, "p_eval", 2)
    assert len(made.ids) == min(2, size)
    assert "no graded problem is to spare, so the levels are those of what is chosen from" in made.notes


def test_band_takes_the_pass_rates_nearest_to_one_half() -> None:
    """No problem left out is nearer to one half than one that was taken."""
    rows = pool()
    made = choose(rows, "band", 80)
    distance = {row.problem: abs((row.pass_rate * 8 + 1) / 10 - 0.5) for row in rows}
    left = [distance[row.problem] for row in rows if row.problem not in made.ids]
    assert len(made.ids) == len(set(made.ids)) == 80
    assert max(distance[i] for i in made.ids) <= min(left)


def test_steps_has_quotas_by_number_of_steps() -> None:
    """0-2, 3-5 and 6 or more steps get equal parts, or those given."""
    rows = pool()
    steps = {row.problem: row.steps for row in rows}

    def parts(made: Selection) -> list[int]:
        found = Counter(min(2, steps[i] // 3) for i in made.ids)
        return [found[part] for part in range(3)]

    assert parts(choose(rows, "steps", 90)) == [30, 30, 30]
    assert parts(choose(rows, "steps", 90, weights=[1, 2, 0])) == [30, 60, 0]


def test_short_level_is_filled_from_its_neighbours_and_said() -> None:
    """The count stays exact; what was short and where it came from is in the notes, and the watcher hears it."""
    heard: list[str] = []

    class Hears(Nobody):
        def say(self, text: str) -> None:
            heard.append(text)

    rows = [row for row in pool() if row.difficulty != 3]
    with watched_by(Hears()):
        made = choose(rows, "weights", 60, weights=[0, 0, 0, 1, 0, 0])
    assert levels(made, rows) == [0, 0, 60, 0, 0, 0]
    assert made.notes == ("level 3 is short of 60, filled from level 2",)
    assert made.notes[0] in heard[0]
    assert [(q.asked, q.there, q.taken) for q in made.quotas][2:4] == [(0, 100, 60), (60, 0, 0)]


def test_pool_smaller_than_the_count_is_taken_whole() -> None:
    """Where fewer are graded than wanted, all are taken, and that is said."""
    rows = pool(12)
    made = choose(rows, "curriculum", 50)
    assert sorted(made.ids) == [row.problem for row in rows]
    assert "50 problems were wanted and 12 are graded" in made.notes[-1]


def test_stratified_keeps_the_labels_shares() -> None:
    """With a label to keep, each level's quota has its values in the pool's shares, to within one."""
    rows = pool()
    kind = {row.problem: (row.difficulty, row.labels["kind"]) for row in rows}
    found = Counter(kind[i] for i in choose(rows, "uniform", 120, stratify="kind").ids)
    assert all(found[(level, "story")] in {5, 6, 7} for level in range(6))


def test_a_label_that_no_graded_problem_carries_decides_nothing() -> None:
    """What a round happened to try need not carry it."""
    rows = pool()
    assert choose(rows, "uniform", 120, stratify="topic") == choose(rows, "uniform", 120)


def test_seed_decides_and_order_of_the_pool_does_not() -> None:
    """The same seed chooses the same problems from a pool in any order; another seed others."""
    rows = pool()
    mixed = Random(5).sample(rows, len(rows))
    assert choose(rows, "curriculum", 60, seed=3) == choose(mixed, "curriculum", 60, seed=3)
    assert set(choose(rows, "curriculum", 60, seed=3).ids) != set(choose(rows, "curriculum", 60, seed=4).ids)


def test_order_easy_to_hard() -> None:
    """Easy comes first, within a level what is solved more often; shuffled does not."""
    rows = pool()
    by_id = {row.problem: row for row in rows}
    hard = [(by_id[i].difficulty, -by_id[i].pass_rate) for i in choose(rows, "uniform", 60, order="easy_to_hard").ids]
    assert hard == sorted(hard)
    loose = [by_id[i].difficulty for i in choose(rows, "uniform", 60).ids]
    assert loose != sorted(loose)


def test_random_takes_levels_as_they_lie() -> None:
    """Any problem may be taken, whatever its level, and all levels are among many."""
    rows = pool()
    made = choose(rows, "random", 300)
    assert len(set(made.ids)) == 300
    assert all(35 <= n <= 65 for n in levels(made, rows))


def test_training_rows_easy_to_hard() -> None:
    """Rows go by the level and pass rate that their problem had in their own round; without a grade they come last."""
    made = [
        TrackRow(
            id=f"row {n}", track="track_b", program="solve", inputs={}, target="t", answer="1", problem=f"p{n}",
            source="s", round=1 + n % 2,
        )
        for n in range(5)
    ]  # fmt: skip
    given = {0: (3, 0.2), 1: (0, 1.0), 2: (3, 0.5), 4: (1, 0.1)}
    grades = {
        (1 + n % 2, f"p{n}"): Grade(problem=f"p{n}", difficulty=level, pass_rate=rate, samples=4, by="pass_rate")
        for n, (level, rate) in given.items()
    }
    grades[1, "p3"] = Grade(problem="p3", difficulty=0, pass_rate=1.0, samples=4, by="pass_rate")
    assert [row.problem for row in easy_to_hard(made, grades)] == ["p1", "p4", "p2", "p0", "p3"]


@pytest.mark.parametrize("weights", [None, [], [1, 2], [0] * 6, [1, 1, 1, 1, 1, -1]])
def test_bad_weights_are_one_sentence(weights: list[float] | None) -> None:
    """Weights that are missing, too few, all 0 or negative are refused with what to give."""
    with pytest.raises(InputError, match="give 6 numbers of at least 0, not all 0, for level 0 to level 5"):
        choose(pool(), "weights", 10, weights=weights)


@pytest.mark.parametrize(
    ("failed", "most", "chosen"),
    [(0, None, 0), (1, None, 1), (2, None, 3), (40, None, 60), (0, 100, 0), (1, 100, 1), (40, 100, 60), (90, 60, 60)],
)
def test_what_is_solved_is_kept_beside_what_is_not(failed: int, most: int | None, chosen: int) -> None:
    """The fewer failures, the fewer solved ones, down to none; failures never give way to them."""
    verdicts = [Verdict.WRONG if at < failed else Verdict.CORRECT for at in range(400)]
    attempts = [
        [Attempt(problem=f"p{at:03d}", completion=Completion(text=""), verdict=verdict, strict=verdict)]
        for at, verdict in enumerate(verdicts)
    ]
    ids = select(attempts, solved=0.5, seed=0, most=most)
    assert (len(ids), sum(i < f"p{failed:03d}" for i in ids)) == (chosen, min(failed, chosen * 2 // 3 or chosen))


def test_failures_policy_is_as_it_was() -> None:
    """Failures first, then a share of what is solved: the very ids that earlier versions chose."""
    rng, attempts = Random(1), []
    for number in range(40):
        verdict = rng.choice([Verdict.CORRECT, Verdict.WRONG, Verdict.TRUNCATED])
        one = Attempt(problem=f"p{number}", completion=Completion(text=""), verdict=verdict, strict=verdict)
        attempts.append([one])
    ids = select(attempts, solved=0.3, seed=1001, most=20)
    assert ids == [
        "p3",
        "p5",
        "p6",
        "p7",
        "p9",
        "p12",
        "p14",
        "p15",
        "p19",
        "p20",
        "p25",
        "p32",
        "p35",
        "p21",
        "p8",
        "p10",
        "p22",
        "p27",
        "p31",
        "p37",
    ]
