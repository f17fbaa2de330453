"""From ages by owner to what a sample keeps of them."""

import pytest

from tcptide.lingering import lingering, of_ages, ranks
from tcptide.model import Lingering


@pytest.mark.parametrize(
    ("sockets", "kept"),
    [
        (0, ()),
        (1, (1,)),
        (2, (1, 2)),
        (8, (1, 2, 3, 4, 5, 6, 7, 8)),
        (9, (1, 2, 3, 4, 6, 7, 8, 9)),
        (40, (1, 2, 3, 4, 6, 8, 12, 16, 25, 29, 33, 35, 37, 38, 39, 40)),
    ],
)
def test_whose_ages_are_kept(sockets: int, kept: tuple[int, ...]) -> None:
    assert ranks(sockets) == kept


def test_very_many_keep_few_ages() -> None:
    assert len(ranks(1_000_000)) < 80
    for sockets in range(1, 2000):
        kept = ranks(sockets)
        assert sorted({*kept}) == [*kept]
        assert (kept[0], kept[-1]) == (1, sockets)
        assert kept == tuple(sockets + 1 - rank for rank in reversed(kept))


def test_one_owner() -> None:
    ages = [600.04, 500.0, 400.0, 300.0, 250.0, 200.0, 150.0, 100.06, 60.0]
    assert of_ages("unit", "app.service", "CLOSE_WAIT", ages) == Lingering(
        "unit", "app.service", "CLOSE_WAIT", 9, 600.0, (600.0, 500.0, 400.0, 300.0, 200.0, 150.0, 100.1, 60.0)
    )


NAMES = {1: ("unit", "app.service"), 2: ("unit", "app.service"), 3: ("user", "ada"), 4: ("user", None)}


def test_owners_of_one_name_are_one_and_those_without_are_left_out() -> None:
    ages = {
        ("CLOSE_WAIT", 3): [60_000],
        ("CLOSE_WAIT", 1): [61_000, 63_000],
        ("CLOSE_WAIT", 2): [62_000],
        ("CLOSE_WAIT", 4): [10**9],
        ("ESTABLISHED", 1): [10**6],
    }
    assert lingering(ages, NAMES.__getitem__) == (
        Lingering("unit", "app.service", "CLOSE_WAIT", 3, 63.0, (63.0, 62.0, 61.0)),
        Lingering("user", "ada", "CLOSE_WAIT", 1, 60.0, (60.0,)),
        Lingering("unit", "app.service", "ESTABLISHED", 1, 1000.0, (1000.0,)),
    )


def test_who_has_kept_them_longest_comes_first() -> None:
    """Not the busiest: what a history row keeps is five deep, and a leak must be among them."""
    ages = {("CLOSE_WAIT", number): [70_000] * 30 for number in range(25)}
    ages["CLOSE_WAIT", 99] = [3_600_000] * 5
    ages["ESTABLISHED", 1] = [10**9]
    found = lingering(ages, lambda owner: ("unit", f"{owner}.service"))
    assert found[0].holder == "99.service"
    assert len(found) == 20
    assert {one.state for one in found} == {"CLOSE_WAIT"}
