"""From points to rates, gaps and blocks; times and numbers in words."""

import re
import shutil
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from reporter import frames, quarters, times, words
from reporter.figures import column
from reporter.frames import Restart, Stretch
from tcptide import trends
from tcptide.errors import ConfigError
from tcptide.model import Sample

from .reporting import MINUTE, WALL, minute, points
from .samples import states

BERLIN = ZoneInfo("Europe/Berlin")


def of(*samples: Sample, since: float | None = None, until: float | None = None) -> frames.History:
    rows = points(samples)
    begin, end = rows[0].wall_seconds, rows[-1].wall_seconds
    return frames.history(rows, begin if since is None else since, end if until is None else until, MINUTE)


def test_counters_become_rates_of_the_time_before_each_point() -> None:
    history = of(minute(0), minute(1), minute(3))
    assert np.isnan(history.values["active_opens"].iloc[0])
    assert history.values["active_opens"].tolist()[1:] == [10.0, 10.0]
    assert history.values["total"].tolist() == [1204.0] * 3
    assert history.increase["active_opens"] == 1800


def test_no_rate_reaches_across_a_gap_but_what_was_counted_is() -> None:
    history = of(*map(minute, (0, 1, 2, 60, 61)))
    assert history.values["passive_opens"].isna().tolist() == [True, False, False, True, False]
    assert history.gaps == (Stretch(WALL + 2 * MINUTE, WALL + 60 * MINUTE),)
    assert history.coverage == pytest.approx(3 / 61)
    assert history.increase["passive_opens"] == 61 * 1200


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        pytest.param("boot", {"boot_id": "another"}, id="boot"),
        pytest.param("namespace", {"netns_cookie": 2}, id="namespace"),
        pytest.param("counters", {"more": {"Tcp.OutSegs": -80_000_000}}, id="counters"),
    ],
)
def test_no_rate_reaches_across_a_restart(kind: str, changes: dict[str, object]) -> None:
    history = of(minute(0), minute(1), minute(2, **changes), minute(3, **changes))
    assert history.values["out_segs"].isna().tolist() == [True, False, True, False]
    assert history.restarts == (Restart(WALL + 2 * MINUTE, kind),)
    assert history.increase["out_segs"] == 120_000


def test_clock_that_steps_back_leaves_ascending_times_and_true_rates() -> None:
    history = of(minute(0), minute(1), minute(2, wall_seconds=WALL + 30), minute(3, wall_seconds=WALL + 90))
    assert history.values.index.is_monotonic_increasing
    assert set(history.values["active_opens"].dropna()) == {10.0}


def test_what_was_never_counted_is_none_and_what_did_not_happen_is_zero() -> None:
    history = of(minute(0), minute(1))
    assert history.increase["memory_pressures"] is None
    assert history.increase["listen_overflows"] == 0
    assert of(minute(0)).increase["listen_overflows"] is None


def test_period_without_samples_at_its_ends_is_not_covered() -> None:
    history = of(*map(minute, range(10, 20)), since=WALL, until=WALL + 100 * MINUTE)
    assert history.gaps == (Stretch(WALL, WALL + 10 * MINUTE), Stretch(WALL + 19 * MINUTE, WALL + 100 * MINUTE))
    assert history.coverage == pytest.approx(0.09)


def test_rate_reaches_as_far_as_in_a_rollup() -> None:
    history = of(*map(minute, (0, 1, 2, 17, 33)))
    assert history.values["active_opens"].tolist()[1:4] == [10.0] * 3
    assert np.isnan(history.values["active_opens"].iloc[4])
    assert trends.roll_up(trends.quarter_of(WALL + 17 * MINUTE), points(map(minute, (2, 17))))[1].values[
        "active_opens"
    ] == pytest.approx(10.0)


