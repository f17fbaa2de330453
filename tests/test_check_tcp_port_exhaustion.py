"""check_tcp_port_exhaustion: from a sample to its lines."""

from argparse import Namespace
from typing import Any

import pytest

from checks.check_tcp_port_exhaustion import SPEC, judge
from tcptide.config import Privacy
from tcptide.model import Destination
from tcptide.outlook import Outlook, ports_resource
from tcptide.privacy import mask
from tests.judging import lines, perfdata, text
from tests.samples import DATABASE, destination, look, no_rates, outlook, point, sample, trend

STEADY = outlook()
FILLING = outlook("normal", trend(ports_resource(DATABASE), 25_974, 12_000, 0.34))


def said(*arguments: str, history: Outlook | None = STEADY, **changes: Any) -> list[str]:
    judged = judge(look(**changes), no_rates(), point(), history, Namespace())
    return lines(SPEC, judged, *arguments)


def full(ports_used: int, **changes: Any) -> dict[str, Any]:
    return {"worst": (destination(ports_used, **changes),)}


@pytest.mark.parametrize(
    ("expected", "changes", "arguments"),
    [
        pytest.param("OK - 3.9% of ports to 10.0.0.5:5432 used (1129/28231) by app.service", {}, (), id="ok-quiet"),
        pytest.param("OK - no ephemeral port in use (0/28231)", {"worst": ()}, (), id="ok-none-in-use"),
        pytest.param(
            "OK - 180 of 200 ports barred, none of the rest in use",
            {"worst": (), "size": 200, "barred": 180, "capacity": 20},
            (),
            id="ok-none-of-the-rest-in-use",
        ),
        pytest.param(
            "OK - 69% of ports to 10.0.0.5:5432 used (19761/28231) by app.service", full(19761), (), id="ok-below-warn"
        ),
        pytest.param(
            "WARNING - 70% of ports to 10.0.0.5:5432 used (19762/28231) by app.service",
            full(19762),
            (),
            id="warn-above-warn",
        ),
        pytest.param(
            "CRITICAL - 85% of ports to 10.0.0.5:5432 used (23997/28231) by app.service",
            full(23997),
            (),
            id="crit-above-crit",
        ),
        pytest.param(
            "CRITICAL - 99% of ports to 10.0.0.5:5432 used (28230/28231) by app.service",
            full(28230),
            (),
            id="crit-one-port-left-is-not-100",
        ),
        pytest.param(
            "CRITICAL - 100% of ports to 10.0.0.5:5432 used (28231/28231) by app.service",
            full(28231),
            (),
            id="crit-exhausted",
        ),
        pytest.param(
            "WARNING - 92% of ports to 10.0.0.5:5432 used (25974/28231)",
            full(25974, holder=None),
            ("-c", "worst_destination="),
            id="warn-critical-cleared-and-nobody-known",
        ),
        pytest.param(
            "WARNING - 91% of ports taken for bind() to 10.0.0.1 (limit 90%)",
            {"bind": (("10.0.0.1", 91.4),)},
            (),
            id="warn-bind",
        ),
        pytest.param(
            "CRITICAL - 92% of ports to 10.0.0.5:5432 used (25974/28231) by app.service (+1 more)",
            {**full(25974), "bind": (("10.0.0.1", 92.0),)},
            (),
            id="crit-destination-and-bind",
        ),
        pytest.param(
            "CRITICAL - 92% of ports to [2001:db8:1000:2000:3000:4000:5000:60]:5432 used by app.service",
            full(25974, remote="2001:db8:1000:2000:3000:4000:5000:60"),
            (),
            id="crit-long-address-costs-the-numbers",
        ),
        pytest.param(
            "CRITICAL - no port left for connect(): all 28232 barred by listeners and bind()",
            {"worst": (), "capacity": 0, "barred": 28232},
            (),
            id="crit-all-barred",
        ),
        pytest.param(
            "UNKNOWN - ports in use cannot be seen by psutil",
            {"method": "psutil", "ports": None},
            (),
            id="unknown-unseen",
        ),
    ],
)
def test_first_line(expected: str, changes: dict[str, Any], arguments: tuple[str, ...]) -> None:
    first = said(*arguments, **changes)[0]
    assert text(first) == f"TCP_PORT_EXHAUSTION {expected}"
    assert len(text(first)) <= 120


def test_the_line_that_wakes_somebody() -> None:
    lines = said(history=FILLING, **full(25974))
    assert lines[3] == "forecast: full in 8-20 min, most likely in 11 min"
    assert lines[0] == (
        "TCP_PORT_EXHAUSTION CRITICAL - 92% of ports to 10.0.0.5:5432 used (25974/28231) by app.service,"
        " full in 8-20 min | worst_destination=92%;70;85;0;100 worst_bind=4.2%;90;;0;100"
        " worst_destination_ports=25974;;;0;28231 capacity=28231;;;0;28232 barred_ports=1;;;0;28232"
        " exhaustion_seconds=677s;;;0"
    )


