"""The alert history: its words, its order, its bounds, and what privacy leaves of it."""

import json
from datetime import UTC
from typing import Any

import pytest

from reporter import events, load, page, words
from reporter.document import document
from reporter.masking import shown_event
from reporter.saved import saved
from reporter.tables import Cell
from tcptide import history
from tcptide.config import Config, Privacy
from tcptide.far import own_addresses
from tcptide.model import Event

from .reporting import MINUTE, WALL, built, minute, quiet_hour, stored
from .samples import sample
from .storing import HandClock


def event(number: float, kind: str, old: int | None, new: int, message: str, name: str = "pattern") -> Event:
    """As it is loaded."""
    return Event(1, WALL + number * MINUTE, name, kind, old, new, None, words.without_clock(message), None)


RECORDED = (
    event(1, "threshold", None, 1, "TCP_ERRORS WARNING - 6% of opens failed", "web1 errors"),
    event(2, "threshold", 1, 2, "TCP_ERRORS CRITICAL - 33% of opens failed", "web1 errors"),
    event(3, "pattern", 0, 1, "slow_leak since 23:17: CLOSE_WAIT +120/h (1204 connections, expected 900) by a.service"),
    event(4, "pattern", 1, 1, "rapid_increase since 2025-11-17 14:02 (1204 connections, expected 900)"),
    event(5, "pattern", 1, 0, "normal after rapid_increase"),
    event(6, "forecast", 0, 1, "TIME_WAIT table full in 63-86 min", "time_wait"),
    event(7, "forecast", 1, 0, "TIME_WAIT table no longer in reach", "time_wait"),
    event(8, "threshold", 2, 0, "TCP_ERRORS OK - 0.1% of opens failed", "web1 errors"),
    event(9, "threshold", 0, 3, "TCP_ERRORS UNKNOWN - took over 8 s", "web1 errors"),
)


def test_changes_are_told_in_words_the_newest_first() -> None:
    rows = [[f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row] for row in told(RECORDED)]
    assert rows == [
        ["Tue 18 Nov 00:09", "UNKNOWN (was OK)", "TCP_ERRORS UNKNOWN - took over 8 s (web1 errors)"],
        ["Tue 18 Nov 00:08", "OK (was CRITICAL)", "TCP_ERRORS OK - 0.1% of opens failed (web1 errors)"],
        ["Tue 18 Nov 00:07", "out of reach (forecast)", "TIME_WAIT table no longer in reach"],
        ["Tue 18 Nov 00:06", "in reach (forecast)", "TIME_WAIT table full in 63-86 min"],
        ["Tue 18 Nov 00:05", "over (pattern)", "normal after rapid increase"],
        ["Tue 18 Nov 00:04", "changes (pattern)", "rapid increase (1204 connections, expected 900)"],
        [
            "Tue 18 Nov 00:03",
            "begins (pattern)",
            "slow leak: CLOSE_WAIT +120/h (1204 connections, expected 900) by a.service",
        ],
        ["Tue 18 Nov 00:02", "CRITICAL (was WARNING)", "TCP_ERRORS CRITICAL - 33% of opens failed (web1 errors)"],
        ["Tue 18 Nov 00:01", "WARNING", "TCP_ERRORS WARNING - 6% of opens failed (web1 errors)"],
    ]


def told(recorded: tuple[Event, ...]) -> list[tuple[Cell, ...]]:
    return [*events.table(recorded, UTC).rows]


def test_history_is_bounded() -> None:
    many = tuple(event(number, "pattern", 0, 1, f"spike {number}") for number in range(100))
    table = events.table(many, UTC)
    assert (len(table.rows), table.more) == (25, 75)
    assert [row[2].text for row in table.rows][::24] == ["spike 99", "spike 75"]


def test_levels_are_words_on_the_page() -> None:
    html = page.render(built(quiet_hour(), events=RECORDED))
    for level, word in (("critical", "CRITICAL"), ("warning", "begins"), ("fine", "over"), ("note", "UNKNOWN")):
        assert f'<span class="{level}"><span class="badge">{word}</span></span>' in html


