"""What the history says, on the page: the pattern, the patterns of the period, forecasts and findings."""

import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC

import pytest

from reporter import frames, load, page
from reporter.ahead import Ahead, Height, ahead, told
from reporter.limits import Limits
from reporter.masking import shown_destination
from reporter.page import Page
from tcptide.config import Config, Privacy
from tcptide.model import Forecast, Leak
from tcptide.outlook import Outlook, ports_resource

from .reporting import MINUTE, WALL, built, exhausted_hour, filling_hours, minute, points, quiet_hour, stored, verdicts
from .samples import DATABASE, PORTS, outlook, trend

NOON = WALL + 3600.0  # when the quiet hour ends
DATABASE_PORTS = ports_resource(DATABASE)
LEAK = Leak("unit", "app.service", "CLOSE_WAIT", 1204, 7200.0, 120.4, WALL + 600)


def at_noon(*args: object, **changes: object) -> Outlook:
    """What the history says at the end of the quiet hour."""
    found = outlook(*args, **{"wall_seconds": NOON, **changes})  # type: ignore[arg-type]
    return found._replace(trends=tuple(one._replace(wall_seconds=NOON) for one in found.trends))


def forecasts(found: Page) -> list[str]:
    rows = found.forecasts.rows if found.forecasts else ()
    return ["; ".join(f"{cell.text} {cell.note}".rstrip() for cell in row) for row in rows]


@pytest.mark.parametrize(
    ("said", "name", "details"),
    [
        pytest.param(
            at_noon(
                "slow_leak",
                **{"since": WALL, "grew": "CLOSE_WAIT", "holder": "app.service", "per_hour": 120.4},
                leaks=(LEAK,),
            ),
            *("slow leak",),
            [
                "Since Tue 18 Nov 00:00.",
                "1,204 connections, 900 expected.",
                "Mostly CLOSE_WAIT: 120 more each hour by app.service.",
                "app.service: 1,204 sockets left over in CLOSE_WAIT, the oldest for 2 h, 120 more each hour.",
            ],
            id="leak",
        ),
        pytest.param(
            at_noon("rapid_increase", since=WALL, grew="SYN_SENT", change=1300.2, destination=("10.0.0.5", 5432)),
            *("rapid increase",),
            [
                "Since Tue 18 Nov 00:00.",
                "1,204 connections, 900 expected.",
                "Mostly SYN_SENT: 1,300 more than usual to 10.0.0.5:5432.",
            ],
            id="flood",
        ),
        pytest.param(
            at_noon("rapid_decrease", since=WALL, grew="ESTABLISHED", change=-300.0, local_port=443),
            *("rapid decrease",),
            [
                "Since Tue 18 Nov 00:00.",
                "1,204 connections, 900 expected.",
                "Mostly ESTABLISHED: 300 fewer than usual on :443.",
            ],
            id="outage",
        ),
        pytest.param(at_noon(), "normal", ["1,204 connections, 900 expected."], id="normal"),
        pytest.param(
            at_noon("insufficient_data", expected=None, since=None), "insufficient data", [], id="too-little-history"
        ),
    ],
)
def test_pattern_now_says_since_when_what_grew_and_who(said: Outlook, name: str, details: list[str]) -> None:
    now = built(quiet_hour(), outlook=said).pattern
    assert now is not None
    assert (now.name, now.details, now.alarm) == (name, details, said.alarm)
    assert now.meaning


def test_pattern_of_a_past_period_is_that_of_its_last_sample() -> None:
    past = built(quiet_hour(), in_period=False, verdicts=verdicts(*["normal"] * 30, *["level_shift"] * 31))
    assert past.pattern is not None and past.forecasts is None
    assert (past.pattern.name, past.pattern.details) == ("level shift", [])
    html = page.render(past)
    assert "Pattern at the end" in html
    assert (
        "A forecast is made for the newest sample only, which is not of this period, and none was recorded in it."
        in html
    )


