"""Findings of what the history says, and the words that are made of them."""

import re
import shutil
import socket
import string
import subprocess
from typing import Any

import pytest

from tcptide import advice
from tcptide.config import Privacy
from tcptide.history_findings import of_degradation, of_leak, of_outlook
from tcptide.model import Finding, Leak
from tcptide.privacy import mask
from tcptide.quality import Degradation
from tests import worlds
from tests.samples import outlook, sample

LEAK = Leak("unit", "app.service", "CLOSE_WAIT", 412, 9000.0, 120.0, 1_759_991_000.0)

FLOOD: dict[str, Any] = {"seen": 9_000.0, "expected": 1_000.0, "grew": "ESTABLISHED", "change": 7_900.0}
OUTAGE: dict[str, Any] = {"seen": 90.0, "expected": 1_000.0, "grew": "ESTABLISHED", "change": -880.0}


def of(pattern: str, remotes: tuple[tuple[str, int], ...] = (), **changes: Any) -> Finding:
    (found,) = of_outlook(outlook(pattern, **changes), sample(remotes=remotes))
    return found


@pytest.mark.parametrize("pattern", ["insufficient_data", "normal", "periodic", "spike"])
def test_no_finding_of(pattern: str) -> None:
    assert of_outlook(outlook(pattern, **FLOOD), sample()) == ()


def test_leak_of_a_unit() -> None:
    found = of_leak(LEAK)
    assert (found.code, found.severity, found.subject) == ("leak_close_wait", 1, "app.service")
    assert advice.render(found) == (
        "app.service does not close connections that their peers have closed: 412 in CLOSE_WAIT",
        "the oldest for 2 h; 120 more each hour; they stay until the program closes them or ends",
        "ss -tnp state close-wait (reads only) shows their peers, and to root the process and its descriptors; "
        "systemctl restart app.service frees them until they are as many again (side effect: its other connections end "
        "too); lasting cure: the program must close() when read() returns 0",
    )


@pytest.mark.parametrize(
    "holder",
    ["user@1000.service", "docker-3f4e5d6c7b8a", "www-data", "a.service; reboot.service", "session-4.scope"],
)
def test_no_restart_is_advised_for(holder: str) -> None:
    assert "systemctl" not in advice.render(of_leak(LEAK._replace(holder=holder))).next_step


def test_leak_of_idle_connections() -> None:
    words = advice.render(of_leak(LEAK._replace(state="ESTABLISHED")))
    assert words.what == "app.service keeps ever more connections open: 412 ESTABLISHED that are left over"
    assert words.evidence == "the oldest idle for 2 h; 120 more each hour"
    assert words.next_step == (
        "ss -tnpo state established (reads only): those without a keepalive timer never notice that their peer is gone"
        "; have app.service close what is idle and set SO_KEEPALIVE; sysctl -w net.ipv4.tcp_keepalive_time=600 then "
        "finds dead peers in about 20 minutes, not 2 hours (side effect: a small packet each 10 minutes for each idle "
        "connection that has keepalive on)"
    )


def test_leaks_that_were_seen_to_stay_are_named_each() -> None:
    leaks = (LEAK, LEAK._replace(holder="worker.service"))
    found = of_outlook(outlook("slow_leak", grew="CLOSE_WAIT", leaks=leaks), sample())
    assert [(each.code, each.subject) for each in found] == [
        ("leak_close_wait", "app.service"),
        ("leak_close_wait", "worker.service"),
    ]
    found = of_outlook(outlook("rapid_increase", **FLOOD, leaks=leaks[:1]), sample())
    assert [each.code for each in found] == ["flood", "leak_close_wait"]


def test_leak_that_only_the_numbers_tell_of() -> None:
    grew: dict[str, Any] = {"per_hour": 55.0, "change": 310.0, "holder": "app.service"}
    found = of("slow_leak", grew="ESTABLISHED", **grew)
    assert (found.code, found.subject) == ("leak_established", "app.service")
    assert (
        advice.render(found).what == "app.service keeps ever more connections open: 310 ESTABLISHED that are left over"
    )
    assert advice.render(found).evidence == "55 more each hour; 1204 connections, 900 expected; for 2 h"
    assert of("slow_leak", grew="CLOSE_WAIT", **grew).code == "leak_close_wait"
    found = of("slow_leak", grew="TIME_WAIT", **grew)
    assert (found.code, found.subject) == ("growth", "host")
    assert advice.render(found) == (
        "connections become ever more, beyond what traffic explains",
        "1204 connections, 900 expected; for 2 h; 55 more each hour; mostly TIME_WAIT (+310); most of it by "
        "app.service",
        "check_tcp_connections -v (reads only) lists states, units and ports: the one that grows names the program",
    )
    assert of("slow_leak").code == "growth"


