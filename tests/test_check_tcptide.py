"""check_tcptide: from the state to its lines."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import pytest

from checks.check_tcptide import SPEC, State, judge
from tcptide.config import Config
from tcptide.model import Report
from tests.judging import lines, perfdata, text
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
        "-> tcptide doctor (reads only) says what keeps samples from being taken or stored: the timer or cron job, the"
        " state directory, its owner",
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


HOUR, DAY = 3600.0, 86_400.0
REFUSED = "ops@example.org: 451 4.7.1 greylisted, try again | later\x1b[2J"


def report(week: int, made_ago: float, mailed_ago: float | None = None, failure: str | None = None) -> Report:
    """Of a week, to be mailed unless neither it was nor that failed."""
    end = ORIGIN.wall_seconds
    mail = f"/reports/2026-W{week}.eml" if mailed_ago is not None or failure else None
    mailed = None if mailed_ago is None else end - mailed_ago
    pending = ("ops@example.org",) if failure else ()
    return Report(f"2026-W{week}", 0.0, 0.0, end - made_ago, "/reports/a.html", mail, "<a@b>", pending, mailed, failure)


REGULAR = "OK - last sample 60 s ago, 60 samples in 60 min, 0% missing"
MAILED = report(46, 3 * DAY, 3 * DAY - 60)
FAILED = report(47, HOUR)._replace(path="", failure="--output: there is no directory /missing")
EIGHT_DAYS = ("-w", "report_age_seconds=691200", "-w", "mail_age_seconds=691200")


@pytest.mark.parametrize(
    ("expected", "numbers", "reports", "arguments"),
    [
        pytest.param(REGULAR, [], (), EIGHT_DAYS, id="ok-none-ever-made"),
        pytest.param(
            REGULAR,
            ["report_age_seconds=259200s;691200;;0"],
            (report(46, 3 * DAY),),
            EIGHT_DAYS,
            id="ok-made-not-to-be-mailed",
        ),
        pytest.param(
            REGULAR,
            ["report_age_seconds=259200s;;;0", "mail_age_seconds=259140s;;;0", "unsent_reports=0;0;;0"],
            (MAILED,),
            (),
            id="ok-made-and-mailed",
        ),
        pytest.param(
            "WARNING - no report mailed for 10 days (limit 8 days)",
            ["report_age_seconds=3600s;691200;;0", "mail_age_seconds=864000s;691200;;0", "unsent_reports=0;0;;0"],
            (report(45, 10 * DAY, 10 * DAY), report(46, HOUR)),
            EIGHT_DAYS,
            id="warn-mail-old",
        ),
        pytest.param(
            "WARNING - no report for 9 days (limit 8 days)",
            ["report_age_seconds=777600s;691200;;0"],
            (report(45, 9 * DAY),),
            EIGHT_DAYS,
            id="warn-report-old",
        ),
        pytest.param(
            "WARNING - report 2026-W47 not mailed: ops@example.org: 451 4.7.1 greylisted, try again...",
            ["report_age_seconds=3600s;;;0", "mail_age_seconds=259140s;;;0", "unsent_reports=1;0;;0"],
            (MAILED, report(47, HOUR, None, REFUSED)),
            (),
            id="warn-refused",
        ),
        pytest.param(
            "WARNING - report 2026-W47 not mailed: --output: there is no directory /missing",
            ["report_age_seconds=259200s;;;0", "mail_age_seconds=259140s;;;0", "unsent_reports=1;0;;0"],
            (MAILED, FAILED),
            (),
            id="warn-not-made",
        ),
        pytest.param(
            "WARNING - report 2026-W47 not mailed: --output: there is no directory /missing",
            ["mail_age_seconds=3600s;;;0", "unsent_reports=1;0;;0"],
            (FAILED,),
            (),
            id="warn-none-was-ever-made",
        ),
        pytest.param(
            REGULAR,
            ["report_age_seconds=60s;;;0", "mail_age_seconds=60s;;;0", "unsent_reports=0;0;;0"],
            (FAILED, report(48, 60, 60)),
            (),
            id="ok-the-next-was-mailed",
        ),
        pytest.param(
            "WARNING - report 2026-W47 not mailed: nobody",
            ["report_age_seconds=3600s;;;0", "mail_age_seconds=1800s;;;0", "unsent_reports=1;0;;0"],
            (MAILED, report(47, HOUR, HOUR / 2, "nobody")),
            (),
            id="warn-not-to-all",
        ),
        pytest.param(
            "WARNING - report 2026-W47 and 1 report before it not mailed: again",
            ["report_age_seconds=3600s;;;0", "mail_age_seconds=518400s;;;0", "unsent_reports=2;0;;0"],
            (report(46, 6 * DAY, None, "once"), report(47, HOUR, None, "again")),
            (),
            id="warn-never-mailed",
        ),
        pytest.param(
            "WARNING - report 2026-W47 not mailed: the run that sent it was cut short",
            ["report_age_seconds=86400s;;;0", "mail_age_seconds=86400s;;;0", "unsent_reports=1;0;;0"],
            (report(47, DAY, None, "x")._replace(failure=None),),
            (),
            id="warn-cut-short",
        ),
        pytest.param(
            REGULAR,
            ["report_age_seconds=60s;;;0", "mail_age_seconds=60s;;;0", "unsent_reports=0;0;;0"],
            (report(47, 60, None, "x")._replace(failure=None),),
            (),
            id="ok-being-sent",
        ),
        pytest.param(
            REGULAR,
            ["report_age_seconds=3600s;;;0", "mail_age_seconds=3600s;;;0", "unsent_reports=0;0;;0"],
            (report(46, 6 * DAY, None, "once"), report(47, HOUR, HOUR)),
            (),
            id="ok-mails-again",
        ),
        pytest.param(
            REGULAR,
            ["report_age_seconds=3600s;;;0", "mail_age_seconds=3600s;;;0", "unsent_reports=1;;;0"],
            (report(47, HOUR, None, "450 later"),),
            ("-w", "unsent_reports="),
            id="ok-not-to-alarm",
        ),
    ],
)
def test_reports_and_their_mail(
    expected: str, numbers: list[str], reports: tuple[Report, ...], arguments: tuple[str, ...]
) -> None:
    line = said(EVERY_MINUTE, *arguments, reports=reports)[0]
    assert text(line) == f"TCPTIDE {expected}"
    assert perfdata(line)[4:] == numbers


def test_what_to_do_about_a_mail_that_was_refused() -> None:
    assert said(EVERY_MINUTE, reports=(MAILED, report(47, HOUR, None, REFUSED)))[1:] == [
        "sources: host",
        "report 2026-W47: written 60 min ago, not mailed",
        "the report of 2026-W47 was not mailed: ops@example.org: 451 4.7.1 greylisted, try again ? later?[2J",
        "-> mend that, then tcptide-report --send /reports/2026-W47.eml, as the state's owner (side effect: it goes to"
        " whoever has not got it yet), or leave it to the next run",
    ]


def test_what_to_do_about_a_report_that_could_not_be_made() -> None:
    assert said(EVERY_MINUTE, reports=(MAILED, FAILED))[1:] == [
        "sources: host",
        "report 2026-W46: written 3 days ago, mailed 3 days ago",
        "the report of 2026-W47 was not made, so it was not mailed: --output: there is no directory /missing",
        "-> mend that; tcptide doctor (reads only) says whether it is; the next run makes and mails it, "
        "as long as that is the newest period",
    ]


def test_what_to_do_about_reports_that_stopped() -> None:
    assert said(EVERY_MINUTE, *EIGHT_DAYS, reports=(report(46, 9 * DAY, 9 * DAY),))[1:] == [
        "WARNING: no report mailed for 9 days (limit 8 days)",
        "sources: host",
        "report 2026-W46: written 9 days ago, mailed 9 days ago",
        "reports are no longer made or mailed: the last was written 9 days ago; mail last went out 9 days ago",
        "-> systemctl list-timers 'tcptide*' or grep tcptide-report /etc/cron.d/* (reads only) shows when it is due; "
        "journalctl -t tcptide has its words",
    ]
