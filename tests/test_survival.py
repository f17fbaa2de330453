"""What leaks and what doesn't, told from the ages that each look shows: programs of many habits, at any interval."""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from math import exp, inf, sin
from typing import Any

import pytest

from tcptide.detection.survival import Survivors
from tcptide.lingering import of_ages
from tcptide.model import Leak, Lingering

WALL = 1_760_000_000.0

#: When a socket gets into CLOSE_WAIT, and when it leaves; seconds from the first row on.
Life = tuple[float, float]


def ages_of(lives: Iterable[Life], now: float, linger_seconds: float) -> list[float]:
    return sorted((now - born for born, ended in lives if born <= now - linger_seconds and ended > now), reverse=True)


def shown(lives: Iterable[Life], now: float, interval: float) -> tuple[Lingering, ...]:
    ages = ages_of(lives, now, interval)
    return (of_ages("unit", "app.service", "CLOSE_WAIT", ages),) if ages else ()


def rows(
    lives: Iterable[Life], interval: float, count: int, *, without: range = range(0)
) -> Iterator[tuple[Leak, ...]]:
    """What each row says; some rows may be missing. The state is dumped and loaded all the time."""
    survivors, last, all_lives = Survivors(), None, [*lives]
    for number in range(count):
        now = number * interval
        if number in without:
            continue
        elapsed = None if last is None else now - last
        survivors = Survivors.load(json.loads(json.dumps(survivors.dump())))
        yield survivors.update(WALL + now, shown(all_lives, now, interval), elapsed_seconds=elapsed)
        last = now


def every(
    seconds: float, lifetime: float = inf, *, since: float = 0.0, until: float = inf, sockets: int = 1
) -> list[Life]:
    """So many sockets at a time, evenly."""
    born = [since + seconds * (number + 0.5) for number in range(int((min(until, 100_000) - since) / seconds))]
    return [(at, at + lifetime) for at in born for _ in range(sockets)]


def arriving(
    per_second: Callable[[float], float],
    lifetime: Callable[[random.Random], float],
    seed: int,
    *,
    since: float = 0.0,
    until: float = 36_000.0,
) -> Iterator[Life]:
    """By chance, as clients come."""
    dice, at, most = random.Random(seed), since, max(per_second(t) for t in range(int(since), int(until), 60))
    while (at := at + dice.expovariate(most)) < until:
        if dice.random() < per_second(at) / most:
            yield at, at + lifetime(dice)


def named(found: Iterable[tuple[Leak, ...]]) -> list[int]:
    return [number for number, leaks in enumerate(found) if leaks]


# Leaks

INTERVALS = (1.0, 5.0, 10.0, 60.0, 300.0)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("sockets", [1, 3, 200])
def test_a_leak_is_named_by_the_tenth_row_and_goes_on_being_named(sockets: int, interval: float) -> None:
    numbers = named(rows(every(interval, sockets=sockets, until=60 * interval), interval, 60))
    assert numbers[0] < 10
    assert numbers == [*range(numbers[0], 60)]


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_leak_that_has_gone_on_for_long_is_named_by_the_tenth_row(interval: float) -> None:
    numbers = named(rows(every(interval, since=-2000 * interval, until=30 * interval), interval, 30))
    assert numbers == [*range(7, 30)]


def test_what_is_said_of_a_leak() -> None:
    *_, last = rows(every(60.0), 60.0, 11)
    assert last == (Leak("unit", "app.service", "CLOSE_WAIT", 9, 570.0, 60.0, WALL + 30.0),)


