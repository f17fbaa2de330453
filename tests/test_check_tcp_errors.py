"""check_tcp_errors: from a sample to its lines."""

from argparse import Namespace
from typing import Any

import pytest

from checks.check_tcp_errors import SPEC, judge
from tcptide.model import Rates
from tests.judging import lines, text
from tests.samples import COUNTS, listener, look, no_rates, point, rates, states


def traffic(failed: float, retransmitted: float = 4.0, **others: float) -> Rates:
    """50 opens a minute, of which `failed` fail; 1,000 segments a second, of which some are sent again."""
    of_opens = {"active_opens": 20 / 60, "passive_opens": 30 / 60, "attempt_fails": failed / 60}
    of_segments = {"out_segs": 1000.0, "retrans_segs": retransmitted, "syn_retransmits": 1.0, "orig_data_sent": 600.0}
    return rates(**{**of_opens, **of_segments, **others})


def said(per_second: Rates, *arguments: str, **changes: Any) -> list[str]:
    return lines(SPEC, judge(look(**changes), per_second, point(), None, Namespace()), *arguments)


@pytest.mark.parametrize(
    ("expected", "per_second", "arguments"),
    [
        pytest.param("OK - 0% of opens failed, 0.4% of segments retransmitted", traffic(0), (), id="ok-quiet"),
        pytest.param("OK - no rates yet: no sample 30 s older", no_rates(), (), id="ok-first-run"),
        pytest.param("OK - no rates: the counters began anew", no_rates("reset"), (), id="ok-reset"),
        pytest.param("OK - no rates: no sample of the last 15 min", no_rates("gap"), (), id="ok-gap"),
        pytest.param("OK - no opens, no segments sent", rates(), (), id="ok-idle"),
        pytest.param("OK - 4% of opens failed, 0.4% of segments retransmitted", traffic(2), (), id="ok-below-warn"),
        pytest.param("WARNING - 16% of opens failed, 8 of 50 (limit 5%)", traffic(8), (), id="warn-above-warn"),
        pytest.param("CRITICAL - 40% of opens failed, 20 of 50 (limit 20%)", traffic(20), (), id="crit-above-crit"),
        pytest.param(
            "OK - 43% of opens failed, 0.4% of segments retransmitted",
            traffic(20, active_opens=16 / 60),
            (),
            id="ok-too-few-opens",
        ),
        pytest.param("OK - 14% of opens failed, 0.4% of segments retransmitted", traffic(7), (), id="ok-may-be-chance"),
        pytest.param(
            "OK - 0% of opens failed, 3.6% of segments retransmitted", traffic(0, 36), (), id="ok-retransmits-by-chance"
        ),
        pytest.param(
            "WARNING - 3.7% of segments retransmitted, 2220 of 60000 (limit 3%)",
            traffic(0, 37),
            (),
            id="warn-retransmits",
        ),
        pytest.param(
            "CRITICAL - 12% of segments retransmitted, 7200 of 60000 (limit 10%)",
            traffic(0, 120),
            (),
            id="crit-retransmits",
        ),
        pytest.param(
            "OK - 0% of opens failed, 50% of segments retransmitted",
            traffic(0, 8, out_segs=16.0),
            (),
            id="ok-too-few-segments",
        ),
        pytest.param(
            "WARNING - accept queues overflow, 0.017 connections/s dropped (limit 0)",
            traffic(0, listen_overflows=1 / 60),
            (),
            id="warn-one-overflow",
        ),
        pytest.param(
            "CRITICAL - 40% of opens failed, 20 of 50 (limit 20%) (+2 more)",
            traffic(20, 37, listen_overflows=1.0),
            (),
            id="crit-before-two-warnings",
        ),
        pytest.param(
            "WARNING - 7 resets/s (limit 5)",
            traffic(0, estab_resets=7.0),
            ("-w", "resets_per_second=5"),
            id="warn-told",
        ),
        pytest.param(
            "WARNING - 0% of opens failed, 0 of 50 (allowed 1:)", traffic(0), ("-w", "1:"), id="warn-below-start"
        ),
    ],
)
def test_first_line(expected: str, per_second: Rates, arguments: tuple[str, ...]) -> None:
    assert text(said(per_second, *arguments)[0]) == f"TCP_ERRORS {expected}"


