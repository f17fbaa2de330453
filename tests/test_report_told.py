"""How incidents are told: what still goes on, when it began and was worst, and what is no warning."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reporter import frames, load, message, page, patterns, period, tables
from reporter.afterwards import AFTERWARDS
from reporter.held import Row
from reporter.limits import Limits
from reporter.page import Page
from reporter.symptoms import symptoms
from reporter.titles import TITLES
from reporter.verdict import verdict
from tcptide.codec import top_from_json, top_to_json
from tcptide.config import Config
from tcptide.model import Event, Sample, Verdict

from .reporting import MINUTE, WALL, built, exhausted_hour, minute, points, quiet_hour, stored
from .samples import states
from .test_report_message import MAIL

LEFT_OVER = {"sockets": 24, "oldest_seconds": 442.0, "per_hour": 218.4, "holder": "app.service"}


def said(told: Page) -> list[tuple[str, str, bool, str]]:
    return [(one.severity, one.what, one.goes_on, one.state) for one in told.attention]


def test_only_a_fresh_newest_sample_tells_that_it_goes_on() -> None:
    hours = exhausted_hour()[:51]
    what = "Ports to 10.0.0.5:5432 {} short"
    now = built(hours)
    assert said(now)[0][1:] == (what.format("run"), True, "goes on")
    assert now.summary.text.endswith("still goes on.")
    for past in (built(hours, in_period=False), built(hours, made_after_seconds=298 * 86400.0)):
        assert said(past)[0][1:] == (what.format("ran"), False, "went on at the end of the period")
        assert past.summary.text.endswith("in this period. 1 went on at its end.")
    stale = built(hours, made_after_seconds=298 * 86400.0)
    assert "In the last sample:" in stale.attention[0].evidence and "Now:" not in stale.attention[0].evidence


def growing(number: int, state: str, more: int) -> Sample:
    return minute(number, states=states(**{state: 1000 + more}))


def recorded(number: float, finding: dict[str, object], code: str, subject: str) -> Event:
    kept = {"code": code, "severity": 1, "subject": subject, "values": finding}
    message = f"slow_leak since 03:33: by {subject}"
    return Event(1, WALL + number * MINUTE, "pattern", "pattern", 0, 1, code, message, json.dumps(kept))


def leaking(state: str, each_minute: int, expected: float, finding: dict[str, object], code: str) -> Page:
    """Sockets become more from minute 0 to 90, then all are gone; the verdict is late by some samples at both ends."""
    samples = [growing(number, state, each_minute * number if number <= 90 else 0) for number in range(121)]
    began = [None] * 5 + [WALL + 3 * MINUTE] * 2 + [WALL + 1 * MINUTE] * 88 + [None] * 26
    judged = {
        id: Verdict("slow_leak" if since else "normal", since, expected, None, None, None)
        for id, since in enumerate(began, 1)
    }
    event = recorded(5, finding, code, "app.service")
    return built(samples, verdicts=judged, events=[event])


def test_leak_was_worst_when_it_was_and_began_when_it_was_recorded() -> None:
    (leak,) = leaking("CLOSE_WAIT", 40, 1060.0, LEFT_OVER, "leak_close_wait").attention
    assert leak.when == "Tue 18 Nov 00:03 to 01:34"
    assert leak.what == "app.service leaked connections in CLOSE_WAIT"


def test_peak_of_a_leak_is_that_of_the_state_that_leaked() -> None:
    built_of = leaking("CLOSE_WAIT", 40, 1060.0, LEFT_OVER, "leak_close_wait").data
    (leak,) = symptoms(built_of.history, Limits({}), built_of.marked)
    assert (leak.kind, leak.peak) == ("leak", WALL + 90 * MINUTE)


@pytest.mark.parametrize(("each_minute", "severity"), [(1, "note"), (20, "warning")])
def test_growth_by_numbers_alone_is_a_warning_if_it_is_much(each_minute: int, severity: str) -> None:
    values: dict[str, object] = {"seen": 1100.0, "expected": 1060.0, "sockets": 40, "holder": "app.service"}
    (grown,) = leaking("ESTABLISHED", each_minute, 1060.0, values, "leak_established").attention
    assert (grown.severity, grown.what) == (severity, "app.service had ever more connections")
    assert grown.evidence.startswith("app.service keeps ever more connections open: 40 ESTABLISHED")


def test_time_before_the_first_sample_of_all_is_no_outage(tmp_path: Path) -> None:
    directory = stored(str(tmp_path), quiet_hour())
    week = period.calendar("2025-W47", ZoneInfo("UTC"), WALL + 30 * 86400)
    loaded = load.load(directory, None, None, None, Config(), WALL + 30 * 86400, calendar=week)
    assert loaded.first
    told = page.build(loaded, 60.0, ZoneInfo("UTC"), WALL + 30 * 86400, Limits({}))
    (after,) = (one for one in told.attention if one.code == "gap")
    assert [(each.since, each.until) for each in after.stretches] == [(WALL + 3600, week.until)]
    assert after.state == "went on at the end of the period"
    assert told.lacking[1] == "The first sample of all is of Tue 18 Nov 2025 00:00 UTC: before it nothing was watched."
    assert len(told.quality.gaps) == 2
    again = page.build(replace(loaded, first=False), 60.0, ZoneInfo("UTC"), WALL + 30 * 86400, Limits({}))
    assert [one.code for one in again.attention] == ["gap", "gap"]


def test_history_knows_its_outages() -> None:
    rows = points([minute(60), minute(61), minute(62)])
    known = frames.history(rows, WALL, WALL + 62 * MINUTE, MINUTE)
    first = frames.history(rows, WALL, WALL + 62 * MINUTE, MINUTE, first=True)
    assert (len(known.outages), len(first.outages), len(first.gaps)) == (1, 0, 1)


def test_next_step_of_what_is_over_helps_the_next_time() -> None:
    for told, step in (
        (exhausted_hour(), "a connection pool or keep-alive in app.service"),
        (flooded_hour(), AFTERWARDS["syn_flood"]),
    ):
        first = built(told).attention[0]
        assert (first.state, first.next_step) == ("over", step)
    assert set(AFTERWARDS) <= set(TITLES)


def flooded_hour() -> list[Sample]:
    """SYN cookies are sent from minute 21 to 30."""
    cookies = [3000 * min(max(0, number - 20), 10) for number in range(61)]
    return [minute(number, more={"TcpExt.SyncookiesSent": sent}) for number, sent in enumerate(cookies)]


def alert(number: float, old: int | None, new: int, message: str, **of: str) -> Event:
    return Event(
        1, WALL + number * MINUTE, "web1 total", "threshold", old, new, of.get("code"), message, of.get("finding")
    )


GIVEN = "TCP_CONNECTIONS CRITICAL - 5000 connections"


def test_recorded_alert_that_nothing_else_explains_is_an_incident() -> None:
    values = {"seen": 5000.0, "expected": 900.0, "local_port": 443, "filter": "'sport = :443'"}
    finding = json.dumps({"code": "flood", "severity": 2, "subject": "host", "values": values})
    events = [
        alert(10, 0, 1, "TCP_CONNECTIONS WARNING - 2000 connections"),
        alert(12, 1, 2, GIVEN, code="flood", finding=finding),
        alert(20, 2, 0, "TCP_CONNECTIONS OK - 900 connections"),
    ]
    (found,) = built(quiet_hour(), events=events).attention
    assert (found.severity, found.what, found.when) == ("critical", "Alert of web1 total", "Tue 18 Nov 00:10 to 00:20")
    assert found.evidence.startswith(f"{GIVEN}. When it was recorded, Tue 18 Nov 00:12: ")
    assert found.next_step.startswith("ss -tan 'sport = :443' (reads only) lists them")
    assert verdict(built(quiet_hour(), events=events)).severity == "critical"


def test_recorded_alert_without_a_finding_or_an_end_goes_on() -> None:
    (found,) = built(quiet_hour(), events=[alert(10, None, 2, GIVEN)]).attention
    assert (found.severity, found.state, found.evidence, found.next_step) == ("critical", "goes on", f"{GIVEN}.", "")
    (found,) = built(quiet_hour(), events=[alert(10, 1, 0, "TCP_CONNECTIONS OK - 900")]).attention
    assert (found.severity, found.when) == ("warning", "Tue 18 Nov 00:00 to 00:10")
    assert built(quiet_hour(), events=[alert(10, 0, 3, "TCP_CONNECTIONS UNKNOWN - ?")]).attention == []


@pytest.mark.parametrize("code", ["syn_flood", None])
def test_recorded_alert_of_what_is_told_anyway_makes_it_as_severe(code: str | None) -> None:
    events = [
        alert(22, 0, 2, "TCP_ERRORS CRITICAL - 50 SYN cookies/s", **({"code": code} if code else {})),
        alert(31, 2, 0, "TCP_ERRORS OK"),
    ]
    assert [(one.severity, one.code) for one in built(flooded_hour()).attention] == [("warning", "syn_flood")]
    assert [(one.severity, one.code) for one in built(flooded_hour(), events=events).attention] == [
        ("critical", "syn_flood")
    ]


def test_leak_whose_samples_are_gone_is_told_from_what_was_recorded() -> None:
    rows = points([growing(number, "CLOSE_WAIT", 0) for number in (600, 601)])
    begins, over = recorded(10, dict(LEFT_OVER), "leak_close_wait", "app.service"), alert(0, 1, 0, "normal")
    over = over._replace(wall_seconds=WALL + 500 * MINUTE, kind="pattern", name="pattern")
    history = frames.history(rows, WALL, WALL + 601 * MINUTE, MINUTE)
    verdicts = {1: Verdict("normal", None, 900.0, None, None, None)}
    for known in ({}, verdicts):
        (found,) = patterns.marked(history, rows, known, [begins, over])
        assert (found.pattern, found.since, found.until) == ("slow_leak", WALL + 600, WALL + 500 * MINUTE)
        assert (found.began, found.event) == (WALL + 600 - 442, begins)
        (leak,) = (one for one in symptoms(history, Limits({}), [found]) if one.kind == "leak")
        assert (leak.since, leak.until) == (WALL + 600 - 442, WALL + 500 * MINUTE)


def test_leak_of_which_some_samples_are_gone_is_one() -> None:
    rows = points([growing(number, "CLOSE_WAIT", 100) for number in range(60, 70)])
    begins = recorded(10, dict(LEFT_OVER), "leak_close_wait", "app.service")
    history = frames.history(rows, WALL, WALL + 69 * MINUTE, MINUTE)
    judged = {id: Verdict("slow_leak", WALL, 900.0, None, None, None) for id in range(1, 11)}
    (found,) = patterns.marked(history, rows, judged, [begins])
    assert (found.since, found.until, found.event) == (WALL + 600, WALL + 69 * MINUTE, begins)


def test_who_it_was_is_read_where_it_was_worst(tmp_path: Path) -> None:
    loaded = load.load(stored(str(tmp_path), exhausted_hour()), None, None, None, Config(), WALL + 3600)
    for rows in (loaded.rows, ()):
        told = page.build(replace(loaded, rows=rows), 60.0, ZoneInfo("UTC"), WALL + 3620, Limits({}))
        assert [(one.what, one.who) for one in told.attention] == [
            ("Ports to 10.0.0.5:5432 ran short", "app.service"),
            ("An accept queue overflowed", ""),
        ]
    alone = page.build(replace(loaded, rows=(), rows_of=lambda ids: ()), 60.0, ZoneInfo("UTC"), WALL + 3620, Limits({}))
    assert alone.attention[0].what == "Ports to a destination ran short"
    shutil.rmtree(tmp_path)
    assert loaded.rows_of([1]) == []


def test_tables_say_of_how_many_samples_their_means_are() -> None:
    rows = [Row(WALL + number, not number % 2, top_from_json(top_to_json(minute(0)))) for number in range(1002)]
    said = "Means are of 501 samples of 1,002, at equal distances: a short peak may be in none."
    assert (tables.means(rows, 1002), tables.means(rows[:1], 1), tables.means([], 5)) == (said, "", "")
    told = replace(built(quiet_hour()), means=said)
    html, mail = page.render(told), message.build(told, MAIL, "2025-W47")
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None and said in " ".join(body.get_content().split())
    assert said in html
    assert "Means are of" not in page.render(built(quiet_hour()))


@pytest.mark.parametrize(
    ("minutes", "made_after", "state", "summary"),
    [
        (61, 3600.0, "went on until Tue 18 Nov 00:50", "All of it is over."),
        (46, 20.0, "goes on", "1 still goes on."),
        (46, 3600.0, "went on at least until Tue 18 Nov 00:45", "1 went on at its end."),
        (41, 3600.0, "went on at the end of the period", "1 went on at its end."),
    ],
    ids=["over", "fresh", "old", "nothing-since"],
)
def test_what_went_on_at_the_end_of_a_period_is_followed(
    tmp_path: Path, minutes: int, made_after: float, state: str, summary: str
) -> None:
    directory, until = stored(str(tmp_path), exhausted_hour()[:minutes]), WALL + 40 * MINUTE
    now = WALL + (minutes - 1) * MINUTE + made_after
    loaded = load.load(directory, None, None, until, Config(), now)
    told = page.build(loaded, 60.0, ZoneInfo("UTC"), now, Limits({}))
    found = next(one for one in told.attention if one.who == "app.service")
    assert (found.state, found.goes_on) == (state, state == "goes on")
    assert told.summary.text.endswith(summary)
    assert load.load(directory, None, None, None, Config(), now).later == []
