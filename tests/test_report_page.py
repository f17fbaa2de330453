"""The page's data in words, its pictures, and its HTML."""

import io
import warnings
from collections.abc import Iterator

import pytest
from PIL import Image

from reporter import page, palette, words
from reporter.limits import Thresholds
from reporter.page import Page

from .reporting import built, exhausted_hour, minute, quiet_hour
from .samples import STATES

PORTS = ("tcp_port_exhaustion", "worst_destination")
ALL = {"destinations", "states", "time_wait", "ports", "rare-states", "accept-queues", "opens", "errors"}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """Under cron a warning is a mail."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def figures(built: Page) -> list[str]:
    return [f"{figure.title}: {figure.value} {figure.meaning}; {'; '.join(figure.details)}" for figure in built.figures]


def told(built: Page) -> list[str]:
    return [
        f"{one.severity}: {one.what} ({one.who}); {one.when}, {one.lasted}, {one.state}; {one.evidence}"
        for one in built.attention
    ]


def test_key_figures_of_a_quiet_hour() -> None:
    assert figures(built(quiet_hour())) == [
        "Connections: 1,204 now, all states but LISTEN; mean 1,204; highest 1,204, Tue 18 Nov 00:00",
        "Opened: 30.0/s connections now, by both sides; mean 30.0/s; highest 30.0/s, Tue 18 Nov 00:01",
        "TIME_WAIT: 0.09% of its limit now; 61 of 65,536; mean 0.09%; highest 0.09%, Tue 18 Nov 00:00",
        "Fullest destination: 3.9% of its ports used now; towards 10.0.0.5:5432 (app.service); mean 3.9%; "
        "highest 3.9%, Tue 18 Nov 00:00, towards 10.0.0.5:5432 (app.service)",
        "Fullest accept queue: 2.3% of its backlog now; 0 overflows; mean 2.3%; "
        "highest 2.3%, Tue 18 Nov 00:00, :8080 of nginx.service",
        "Conntrack: 0.91% of its table now; mean 0.91%; highest 0.91%, Tue 18 Nov 00:00",
        "Failed opens: 0.33% of the opens in this period; 360 of 108,000",
        "Retransmits: 0.1% of the segments sent in this period; 3,600 of 3,600,000",
    ]


def test_quiet_hour_says_plainly_that_there_is_nothing() -> None:
    quiet = built(quiet_hour())
    assert (quiet.attention, quiet.lacking, quiet.stale) == ([], [], "")
    html = page.render(quiet)
    assert '<p class="text">Nothing needs attention in this period.</p>' in html
    assert "The history says nothing of the newest sample yet." in html
    assert "SIMULATED" not in html


def test_health_checks_of_a_load_balancer_are_no_failed_opens() -> None:
    def checked(number: int) -> dict[str, int]:
        return {"Tcp.AttemptFails": 300 * number, "TcpExt.EmbryonicRsts": 300 * number}

    half_open = built(minute(number, more=checked(number)) for number in range(61))
    assert figures(half_open)[6] == "Failed opens: 0.33% of the opens in this period; 360 of 108,000"
    assert half_open.attention == []


def test_what_went_over_a_limit_is_told_though_it_is_over() -> None:
    over = built(exhausted_hour())
    assert over.summary.text == "2 critical in this period. All of it is over."
    assert told(over) == [
        "critical: Ports to 10.0.0.5:5432 ran short (app.service); Tue 18 Nov 00:21 to 00:50, 30 min, over; "
        "At most 95% of the ports used, above 85% for 30 min. At its worst, Tue 18 Nov 00:21: 27000 of 28231; "
        "0 of them in TIME_WAIT; 0 more that connect() may take over; mostly by app.service.",
        "critical: An accept queue overflowed (); Tue 18 Nov 00:31, 1 min, over; 90 connections dropped. "
        "At its worst, Tue 18 Nov 00:31: 1.5 overflows/s over 60 s; no queue is near its backlog now.",
    ]
    assert over.summary.first.startswith(
        "Ports to 10.0.0.5:5432 ran short: a connection pool or keep-alive in app.service"
    )
    assert [figure.title for figure in over.figures if figure.severity == 2] == ["Fullest destination"]


def test_what_goes_on_is_told_first_with_a_next_step() -> None:
    now = built(exhausted_hour()[:40])
    assert [(one.severity, one.what, one.goes_on) for one in now.attention] == [
        ("critical", "Ports to 10.0.0.5:5432 run short", True),
        ("critical", "An accept queue overflowed", False),
    ]
    assert now.summary.text == "2 critical in this period. 1 still goes on."
    assert all(one.evidence and one.next_step for one in now.attention)


def test_old_sample_says_that_it_is_old() -> None:
    old = built(quiet_hour(), made_after_seconds=3 * 3600)
    assert old.stale == "3 h"
    assert "The newest sample was 3 h old when this page was made" in page.render(old)


def test_period_in_the_past_is_not_judged() -> None:
    past = built(quiet_hour(), made_after_seconds=86_400, in_period=False)
    assert (past.newest, past.stale) == (None, "")
    assert past.tops[0].columns == ("To", "Mean", "Highest")
    assert figures(past)[0].startswith("Connections: 1,204 at the end, all states but LISTEN; ")
    assert "; 61 at the end." in past.pictures[1].finding
    assert "The newest sample is not of this period: how the host is now is not judged." in page.render(past)


def test_one_sample_shows_its_states_and_says_what_is_missing() -> None:
    one = built([minute(0)])
    assert one.lacking == ["There is one sample so far: rates and courses over time need at least two."]
    assert [(picture.name, picture.finding) for picture in one.pictures] == [
        (
            "states-now",
            "1,204 connections: 1,100 ESTABLISHED, 61 TIME_WAIT, 21 FIN_WAIT2, 9 CLOSE_WAIT, 4 FIN_WAIT1, 4 LAST_ACK, "
            "3 SYN_SENT, 2 SYN_RECV.",
        )
    ]
    assert (one.length, one.quality.samples, one.quality.coverage) == ("a single sample", "1", "a single moment")
    assert "Only levels were judged: overflows and errors show in rates, which there are none of yet." in page.render(
        one
    )
    assert "active_opens" not in one.quality.never and "memory_pressures" in one.quality.never
    assert figures(one)[1] == f"Opened: {words.NOT_SEEN} connections now, by both sides; "


def test_distance_of_two_samples_is_theirs() -> None:
    two = built([minute(0), minute(0.1)])
    assert (two.length, two.quality.samples) == ("6 s", "2, 6 s apart")


@pytest.mark.parametrize(
    ("thresholds", "limits", "over"),
    [
        pytest.param({}, "Limits are the default thresholds of the checks.", 2, id="default"),
        pytest.param(
            {PORTS: ("0:60%", "97")},
            "Limits are the configured thresholds of the checks, or else their defaults.",
            *(1,),
            id="configured",
        ),
        pytest.param(
            {PORTS: ("", "")},
            "Limits are the configured thresholds of the checks, or else their defaults.",
            *(0,),
            id="none",
        ),
        pytest.param(
            {PORTS: ("10:20", None), ("tcp_connections", "total"): ("5000", None)},
            "Limits are the configured thresholds of the checks, or else their defaults; that of "
            "worst_destination of check_tcp_port_exhaustion, total of check_tcp_connections is not on this page.",
            *(2,),
            id="no-upper-bound",
        ),
    ],
)
def test_limits_are_the_configured_ones(thresholds: Thresholds, limits: str, over: int) -> None:
    told = built(exhausted_hour()[:40], thresholds=thresholds)
    assert told.limits == limits
    assert limits in page.render(told)
    assert [figure.severity for figure in told.figures if figure.title == "Fullest destination"] == [over]
    ports = [one.severity for one in told.attention if one.what.startswith("Ports") or "slow" in one.what]
    assert ports == [("note", "warning", "critical")[over]]
    above = {0: "", 1: ", above 60% for 19 min", 2: ", above 70% for 19 min"}[over]
    assert told.pictures[2].finding == f"The fullest destination took at most 95% (Tue 18 Nov 00:21){above}."


def test_three_samples_are_drawn_and_said_to_be_few() -> None:
    few = built(map(minute, range(3)))
    assert few.lacking == ["There are only 3 samples so far: means and maxima say little yet."]
    assert few.resolution == "Each step is one sample."
    assert len(few.pictures) == 8


def test_every_picture_states_its_finding() -> None:
    assert {picture.name: picture.finding for picture in built(exhausted_hour()).pictures} == {
        "states": "1,204 connections on average; ESTABLISHED is 91% of them; the most were 1,204 (Tue 18 Nov 00:00).",
        "time_wait": "At most 61 (Tue 18 Nov 00:00), 0.09% of the limit of 65,536; 61 now. Up to 15.0/s were "
        "created; each lasts a minute.",
        "ports": "The fullest destination took at most 95% (Tue 18 Nov 00:21), above 70% for 30 min.",
        "rare-states": "At most 9 CLOSE_WAIT (Tue 18 Nov 00:00), 2 SYN_RECV (Tue 18 Nov 00:00), 3 SYN_SENT (Tue 18 Nov "
        "00:00).",
        "accept-queues": "The fullest was at most 2.3% (Tue 18 Nov 00:00); 90 connections were dropped.",
        "opens": "30.0/s on average, at most 30.0/s (Tue 18 Nov 00:01).",
        "errors": "In all 3,600 segments sent again, 360 failed opens, 180 resets.",
    }


@pytest.mark.parametrize(
    ("missing", "pictures"),
    [
        pytest.param({"ports": None}, {"ports", "destinations"}, id="no-ports"),
        pytest.param({"counters": {}}, {"opens", "errors"}, id="no-counters"),
        pytest.param({"tcp_max_tw_buckets": None, "nf_conntrack_max": None}, set(), id="no-limits"),
        pytest.param({"listeners": (), "holders": (), "remotes": (), "local_ports": ()}, set(), id="no-lists"),
        pytest.param({"states": {"ESTABLISHED": (1, 0)}}, {"time_wait", "rare-states"}, id="no-states"),
    ],
)
@pytest.mark.parametrize("samples", [1, 3])
def test_what_was_not_seen_is_left_out(missing: dict[str, object], pictures: set[str], samples: int) -> None:
    less = built(minute(number, **missing) for number in range(samples))
    page.render(less)
    drawn = {"states-now"} if samples == 1 else ALL - pictures
    assert {picture.name for picture in less.pictures} == drawn


def test_moment_without_a_connection_is_no_picture() -> None:
    none = built([minute(0, states=dict.fromkeys(STATES, (0, 0)))])
    assert (none.pictures, none.resolution) == ([], "There was no connection at that moment: nothing to draw.")
    assert "nothing to draw" in page.render(none)


def test_picture_of_a_moment_is_as_high_as_its_rows() -> None:
    (few,), (many,) = (built([minute(0, **more)]).pictures for more in ({"states": {"ESTABLISHED": (1, 0)}}, {}))
    assert few.narrow.height < many.narrow.height / 3


def test_data_quality_names_gaps_restarts_and_what_was_not_seen() -> None:
    unseen = ("bound-idle sockets (needs Linux 6.8)",)
    hour = [minute(number, unseen=unseen) for number in (*range(20), *range(40, 50))]
    rebooted = [minute(number, unseen=unseen, boot_id="another") for number in range(50, 61)]
    quality = built([*hour, *rebooted]).quality
    assert (quality.samples, quality.coverage) == ("41, usually 1 min apart", "65% of the period")
    assert [(gap.since.text, gap.until.text, gap.length) for gap in quality.gaps] == [
        ("Tue 18 Nov 2025 00:19 UTC", "Tue 18 Nov 2025 00:40 UTC", "21 min")
    ]
    assert [(moment.text, what) for moment, what in quality.restarts] == [
        ("Tue 18 Nov 2025 00:50 UTC", "the host booted")
    ]
    assert quality.unseen == list(unseen)
    assert quality.looked == ["the kernel's own socket table (sock_diag)", "without privileges", "4 ms for the walk"]
    assert quality.never == ["req_queue_full_drops", "abort_on_memory", "memory_pressures"]


def test_tables_name_who_holds_what() -> None:
    tops = {table.title: [[cell.text for cell in row] for row in table.rows] for table in built(quiet_hour()).tops}
    assert tops == {
        "Destinations, by ports used": [
            ["10.0.0.5:5432", "3.9%", "4%", "4%"],
            ["10.0.0.6:6379", "0.14%", "0.1%", "0.1%"],
        ],
        "Accept queues, by backlog used": [[":8080", "2.3%", "2.3%", "2.3%"]],
        "Sockets by unit": [["nginx.service", "710", "710", "710"], ["app.service", "383", "383", "383"]],
        "Sockets by user": [["www-data", "1,081", "1,081", "1,081"]],
        "Incoming, by local port": [["8080", "690", "690", "690"], ["22", "4", "4", "4"]],
        "Incoming, by remote address": [["192.0.2.7", "310", "310", "310"], ["2001:db8::7", "100", "100", "100"]],
    }


def test_pictures_are_the_same_shapes_in_light_and_dark() -> None:
    for picture in built(exhausted_hour(), simulated=True).pictures:
        for image in filter(None, (picture.narrow, picture.wide)):
            light, dark = (Image.open(io.BytesIO(file)) for file in (image.light, image.dark))
            assert light.size == dark.size == (image.width, image.height)
            assert light.tobytes() == dark.tobytes()
            corners = [one.convert("RGB").tobytes()[:3].hex() for one in (light, dark)]
            assert [f"#{corner}" for corner in corners] == [*palette.COLOURS["surface"]]


def test_picture_of_a_simulated_history_says_so_itself() -> None:
    red = bytes.fromhex(palette.LIGHT["close_wait"][1:])
    counted = []
    for simulated in (False, True):
        picture = built(quiet_hour()[:3], simulated=simulated).pictures[1].narrow
        pixels = Image.open(io.BytesIO(picture.light)).convert("RGB").tobytes()
        counted.append([pixels[at : at + 3] for at in range(0, len(pixels), 3)].count(red))
    assert counted[0] == 0 and counted[1] > 200
