"""A judgement that is made again from the rows is the one that was lost: exactly, as far as the rows reach back."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from tcptide import history
from tcptide.advance import REPLAYED_ROWS
from tcptide.config import Config
from tcptide.model import Sample
from tcptide.simulate import samples
from tcptide.simulation.host import DAY_SECONDS, INCIDENTS, Host, Incident
from tcptide.writer import Writer

from .storing import sql

MONDAY = 1_800_230_400.0
HOUR = 3600.0

#: What the judgement has to go on from, and what becomes of it.
LOSSES = {
    "deleted": "DELETE FROM detector",
    "older-version": "UPDATE detector SET version = '0'",
    "other-sensitivity": "UPDATE detector SET parameters = 'eager, 60 s'",
}


def incidents(begin: float) -> list[Incident]:
    """A leak of five hours, and a while after it ports that run out."""
    return [
        Incident("leak", begin, begin + 5 * HOUR, INCIDENTS["leak"][2]),
        Incident("port-exhaustion", begin + 7 * HOUR, begin + 8 * HOUR, INCIDENTS["port-exhaustion"][2]),
    ]


@cache
def machine(rows: int, begin: float) -> Sequence[Sample]:
    """So many rows of a machine, incidents included."""
    host = Host(1, MONDAY - 30 * DAY_SECONDS, incidents(begin))
    return list(samples(host, MONDAY, MONDAY + 60.0 * rows, 60.0))


def judged(directory: str, *parts: Sequence[Sample], between: str = "") -> None:
    """The parts of a history; in between something happens to the database."""
    for number, part in enumerate(parts):
        if number and between:
            sql(directory, between)
        with Writer(directory) as writer:
            history.extend(writer, part, advance=history.judged(Config()))


def found(directory: str, since: float = 0) -> tuple[list[Any], list[Any], list[Any]]:
    """Verdicts and events since a time, and state and outlook."""
    verdicts = sql(directory, f"SELECT pattern, expected, pattern_since FROM sample WHERE wall >= {since} ORDER BY id")
    columns = "wall, name, kind, old, new, code, message, finding"
    events = sql(directory, f"SELECT {columns} FROM event WHERE wall >= {since} ORDER BY id")
    return verdicts, events, sql(directory, "SELECT * FROM detector")


@pytest.fixture(params=LOSSES.values(), ids=list(LOSSES))
def loss(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_exactly_the_same_while_all_rows_are_judged_again(loss: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The judgement is lost in the midst of the leak."""
    rows = machine(REPLAYED_ROWS - 60, MONDAY + 12 * HOUR)
    lost = 14 * 60
    whole, broken = (str(tmp_path_factory.mktemp("state")) for _ in range(2))
    judged(whole, rows)
    judged(broken, rows[:lost], rows[lost:], between=loss)
    assert found(broken) == found(whole)
    codes = {event[5] for event in found(whole)[1]}
    assert {"leak_close_wait", "destination_time_wait"} <= codes


def test_the_same_to_people_when_older_rows_are_out_of_reach(
    loss: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A day is judged again instead of two: what is expected differs a little, what is found doesn't."""
    begin = MONDAY + 2 * DAY_SECONDS + 4 * HOUR
    rows = machine(2 * 1440 + 14 * 60, begin)
    lost = 2 * 1440
    since = rows[lost].origin.wall_seconds
    whole, broken = (str(tmp_path_factory.mktemp("state")) for _ in range(2))
    judged(whole, rows)
    judged(broken, rows[:lost], rows[lost:], between=loss)
    verdicts, events, _ = found(whole, since)
    again, events_again, _ = found(broken, since)
    assert len(verdicts) == len(again) == len(rows) - lost
    same = sum(one[0] == other[0] for one, other in zip(verdicts, again, strict=True))
    assert same >= 0.98 * len(verdicts)
    for incident in incidents(begin):
        first, first_again = (
            next(event[:6] for event in of if event[0] > incident.begins_seconds) for of in (events, events_again)
        )
        assert first_again == first
