"""check_tcp_pattern: from what the history says to its lines."""

from collections.abc import Iterator
from typing import Any

import pytest

from checks.check_tcp_pattern import SPEC, judge
from checks.options import UsageError
from tcptide.config import Privacy
from tcptide.model import Leak
from tcptide.outlook import Outlook, Pressing, ports_resource
from tcptide.privacy import mask
from tests.judging import chosen, lines, text, utc
from tests.samples import DATABASE, destination, look, no_rates, outlook, point, states, trend

PORTS = ports_resource(DATABASE)
SURVIVED = Leak("unit", "app.service", "CLOSE_WAIT", 200, 7200.0, 120.0, 1_759_992_800.0)
LEAK: dict[str, Any] = {
    "grew": "CLOSE_WAIT",
    "holder": "app.service",
    "per_hour": 120.0,
    "change": 200.0,
    "leaks": (SURVIVED,),
}


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    with utc():
        yield


def alarm() -> list[str]:
    """The one that the page shows."""
    with utc():
        return said(outlook("slow_leak", trend("connections", 1204, 120, 0.2), **LEAK), "--limit", "2000")


def said(history: Outlook | None, *arguments: str, **changes: Any) -> list[str]:
    judged = judge(look(**changes), no_rates(), point(**changes), history, chosen(SPEC, *arguments))
    return lines(SPEC, judged, *arguments)


@pytest.mark.parametrize(
    ("expected", "history", "arguments"),
    [
        pytest.param("OK - normal (1204 connections, expected 900)", outlook(), (), id="ok-normal"),
        pytest.param(
            "OK - insufficient_data (1204 connections)",
            outlook("insufficient_data", expected=None),
            (),
            id="ok-too-little-history",
        ),
        pytest.param("OK - periodic (1204 connections, expected 900)", outlook("periodic"), (), id="ok-periodic"),
        pytest.param(
            "OK - slow_leak since 06:53: CLOSE_WAIT +120/h (1204 connections, expected 900) by app.service",
            outlook("slow_leak", **LEAK),
            (),
            id="ok-leak-without-a-limit",
        ),
        pytest.param(
            "OK - rapid_increase since 06:53: SYN_RECV +4300, as in a SYN flood by nginx.service on :443",
            outlook("rapid_increase", grew="SYN_RECV", change=4300.0, holder="nginx.service", local_port=443),
            (),
            id="ok-flood-not-asked-for",
        ),
        pytest.param(
            "WARNING - rapid_increase since 06:53 (1204 connections, expected 900)",
            outlook("rapid_increase"),
            ("--alert-on", "rapid_increase"),
            id="warn-asked-for",
        ),
        pytest.param(
            "CRITICAL - rapid_decrease since 06:53 (1204 connections, expected 900)",
            outlook("rapid_decrease"),
            ("--alert-on", "spike,rapid_decrease=critical"),
            id="crit-asked-for",
        ),
        pytest.param(
            "OK - level_shift since 06:53 (1204 connections, expected 900)",
            outlook("level_shift"),
            ("--alert-on", "rapid_increase", "--alert-on", "rapid_decrease=critical"),
            id="ok-another-one-asked-for",
        ),
        pytest.param(
            "WARNING - level_shift since 06:53 (1204 connections, expected 900)",
            outlook("level_shift"),
            ("--alert-on", "all"),
            id="warn-all-asked-for",
        ),
        pytest.param(
            "OK - normal (1204 connections, expected 900)",
            outlook(),
            ("--alert-on", "all=critical"),
            id="ok-normal-if-all",
        ),
        pytest.param(
            "WARNING - spike since 06:53 (1204 connections, expected 900, limit 0)",
            outlook("spike"),
            ("-w", "severity=0"),
            id="warn-by-threshold",
        ),
        pytest.param(
            "WARNING - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service, connection limit reached in 5-9 h",
            outlook("slow_leak", trend("connections", 1204, 120, 0.2), **LEAK),
            ("--limit", "2000"),
            id="warn-leak-half-used-within-a-day",
        ),
        pytest.param(
            "CRITICAL - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service, connection limit reached in"
            " 64-108 min",
            outlook("slow_leak", trend("connections", 1204, 120, 0.2), **LEAK),
            ("--limit", "1364"),
            id="crit-leak-within-two-hours",
        ),
        pytest.param(
            "OK - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service, connection limit reached in 8-13 h",
            outlook("slow_leak", trend("connections", 1204, 120, 0.2), **LEAK),
            ("--limit", "2409"),
            id="ok-leak-less-than-half-used",
        ),
        pytest.param(
            "OK - slow_leak since 06:53: CLOSE_WAIT +10/h (1204 connections, expected 900) by app.service",
            outlook("slow_leak", trend("connections", 1204, 10, 0.2), **{**LEAK, "per_hour": 10.0}),
            ("--limit", "2000"),
            id="ok-leak-days-away",
        ),
        pytest.param(
            "OK - normal (1204 connections, expected 900), connection limit reached in 64-108 min",
            outlook("normal", trend("connections", 1204, 120, 0.2)),
            ("--limit", "1364"),
            id="ok-forecast-alone-raises-nothing",
        ),
        pytest.param(
            "WARNING - 1204 connections, expected 900 (allowed -200:200)",
            outlook(),
            ("-w", "deviation=-200:200"),
            id="warn-deviation",
        ),
    ],
)
def test_first_line(expected: str, history: Outlook, arguments: tuple[str, ...]) -> None:
    first = text(said(history, *arguments)[0])
    assert first == f"TCP_PATTERN {expected}"
    assert len(first) <= 120