def test_flood_from_one_address() -> None:
    words = advice.render(of("rapid_increase", (("203.0.113.9", 6_000),), **FLOOD, local_port=443))
    assert words == (
        "connections rose to 9000, 1000 expected",
        "for 2 h; mostly ESTABLISHED (+7900); most of it from 203.0.113.9; most of it on port 443",
        "ss -tan 'sport = :443' (reads only) lists them; check_tcp_connections --local-port 443 (reads only) says "
        "whose they are and where they come from; if 203.0.113.9 is neither a client nor a proxy of yours: nft 'add "
        "table inet tcptide; add chain inet tcptide flood { type filter hook input priority 0; }; add rule inet "
        "tcptide flood ip saddr 203.0.113.9 tcp dport 443 tcp flags syn / syn,ack limit rate over 10/second drop' "
        "(side effect: of what it opens at this port more than 10 a second is dropped, all else stays as it is; nft "
        "delete table inet tcptide undoes it); check_tcp_port_exhaustion and check_tcp_listen_queue (reads only) say "
        "which limit is near",
    )


@pytest.mark.parametrize(
    ("remotes", "named"),
    [
        pytest.param((("203.0.113.9", 5_000),), "203.0.113.9", id="half-of-the-growth"),
        pytest.param((("203.0.113.9", 4_999),), None, id="may-have-been-there-before"),
        pytest.param(
            (("203.0.113.9", 2_600), ("203.0.113.77", 2_500), ("198.51.100.1", 900)), "203.0.113.0/24", id="network"
        ),
        pytest.param((("2001:db8:7::1", 2_600), ("2001:db8:7:1::9", 2_500)), "2001:db8:7::/48", id="network-ipv6"),
        pytest.param((("203.0.113.0/24", 5_000),), "203.0.113.0/24", id="masked"),
        pytest.param((("*", 9_000),), None, id="not-shown"),
        pytest.param((), None, id="unknown"),
    ],
)
def test_flood_names_only_who_must_have_grown(remotes: tuple[tuple[str, int], ...], named: str | None) -> None:
    found = of("rapid_increase", remotes, **FLOOD)
    assert found.values.get("remote") == named
    assert "nft" not in advice.render(found).next_step  # without a port all that it opens would be limited


@pytest.mark.parametrize(
    ("remote", "limited"),
    [
        ("203.0.113.9", "ip saddr 203.0.113.9 tcp dport 443 "),
        ("2001:db8:7::9", "ip6 saddr 2001:db8:7::9 tcp dport 443 "),
        ("127.0.0.1", None),
        ("::1", None),
        ("10.0.0.1", None),
        ("192.168.7.9", None),
        ("fe80::1", None),
        ("fd00:7::1", None),
        ("198.51.100.1", None),
        ("198.51.100.77", None),
        ("203.0.113.0/24", None),
    ],
    ids=[
        *("far", "far-ipv6", "loopback", "loopback-ipv6", "own-private", "private", "link-local", "unique-local"),
        *("own", "of-its-own-network", "network"),
    ],
)
def test_only_one_address_that_is_far_away_is_limited(remote: str, limited: str | None) -> None:
    seen = sample(remotes=((remote, 8_000),), bind=(("198.51.100.1", 1.0),))
    (found,) = of_outlook(outlook("rapid_increase", **FLOOD, local_port=443), seen)
    steps = advice.render(found).next_step
    assert found.values["remote"] == remote
    assert ("nft" in steps) == (limited is not None)
    assert limited is None or f" {limited}" in steps
    assert "blackhole" not in steps


@pytest.mark.parametrize(
    ("remote_addresses", "named"), [("full", "203.0.113.9"), ("masked", "203.0.113.0/24"), ("none", None)]
)
def test_what_is_masked_is_named_so_and_not_limited(remote_addresses: str, named: str | None) -> None:
    """One busy client is no network: who is behind it is judged by whole addresses."""
    others = tuple((f"198.51.100.{last}", 100) for last in range(2, 20))
    shown = mask(Privacy(remote_addresses))
    seen = sample(remotes=(("203.0.113.9", 6_000), *others))
    (found,) = of_outlook(outlook("rapid_increase", **FLOOD, local_port=443), seen, shown)
    assert found.values.get("remote") == named
    assert ("nft" in advice.render(found).next_step) == (remote_addresses == "full")
    going = outlook("rapid_increase", **FLOOD, destination=("10.0.0.5", 5432))
    (found,) = of_outlook(going, sample(), shown)
    expected = {"full": "10.0.0.5:5432", "masked": "10.0.0.0/24:5432", "none": "*:5432"}[remote_addresses]
    assert found.values["destination"] == expected