def test_history_that_was_never_judged_says_so() -> None:
    never = built(quiet_hour())
    assert (never.pattern, never.patterns) == (None, [])
    html = page.render(never)
    assert "No sample was judged yet: nothing can be said of a pattern." in html
    assert "The history says nothing of the newest sample yet." in html


def test_leak_has_begun_when_it_was_first_named() -> None:
    """Its oldest sockets may have gone meanwhile."""
    said = at_noon("slow_leak", since=WALL + 50 * MINUTE)
    now = built(quiet_hour(), outlook=said, verdicts=verdicts(*["normal"] * 30, *["slow_leak"] * 31)).pattern
    assert now is not None and now.details[0] == "Since Tue 18 Nov 00:30."


def test_findings_of_the_history_stand_among_those_of_the_sample_the_worst_first() -> None:
    said = at_noon("slow_leak", leaks=(LEAK,))
    now = built(exhausted_hour()[:40], outlook=said).attention
    assert [(one.severity, one.what) for one in now if one.goes_on] == [
        ("critical", "Ports to 10.0.0.5:5432 run short"),
        ("warning", "app.service does not close connections that their peers have closed: 1204 in CLOSE_WAIT"),
    ]
    assert all(one.evidence and one.next_step for one in now)


def test_nothing_is_said_plainly() -> None:
    nothing = built(quiet_hour(), outlook=at_noon())
    assert nothing.attention == []
    text = " ".join(re.sub("<[^>]+>", "", page.render(nothing)).split())
    assert "Nothing needs attention in this period." in text
    assert nothing.judged == ""
    assert "No change of state, pattern or forecast was recorded in this period." in text


def ahead_at_noon(said: Outlook | None, limits: Mapping[str, float] = {}, **changes: object) -> tuple[Ahead, ...]:
    return ahead(minute(60, **changes), said, limits, Privacy())


def test_forecast_says_when_it_is_full_or_why_that_is_not_known() -> None:
    found = (
        Ahead(DATABASE_PORTS, 1129.0, 28_231.0, Forecast(DATABASE_PORTS, 720.0, 480.0, 1200.0, None)),
        Ahead("time_wait", 61.0, 65_536.0, Forecast("time_wait", None, None, None, "no growth")),
        Ahead("conntrack", 2410.0, 262_144.0, Forecast("conntrack", None, None, None, "too far ahead")),
        Ahead("connections", 1204.0, 20_000.0, Forecast("connections", 345_600.0, 259_200.0, 432_000.0, None)),
    )
    assert forecasts(built(quiet_hour(), ahead=found)) == [
        "Ports to 10.0.0.5:5432 from 10.0.0.1; 3.9% 1,129 of 28,231; 8-20 min most likely Tue 18 Nov 01:12, in 12 min",
        "TIME_WAIT table; 0.09% 61 of 65,536; no forecast does not grow",
        "Conntrack table; 0.91% 2,410 of 262,144; no forecast grows, but is not full for as long as can be foretold",
        "Connection limit; 6% 1,204 of 20,000; 3-5 days most likely Sat 22 Nov 01:00, in 4 days",
    ]


def test_forecast_is_to_the_limit_of_the_sample_or_the_configured_one() -> None:
    growing = (trend(DATABASE_PORTS, 1129, 6000), trend("connections", 1204, 300))
    found = ahead_at_noon(at_noon("rapid_increase", *growing), {"connections": 20_000.0})
    hours = {one.resource: one.forecast.seconds and one.forecast.seconds / 3600 for one in found}
    assert [(one.resource, one.limit) for one in found] == [
        (DATABASE_PORTS, 28_231),
        ("time_wait", 65_536),
        ("conntrack", 262_144),
        ("connections", 20_000),
    ]
    assert hours == {
        DATABASE_PORTS: pytest.approx(27_102 / 6000, rel=0.1),
        "time_wait": None,
        "conntrack": None,
        "connections": pytest.approx(18_796 / 300, rel=0.1),
    }