def with_rollups() -> frames.History:
    """Three quarters that are only rolled up, the second of them lacking; in the third half as many connections."""
    busy = [minute(number, states=states(ESTABLISHED=90 if number == 7 else 30)) for number in range(16)]
    calm = [minute(number, states=states(ESTABLISHED=15)) for number in range(30, 46)]
    rolled = [trends.roll_up(int(WALL // 900) + quarter, points([*busy, *calm])) for quarter in (0, 2)]
    rows = points(minute(number, states=states(ESTABLISHED=15)) for number in range(45, 60))
    pairs = [(mean, highest) for _, mean, highest, _ in rolled]
    return frames.history(rows, WALL, WALL + 59 * MINUTE, MINUTE, quarters.of(pairs))


def test_rollups_are_rows_before_the_points() -> None:
    history = with_rollups()
    assert history.values["established"].tolist() == [34.0, *[15.0] * 16]
    assert history.highest["established"].tolist() == [90.0, *[15.0] * 16]
    assert history.seconds_above("established", 50) == 900
    assert history.seconds_above("established", 10) == 1800 + 15 * 60
    assert history.gaps == (Stretch(WALL + 15 * MINUTE, WALL + 30 * MINUTE),)
    assert history.coverage == pytest.approx(44 / 59)
    assert history.increase["active_opens"] == pytest.approx((30 + 14) * 600)
    assert history.rollups_until == WALL + 45 * MINUTE
    assert column(history, "established").mean == pytest.approx((34 * 15 + 15 * 15 + 15 * 15) / 45)


def test_rollup_is_drawn_over_its_quarter() -> None:
    blocks = frames.blocks(with_rollups())
    assert ((blocks.edges - WALL) / MINUTE).tolist()[:6] == [0, 15, 30, 45, 45.5, 46.5]
    assert blocks.mean["established"].tolist()[:2] == [34.0, pytest.approx(np.nan, nan_ok=True)]
    assert blocks.highest["established"].iloc[0] == 90.0


def test_history_of_a_slow_sampler_has_no_gaps() -> None:
    history = of(*map(minute, range(0, 60, 5)))
    assert (history.spacing_seconds, history.gaps) == (300.0, ())


def test_points_are_drawn_as_they_are_and_a_gap_as_an_empty_block() -> None:
    blocks = frames.blocks(of(*map(minute, (0, 1, 60))))
    assert ((blocks.edges - WALL) / MINUTE).tolist() == [-0.5, 0.5, 1.5, 59.5, 60.5]
    assert blocks.mean["total"].isna().tolist() == [False, False, True, False]
    assert blocks.seconds is None


def test_many_points_are_drawn_as_means_and_maxima_of_equal_blocks() -> None:
    day = [minute(number, states=states(ESTABLISHED=number % 5)) for number in range(1440) if not 600 <= number < 700]
    blocks = frames.blocks(of(*day))
    assert blocks.seconds == 180
    assert set(np.diff(blocks.edges)) == {180.0}
    assert blocks.mean["established"].iloc[:2].tolist() == [1.0, pytest.approx(7 / 3)]
    assert blocks.highest["established"].iloc[:2].tolist() == [2.0, 4.0]
    empty = np.flatnonzero(blocks.mean["total"].isna())
    assert (empty[0], empty[-1]) == (200, 232)


@pytest.mark.parametrize(
    ("since", "hours", "most", "labels"),
    [
        pytest.param("2025-11-18T06:10", 24, 6, "08:00 12:00 16:00 20:00 Wed19 04:00", id="day"),
        pytest.param("2025-11-17", 168, 8, "Mon17 Tue18 Wed19 Thu20 Fri21 Sat22 Sun23 Mon24", id="week"),
        pytest.param("2025-10-26", 9, 8, "Sun26 02:00 04:00 06:00 08:00", id="clocks-go-back"),
        pytest.param("2025-03-30", 9, 8, "Sun30 03:00 04:00 06:00 08:00 10:00", id="clocks-go-forward"),
        pytest.param("2025-11-18T06:10", 0.001, 4, "06:10:00 06:10:01 06:10:02 06:10:03", id="seconds"),
        pytest.param("2025-01-15", 24 * 300, 6, "15Jan 12Mar 7May 2Jul 27Aug 22Oct", id="months"),
        pytest.param("1995-01-15", 24 * 365 * 30, 4, "Jan1995 Nov2004 Aug2014 Jun2024", id="decades"),
    ],
)
def test_ticks_are_round_times_of_the_zone(since: str, hours: float, most: int, labels: str) -> None:
    begin = times.moment(since, "--since", BERLIN)
    ticks = times.ticks(begin, begin + hours * 3600, BERLIN, most)
    assert " ".join(label.replace(" ", "") for _, label in ticks) == labels


def test_days_begin_where_the_zone_says() -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    begin = times.moment("2025-11-18", "--since", zone)
    assert times.ticks(begin, begin + 86400, zone, 2)[0] == (begin, "Tue 18")
    assert begin % 86400 == 86400 - 5.75 * 3600


@pytest.mark.parametrize("text", ["yesterday", "2025-13-01", "1763424000", "", "2025-11-18T25:00"])
def test_time_that_is_none_names_the_option(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--since: '{re.escape(text)}' is no ISO 8601 time, such as "):
        times.moment(text, "--since", BERLIN)


def test_time_with_an_offset_is_not_in_the_zone() -> None:
    assert times.moment("2025-11-18T00:00Z", "--since", BERLIN) == WALL
    assert times.moment("2025-11-18T01:00", "--since", BERLIN) == WALL


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "Europe"])
def test_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--timezone: '{re.escape(name)}' is no known time zone"):
        times.zone(name, {})


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TZ": "Asia/Kolkata"}, "Asia/Kolkata"),
        ({"TZ": ":Asia/Kolkata"}, "Asia/Kolkata"),
        ({"TZ": ":/usr/share/zoneinfo/Asia/Kolkata"}, "Asia/Kolkata"),
        ({"TZ": "/nonexistent"}, "UTC"),
        ({"TZ": "nonsense"}, "UTC"),
        ({}, "UTC"),
    ],
)
def test_zone_of_the_machine(environ: dict[str, str], name: str) -> None:
    assert str(times.zone(None, environ, localtime="/nonexistent")) == name


