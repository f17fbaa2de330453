"""What is read of tcp_info: recorded messages, against an obvious reader, and with numbers that make a difference."""

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address
from struct import pack_into, unpack_from

import pytest

from tcptide.kernel.messages import by_form
from tcptide.kernel.tally import Owner
from tcptide.kernel.tcpinfo import TcpInfos
from tcptide.model import TcpInfo
from tests.dumps import INFO, address, attributes_of, chunks, split
from tests.fixtures.record_sock_diag import attribute_at

RECORDED = ("tcp-info", "tcp-info-nobody", "tcp-info-before-4.10", "tcp-info-of-2.6")
ESTABLISHED, FIN_WAIT2, CLOSE_WAIT = 1, 5, 8


def read(parts: Iterable[bytes], linger_seconds: float = 0.0, *, established: bool = True) -> TcpInfos:
    infos = TcpInfos(linger_seconds, established=established)
    for part in parts:
        for form, alike in by_form(part):
            if form.info_at is not None:
                infos.add(alike, form)
    return infos


def ages(infos: TcpInfos) -> dict[tuple[str, Owner], list[int]]:
    return {who: sorted(ages, reverse=True) for who, ages in infos.ages_ms().items()}


@pytest.mark.parametrize("name", RECORDED)
def test_against_an_obvious_reader(name: str) -> None:
    close_wait: dict[int, list[int]] = {}
    counts: Counter[str] = Counter()
    rtts_us = []
    for message in (message for chunk in chunks(name) for message in split(chunk)):
        info = dict(attributes_of(message)).get(INFO)
        if info is None:
            continue
        unacked, retrans, sent_ms, ack_ms, rtt_us = (unpack_from("=I", info, at)[0] for at in (24, 36, 44, 56, 68))
        uid, inode = unpack_from("=II", message, 80)
        local, remote = (address(message[16], message[at : at + 16]) for at in (24, 40))
        if message[17] == CLOSE_WAIT and inode:
            close_wait.setdefault(uid, []).append(ack_ms)
        if message[17] == ESTABLISHED and sent_ms <= 300_000 and not (local.is_loopback or local == remote):
            counts += Counter(connections=1, unacked=unacked, retransmitting=retrans > 0 or info[2] > 0)
            rtts_us.append(rtt_us)
    rtts_us.sort()
    infos = read(chunks(name))
    assert ages(infos) == {
        ("CLOSE_WAIT", (uid, 7001 if uid == 1 else 7002)): sorted(close_wait[uid]) for uid in close_wait
    }
    assert infos.tcp_info() == TcpInfo(
        counts["connections"],
        (rtts_us[0] / 1000, rtts_us[-1] / 1000, rtts_us[-1] / 1000),
        100 * counts["retransmitting"] / counts["connections"],
        None,  # a ping is too short for the kernel to have been busy
        None,
        counts["unacked"],
    )
    assert infos.lacks_limited == (name in RECORDED[2:])


# With numbers set

FIELDS = {"retransmits": (2, "=B"), "unacked": (24, "=I"), "retrans": (36, "=I"), "sent_ms": (44, "=I")}
FIELDS |= {"received_ms": (52, "=I"), "ack_ms": (56, "=I"), "rtt_us": (68, "=I")}
FIELDS |= {"busy": (168, "=Q"), "rwnd_limited": (176, "=Q"), "sndbuf_limited": (184, "=Q")}


def to_others(name: str) -> bytes:
    """A connection that isn't to this host itself, as recorded."""
    messages = (one for chunk in chunks(name) for one in split(chunk))
    return next(one for one in messages if one[17] == ESTABLISHED and one[24:28] == bytes((198, 18, 255, 1)))


TO_OTHERS = to_others("tcp-info")


def message(
    of: bytes = TO_OTHERS, *, state: int = ESTABLISHED, uid: int = 0, inode: int = 1000, **fields: int
) -> bytes:
    """A recorded one with some of its numbers changed."""
    changed = bytearray(of)
    changed[17] = state
    pack_into("=I", changed, 0, len(changed))
    pack_into("=II", changed, 80, uid, inode)
    for field, value in fields.items():
        offset, form = FIELDS[field]
        pack_into(form, changed, attribute_at(changed, INFO) + 4 + offset, value)
    return bytes(changed)


def between(local: str, remote: str) -> bytes:
    """An IPv6 or IPv4 connection from one address to the other."""
    changed = bytearray(TO_OTHERS)
    changed[16] = 10 if ":" in local else 2
    changed[24:56] = b"".join(ip_address(one).packed.ljust(16, b"\0") for one in (local, remote))
    return bytes(changed)


def test_percentiles_are_of_connections() -> None:
    infos = read([b"".join(message(rtt_us=1000 * ms) for ms in range(1, 101)), message(rtt_us=0)])
    assert infos.tcp_info().rtt_ms == (50, 95, 99)
    assert infos.tcp_info().connections == 101


