"""check_tcp_quality: from a sample with tcp_info, and what is usual, to its lines."""

import time
from argparse import Namespace
from collections.abc import Callable

import pytest

from checks.check_tcp_quality import SPEC, judge
from tcptide import quality
from tcptide.model import Rollup, TcpInfo
from tcptide.quality import Degradation, Quality
from tcptide.schema import QUARTER_SECONDS
from tcptide.series import NAMES
from tcptide.store import Reader
from tcptide.writer import Writer
from tests.checking import aged, answer, store
from tests.judging import lines, perfdata, text
from tests.samples import look

INFO = TcpInfo(400, (24.3, 95.0, 210.0), 0.4, 1.5, 0.3, 40)
USUAL = {"rtt_p50_ms": 24.0, "rtt_p95_ms": 95.0, "retransmitting_percent": 0.4}
FINE = Quality(USUAL, (), None)
SLOW = Degradation("rtt", {"rtt_p50_ms": 118.2, "rtt_p95_ms": 310.0}, {"rtt_p50_ms": 24.0, "rtt_p95_ms": 95.0})
LOSSY = Degradation("retransmitting", {"retransmitting_percent": 9.0}, {"retransmitting_percent": 0.4})
WORSE_INFO = TcpInfo(400, (118.2, 310.0, 650.0), 9.0, 1.5, 0.3, 2210)


def said(
    info: TcpInfo | None = INFO, compared: Quality = FINE, *arguments: str, method: str = "sock_diag"
) -> list[str]:
    return lines(SPEC, judge(look(tcp_info=info, method=method), compared, Namespace()), *arguments)


def worse(*degradations: Degradation) -> list[str]:
    return said(WORSE_INFO, Quality(USUAL, degradations, None))


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        pytest.param("OK - rtt 24 ms, 0.4% retransmitting, 400 connections", said(), id="ok-as-usual"),
        pytest.param(
            "OK - rtt 24 ms, 0.4% retransmitting, 400 connections", said(compared=quality.UNKNOWN), id="ok-no-history"
        ),
        pytest.param(
            "OK - no connection to another host has sent data in the last five minutes",
            said(TcpInfo(0, None, None, None, None, 0), Quality(USUAL, (), "connections")),
            id="ok-no-connections",
        ),
        pytest.param(
            "WARNING - median rtt 118 ms, usually 24 ms (95% within 310 ms, usually 95 ms)",
            worse(SLOW),
            id="warn-slower-than-usual",
        ),
        pytest.param(
            "WARNING - retransmitting 9%, usually 0.4% (400 connections)", worse(LOSSY), id="warn-more-retransmissions"
        ),
        pytest.param(
            "WARNING - median rtt 118 ms, usually 24 ms; retransmitting 9%, usually 0.4%",
            worse(SLOW, LOSSY),
            id="warn-both",
        ),
        pytest.param("WARNING - median rtt 24 ms (limit 20ms)", said(INFO, FINE, "-w", "rtt_p50=20"), id="warn-rtt"),
        pytest.param(
            "CRITICAL - 0.4% of connections retransmitting (limit 0.3%)",
            said(INFO, FINE, "-c", "0.3%"),
            id="crit-headline",
        ),
        pytest.param(
            "OK - rtt 24 ms, 0.4% retransmitting, 19 connections",
            said(INFO._replace(connections=19), FINE, "-c", "0.3%"),
            id="ok-too-few",
        ),
        pytest.param(
            "OK - rtt 118 ms, 9% retransmitting, 400 connections",
            said(WORSE_INFO, Quality(USUAL, (SLOW,), None), "-w", "degraded="),
            id="ok-default-dropped",
        ),
        pytest.param(
            "UNKNOWN - round-trip times cannot be seen by psutil", said(None, method="psutil"), id="unknown-psutil"
        ),
    ],
)
def test_first_line(expected: str, printed: list[str]) -> None:
    assert text(printed[0]) == f"TCP_QUALITY {expected}"