def test_without_a_forecast_there_is_no_time() -> None:
    first = said()[0]
    assert "exhaustion_seconds" not in first
    assert said(history=None)[-1] == "no forecast: no history"
    assert said(worst=())[-1] == "no forecast: no port in use"
    assert perfdata(first)[0] == "worst_destination=3.99%;70;85;0;100"


def test_long_output() -> None:
    worst = (
        destination(25974, reusable=120, time_wait=9120),
        Destination("10.0.0.1", "10.0.0.6", 6379, 41, 0, 0.145, None),
    )
    assert said(worst=worst, bind=(("10.0.0.1", 93.0),))[1:] == [
        "WARNING: 93% of ports taken for bind() to 10.0.0.1 (limit 90%)",
        "to 10.0.0.5:5432 from 10.0.0.1: 92%, 25974 ports, 120 more to be taken over, app.service",
        "to 10.0.0.6:6379 from 10.0.0.1: 0.14%, 41 ports",
        "bind: 10.0.0.1 93%",
        "no forecast: no growth",
        "92% of the ports from 10.0.0.1 to 10.0.0.5:5432 are used: 25974 of 28231; 9000 of them in TIME_WAIT; 120 more"
        " that connect() may take over; mostly by app.service",
        "-> sysctl -w net.ipv4.ip_local_port_range='10240 65535' adds ports (side effect: a service that listens above"
        " 10240 may find its port taken: list such ports in net.ipv4.ip_local_reserved_ports first); lasting cure: a"
        " connection pool or keep-alive in app.service",
        "bind() to 10.0.0.1 without a port finds 93% of the ports taken: 28232 ports in the range, 1 barred by"
        " listeners and explicit bind(); at 100% bind() fails with EADDRINUSE, whatever the destination",
        "-> have the program set IP_BIND_ADDRESS_NO_PORT before bind() (side effect: its port is known only after"
        " connect()); ss -tanp 'src 10.0.0.1' (reads only) lists who holds the ports",
    ]


def test_limit_that_is_dropped_drops_its_advice() -> None:
    """What is left under OK is the note that connect() is slow."""
    found = said("-w", "worst_destination=", "-c", "worst_destination=", **full(25974))
    assert text(found[0]) == "TCP_PORT_EXHAUSTION OK - 92% of ports to 10.0.0.5:5432 used (25974/28231) by app.service"
    assert [line.partition(":")[0] for line in found[4::2]] == ["connect() from 10.0.0.1 to 10.0.0.5"]
    assert not [line for line in said("-w", "worst_bind=", bind=(("10.0.0.1", 95.0),)) if line.startswith("->")]


def test_sample_without_ports_has_no_perfdata() -> None:
    assert said(ports=None, method="psutil") == ["TCP_PORT_EXHAUSTION UNKNOWN - ports in use cannot be seen by psutil"]


def test_less_time_than_asked_for_is_said_with_its_limit_and_what_to_do() -> None:
    first, *rest = said("-c", "exhaustion_seconds=1800:", "-c", "worst_destination=", history=FILLING, **full(25974))
    assert text(first) == (
        "TCP_PORT_EXHAUSTION CRITICAL - ports to 10.0.0.5:5432 full in 8-20 min (limit 30 min) by app.service (+1 more)"
    )
    assert "92% of the ports from 10.0.0.1 to 10.0.0.5:5432 are used: 25974 of 28231; " in "".join(rest)


@pytest.mark.parametrize(
    ("remote_addresses", "name"), [("full", "10.0.0.6:5432"), ("masked", "10.0.0.0/24:5432"), ("none", "*:5432")]
)
def test_a_destination_keeps_its_own_forecast_when_masking_makes_two_one(remote_addresses: str, name: str) -> None:
    """10.0.0.5 fills up; what is fullest does not."""
    worst = destination(23_000, remote="10.0.0.6"), destination(22_000)
    history = outlook("normal", trend(ports_resource(DATABASE), 22_000, 12_000))
    seen = look(worst=worst)._replace(shown=mask(Privacy(remote_addresses)))
    first, *rest = lines(SPEC, judge(seen, no_rates(), point(), history, Namespace()))
    assert text(first) == f"TCP_PORT_EXHAUSTION WARNING - 81% of ports to {name} used (23000/28231) by app.service"
    assert "exhaustion_seconds" not in first
    assert "no forecast: no growth" in rest
    shown = "".join([first, *rest])
    assert all((one.remote in shown) == (remote_addresses == "full") for one in worst)


def test_judge_leaves_the_sample_alone() -> None:
    seen = sample()
    judge(look(), no_rates(), point(), None, Namespace())
    assert seen == sample()