TO_DATABASE = {**LEAK, "destination": ("10.0.0.5", 5432)}


def test_the_ports_of_its_own_destination_are_what_a_leak_runs_into_first() -> None:
    history = outlook(
        "slow_leak",
        trend("connections", 1204, 120, 0.2),
        trend(PORTS, 20_000, 10_000, 0.1),
        trend("conntrack", 2410, 120),
        **TO_DATABASE,
    )
    first, _, second, *_ = said(history, "--limit", "2000")
    assert text(first) == (
        "TCP_PATTERN CRITICAL - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service to 10.0.0.5:5432"
    )
    assert second == "forecast: ports to 10.0.0.5:5432 full in 44-57 min, most likely in 49 min"


@pytest.mark.parametrize(
    ("remote_addresses", "name"), [("full", "10.0.0.5:5432"), ("masked", "10.0.0.0/24:5432"), ("none", "*:5432")]
)
def test_masking_makes_no_leak_another_s(remote_addresses: str, name: str) -> None:
    """Ports to 10.0.0.6 run out sooner, and this leak is to 10.0.0.5."""
    other = ports_resource(DATABASE._replace(remote="10.0.0.6"))
    history = outlook("slow_leak", trend(other, 20_000, 60_000), trend(PORTS, 20_000, 1_000), **TO_DATABASE)
    seen = look()._replace(shown=mask(Privacy(remote_addresses)))
    first, *rest = lines(SPEC, judge(seen, no_rates(), point(), history, chosen(SPEC)))
    leak = f"TCP_PATTERN WARNING - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service to {name}"
    assert text(first).startswith(leak)
    sooner = name.replace(".5:", ".6:")
    assert f"forecast: ports to {sooner} full in 7-9 min, most likely in 8 min" in rest


@pytest.mark.parametrize("other", [PORTS, "time_wait"], ids=["ports-of-another-destination", "time-wait"])
def test_what_a_leak_cannot_fill_makes_it_no_worse(other: str) -> None:
    history = outlook("slow_leak", trend(other, 20_000, 60_000), **LEAK)
    first, *_ = said(history, states=states(TIME_WAIT=20_000), tcp_max_tw_buckets=32_768)
    assert text(first).startswith("TCP_PATTERN OK - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service, ")
    assert " full in " in text(first)


def test_what_gave_the_state_is_named_though_another_limit_is_reached_before_it() -> None:
    history = outlook("slow_leak", trend("connections", 1204, 120, 0.2), trend(PORTS, 20_000, 10_000), **LEAK)
    assert text(said(history, "--limit", "2000")[0]) == (
        "TCP_PATTERN WARNING - slow_leak since 06:53: CLOSE_WAIT +120/h by app.service, connection limit reached in 5-9"
        " h"
    )


@pytest.mark.parametrize(
    ("state", "level", "limit"),
    [
        ("WARNING", 1, 2409.0),  # of which less than half is used in this row
        ("CRITICAL", 2, 2409.0),
        ("OK", 0, 2409.0),
        ("OK", 2, 2400.0),  # another limit than the one that is asked about
    ],
    ids=["warn-settled", "crit-settled", "ok-settled", "ok-another-limit"],
)
def test_how_pressing_a_limit_is_the_history_says(state: str, level: int, limit: float) -> None:
    pressing = (Pressing("connections", limit, level),)
    history = outlook("slow_leak", trend("connections", 1204, 120, 0.2), **LEAK, pressing=pressing)
    assert text(said(history, "--limit", "2409")[0]).split()[1] == state


