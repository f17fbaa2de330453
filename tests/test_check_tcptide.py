"""check_tcptide: from the state to its lines."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import pytest

from checks.check_tcptide import SPEC, State, judge
from tcptide.config import Config
from tests.judging import lines, text
from tests.samples import BOOT_ID, ORIGIN, point

NOW = 86_400.0  # seconds since boot
EARLIER_BOOT = "00000000-0000-4000-8000-000000000000"


def points(ages: Sequence[float], boot_id: str = BOOT_ID) -> tuple[Any, ...]:
    """One row so many seconds before now, for each age."""
    return tuple(
        point(boot_id=boot_id, boottime_seconds=NOW - age, wall_seconds=ORIGIN.wall_seconds - age) for age in ages
    )


def said(rows: Sequence[Any], *arguments: str, interval_seconds: float = 60.0, **changes: Any) -> list[str]:
    state = State(
        boot_id=BOOT_ID,
        wall_seconds=ORIGIN.wall_seconds,
        boottime_seconds=NOW,
        interval_seconds=interval_seconds,
        points=tuple(rows),
        size_bytes=1_500_000,
        damaged_files=(),
        sources=("host",),
    )
    config = Config(interval_seconds=interval_seconds)
    return lines(SPEC, judge(state._replace(**changes), Namespace()), *arguments, config=config)


EVERY_MINUTE = points(range(3600, 0, -60))


@pytest.mark.parametrize(
    ("expected", "rows", "arguments"),
    [
        pytest.param("OK - last sample 60 s ago, 60 samples in 60 min, 0% missing", EVERY_MINUTE, (), id="ok-regular"),
        pytest.param("OK - last sample 5 s ago, 1 sample in 5 s, 0% missing", points([5]), (), id="ok-first"),
        pytest.param("OK - last sample 3 min ago, 1 sample in 3 min, 0% missing", points([180]), (), id="ok-at-warn"),
        pytest.param("WARNING - no sample for 3 min (190s, limit 180s)", points([200, 190]), (), id="warn-above-warn"),
        pytest.param("CRITICAL - no sample for 10 min (601s, limit 600s)", points([601]), (), id="crit-above-crit"),
        pytest.param("CRITICAL - no sample for 3 days (limit 10 min)", points([260_000]), (), id="crit-days-old"),
        pytest.param(
            "WARNING - 50% of the last 20 min without samples (limit 10%)",
            points([1200, 1140, 540, 480, 420, 360, 300, 240, 180, 120, 60, 0]),
            ("-w", "gap_percent=10"),
            id="warn-gap",
        ),
        pytest.param(
            "OK - last sample 60 s ago, 1439 samples in 24 h, 0% missing",
            points([90_000], EARLIER_BOOT) + points(range(86_340, 0, -60)),
            (),
            id="ok-was-switched-off",
        ),
        pytest.param(
            "WARNING - 95% of the last 24 h without samples (limit 10%)",
            points([100_000, *range(3600, 0, -60)], EARLIER_BOOT)[:1] + points(range(3600, 0, -60)),
            ("-w", "gap_percent=10"),
            id="warn-long-outage-up-since",
        ),
        pytest.param(
            "OK - last sample 60 s ago, 1439 samples in 24 h, 0% missing",
            points([86_420, *range(86_340, 0, -60)]),
            (),
            id="ok-the-row-before-the-window",
        ),
        pytest.param(
            "OK - last sample 60 s ago, 60 samples in 24 h, 95% missing",
            points([100_000, *range(3600, 0, -60)]),
            (),
            id="ok-long-outage-not-told-to-alarm",
        ),
        pytest.param(
            "CRITICAL - no sample for 24 h (limit 10 min)",
            points([86_000], EARLIER_BOOT),
            (),
            id="crit-none-since-boot",
        ),
    ],
)
def test_first_line(expected: str, rows: Sequence[Any], arguments: tuple[str, ...]) -> None:
    assert text(said(rows, *arguments)[0]) == f"TCPTIDE {expected}"


def test_perfdata_and_long_output() -> None:
    assert said(EVERY_MINUTE[:-14], damaged_files=("tcptide.db.damaged-20260101T000000Z",)) == [
        "TCPTIDE CRITICAL - no sample for 15 min (limit 10 min)"
        " | sample_age_seconds=900s;180;600;0 gap_percent=25%;;;0;100 state_bytes=1500000B;;;0 damaged_files=1;;;0",
        "sources: host",
        "damaged: tcptide.db.damaged-20260101T000000Z",
        "no sample was stored for 15 min: 46 samples in the last 60 min; 25% of the time without any",
        "-> tcptide doctor (reads only) says what keeps samples from being taken or stored: the cron job, the state"
        " directory, its owner",
    ]


@pytest.mark.parametrize(
    ("expected", "age"),
    [
        pytest.param(
            "OK - last sample 14 min ago, 1 sample in 14 min, 0% missing", 840, id="ok-within-three-intervals"
        ),
        pytest.param("WARNING - no sample for 15 min (901s, limit 900s)", 901, id="warn-after-three-intervals"),
        pytest.param("CRITICAL - no sample for 50 min (3001s, limit 3000s)", 3001, id="crit-after-ten-intervals"),
    ],
)
def test_longer_intervals_make_older_samples(expected: str, age: float) -> None:
    assert text(said(points([age]), interval_seconds=300.0)[0]) == f"TCPTIDE {expected}"
    assert said(points([age]), "-w", "60", "-c", "120", interval_seconds=300.0)[0].startswith("TCPTIDE CRITICAL")


def test_a_host_that_was_off_could_take_no_sample() -> None:
    off = points([700], EARLIER_BOOT)
    assert said(off, boottime_seconds=50.0)[0].startswith("TCPTIDE OK - last sample 50 s ago")
    assert said(off, boottime_seconds=190.0)[0].startswith("TCPTIDE WARNING - no sample for 3 min")


def test_clock_that_was_set_back_makes_no_negative_age() -> None:
    rows = points([60])
    assert text(said(rows, wall_seconds=ORIGIN.wall_seconds - 7200)[0]) == (
        "TCPTIDE OK - last sample 60 s ago, 1 sample in 0 s, 0% missing"
    )
    assert said(points([60], EARLIER_BOOT), wall_seconds=0.0)[0].startswith("TCPTIDE OK - last sample 0 s ago")