def test_no_forecast_has_a_reason() -> None:
    assert forecasts(built(quiet_hour(), ahead=ahead_at_noon(None, nf_conntrack_count=None))) == [
        "Ports to 10.0.0.5:5432 from 10.0.0.1; 3.9% 1,129 of 28,231; no forecast nothing that is stored tells of it "
        "yet",
        "TIME_WAIT table; 0.09% 61 of 65,536; no forecast nothing that is stored tells of it yet",
        "Connection limit; 1,204; no forecast nothing that is stored tells of it yet",
    ]
    assert forecasts(built(quiet_hour(), ahead=ahead_at_noon(at_noon(), ports=None)))[-1] == (
        "Connection limit; 1,204; no forecast how many are too many is not configured"
    )


@pytest.mark.parametrize(
    ("forecast", "text"),
    [
        (Forecast("time_wait", 0.0, 0.0, 0.0, None), "now"),
        (Forecast("time_wait", 9000.0, 7200.0, None, None), "2 h at the earliest"),
        (Forecast("time_wait", 259_200.0, 259_200.0, 432_000.0, None), "3-5 days"),
        (Forecast("time_wait", None, None, None, "under 15 samples"), "no forecast"),
    ],
)
def test_interval_of_a_forecast(forecast: Forecast, text: str) -> None:
    found = built(quiet_hour(), ahead=(Ahead("time_wait", 61.0, 65536.0, forecast),)).forecasts
    assert found is not None and [row[-1].text for row in found.rows] == [text]


def test_finding_names_the_forecast_of_what_it_is_about() -> None:
    last = exhausted_hour()[39]
    said = at_noon("normal", trend(DATABASE_PORTS, 27_000, 6000))._replace(wall_seconds=last.origin.wall_seconds)
    said = said._replace(trends=tuple(one._replace(wall_seconds=said.wall_seconds) for one in said.trends))
    now = built(exhausted_hour()[:40], outlook=said, ahead=ahead(last, said, {}, Privacy())).attention
    assert now[0].evidence.endswith("at this rate full in 11-14 min.")


def test_masking_two_destinations_into_one_leaves_neither_the_other_s_forecast() -> None:
    replica = DATABASE._replace(remote="10.0.0.9", ports_used=900)
    sample = minute(60, worst=(DATABASE, replica))
    said = at_noon("normal", trend(DATABASE_PORTS, 1129, 6000), trend(ports_resource(replica), 900, 3000))
    masked = Privacy("masked")
    shown = sample._replace(
        ports=PORTS._replace(worst=tuple(shown_destination(one, sample, masked) for one in (DATABASE, replica)))
    )
    found = ahead(sample, said, {}, masked)
    assert [one.resource for one in found[:2]] == ["ports 10.0.0.1 10.0.0.0/24:5432"] * 2
    assert [one.forecast.seconds is None for one in found[:2]] == [False, False]
    assert {one.resource for one in told(found, shown)} == {"time_wait", "conntrack", "connections"}
    assert len(told(ahead(sample, said, {}, Privacy()), sample)) == 5


def test_expected_is_a_column_of_the_history_and_of_its_blocks() -> None:
    rows = points(map(minute, range(4)))
    history = frames.history(rows, WALL, rows[-1].wall_seconds, MINUTE, verdicts={2: verdicts("", "normal")[2]})
    assert history.values[frames.EXPECTED].fillna(0).tolist() == [0, 900, 0, 0]
    assert frames.blocks(history).mean[frames.EXPECTED].fillna(0).tolist() == [0, 900, 0, 0]