def test_perfdata() -> None:
    assert perfdata(said()[0]) == [
        "retransmitting_percent=0.4%;;;0;100",
        "degraded=0;0;;0;2",
        "rtt_p50=24.3ms;;;0",
        "rtt_p95=95ms;;;0",
        "rtt_p99=210ms;;;0",
        "rwnd_limited=1.5%;;;0;100",
        "sndbuf_limited=0.3%;;;0;100",
        "unacked=40;;;0",
        "connections=400;;;0",
    ]


def test_what_is_not_known_is_left_out() -> None:
    labels = [each.partition("=")[0] for each in perfdata(said(INFO, quality.UNKNOWN)[0])]
    assert "degraded" not in labels
    printed = said(TcpInfo(0, None, None, None, None, 0), quality.UNKNOWN)
    assert perfdata(printed[0]) == ["unacked=0;;;0", "connections=0;;;0"]


def test_long_output_says_what_is_usual() -> None:
    assert said()[1:] == [
        "rtt: 50% within 24 ms, 95% within 95 ms, 99% within 210 ms",
        "usual here: rtt 24 ms, 95% within 95 ms, 0.4% retransmitting",
    ]
    assert said(compared=quality.UNKNOWN)[2:] == [
        "not compared: under 4 h of history with it (tcptide sample --tcp-info)"
    ]
    assert said(compared=Quality(USUAL, (), "connections"))[3:] == ["not compared: under 20 connections"]


def test_findings_of_a_degradation() -> None:
    assert worse(SLOW, LOSSY)[4:] == [
        "round-trip times are 118 ms, usually 24 ms (median of 400 connections): 95% are within 310 ms, usually within "
        "95 ms",
        "-> ss -tin state established (reads only) shows each connection's rtt: if slow ones share a network it is the "
        "path to there; if all are slow it is this host's link: tc -s qdisc (reads only) shows what waits and is "
        "dropped there",
        "9% of the connections send again what was not acknowledged, usually 0.4%: of 400 connections",
        "-> ss -tin state established (reads only): if those with retrans: share a network it is the path to there; if "
        "not it is this host's link: ip -s link (reads only) counts its errors and drops",
    ]


def test_usual_is_read_from_the_state(script: Callable[[str], str], state_dir: str) -> None:
    sample = aged(1, "here", tcp_info=INFO)
    store(state_dir, sample)
    newest = int(time.time() // QUARTER_SECONDS)
    values = {**dict.fromkeys(NAMES), "rtt_p50_ms": 12.0, "rtt_p95_ms": 80.0, "measured": 400.0}
    with Writer(state_dir) as writer, writer.transaction():
        source_id = writer.source_id(sample.origin)
        writer.put_rollups(source_id, [Rollup("mean", newest - ago, 15, 900.0, values) for ago in range(1, 41)])
    status, printed = answer(script("check_tcp_quality"), "--state-dir", state_dir, "--source", "here")
    assert (status, text(printed[0]).partition(" (")[0]) == (
        0,
        "TCP_QUALITY OK - rtt 24 ms, 0.4% retransmitting, 400 connections",
    )
    assert "degraded=0;0;;0;2" in perfdata(printed[0])
    assert printed[2] == "usual here: rtt 12 ms, 95% within 80 ms"


def test_a_sample_without_tcp_info_is_not_fresh(script: Callable[[str], str], state_dir: str) -> None:
    store(state_dir, aged(20, "here"))
    status, printed = answer(script("check_tcp_quality"), "--state-dir", state_dir, "--source", "here")
    assert status == 0
    assert [each.partition("=")[0] for each in perfdata(printed[0])][-2:] == ["unacked", "connections"]
    with Reader(state_dir) as reader:
        latest = reader.latest("here")
    assert latest is not None
    assert latest.tcp_info is not None
