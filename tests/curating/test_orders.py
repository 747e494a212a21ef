from __future__ import annotations

from collections import Counter

from selfimprove.curating.orders import Growth, Herd, Need, deficits, order_round
from selfimprove.curating.rows import Place
from selfimprove.curating.yields import CellYield, RoundYield, Yield, given_up
from selfimprove.labels.taxonomy import Cell

PATH = ("Maths", "Number", "Whole", "Find it", "sums")
CELL = Cell(PATH, "short answer")
OTHER = Cell((*PATH[:4], "products"), "short answer")


def herd(members: int = 10, depth: int = 3) -> Herd:
    made = Herd(depth)
    for at in range(members):
        made.add(f"seed {at}", f"seed {at}", 0)
    return made


def test_seeds_are_copied_equally_often() -> None:
    """No seed is drawn a third time before all were drawn twice."""
    orders = herd().draw(Place.of(CELL), [5] * 20, seed=0)
    assert set(Counter(order.seed for order in orders).values()) == {2}
    assert {order.sample for order in orders} == {0, 1}


def test_family_that_grew_is_not_drawn_more_often() -> None:
    """A seed with a hundred descendants shares its turn with them."""
    grown = herd(2)
    for at in range(100):
        grown.add(f"child {at}", "seed 0", 1)
    orders = grown.draw(Place.of(CELL), [5] * 10, seed=0)
    assert Counter(order.root for order in orders) == {"seed 0": 5, "seed 1": 5}
    assert max(Counter(order.seed for order in orders if order.root == "seed 0").values()) == 1


def test_last_generation_is_not_varied() -> None:
    """At the depth cap a problem is no seed."""
    one = Herd(depth=1)
    one.add("seed", "seed", 0)
    one.add("child", "seed", 1)
    assert {order.seed for order in one.draw(Place.of(CELL), [5] * 4, seed=0)} == {"seed"}


def test_sample_goes_on_counting_after_a_restart() -> None:
    """Orders read back count as those drawn."""
    first = herd(1)
    drawn = first.draw(Place.of(CELL), [5, 5], seed=0)
    again = herd(1)
    for order in drawn:
        again.note(order)
    assert again.draw(Place.of(CELL), [5], seed=0) == first.draw(Place.of(CELL), [5], seed=0)


def test_largest_deficits_come_first() -> None:
    """Full cells and those given up are left out."""
    assert deficits({CELL: 50, OTHER: 90}, {CELL: 20, OTHER: 10}) == [Need(OTHER, 80), Need(CELL, 30)]
    assert deficits({CELL: 50, OTHER: 90}, {CELL: 50, OTHER: 10}, closed=[OTHER]) == []


def test_round_is_as_large_as_growth_allows() -> None:
    """Ten problems become no more than a hundred in one round, whatever the quota."""
    herds = {PATH: herd()}
    orders = order_round([Need(CELL, 100_000)], herds, {CELL: Yield(ordered=1000, admitted=1000)}, Growth(), 0)
    assert 90 <= sum(order.variants for order in orders) <= 100


def test_small_window_goes_to_the_largest_deficits() -> None:
    """What is left is made equal, and the window is kept."""
    herds = {PATH: herd(500), OTHER.path: herd(500)}
    growth = Growth(window=300)
    orders = order_round([Need(OTHER, 400), Need(CELL, 200)], herds, {}, growth, 0)
    counts = Counter[str]()
    for order in orders:
        counts[order.place.path[-1]] += order.variants
    assert counts.total() <= 300
    assert counts["products"] > 2 * counts["sums"]


def test_cell_is_given_up_by_its_latest_yield() -> None:
    """A cell that went well before and fails now is given up; a little bad luck is not looked at."""

    def round_(number: int, ordered: int, admitted: int) -> RoundYield:
        counted = Yield(ordered=ordered, admitted=admitted)
        return RoundYield(round=number, yields=(CellYield(place=Place.of(CELL), generation=1, counted=counted),))

    assert given_up([round_(1, 200, 180), round_(2, 120, 1)], floor=0.05, after=100) == {CELL: 1 / 120}
    assert given_up([round_(1, 200, 180), round_(2, 50, 0)], floor=0.05, after=100) == {}