def test_state_that_is_none_is_shown_as_it_is() -> None:
    ((_, level, _),) = told((event(1, "threshold", 7, 9, "?"),))
    assert (level.text, level.note, level.badge) == ("9", "was 7", "note")


def test_what_was_recorded_after_the_newest_sample_is_told(tmp_path: str) -> None:
    directory, newest = stored(f"{tmp_path}/state", [minute(0), minute(1)]), minute(1)
    for seconds, state in ((0.2, 1), (3600.0, 3)):
        clock = HandClock(newest.origin.wall_seconds + seconds)
        history.record(directory, newest.origin, clock, "errors", state, f"spike since 23:17 {seconds:g} s after it")

    def told_until(until: float | None, now: float) -> list[str]:
        loaded = load.load(directory, None, None, until, Config(), WALL + now)
        assert loaded.until == WALL + MINUTE
        return [one.message for one in loaded.events]

    assert told_until(None, MINUTE + 5) == ["spike 0.2 s after it"]
    assert told_until(None, 2 * 3600) == ["spike 0.2 s after it", "spike 3600 s after it"]
    assert told_until(WALL + MINUTE, 2 * 3600) == []


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("spike since 23:17", "spike"),
        ("TCP_PATTERN OK - slow_leak since 2025-11-17 14:02: +1", "TCP_PATTERN OK - slow_leak: +1"),
        ("nothing since 12:30:00, open since 2025", "nothing since 12:30:00, open since 2025"),
    ],
)
def test_time_of_day_of_the_machine_is_not_shown(recorded: str, shown: str) -> None:
    assert words.without_clock(recorded) == shown


def test_alerts_are_the_same_number_everywhere() -> None:
    made = built(quiet_hour(), events=(event(0.5, "threshold", 1, 0, "OK", "web1 ports"), *RECORDED))
    parsed = document(made)
    assert parsed["alerts_by_level"] == [
        {"level": "critical", "alerts": 1, "seconds": 360, "longest_seconds": 360},
        {"level": "warning", "alerts": 2, "seconds": 90, "longest_seconds": 60},
        {"level": "unknown", "alerts": 1, "seconds": 3060, "longest_seconds": 3060},
        {"level": "pattern", "alerts": 1, "seconds": 120, "longest_seconds": 120},
        {"level": "forecast", "alerts": 1, "seconds": 60, "longest_seconds": 60},
    ]
    (picture,) = (one for one in made.pictures if one.name == "alerts")
    assert picture.finding == "6 alerts: 1 critical, 2 warning, 1 unknown, 1 pattern, 1 forecast."
    assert [(one["level"], one["begun"], one["message"]) for one in parsed["alerts"]] == [
        ("warning", False, "web1 ports: warning since before the period"),
        ("warning", True, "TCP_ERRORS WARNING - 6% of opens failed"),
        ("critical", True, "TCP_ERRORS CRITICAL - 33% of opens failed"),
        ("pattern", True, "slow_leak: CLOSE_WAIT +120/h (1204 connections, expected 900) by a.service"),
        ("forecast", True, "TIME_WAIT table full in 63-86 min"),
        ("unknown", True, "TCP_ERRORS UNKNOWN - took over 8 s"),
    ]
    assert saved(parsed).alerts == {"warning": 2, "critical": 1, "pattern": 1, "forecast": 1, "unknown": 1}


OWN = own_addresses(sample())