def test_a_slow_leak_is_named_once_there_are_some() -> None:
    numbers = named(rows(every(1800.0), 60.0, 600))
    assert numbers == [*range(numbers[0], 600)]
    assert 6 * 30 < numbers[0] < 8 * 30


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(every(1.0, 70.0, since=-100), id="closed-after-70-s"),
        pytest.param(every(2.0, 300.0, since=-400, until=20_000), id="closed-after-5-min"),
        pytest.param([(-5000.0 + number, inf) for number in range(40)], id="stuck-since-an-incident"),
        pytest.param(arriving(lambda at: 0.1, lambda dice: dice.expovariate(1 / 90), 1, since=-900.0), id="by-chance"),
    ],
)
def test_a_leak_among_sockets_that_do_end(others: list[Life]) -> None:
    lives = [*others, *every(60.0, until=6000)]
    *_, last = rows(lives, 60.0, 100)
    (leak,) = last
    assert leak.sockets == pytest.approx(98 if len([*others]) != 40 else 138, rel=0.15)
    assert leak.per_hour == pytest.approx(60.0, rel=0.1)
    assert len(named(rows(lives, 60.0, 100))) > 80


def test_a_leak_is_named_by_its_owner() -> None:
    survivors, said = Survivors(), tuple[Leak, ...]()
    for number in range(12):
        now = 60.0 * number
        steady = of_ages("unit", "web.service", "CLOSE_WAIT", [70.0, 65.0, 62.0, 61.0, 60.5, 60.2])
        leaking = [now - 60.0 * born for born in range(number)]
        lingering = [steady, of_ages("user", "ada", "CLOSE_WAIT", leaking)] if leaking else [steady]
        said = survivors.update(WALL + now, lingering, elapsed_seconds=60.0)
    assert [(leak.holder_kind, leak.holder) for leak in said] == [("user", "ada")]


def test_the_fastest_leak_comes_first() -> None:
    survivors, said = Survivors(), tuple[Leak, ...]()
    for number in range(1, 12):
        owners = {"slow": 1, "fast": 9}
        ages = {
            name: [60.0 * at for at in range(number, 0, -1) for _ in range(times)] for name, times in owners.items()
        }
        lingering = [of_ages("unit", name, "CLOSE_WAIT", old) for name, old in ages.items()]
        said = survivors.update(WALL + 60.0 * number, lingering)
    assert [leak.holder for leak in said] == ["fast", "slow"]


# None


def constant(value: float) -> Callable[[random.Random], float]:
    return lambda dice: value


def morning(at: float) -> float:
    """Almost nothing, then ever more for three hours."""
    return 0.01 + 0.5 / (1 + exp(-(at - 5400) / 900))