def test_zone_of_a_machine_whose_localtime_is_a_copy(tmp_path: str) -> None:
    """As where /etc/localtime was copied, or mounted into a container: it has times, but no name."""
    path = shutil.copy("/usr/share/zoneinfo/Asia/Kathmandu", f"{tmp_path}/localtime")
    for found in (times.zone(None, {}, localtime=path), times.zone(None, {"TZ": f":{path}"})):
        assert (str(found), times.moment("2025-11-18", "--since", found) % 86400) == (path, 86400 - 5.75 * 3600)
    with open(path, "w", encoding="utf-8") as file:
        file.write("Asia/Kathmandu")
    assert times.zone(None, {}, localtime=path) is UTC


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (words.count(None), words.NOT_SEEN),
        (words.count(float("nan")), words.NOT_SEEN),
        (words.count(0), "0"),
        (words.count(0.014), "0.014"),
        (words.count(3.26), "3.3"),
        (words.count(1204.4), "1,204"),
        (words.counted(1, "sample"), "1 sample"),
        (words.counted(1204, "sample"), "1,204 samples"),
        (words.percent(0), "0%"),
        (words.percent(float("nan")), words.NOT_SEEN),
        (words.percent(99.99), "99%"),
        (words.per_second(0), "0/s"),
        (words.per_second(0.051), "0.051/s"),
        (words.per_second(12.34), "12.3/s"),
        (words.per_second(1234.5), "1,234/s"),
        (words.duration(0), "0 s"),
        (words.duration(0.0051), "5 ms"),
        (words.duration(59.6), "1 min"),
        (words.duration(3660), "1 h 1 min"),
        (words.duration(49 * 3600), "2 d 1 h"),
        (words.duration(72 * 3600 - 90), "3 d"),
        (words.stretch(WALL, WALL + 3600, BERLIN), "Tue 18 Nov 01:00 to 02:00"),
        (words.stretch(WALL, WALL + 86400, BERLIN), "Tue 18 Nov 01:00 to Wed 19 Nov 01:00"),
        (words.full_stamp(WALL, BERLIN), "Tue 18 Nov 2025 01:00 CET"),
        (words.machine_stamp(WALL, BERLIN), "2025-11-18T01:00:00+01:00"),
    ],
)
def test_words(said: str, text: str) -> None:
    assert said == text
