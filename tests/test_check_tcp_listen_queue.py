"""check_tcp_listen_queue: from a sample to its lines."""

from argparse import Namespace
from typing import Any

import pytest

from checks.check_tcp_listen_queue import SPEC, judge
from tcptide.model import Listener, Rates
from tests.judging import lines, text
from tests.samples import SSH, listener, look, no_rates, point, rates

QUIET = rates()
OVERFLOWING = rates(listen_overflows=42.0)


def said(*listeners: Listener, per_second: Rates = QUIET, arguments: tuple[str, ...] = (), **changes: Any) -> list[str]:
    seen = look(listeners=listeners, **changes)
    return lines(SPEC, judge(seen, per_second, point(), None, Namespace()), *arguments)


@pytest.mark.parametrize(
    ("expected", "listeners", "per_second"),
    [
        pytest.param("OK - 0 listeners", (), QUIET, id="ok-none"),
        pytest.param("OK - 2 listeners, no one waits", (listener(0), SSH), QUIET, id="ok-idle"),
        pytest.param("OK - 2 listeners, fullest :8080 3/128", (listener(3), SSH), QUIET, id="ok-quiet"),
        pytest.param("OK - 1 listener, fullest :8080 7/7", (listener(7, 7),), QUIET, id="ok-too-few-wait"),
        pytest.param(
            "WARNING - :8080 accept queue 8/9 (80%), nginx.service", (listener(8, 9),), QUIET, id="warn-enough-wait"
        ),
        pytest.param("OK - 1 listener, fullest :8080 90/128", (listener(90),), QUIET, id="ok-below-warn"),
        pytest.param(
            "WARNING - :8080 accept queue 91/128 (70%), nginx.service", (listener(91),), QUIET, id="warn-above-warn"
        ),
        pytest.param(
            "CRITICAL - :8080 accept queue 117/128 (90%), nginx.service", (listener(117),), QUIET, id="crit-above-crit"
        ),
        pytest.param(
            "CRITICAL - :8080 accept queue 129/128, 42 overflows/s, nginx.service (+1 more)",
            (listener(129), SSH),
            OVERFLOWING,
            id="crit-overflowing",
        ),
        pytest.param(
            "CRITICAL - :8080 accept queue 129/128 (100%), nginx.service",
            (listener(129),),
            no_rates(),
            id="crit-first-run",
        ),
        pytest.param(
            "CRITICAL - :8080 accept queue 2/1, 42 overflows/s (+1 more)",
            (listener(2, 1, unit=None), SSH),
            OVERFLOWING,
            id="crit-short-queue-that-overflows",
        ),
        pytest.param(
            "WARNING - accept queues overflow, 42 connections/s dropped (limit 0)",
            (listener(0), SSH),
            OVERFLOWING,
            id="warn-overflow-alone",
        ),
        pytest.param(
            "CRITICAL - 127.0.0.1:81 accept queue 128/128 (99%), nginx.service",
            (listener(3, 2), listener(128, port=81, address="127.0.0.1")),
            QUIET,
            id="crit-long-queue-not-hidden-by-a-short-one",
        ),
    ],
)
def test_first_line(expected: str, listeners: tuple[Listener, ...], per_second: Rates) -> None:
    assert text(said(*listeners, per_second=per_second)[0]) == f"TCP_LISTEN_QUEUE {expected}"


def test_perfdata_and_long_output() -> None:
    assert said(listener(129), SSH, per_second=OVERFLOWING) == [
        "TCP_LISTEN_QUEUE CRITICAL - :8080 accept queue 129/128, 42 overflows/s, nginx.service (+1 more)"
        " | worst_listener=100%;70;90;0;100 overflows_per_second=42;0;;0",
        "WARNING: accept queues overflow, 42 connections/s dropped (limit 0)",
        ":8080 129/128 (100%), nginx.service",
        ":22 0/128 (0%), ssh.service",
        "the accept queue of :8080 is full: new connections are dropped: 129 wait, backlog 128; net.core.somaxconn"
        " 4096; 42 overflows/s on this host; held by nginx.service",
        "-> ss -ltnp 'sport = :8080' twice (reads only): a Recv-Q that stays is a stuck accept loop, look at"
        " nginx.service; if it moves raise the program's listen backlog and net.core.somaxconn, both (side effect: the"
        " listener must be reopened, and clients wait longer instead of failing)",
    ]


@pytest.mark.parametrize(
    ("arguments", "first", "advised"),
    [
        (
            ("-c", "5"),
            "CRITICAL - :8080 accept queue 10/128 (7.7%, limit 5%), nginx.service",
            ["the accept queue of :8080 is filling"],
        ),
        (("-w", "7.75"), "WARNING - :8080 accept queue 10/128 (7.7%, 7.75%, limit 7.75%), nginx.service", None),
        (("-w", "@5:10"), "WARNING - :8080 accept queue 10/128 (7.7%, not allowed 5:10), nginx.service", None),
        (("-w", "10:"), "WARNING - :8080 accept queue 10/128 (7.7%, allowed 10:), nginx.service", []),
        ((), "OK - 1 listener, fullest :8080 10/128", []),
    ],
    ids=["crit-lower-limit", "warn-barely", "warn-inside", "warn-too-little", "ok-default"],
)
def test_advice_follows_the_thresholds_in_force(
    arguments: tuple[str, ...], first: str, advised: list[str] | None
) -> None:
    found = said(listener(10), arguments=arguments)
    assert text(found[0]) == f"TCP_LISTEN_QUEUE {first}"
    if advised is not None:
        assert [line.partition(": ")[0] for line in found[2::2]] == advised


def test_first_run_has_no_rate_in_its_perfdata() -> None:
    first = said(SSH, per_second=no_rates())[0]
    assert first == "TCP_LISTEN_QUEUE OK - 1 listener, no one waits | worst_listener=0%;70;90;0;100"


def test_many_listeners_are_cut() -> None:
    listeners = tuple(listener(0, port=port) for port in range(1000, 1040))
    assert said(*listeners)[11:] == [":1010 0/128 (0%), nginx.service", "... 29 more (-v)"]
    assert len(said(*listeners, arguments=("-v",))) == 41


def test_fallback_cannot_see_queues() -> None:
    first = said(SSH, method="psutil")[0]
    assert first == "TCP_LISTEN_QUEUE UNKNOWN - accept queues cannot be seen by psutil | overflows_per_second=0;0;;0"
    first = said(SSH, method="psutil", per_second=OVERFLOWING)[0]
    assert text(first) == "TCP_LISTEN_QUEUE WARNING - accept queues overflow, 42 connections/s dropped (limit 0)"


def test_many_listeners_leave_room_for_what_is_wrong() -> None:
    many = [listener(0)._replace(port=8000 + number, queue=0) for number in range(13)]
    found = said(listener(129), *many)
    assert text(found[0]) == "TCP_LISTEN_QUEUE CRITICAL - :8080 accept queue 129/128 (100%), nginx.service"
    assert len(found) == 13
    assert found[1:3] == [":8080 129/128 (100%), nginx.service", ":8000 0/128 (0%), nginx.service"]
    assert found[10].startswith("the accept queue of :8080 is full: new connections are dropped: 129 wait, backlog 128")
    assert found[11].startswith("-> ss -ltnp 'sport = :8080' twice (reads only): ")
    assert found[12] == "... 5 more (-v)"