def test_perfdata_and_long_output() -> None:
    first, *rest = alarm()
    assert first.partition(" | ")[2] == (
        "severity=2;1;2;0;3 total=1204;;;0 expected=900;;;0 deviation=304 exhaustion_seconds=23880s;;;0"
    )
    assert rest == [
        "slow_leak since 06:53: CLOSE_WAIT +120/h (1204 connections, expected 900) by app.service, connection limit"
        " reached in 5-9 h",
        "forecast: connection limit reached in 5-9 h, most likely in 7 h",
        "app.service does not close connections that their peers have closed: 200 in CLOSE_WAIT: the oldest for 2 h;"
        " 120 more each hour; they stay until the program closes them or ends",
        "-> ss -tnp state close-wait (reads only) shows their peers, and to root the process and its descriptors;"
        " systemctl restart app.service frees them until they are as many again (side effect: its other connections end"
        " too); lasting cure: the program must close() when read() returns 0",
    ]


def test_a_syn_flood_is_called_so_and_advised_on() -> None:
    history = outlook("rapid_increase", grew="SYN_RECV", change=510.0, local_port=8080)
    first, *rest = said(history, states=states(SYN_RECV=512))
    assert text(first) == (
        "TCP_PATTERN OK - rapid_increase since 06:53: SYN_RECV +510, as in a SYN flood (1714 connections, expected 900)"
        " on :8080"
    )
    assert rest[1:] == [
        "signs of a SYN flood at :8080: 512 half-open connections: backlog 128; 1204 connections, 900 expected; for 2"
        " h",
        "-> ss -tn state syn-recv (reads only) lists where they come from: what is no client can be blocked before this"
        " host, SYN cookies serve the others",
    ]


@pytest.mark.parametrize("grew", ["ESTABLISHED", "SYN_SENT"])
def test_no_other_flood_is_a_syn_flood(grew: str) -> None:
    assert "SYN flood" not in "".join(said(outlook("rapid_increase", grew=grew, change=510.0, local_port=8080)))
    few = outlook("rapid_increase", grew="SYN_RECV", change=63.0, local_port=8080)
    assert "SYN flood" not in "".join(said(few))


@pytest.mark.parametrize(
    ("resource", "used", "name", "finding"),
    [
        (
            "connections",
            1204,
            "connection limit reached",
            "connections become ever more, beyond what traffic explains: ",
        ),
        ("conntrack", 200_000, "conntrack table full", "conntrack is 76% full: at 100% the kernel drops new "),
        (PORTS, 20_000, "ports to 10.0.0.5:5432 full", "70% of the ports from 10.0.0.1 to 10.0.0.5:5432 are used: "),
    ],
    ids=["connections", "conntrack", "ports"],
)
def test_a_limit_that_is_nearer_than_asked_for_is_named_with_what_to_do(
    resource: str, used: int, name: str, finding: str
) -> None:
    history = outlook("normal", trend(resource, used, 8 * used))
    changes = {"nf_conntrack_count": 200_000, "worst": (destination(20_000),)}
    limit = ("--limit", "1500")
    first, *rest = said(history, "-c", "exhaustion_seconds=1800:", *limit, **changes)
    assert text(first).startswith(f"TCP_PATTERN CRITICAL - {name} in ")
    assert text(first).endswith(" (limit 30 min)")
    found = [place for place, line in enumerate(rest) if line.startswith(finding)]
    assert found
    assert rest[found[0] + 1].startswith("-> ")
    assert not any(line.startswith("-> ") for line in said(history, *limit, **changes))


def test_too_little_history_leaves_out_what_is_not_known() -> None:
    assert said(outlook("insufficient_data", expected=None)) == [
        "TCP_PATTERN OK - insufficient_data (1204 connections) | severity=0;1;2;0;3 total=1204;;;0",
        "no forecast: nothing that has a limit grows",
    ]


def test_without_a_history_it_is_unknown() -> None:
    assert said(None) == ["TCP_PATTERN UNKNOWN - no history yet that could show a pattern | total=1204;;;0"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("--alert-on", "leak"),
            "'leak' is none of spike, level_shift, rapid_decrease, rapid_increase, slow_leak, all",
        ),
        (
            ("--alert-on", "normal"),
            "'normal' is none of spike, level_shift, rapid_decrease, rapid_increase, slow_leak, all",
        ),
        (("--alert-on", "spike=unknown"), "'unknown' is neither warning nor critical"),
        (("--alert-on", ""), "'' is none of spike, level_shift, rapid_decrease, rapid_increase, slow_leak, all"),
        (("--limit", "0"), "'0' is not a number of connections"),
        (("--limit", "2e3"), "'2e3' is not a number of connections"),
    ],
)
def test_wrong_options_are_named(arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(SPEC, *arguments)
    assert str(caught.value) == f"argument {arguments[0]}: {problem}"
