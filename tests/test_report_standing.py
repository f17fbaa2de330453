"""What went on when the period began is seen without a change in it; what is counted belongs to its cause."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reporter import load, page
from reporter.document import document
from reporter.limits import Limits
from reporter.page import Page
from tcptide import statefiles
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.model import Event
from tcptide.writer import Writer

from .reporting import MINUTE, WALL, built, exhausted_hour, minute, quiet_hour, stored
from .storing import sql

UTC = ZoneInfo("UTC")
TOO_MANY = "TCP_CONNECTIONS CRITICAL - 30000 connections (limit 8000)"


def second_hour(directory: str) -> Page:
    loaded = load.load(directory, None, WALL + 60 * MINUTE, WALL + 120 * MINUTE, Config(), WALL + 121 * MINUTE, UTC)
    return page.build(loaded, 60.0, UTC, WALL + 121 * MINUTE, Limits({}))


def recorded(directory: str, *changes: tuple[float, str, str, int, int, str], seen: float) -> None:
    """Changes in a state of two quiet hours, and when their services were last recorded."""
    stored(directory, [minute(number) for number in range(121)])
    with statefiles.lock(directory, SYSTEM, 5.0), Writer(directory) as writer, writer.transaction():
        for when, name, kind, old, new, said in changes:
            writer.add_event(1, WALL + when * MINUTE, name, kind, old, new, None, said, None)
            if kind == "threshold":
                writer.put_standing(1, name, new, None, WALL + seen * MINUTE, None)


def told(built: Page) -> list[tuple[str, str, float, bool, str]]:
    alerts = document(built)["alerts"]
    return [(one["level"], one["name"], one["seconds"], one["begun"], one["message"]) for one in alerts]


def test_an_alert_that_stood_through_the_whole_period_is_seen(tmp_path: Path) -> None:
    recorded(
        str(tmp_path),
        (10, "web1 all", "threshold", 0, 1, "TCP_CONNECTIONS WARNING - 5000 connections (limit 4000)"),
        (20, "web1 all", "threshold", 1, 2, TOO_MANY),
        seen=120,
    )
    whole = second_hour(str(tmp_path))
    assert told(whole) == [("critical", "web1 all", 3600, False, TOO_MANY)]
    (found,) = whole.attention
    assert (found.severity, found.what, found.goes_on) == ("critical", "Alert of web1 all", True)
    assert found.evidence == f"{TOO_MANY}."
    assert whole.events.rows == []


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        pytest.param([(20, 0, 2, TOO_MANY), (50, 2, 0, "TCP_CONNECTIONS OK")], 120, id="over-before"),
        pytest.param([(20, 0, 2, TOO_MANY)], 30, id="no-longer-checked"),
    ],
)
def test_what_was_over_or_is_no_longer_watched_is_none(
    tmp_path: Path, changes: list[tuple[float, int, int, str]], seen: float
) -> None:
    of_all = [(when, "web1 all", "threshold", old, new, said) for when, old, new, said in changes]
    recorded(str(tmp_path), *of_all, seen=seen)
    whole = second_hour(str(tmp_path))
    assert (told(whole), whole.attention) == ([], [])


def test_an_alert_from_before_ends_when_it_did(tmp_path: Path) -> None:
    recorded(
        str(tmp_path),
        (20, "web1 all", "threshold", 0, 2, TOO_MANY),
        (90, "web1 all", "threshold", 2, 0, "TCP_CONNECTIONS OK - 900 connections"),
        seen=120,
    )
    whole = second_hour(str(tmp_path))
    assert told(whole) == [("critical", "web1 all", 1800, False, TOO_MANY)]
    (found,) = whole.attention
    assert (found.when, found.evidence) == ("Tue 18 Nov 01:00 to 01:30", f"{TOO_MANY}.")


@pytest.mark.parametrize(("verdict", "alerts"), [("slow_leak", 1), ("normal", 0)])
def test_a_pattern_from_before_is_one_while_verdicts_say_so(tmp_path: Path, verdict: str, alerts: int) -> None:
    recorded(str(tmp_path), (20, "pattern", "pattern", 0, 1, "slow_leak: CLOSE_WAIT +120/h"), seen=120)
    sql(str(tmp_path), f"UPDATE sample SET pattern = '{verdict}'")
    whole = told(second_hour(str(tmp_path)))
    assert whole == [("pattern", "pattern", 3600, False, "slow_leak: CLOSE_WAIT +120/h")] * alerts


def alert(number: float, old: int, new: int, message: str, code: str | None = None) -> Event:
    return Event(1, WALL + number * MINUTE, "web1 all", "threshold", old, new, code, message, None)


def test_too_many_connections_beside_exhausted_ports_are_a_part_of_that() -> None:
    hours = [minute(number) for number in range(61, 301)]
    events = [alert(24, 0, 2, TOO_MANY), alert(52, 2, 0, "TCP_CONNECTIONS OK - 900 connections")]
    ports, queue = built([*exhausted_hour(), *hours], events=events).attention
    assert (ports.what, queue.what) == ("Ports to 10.0.0.5:5432 ran short", "An accept queue overflowed")
    assert ports.also == (TOO_MANY,)
    assert queue.also == ()
    assert ports.when == "Tue 18 Nov 00:21 to 00:52"


def test_too_many_connections_for_other_reasons_or_at_another_time_are_told_by_themselves() -> None:
    later = [minute(number) for number in range(61, 301)]
    for events in (
        [alert(150, 0, 2, TOO_MANY), alert(160, 2, 0, "TCP_CONNECTIONS OK")],
        [alert(24, 0, 2, TOO_MANY, "outage"), alert(52, 2, 0, "TCP_CONNECTIONS OK")],
    ):
        told = [one.what for one in built([*exhausted_hour(), *later], events=events).attention]
        assert "Alert of web1 all" in told
    (alone,) = built(quiet_hour(), events=[alert(24, 0, 2, TOO_MANY), alert(30, 2, 0, "TCP_CONNECTIONS OK")]).attention
    assert alone.what == "Alert of web1 all"