@pytest.mark.parametrize(
    ("message", "masked", "none"),
    [
        ("full to 10.0.0.5:5432 in 8-20 min", "full to 10.0.0.0/24:5432 in 8-20 min", "full to *:5432 in 8-20 min"),
        ("from 10.0.0.1 at 12:30:00 on :443", "from 10.0.0.1 at 12:30:00 on :443", "from 10.0.0.1 at 12:30:00 on :443"),
        ("to [2001:db8:7:1::5]:443.", "to [2001:db8:7::/48]:443.", "to [*]:443."),
        ("mostly 198.51.100.7.", "mostly 198.51.100.0/24.", "mostly *."),
        ("to 10.0.0.0/24:5432 already", "to 10.0.0.0/24:5432 already", "to *:5432 already"),
        ("by vpn@198.51.100.7.service", "by vpn@198.51.100.0/24.service", "by vpn@*.service"),
        ("fe80::1%eth0 went", "fe80::/48 went", "* went"),
        ("3.4% of 1,204, 0.12/s, :: and 0.0.0.0", *["3.4% of 1,204, 0.12/s, :: and 0.0.0.0"] * 2),
    ],
)
def test_remote_addresses_in_what_was_recorded_are_masked(message: str, masked: str, none: str) -> None:
    of = event(1, "pattern", 0, 1, message, message)
    for privacy, shown in ((Privacy(), message), (Privacy("masked"), masked), (Privacy("none"), none)):
        found = shown_event(of, privacy, OWN)
        assert (found.message, found.name) == (shown, shown)


def test_what_a_finding_was_made_of_is_masked_too() -> None:
    of = event(1, "pattern", 0, 1, "spike")._replace(finding='{"values": {"remote": "10.0.0.5"}}')
    assert shown_event(of, Privacy("masked"), OWN).finding == '{"values": {"remote": "10.0.0.0/24"}}'
    assert shown_event(of, Privacy("none"), OWN).finding == '{"values": {"remote": "*"}}'
    assert shown_event(of, Privacy(), OWN) == of


FLOOD = {"code": "flood", "severity": 1, "subject": "host"}
TO = {"seen": 3801.0, "destination": "10.0.0.5:5432", "filter": "'dst 10.0.0.5:5432'"}
FROM = {"remote": "198.51.100.7", "source": "ip saddr 198.51.100.7", "filter": "'sport = :443'"}
FULL = {"code": "destination_time_wait", "severity": 1, "subject": "[2001:db8:1::5]:5432"}


@pytest.mark.parametrize(
    ("finding", "outbound", "masked", "none"),
    [
        pytest.param(
            {**FLOOD, "values": TO},
            {**FLOOD, "values": TO},
            {**FLOOD, "values": {**TO, "destination": "10.0.0.0/24:5432", "filter": "'dport = :5432'"}},
            {**FLOOD, "values": {**TO, "destination": "*:5432", "filter": "'dport = :5432'"}},
            id="whom-it-connects-to",
        ),
        pytest.param(
            {**FLOOD, "values": FROM},
            {**FLOOD, "values": {"remote": "198.51.100.0/24", "filter": FROM["filter"]}},
            {**FLOOD, "values": {"remote": "198.51.100.0/24", "filter": FROM["filter"]}},
            {**FLOOD, "values": {"remote": "*", "filter": FROM["filter"]}},
            id="who-connects",
        ),
        pytest.param(
            {**FULL, "values": {"filter": "'dst [2001:db8:1::5]:5432'"}},
            {**FULL, "values": {"filter": "'dst [2001:db8:1::5]:5432'"}},
            {**FULL, "subject": "[2001:db8:1::/48]:5432", "values": {"filter": "'dport = :5432'"}},
            {**FULL, "subject": "[*]:5432", "values": {"filter": "'dport = :5432'"}},
            id="whose-ports-are-used",
        ),
    ],
)
def test_commands_of_a_finding_stay_commands(
    finding: dict[str, Any], outbound: dict[str, Any], masked: dict[str, Any], none: dict[str, Any]
) -> None:
    name = f"ports 10.0.0.1 {TO['destination']}"
    of = event(1, "forecast", 0, 1, "ports to 10.0.0.5:5432 full", name)._replace(finding=json.dumps(finding))
    for privacy, expected in (("outbound", outbound), ("masked", masked), ("none", none)):
        found = shown_event(of, Privacy(privacy), OWN)
        assert json.loads(found.finding or "") == expected
        if privacy == "outbound":
            assert (found.name, found.message) == (of.name, of.message)