def test_each_number() -> None:
    chunk = b"".join(
        (
            message(rtt_us=1500, unacked=3, busy=1_000_000, rwnd_limited=100_000),
            message(rtt_us=2500, retransmits=1, unacked=2, busy=2_000_000, sndbuf_limited=600_000),
            message(rtt_us=3500, retrans=2, busy=5_000_000_000, rwnd_limited=5_000_000_000 - 2_850_000),
            message(rtt_us=4500),
        )
    )
    told = read([chunk]).tcp_info()
    assert told._replace(rwnd_limited_percent=None, sndbuf_limited_percent=None) == TcpInfo(
        4, (2.5, 4.5, 4.5), 50.0, None, None, 5
    )
    assert told.rwnd_limited_percent == pytest.approx(100 * 4_997_250_000 / 5_003_000_000)
    assert told.sndbuf_limited_percent == pytest.approx(100 * 600_000 / 5_003_000_000)


def test_the_same_in_chunks_of_one_state_and_of_many() -> None:
    judged = [message(rtt_us=number, unacked=number) for number in range(1, 40)]
    others = [message(state=FIN_WAIT2, rtt_us=10**6, unacked=1, retransmits=1), message(state=CLOSE_WAIT, unacked=5)]
    assert read([b"".join([*others, *judged, *others])]).tcp_info() == read([b"".join(judged)]).tcp_info()


@pytest.mark.parametrize(
    ("one", "connections"),
    [
        pytest.param(message(sent_ms=300_000), 1, id="judged-sent-five-minutes-ago"),
        pytest.param(message(sent_ms=300_001, received_ms=0), 0, id="left-out-only-receives"),
        pytest.param(message(state=FIN_WAIT2), 0, id="left-out-closing"),
        pytest.param(between("127.0.0.1", "127.0.0.2"), 0, id="left-out-loopback"),
        pytest.param(between("198.51.100.1", "198.51.100.1"), 0, id="left-out-to-itself"),
        pytest.param(between("198.51.100.1", "198.51.127.1"), 1, id="judged-to-another"),
        pytest.param(between("::1", "::1"), 0, id="left-out-ipv6-loopback"),
        pytest.param(between("2001:db8::1", "2001:db8::1"), 0, id="left-out-ipv6-to-itself"),
        pytest.param(between("2001:db8::1", "2001:db8::2"), 1, id="judged-ipv6-to-another"),
        pytest.param(between("::ffff:127.0.0.1", "::ffff:127.0.0.2"), 0, id="left-out-mapped-loopback"),
        pytest.param(between("::ffff:198.51.100.1", "::ffff:198.51.100.2"), 1, id="judged-mapped-to-another"),
    ],
)
def test_which_connections_are_judged(one: bytes, connections: int) -> None:
    assert read([one]).tcp_info().connections == connections
    assert read([one + message()]).tcp_info().connections == connections + 1
    assert read([one + between("2001:db8::1", "2001:db8::2")]).tcp_info().connections == connections + 1


def test_nothing_is_said_of_no_connection() -> None:
    assert read([]).tcp_info() == TcpInfo(0, None, None, None, None, 0)


def test_a_kernel_before_4_10_has_no_limited_times() -> None:
    infos = read([message(to_others("tcp-info-before-4.10"), rtt_us=2000, retrans=1, unacked=7)])
    assert infos.tcp_info() == TcpInfo(1, (2.0, 2.0, 2.0), 100.0, None, None, 7)
    assert infos.lacks_limited


def test_not_asked_for_established_nothing_is_said_of_it() -> None:
    infos = read([message(sent_ms=10**6, received_ms=10**6)], established=False)
    assert (infos.tcp_info().connections, ages(infos)) == (0, {})


# How long


def waiting(ack_ms: int, *, uid: int = 7, inode: int = 1000) -> bytes:
    return message(state=CLOSE_WAIT, uid=uid, inode=inode, ack_ms=ack_ms, sent_ms=10**7, received_ms=10**7)


def test_who_has_been_in_close_wait_for_how_long() -> None:
    chunk = b"".join(
        [
            waiting(59_999),
            waiting(60_000),
            waiting(90_000),
            waiting(2**32 - 1, uid=8),
            waiting(70_000, inode=0),  # nobody has accepted it
            message(state=FIN_WAIT2, ack_ms=90_000),
        ]
    )
    cgroup = unpack_from("=Q", TO_OTHERS, 108)[0]
    for established in (True, False):
        assert ages(read([chunk], 60.0, established=established)) == {
            ("CLOSE_WAIT", (7, cgroup)): [90_000, 60_000],
            ("CLOSE_WAIT", (8, cgroup)): [2**32 - 1],
        }


def test_a_connection_is_idle_when_neither_side_sends() -> None:
    chunk = b"".join(
        message(uid=7, sent_ms=sent_ms, received_ms=received_ms, ack_ms=0)
        for sent_ms, received_ms in ((900_000, 900_000), (899_999, 10**6), (10**6, 10), (10**6, 950_000))
    )
    cgroup = unpack_from("=Q", TO_OTHERS, 108)[0]
    assert ages(read([chunk], 60.0)) == {("ESTABLISHED", (7, cgroup)): [950_000, 900_000]}