def test_perfdata_and_long_output() -> None:
    assert said(traffic(20)) == [
        "TCP_ERRORS CRITICAL - 40% of opens failed, 20 of 50 (limit 20%) | failed_open_percent=40%;5;20;0;100"
        " retransmit_percent=0.4%;3;10;0;100 resets_per_second=0;;;0 listen_overflows_per_second=0;0;;0"
        " syncookies_per_second=0;;;0 orphan_usage=0%;;;0;100 memory_usage=0.99%;;;0;100",
        "opens in 60 s: 20 by this side, 30 by others, 20 failed",
        "retransmitted without SYNs: 0.5% of the segments with data",
        "40% of the opened connections failed: 20 of 50 opens in 60 s were refused, timed out or broke off; 3 wait in"
        " SYN_SENT",
        "-> ss -tnp state syn-sent (reads only) lists who gets no answer from whom; what is refused is gone at once:"
        " look for a service that is down in the logs of what connects to it",
    ]


def test_health_checks_of_a_load_balancer_are_no_failures() -> None:
    """It opens half a connection and breaks it off: the kernel counts an attempt that failed."""
    checked = traffic(30, embryonic_resets=30 / 60)
    assert text(said(checked)[0]) == "TCP_ERRORS OK - 0% of opens failed, 0.4% of segments retransmitted"


def test_first_run_leaves_the_rates_out() -> None:
    assert said(no_rates()) == [
        "TCP_ERRORS OK - no rates yet: no sample 30 s older | orphan_usage=0%;;;0;100 memory_usage=0.99%;;;0;100"
    ]


def test_a_limit_that_is_near_is_found_without_a_state() -> None:
    found = said(traffic(0), counters={**COUNTS, "sockstat.TCP.orphan": 60000})
    assert found[0].startswith("TCP_ERRORS OK - ")
    assert found[3] == (
        "sockets without a process are at 91% of their limit: above it the kernel resets them: 60000 of 65536"
        " (net.ipv4.tcp_max_orphans)"
    )


SYNS = {"retrans_segs": 20.0, "syn_retransmits": 19.0, "out_segs": 100.0}


def test_syns_that_nobody_answers_are_no_loss_on_the_way() -> None:
    first, *rest = said(rates(**SYNS))
    assert text(first) == "TCP_ERRORS CRITICAL - 20% of segments are SYNs sent again, 1200 of 6000 (limit 10%)"
    assert rest[-2:] == [
        "20% of the segments were SYNs, or answers to them, that were sent again: 20/s of 100/s; 3 wait in SYN_SENT; 2"
        " in SYN_RECV",
        "-> ss -tnp state syn-sent (reads only) lists who gets no answer from whom: a service that is down, or a"
        " firewall that drops what it should refuse; ss -tn state syn-recv (reads only) lists whom this host's answers"
        " do not reach",
    ]


def test_an_accept_queue_that_overflows_is_what_keeps_syns_from_being_answered() -> None:
    first, *rest = said(rates(**SYNS, listen_overflows=42.0), listeners=(listener(129),))
    assert text(first) == (
        "TCP_ERRORS CRITICAL - accept queues overflow, 42 connections/s dropped, 20% of segments are SYNs sent again"
        " (+1 more)"
    )
    steps = [line for line in rest if line.startswith("-> ")]
    assert len(steps) == 1
    assert steps[0].startswith("-> ss -ltnp 'sport = :8080' twice (reads only)")


def test_a_syn_flood_is_what_keeps_syns_from_being_answered() -> None:
    flooded = {"states": states(SYN_RECV=512), "local_ports": ((8080, 900), (22, 4))}
    first, *rest = said(rates(**SYNS, syncookies_sent=350.0), **flooded)
    assert text(first) == (
        "TCP_ERRORS CRITICAL - signs of a SYN flood at :8080: 512 half-open connections, 20% of segments are SYNs sent"
        " again"
    )
    steps = [line for line in rest if line.startswith("-> ")]
    assert len(steps) == 1
    assert steps[0].startswith("-> ss -tn state syn-recv (reads only) lists where they come from")


def test_data_that_is_sent_again_is_loss_whatever_the_syns_do() -> None:
    first, *rest = said(rates(**{**SYNS, "syn_retransmits": 9.0}))
    assert text(first) == "TCP_ERRORS CRITICAL - 20% of segments retransmitted, 1200 of 6000 (limit 10%)"
    assert rest[-1].startswith("-> ss -tin state established (reads only)")
