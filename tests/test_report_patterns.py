"""The patterns of the period: which samples make one, its number and words, and where they go over the picture."""

import re

from reporter import frames, lane, page, patterns
from reporter.lane import Mark
from reporter.patterns import Marked
from tcptide.model import Event

from .reporting import MINUTE, WALL, built, minute, points, verdicts


def pattern_event(number: float, message: str) -> Event:
    return Event(1, WALL + number * MINUTE, "pattern", "pattern", 0, 1, None, message, None)


def marked(*names: str, events: tuple[Event, ...] = (), minutes: tuple[int, ...] = ()) -> list[Marked]:
    rows = points(map(minute, minutes or range(len(names))))
    history = frames.history(rows, rows[0].wall_seconds, rows[-1].wall_seconds, MINUTE)
    return patterns.marked(history, rows, verdicts(*names), events)


def spans(*found: Marked) -> list[tuple[str, float, float]]:
    return [(one.name, (one.since - WALL) / MINUTE, (one.until - WALL) / MINUTE) for one in found]


def test_stretches_with_a_pattern_are_marked() -> None:
    names = ["insufficient_data", "normal", *["spike"] * 2, "periodic", *["slow_leak"] * 4, "level_shift", "normal"]
    assert spans(*marked(*names)) == [("spike", 2, 3), ("slow leak", 5, 8), ("level shift", 9, 9)]


def test_pattern_that_is_called_otherwise_at_first_is_one() -> None:
    assert spans(*marked("normal", "spike", "level_shift", *["rapid_increase"] * 3)) == [("rapid increase", 1, 5)]


def test_nothing_is_marked_across_a_gap() -> None:
    found = marked(*["slow_leak"] * 6, minutes=(0, 1, 2, 30, 31, 32))
    assert spans(*found) == [("slow leak", 0, 2), ("slow leak", 30, 32)]


def test_the_longest_are_numbered_in_the_order_of_time() -> None:
    names: list[str] = []
    for number in range(15):
        names += ["normal", *["spike"] * (1 if number in (3, 7, 8) else 4)]
    found = marked(*names)
    assert [one.number for one in found] == [1, 2, 3, None, 4, 5, 6, None, None, *range(7, 13)]
    told = built(map(minute, range(len(names))), verdicts=verdicts(*names))
    assert (len(told.patterns), told.more_patterns) == (12, 3)


def test_patterns_say_what_grew_as_it_was_recorded() -> None:
    recorded = (
        pattern_event(3, "normal after spike"),
        pattern_event(8, "slow_leak since 23:17: CLOSE_WAIT +120/h (1204 connections, expected 900) by app.service"),
    )
    told = built(
        map(minute, range(20)), verdicts=verdicts(*["normal"] * 6, *["slow_leak"] * 9, *["normal"] * 5), events=recorded
    )
    when = "Tue 18 Nov 00:06 to 00:14 (8 min)"
    what = "CLOSE_WAIT +120/h (1204 connections, expected 900) by app.service"
    assert told.patterns == [("slow leak", when, what)]
    assert told.pictures[0].marked == "Marked: 1 Ever more connections, Tue 18 Nov 00:06 to 00:14."
    html = page.render(told)
    assert re.search(r'<img [^>]* alt="[^"]*Marked: 1 Ever more connections, [^"]*"', html)
    assert f"<li><b>slow leak</b>, {when}: <bdi>{what}</bdi></li>" in html


def test_numbers_over_the_picture_keep_apart() -> None:
    hours = ((0, 10), (20, 21), (40, 41), (41, 42), (60, 61))
    every = [Mark(number, begin * 3600, end * 3600) for number, (begin, end) in enumerate(hours, 1)]
    every[-1] = every[-1]._replace(number=2)
    assert lane.labels(every, 9 / 3600) == [(5 * 3600, "1"), (20.5 * 3600, "2"), (41 * 3600, "3,4"), (60.5 * 3600, "2")]
    assert [text for _, text in lane.labels(every, 0.2 / 3600)] == ["1,2,3,4"]