STUCK = [(-700.0, inf)]
NO_LEAK: dict[str, Callable[[int], list[Life]]] = {
    "proxy-200-wobbling": lambda seed: [
        *arriving(lambda at: 200 / 70 * (1 + 0.15 * sin(at / 200)), constant(70), seed, since=-200, until=7200)
    ],
    "closed-after-5-min": lambda seed: [*arriving(lambda at: 0.5, constant(300), seed, since=-400, until=7200)],
    "closed-after-5-min-few": lambda seed: [*arriving(lambda at: 0.03, constant(300), seed, since=-400)],
    "closed-after-5-min-newly-started": lambda seed: [*arriving(lambda at: 0.3, constant(300), seed, until=7200)],
    "closed-by-a-sweep-each-minute": lambda seed: [
        (born, ended + 60 - ended % 60) for born, ended in arriving(lambda at: 0.3, constant(300), seed, until=7200)
    ],
    "closed-after-5-min-ever-more": lambda seed: [*arriving(morning, constant(300), seed, since=-400, until=14_400)],
    "the-same-and-one-stuck": lambda seed: [
        *STUCK,
        *arriving(morning, constant(300), seed, since=-400, until=14_400),
    ],
    "closed-after-an-hour": lambda seed: [*arriving(lambda at: 0.02, constant(3600), seed, since=-7200)],
    "closed-after-an-hour-ever-more": lambda seed: [*arriving(morning, constant(3600), seed, since=-7200)],
    "closed-by-chance": lambda seed: [
        *arriving(lambda at: 0.1, lambda dice: dice.expovariate(1 / 600), seed, since=-3600)
    ],
    "stuck-at-once": lambda seed: [(1000.0 + number / 10, inf) for number in range(300)],
    "four-left-over": lambda seed: every(600.0, until=2401.0),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("habit", NO_LEAK)
def test_what_is_no_leak_is_never_named(habit: str, seed: int) -> None:
    assert named(rows(NO_LEAK[habit](seed), 60.0, 600)) == []


@pytest.mark.parametrize("interval", [1.0, 10.0, 30.0, 300.0])
@pytest.mark.parametrize("habit", ["proxy-200-wobbling", "closed-after-5-min"])
def test_no_more_at_other_intervals(habit: str, interval: float) -> None:
    assert named(rows(NO_LEAK[habit](0), interval, 300)) == []


def idle_of(number: int, until: float = inf) -> list[Lingering]:
    """A connection more each minute, idle from then on and for ever, or `until` an age."""
    ages = [900.0 + 60.0 * at for at in range(number, -1, -1) if 900.0 + 60.0 * at < until]
    return [of_ages("unit", "pool.service", "ESTABLISHED", ages)]


def test_idle_connections_that_become_ever_more_are_a_leak_and_stand_between_the_rows_that_show_them() -> None:
    survivors = Survivors()
    said = [survivors.update(WALL + 60.0 * number, idle_of(number), idle_seen=number % 5 == 0) for number in range(60)]
    first = next(number for number, leaks in enumerate(said) if leaks)
    assert first == 35  # seven rows that show them
    assert all(said[first:])
    assert said[-1][0][:4] == ("unit", "pool.service", "ESTABLISHED", 56)
    assert said[-1][0].per_hour == pytest.approx(60, rel=0.1)


def test_idle_connections_that_end_at_some_age_are_no_leak() -> None:
    survivors = Survivors()
    for number in range(0, 300, 5):
        said = survivors.update(WALL + 60.0 * number, idle_of(number, until=1750.0), idle_seen=True)
        assert said == () or number < 60
    assert said == ()


def test_idle_connections_are_not_judged_where_rows_do_not_show_them() -> None:
    survivors = Survivors()
    assert not any(survivors.update(WALL + 60.0 * number, idle_of(number)) for number in range(60))


# When it ends


def test_a_leak_that_stops_growing_is_over_after_a_while() -> None:
    numbers = named(rows(every(20.0, until=3600.0), 60.0, 120))
    assert (numbers[-1], len(numbers)) == (70, 70 - numbers[0] + 1)


def test_a_restart_ends_a_leak_and_the_next_one_is_named_as_soon() -> None:
    lives = [(born, 3600.0 if born < 3600.0 else inf) for born, _ in every(30.0, until=7200.0)]
    numbers = named(rows(lives, 60.0, 120))
    assert numbers == [*range(8, 60), *range(68, 120)]


def test_a_part_that_ends_with_its_worker_is_no_lifetime_for_long() -> None:
    """One of four workers is replaced after two hours: the others go on."""
    lives = [
        (born, 7200.0 if number % 4 == 0 and born < 7200.0 else inf) for number, (born, _) in enumerate(every(30.0))
    ]
    numbers = named(rows(lives, 60.0, 600))
    assert len(numbers) > 580


def test_workers_that_are_replaced_in_turn_bound_it() -> None:
    """Four workers live for two hours each: first it is a leak, then it is known how long that goes."""
    lives = [
        (born, born + 7200.0 - (born + 1800.0 * (number % 4)) % 7200.0) for number, (born, _) in enumerate(every(30.0))
    ]
    numbers = named(rows(lives, 60.0, 1200))
    assert numbers
    assert numbers[-1] < 120


def test_another_boot_ends_it() -> None:
    survivors, lives = Survivors(), every(20.0)
    for number in range(20):
        said = survivors.update(WALL + 60.0 * number, shown(lives, 60.0 * number, 60.0), elapsed_seconds=60.0)
    assert said
    for number in range(20, 26):
        lingering = shown(lives, 60.0 * number, 60.0)
        assert survivors.update(WALL + 60.0 * number, lingering, restarted=number == 20) == ()


# Rows and clocks


def test_missing_rows_change_nothing() -> None:
    lives = every(30.0, until=6000.0)
    whole, gappy = [*rows(lives, 60.0, 100)], [*rows(lives, 60.0, 100, without=range(30, 60))]
    assert [one.sockets for (one,) in gappy[-40:]] == [one.sockets for (one,) in whole[-40:]]


def test_a_lifetime_is_learnt_across_missing_rows() -> None:
    lives = [*arriving(lambda at: 0.5, constant(900), 1, since=-1000, until=36_000)]
    assert named(rows(lives, 60.0, 600, without=range(20, 40))) == []


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_wall_clock_that_steps_changes_nothing_but_since(step: float) -> None:
    lives = every(30.0)
    plain, stepping = Survivors(), Survivors()
    for number in range(40):
        now, elapsed = 60.0 * number, 60.0 if number else None
        lingering = shown(lives, now, 60.0)
        expected = plain.update(WALL + now, lingering, elapsed_seconds=elapsed)
        shift = step if number >= 20 else 0.0
        said = stepping.update(WALL + now + shift, lingering, elapsed_seconds=elapsed)
        assert said == tuple(leak._replace(since=leak.since + shift) for leak in expected)


def test_without_another_clock_a_wall_clock_that_steps_back_begins_anew() -> None:
    survivors, lives = Survivors(), every(30.0)
    numbers = []
    for number in range(40):
        wall = WALL + 60.0 * number - (5000.0 if number >= 20 else 0.0)
        if survivors.update(wall, shown(lives, 60.0 * number, 60.0)):
            numbers.append(number)
    assert numbers == [*range(8, 20), *range(26, 40)]


def test_looks_that_come_a_little_late_are_no_lifetime() -> None:
    dice, survivors, lives = random.Random(1), Survivors(), every(30.0)
    numbers = []
    for number in range(100):
        late = dice.uniform(0.0, 2.0)
        if survivors.update(WALL + 60.0 * number, shown(lives, 60.0 * number + late, 60.0), elapsed_seconds=60.0):
            numbers.append(number)
    assert numbers == [*range(numbers[0], 100)]
    assert numbers[0] < 10


def test_an_owner_that_a_full_list_leaves_out_may_still_be_there() -> None:
    survivors, lives = Survivors(), every(30.0)
    others = [of_ages("unit", f"other{number}.service", "CLOSE_WAIT", [61.0]) for number in range(5)]
    for number in range(20):
        lingering = others if number % 4 == 3 else [*shown(lives, 60.0 * number, 60.0), *others[:4]]
        said = survivors.update(WALL + 60.0 * number, lingering, elapsed_seconds=60.0)
    assert said == ()
    assert survivors.update(WALL + 1200.0, shown(lives, 1200.0, 60.0), elapsed_seconds=60.0)


def test_rows_of_an_older_program_have_no_ages() -> None:
    survivors = Survivors()
    for number in range(20):
        old = Lingering("unit", "app.service", "CLOSE_WAIT", number + 1, 60.0 * number)
        assert survivors.update(WALL + 60.0 * number, [old]) == ()


# The state


def test_the_state_stays_small() -> None:
    """Years of rows, more owners than a host has, and very many sockets."""
    survivors = Survivors()
    for number in range(3000):
        lingering = [
            of_ages("unit", f"{number % 200}.service", "CLOSE_WAIT", [61.0, 60.0]),
            of_ages("unit", "app.service", "CLOSE_WAIT", [60.0 * at for at in range(number, 0, -1)] or [60.0]),
        ]
        survivors.update(WALL + 60.0 * number, lingering, elapsed_seconds=60.0)
    assert len(json.dumps(survivors.dump())) < 12_000


@pytest.mark.parametrize("dumped", [None, 7, [], {}, {"wall": 1.0, "row": 1, "seconds": 2.0, "owners": [[1]]}])
def test_what_is_no_state_is_refused(dumped: Any) -> None:
    with pytest.raises(ValueError, match="no state of leaks"):
        Survivors.load(dumped)