def test_cone_follows_the_forecast_from_what_is_used_to_the_limit() -> None:
    first, *_ = ahead_at_noon(at_noon("normal", trend(DATABASE_PORTS, 1129, 6000)))
    assert first.cone[0] == Height(1129 / 28231, 0.0, 0.0, 0.0)
    forecast = first.forecast
    assert first.cone[-1] == Height(1.0, forecast.low or 0.0, forecast.seconds or 0.0, forecast.high)
    assert [each.seconds for each in first.cone] == sorted(each.seconds for each in first.cone)
    assert all(each.low <= each.seconds <= (each.high or 1e9) for each in first.cone)
    assert ahead_at_noon(at_noon())[0].cone == ()


@pytest.mark.parametrize(
    ("per_hour", "names"),
    [
        pytest.param(0.0, ["states", "time_wait", "ports", "destinations"], id="none"),
        pytest.param(6000.0, ["states", "time_wait", "ports", "destinations"], id="hours"),
        pytest.param(900_000.0, ["states", "time_wait", "ports", "ports-ahead"], id="minutes"),
    ],
)
def test_what_is_to_come_is_drawn_where_it_can_be_seen(per_hour: float, names: list[str]) -> None:
    said = at_noon("normal", *([trend(DATABASE_PORTS, 1129, per_hour)] if per_hour else []))
    told = built(quiet_hour(), outlook=said, ahead=ahead_at_noon(said))
    assert [picture.name for picture in told.pictures][:4] == names
    coned = [picture.name for picture in told.pictures if "The cone holds" in picture.how]
    assert coned == ([names[3] if per_hour > 6000 else "ports"] if per_hour else [])
    assert ("full in" in told.pictures[2].finding) == bool(per_hour)


@pytest.fixture(scope="module")
def filling(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two hours of a host whose ports to the database then fill up, judged as they were stored."""
    return stored(str(tmp_path_factory.mktemp("filling")), filling_hours(), judged=True)


def test_history_that_was_judged_as_it_was_stored_is_told(filling: str) -> None:
    loaded = load.load(filling, None, None, None, Config(), WALL + 1e6)
    told = built(
        filling_hours(),
        verdicts=loaded.verdicts,
        events=loaded.events,
        outlook=loaded.outlook,
        ahead=loaded.ahead,
    )
    assert told.pattern is not None and told.pattern.name == "rapid increase"
    assert [name for name, _, _ in told.patterns] == ["rapid increase"]
    assert re.fullmatch(r"[0-9]+-[0-9]+ min", told.forecasts.rows[0][-1].text if told.forecasts else "")
    assert [one.what for one in told.attention] == ["Far more connections than usual"]
    assert told.attention[0].evidence.startswith("Connections rose to 13204, ")
    assert {row[1].text for row in told.events.rows} >= {"begins", "in reach"}


def test_privacy_holds_for_what_the_history_says(filling: str) -> None:
    for remote, name in (("masked", "10.0.0.0/24"), ("none", "*")):
        loaded = load.load(filling, None, None, None, Config(privacy=Privacy(remote)), WALL + 1e6)
        html = page.render(page.build(loaded, MINUTE, UTC, loaded.until, Limits({})))
        html = re.sub(r'"data:[^"]*"', "", html)
        assert "10.0.0.5" not in html and "10.0.0.6" not in html
        assert f"to {name}:5432" in html


def test_what_is_no_number_in_a_verdict_is_not_known(filling: str, tmp_path: object) -> None:
    copied = f"{tmp_path}/tcptide.db"
    with sqlite3.connect(f"{filling}/tcptide.db") as whole, sqlite3.connect(copied) as copy:
        whole.backup(copy)
        copy.execute("UPDATE sample SET expected = 'much', pattern_since = 'long ago' WHERE id = 130")
        copy.execute("UPDATE sample SET pattern = x'ff' WHERE id = 131")
    loaded = load.load(str(tmp_path), None, None, None, Config(), WALL + 1e6)
    assert (loaded.verdicts[130].expected, loaded.verdicts[130].since) == (None, None)
    assert 131 not in loaded.verdicts and loaded.verdicts[132].expected is not None