@pytest.mark.root
def test_the_limit_on_an_address_is_one_that_the_kernel_takes() -> None:
    """Of that address at that port nearly all beyond the limit is dropped; others, and what is open, go on."""
    if shutil.which("nft") is None:
        pytest.skip("needs nft of nftables")
    words = advice.render(of("rapid_increase", (("203.0.113.9", 6_000),), **FLOOD, local_port=443)).next_step
    add, undo = re.findall(r"nft '[^']+'|nft delete table inet tcptide", words)
    with worlds.World() as world:
        for address in ("203.0.113.9", "203.0.113.10", "198.51.100.1"):
            world.add_address(address)
        listener = world.listen("198.51.100.1", 443)
        standing = world.connect("198.51.100.1", 443, source="203.0.113.9")
        subprocess.run(["sh", "-c", add], check=True)

        def opened(source: str, port: int = 443) -> int:
            tried = [world.tcp_socket(source) for _ in range(40)]
            for one in tried:
                one.bind((source, 0))
                one.setblocking(False)
                one.connect_ex(("198.51.100.1", port))
            return sum(not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) and _is_open(one) for one in tried)

        assert 1 <= opened("203.0.113.9") < 20
        assert opened("203.0.113.10") == 40
        world.listen("198.51.100.1", 22)
        assert opened("203.0.113.9", 22) == 40
        standing.sendall(b"still there")
        accepted, _ = listener.accept()
        assert accepted.recv(99) == b"still there"
        accepted.close()
        subprocess.run(["sh", "-c", undo], check=True)
        assert opened("203.0.113.9") == 40


def _is_open(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True


def test_flood_of_connects_to_a_destination() -> None:
    going: dict[str, Any] = {"destination": ("10.0.0.5", 5432), "holder": "app.service", "local_port": 8080}
    words = advice.render(of("rapid_increase", (("203.0.113.9", 9_000),), **FLOOD, **going))
    assert words.evidence == (
        "for 2 h; mostly ESTABLISHED (+7900); most of it to 10.0.0.5:5432; most of it by app.service"
    )
    assert words.next_step == (
        "ss -tan 'dst 10.0.0.5:5432' (reads only) lists them; check_tcp_port_exhaustion and check_tcp_listen_queue "
        "(reads only) say which limit is near"
    )


def test_outage() -> None:
    words = advice.render(
        of("rapid_decrease", (("203.0.113.9", 60),), **OUTAGE, local_port=443, holder="nginx.service")
    )
    assert words == (
        "connections fell to 90, 1000 expected",
        "for 2 h; mostly ESTABLISHED (-880); most of it on port 443; most of it by nginx.service",
        "ss -ltn (reads only) says whether every service still listens; systemctl status nginx.service (reads only) "
        "says how its owner fares; if all is well here look before this host: ip -s link (reads only), then the load "
        "balancer and DNS",
    )
    assert "systemctl" not in advice.render(of("rapid_decrease", **OUTAGE)).next_step


def test_level_shift() -> None:
    words = advice.render(of("level_shift", seen=2_100.0, grew="ESTABLISHED", change=1_190.0, holder="app.service"))
    assert words == (
        "connections have moved to 2100, 900 expected",
        "for 2 h; mostly ESTABLISHED (+1190); most of it by app.service",
        "check_tcp_connections -v (reads only) lists who holds them; after a deployment or with a new client there is "
        "nothing to do: in some hours this is what is expected",
    )


SLOW = Degradation("rtt", {"rtt_p50_ms": 118.2, "rtt_p95_ms": 310.0}, {"rtt_p50_ms": 24.0, "rtt_p95_ms": 95.0})
LOSSY = Degradation("retransmitting", {"retransmitting_percent": 9.0}, {"retransmitting_percent": 0.4})


def test_degraded_quality_is_data() -> None:
    assert of_degradation(SLOW, 400) == Finding(
        "quality_rtt",
        1,
        "host",
        {"now_ms": 118.2, "usual_ms": 24.0, "now_tail_ms": 310.0, "usual_tail_ms": 95.0, "connections": 400},
    )
    assert of_degradation(LOSSY, 400) == Finding(
        "quality_retransmitting", 1, "host", {"now_percent": 9.0, "usual_percent": 0.4, "connections": 400}
    )


WHOLE = (
    of_leak(LEAK),
    of("slow_leak", grew="ESTABLISHED", per_hour=55.0, change=310.0, holder="app.service"),
    of("slow_leak", grew="TIME_WAIT", per_hour=55.0, change=310.0, holder="app.service"),
    of("rapid_increase", (("203.0.113.9", 6_000),), **FLOOD, local_port=443, holder="nginx.service"),
    of("rapid_decrease", **OUTAGE, local_port=443, holder="nginx.service"),
    of("level_shift", (("203.0.113.9", 6_000),), **FLOOD, local_port=443, holder="nginx.service"),
    of_degradation(SLOW, 400),
    of_degradation(LOSSY, 400),
)


@pytest.mark.parametrize("finding", WHOLE, ids=[each.code for each in WHOLE])
def test_words_know_their_numbers(finding: Finding) -> None:
    """All that `what` needs; of the clauses those that fit the case."""
    needed = {name for _, name, _, _ in string.Formatter().parse(advice.WORDS[finding.code].what) if name}
    assert needed <= {"subject", *finding.values}
    assert "?" not in "".join(advice.render(finding))
    assert advice.render(finding).next_step
