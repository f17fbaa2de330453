"""check_tcp_connections: from a sample to its lines; its filters."""

from typing import Any

import pytest

from checks import filters
from checks.check_tcp_connections import SPEC, judge
from checks.options import UsageError
from tcptide.model import Rates
from tcptide.outlook import Outlook
from tests.judging import chosen, lines, text
from tests.samples import HOLDERS, look, no_rates, outlook, point, rates, states, trend

QUIET = rates(active_opens=2.0, passive_opens=5.5)


def said(*arguments: str, per_second: Rates = QUIET, history: Outlook | None = None, **changes: Any) -> list[str]:
    judged = judge(look(**changes), per_second, point(), history, chosen(SPEC, *arguments))
    return lines(SPEC, judged, *arguments)


@pytest.mark.parametrize(
    ("expected", "arguments", "changes"),
    [
        pytest.param("OK - 1204 connections, 1100 ESTABLISHED, 61 TIME_WAIT", (), {}, id="ok-quiet"),
        pytest.param("OK - 0 connections", (), {"states": dict.fromkeys(states(), (0, 0))}, id="ok-none"),
        pytest.param("OK - 1 connection, 1 SYN_RECV", (), {"states": {"SYN_RECV": (0, 1)}}, id="ok-one"),
        pytest.param("OK - 1204 connections, 1100 ESTABLISHED, 61 TIME_WAIT", ("-c", "1204"), {}, id="ok-at-limit"),
        pytest.param(
            "WARNING - 1204 connections (limit 1203), 709 by nginx.service", ("-w", "1203"), {}, id="warn-above-warn"
        ),
        pytest.param(
            "CRITICAL - 1204 connections (limit 1000), 1080 by www-data",
            ("-w", "900", "-c", "total=1000"),
            {"holders": HOLDERS[2:]},
            id="crit-above-crit",
        ),
        pytest.param(
            "CRITICAL - 9 CLOSE_WAIT (limit 5), 9 by nginx.service (+1 more)",
            ("-c", "close_wait=5", "-w", "1000"),
            {},
            id="crit-before-warn",
        ),
        pytest.param(
            "CRITICAL - 1204 connections (allowed 2000:), 709 by nginx.service", ("-c", "2000:"), {}, id="crit-too-few"
        ),
        pytest.param(
            "WARNING - conntrack table 80% full (209716/262144)",
            (),
            {"nf_conntrack_count": 209716},
            id="warn-conntrack",
        ),
        pytest.param(
            "CRITICAL - conntrack table 100% full (262150/262144)",
            (),
            {"nf_conntrack_count": 262150},
            id="crit-conntrack-full",
        ),
        pytest.param(
            "OK - 0 connections, 12 LISTEN, 1 BOUND",
            ("--state", "LISTEN"),
            {"states": {"LISTEN": (12, 0), "BOUND": (1, 0)}},
            id="ok-listeners-asked-for",
        ),
    ],
)
def test_first_line(expected: str, arguments: tuple[str, ...], changes: dict[str, Any]) -> None:
    assert text(said(*arguments, **changes)[0]) == f"TCP_CONNECTIONS {expected}"


def test_perfdata_has_every_state() -> None:
    assert said()[0] == (
        "TCP_CONNECTIONS OK - 1204 connections, 1100 ESTABLISHED, 61 TIME_WAIT | total=1204;;;0 established=1100;;;0"
        " syn_sent=3;;;0 syn_recv=2;;;0 fin_wait1=4;;;0 fin_wait2=21;;;0 time_wait=61;;;0 close_wait=9;;;0"
        " last_ack=4;;;0 listen=12;;;0 closing=0;;;0 bound=1;;;0 opened_per_second=7.5;;;0"
        " conntrack_usage=0.91%;80;90;0;100"
    )


def test_what_is_not_seen_has_no_perfdata() -> None:
    first = said(per_second=no_rates(), states={"ESTABLISHED": (1, 0)}, nf_conntrack_max=None)[0]
    assert first == "TCP_CONNECTIONS OK - 1 connection, 1 ESTABLISHED | total=1;;;0 established=1;;;0"


def test_long_output_says_whose_they_are() -> None:
    assert said()[1:] == [
        "states: ESTABLISHED 1100, TIME_WAIT 61, FIN_WAIT2 21, LISTEN 12, CLOSE_WAIT 9, FIN_WAIT1 4, LAST_ACK 4,"
        " SYN_SENT 3, SYN_RECV 2, BOUND 1",
        "by unit: nginx.service 709, app.service 383",
        "by user: www-data 1080",
        "incoming by local port: :8080 690, :22 4",
        "incoming by remote address: 192.0.2.7 310, 2001:db8::7 100",
        "not accepted yet: 3",
    ]


def test_filtered_look_has_neither_rates_nor_host_metrics() -> None:
    first = said("--unit", "app.service", per_second=no_rates(), nf_conntrack_count=262144)[0]
    assert "opened_per_second" not in first
    assert "conntrack_usage" not in first
    assert first.startswith("TCP_CONNECTIONS OK - ")


def test_filter_of_options() -> None:
    assert filters.of(chosen(SPEC)) is None
    sockets = "--state close-wait --state TIME_WAIT --local-port 443 --remote-port 5432 --remote 10.0.0.0/8"
    owners = "--family 6 --user www-data --unit app.service"
    wanted = filters.of(chosen(SPEC, *f"{sockets} {owners}".split()))
    assert wanted == (("CLOSE_WAIT", "TIME_WAIT"), (443,), (5432,), ("10.0.0.0/8",), 6, ("www-data",), ("app.service",))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--state", "ESTAB"), "argument --state: 'ESTAB' is none of ESTABLISHED, "),
        (("--local-port", "0"), "argument --local-port: '0' is not a port from 1 to 65535"),
        (("--local-port", "65536"), "argument --local-port: '65536' is not a port from 1 to 65535"),
        (("--remote-port", "http"), "argument --remote-port: 'http' is not a port from 1 to 65535"),
        (("--remote-port", "1_0"), "argument --remote-port: '1_0' is not a port from 1 to 65535"),
        (("--remote", ""), "argument --remote: is empty"),
        (("--family", "5"), "argument --family: '5' is none of 4, 6"),
        (("--unit", ""), "argument --unit: is empty"),
    ],
)
def test_bad_filter(arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError) as error:
        chosen(SPEC, *arguments)
    assert str(error.value).startswith(problem)


def test_conntrack_that_fills_has_its_time() -> None:
    filling = outlook("normal", trend("conntrack", 215_000, 10_000))
    found = said(history=filling, nf_conntrack_count=215_000)
    assert text(found[0]) == ("TCP_CONNECTIONS WARNING - conntrack table 82% full (215000/262144), full in 4-5 h")
    assert "forecast: conntrack table full in 4-5 h, most likely in 5 h" in found
    assert not [line for line in said(history=outlook()) if "forecast" in line]
    assert not [line for line in said("--state", "ESTABLISHED", history=filling) if "forecast" in line]
