"""Counting chunk by chunk, against counting by an obvious reader that takes one message after the other."""

import random
import socket
import time
from collections.abc import Iterable, Sequence
from struct import pack

import pytest

from tcptide.errors import SourceError
from tcptide.kernel.messages import Form
from tcptide.kernel.tally import Tally
from tests.dumps import (
    CGROUP_ID,
    INFO,
    SHUTDOWN,
    Counts,
    End,
    Ground,
    attributes_of,
    chunks,
    counts,
    obvious,
    said,
    split,
)
from tests.fixtures.record_sock_diag import CONNECTIONS, dump, pairs
from tests.worlds import World, as_user

WEB, WEB_6 = ("127.0.0.1", "127.0.0.1", 8080), ("::1", "::1", 8080)

ONE = counts(
    states={"ESTABLISHED": (1, 0)},
    owners={(0, 1): {"ESTABLISHED": 1}},
    ports={WEB: 1},
    bind={"127.0.0.1": {20001}},
)
OWNERS = counts(
    states={"ESTABLISHED": (6, 0), "FIN_WAIT2": (1, 0), "CLOSE_WAIT": (1, 0)},
    owners={
        (1, 7001): {"ESTABLISHED": 4, "CLOSE_WAIT": 1},
        (65534, 7002): {"ESTABLISHED": 2, "FIN_WAIT2": 1},
    },
    ports={WEB: 4},
    bind={"127.0.0.1": {20000, 20001, 20002, 20003}},
    incoming={8080: 4},
    remotes={"127.0.0.1": 4},
    not_accepted=2,
)
MIXED = counts(
    states={
        "ESTABLISHED": (5, 5),
        "SYN_RECV": (1, 1),
        "FIN_WAIT2": (1, 1),
        "TIME_WAIT": (2, 2),
        "CLOSE_WAIT": (1, 1),
    },
    owners={(0, 1): {"ESTABLISHED": 10, "CLOSE_WAIT": 2}},
    ports={WEB: 5, WEB_6: 5, ("127.0.0.1", "127.0.0.1", 8081): 1, ("::1", "::1", 8081): 1},
    old={WEB: 2, WEB_6: 2},
    lowest={WEB, WEB_6},
    lowest_old={WEB, WEB_6},
    bind={"127.0.0.1": {20001, 20002, 20003, 20004, 20005, 20006}, "::1": set(range(20001, 20007))},
    incoming={8080: 6, 8081: 2},
    remotes={"127.0.0.1": 4, "::1": 4},
)

EXPECTED = {
    "empty": counts(),
    "one-socket": ONE,
    "one-socket-nobody": ONE,
    "one-time-wait": counts(states={"TIME_WAIT": (1, 0)}, ports={WEB: 1}, old={WEB: 1}, bind={"127.0.0.1": {20001}}),
    "owners": OWNERS,
    "owners-before-6.17": counts(
        OWNERS,
        owners={
            (1, 7001): {"ESTABLISHED": 3},
            (None, 7001): {"ESTABLISHED": 1, "CLOSE_WAIT": 1},
            (65534, 7002): {"ESTABLISHED": 2, "FIN_WAIT2": 1},
        },
    ),
    "ipv6": counts(
        states={"ESTABLISHED": (0, 4)},
        owners={(0, 1): {"ESTABLISHED": 4}},
        ports={WEB_6: 2},
        bind={"::1": {20001, 20002}},
        incoming={8080: 2},
        remotes={"::1": 2},
    ),
    "ipv4-mapped": counts(
        states={"ESTABLISHED": (4, 2)},
        owners={(0, 1): {"ESTABLISHED": 6}},
        ports={WEB: 1, ("127.0.0.1", "127.0.0.1", 8081): 1, ("::1", "::1", 8081): 1},
        bind={"127.0.0.1": {20001, 20002}, "::1": {20003}},
        incoming={8080: 1, 8081: 2},
        remotes={"127.0.0.1": 2, "::1": 1},
    ),
    "mixed-sizes": MIXED,
    "mixed-sizes-nobody": MIXED,
    "odd-length": MIXED,
    "end-in-chunk": MIXED,
    "no-cgroups": counts(MIXED, owners={(0, None): {"ESTABLISHED": 10, "CLOSE_WAIT": 2}}, lacks_cgroups=True),
    "no-cgroups-nobody": counts(MIXED, owners={(0, None): {"ESTABLISHED": 10, "CLOSE_WAIT": 2}}, lacks_cgroups=True),
    "several-chunks": counts(
        states={"ESTABLISHED": (80, 0)},
        owners={(0, 1): {"ESTABLISHED": 80}},
        ports={WEB: 40},
        lowest={WEB},
        bind={"127.0.0.1": set(range(20000, 20040))},
        incoming={8080: 40},
        remotes={"127.0.0.1": 40},
    ),
}


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items(), ids=EXPECTED)
def test_recorded_dump_is_counted(name: str, expected: Counts) -> None:
    ground = Ground(lowest=20005)
    assert said(ground.tally(chunks(name))) == expected
    assert obvious(chunks(name), ground) == expected


def test_a_barred_port_is_used_towards_nobody() -> None:
    ground = Ground(barred=frozenset({20001, 20003, 20005}))
    expected = counts(
        MIXED, ports={**MIXED.ports, WEB: 2, WEB_6: 2}, old={WEB: 1, WEB_6: 1}, lowest=set(), lowest_old=set()
    )
    assert said(ground.tally(chunks("mixed-sizes"))) == expected


@pytest.mark.parametrize(
    ("after_ms", "old"),
    [(None, {}), (20, {WEB: 2, WEB_6: 2}), (60_000, {}), (120_000, {})],
    ids=["none-taken-over", "old-enough", "never-old-enough", "longer-than-it-lasts"],
)
def test_time_wait_is_old_after_a_delay(after_ms: int | None, old: dict[End, int]) -> None:
    tally = said(Ground(take_over_after_ms=after_ms).tally(chunks("mixed-sizes")))
    assert (tally.old, tally.ports) == (old, MIXED.ports)


def test_who_holds_a_destination() -> None:
    """Of orphans and TIME_WAIT nobody knows."""
    held = Ground().tally(chunks("owners"))
    (end,) = held.taken()[0]
    assert held.main_owners({end}) == {end: (65534, 7002)}
    assert held.main_owners(()) == {}
    alone = Ground().tally(
        message for message in split(chunks("mixed-sizes")[0]) if SHUTDOWN not in dict(attributes_of(message))
    )
    assert alone.main_owners(alone.taken()[0]) == {}


def test_a_socket_that_closed_under_the_dump_is_not_bound() -> None:
    tally = Ground().tally(chunks("closing"))
    tally.forget_closed()
    assert {state for state, pair in tally.states().items() if pair != (0, 0)} == set()
    tally.add(chunks("bound-idle")[0])
    assert tally.states()["BOUND"] == (1, 1)
    assert tally.owners() == {(0, 1): {"BOUND": 1}, (65534, 7002): {"BOUND": 1}}


def test_states_of_some_owners() -> None:
    states = Ground().tally(chunks("owners")).states(lambda owner: owner == (65534, 7002))
    assert {state: pair for state, pair in states.items() if pair != (0, 0)} == {
        "ESTABLISHED": (2, 0),
        "FIN_WAIT2": (1, 0),
    }
    mixed = Ground().tally(chunks("mixed-sizes")).states(lambda owner: True)
    assert {state: pair for state, pair in mixed.items() if pair != (0, 0)} == {
        "ESTABLISHED": (5, 5),
        "CLOSE_WAIT": (1, 1),
    }
    mapped = Ground().tally(chunks("ipv4-mapped")).states(lambda owner: True)
    assert mapped["ESTABLISHED"] == (4, 2)


def test_a_flood_from_very_many_addresses_keeps_the_busiest() -> None:
    (one,) = split(chunks("one-time-wait")[0])
    half_open = one[:17] + b"\x03" + one[18:20] + pack(">H", 8080) + one[22:40]
    addresses = [pack(">I", 0x0A000000 + number) if number % 100 else b"\xc0\0\2\1" for number in range(150_000)]
    messages = [half_open + address + one[44:] for address in addresses]
    tally = Ground().tally(b"".join(messages[at : at + 300]) for at in range(0, 150_000, 300))
    remotes = said(tally).remotes
    assert remotes.most_common(1) == [("192.0.2.1", 1500)]
    assert 30_000 <= len(remotes) <= 60_000
    assert tally.states()["SYN_RECV"] == (150_000, 0)
    assert tally.incoming_ports() == {8080: 150_000}


def test_an_unknown_state_is_named() -> None:
    tally = Ground().tally(chunks("unknown-state"))
    for read in (tally.states, tally.owners):
        with pytest.raises(SourceError, match=r"^sock_diag: unknown socket state 13$"):
            read()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("truncated", "sock_diag: odd message at byte 124 of 228: type 18, length 124"),
        ("truncated-header", "sock_diag: 10 bytes left over at byte 124 of a chunk of 134"),
        ("odd-attribute", "sock_diag: odd attribute at byte 104 of a message: type 21, length 64"),
        ("short-attribute", "sock_diag: odd attribute at byte 104 of a message: type 21, length 8"),
    ],
)
def test_an_odd_chunk_is_named(name: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        Ground().tally(chunks(name))
    assert str(caught.value) == message


# Other ways to cut the same messages into chunks, messages made up, and a live namespace


def cut_anew(parts: Iterable[bytes], dice: random.Random, *, shuffle: bool) -> list[bytes]:
    messages = [message for part in parts for message in split(part)]
    if shuffle:
        dice.shuffle(messages)
    cuts = sorted(dice.sample(range(1, len(messages)), min(3, len(messages) - 1)))
    return [b"".join(messages[a:b]) for a, b in zip([0, *cuts], [*cuts, len(messages)], strict=True)]


def made_up(dice: random.Random, families: Sequence[int] = (socket.AF_INET, socket.AF_INET6)) -> bytes:
    """A message as some kernel might write it: any form, few addresses, ports, users and cgroups."""
    family = dice.choice(families)
    state = dice.choice([1, 1, 1, 2, 3, 4, 5, 5, 6, 6, 8, 9, 11, 12])
    full = state not in (3, 6, 12) and (state != 5 or dice.random() < 0.5)
    attributes = attribute(SHUTDOWN, b"\0") if full else b""
    attributes += attribute(15, bytes(4)) if dice.random() < 0.7 else b""
    if full and dice.random() < 0.8:
        attributes += attribute(CGROUP_ID, pack("=Q", dice.choice([0, 1, 2**40])))
    if full and dice.random() < 0.5:
        attributes += attribute(22, bytes(2))
    if full and dice.random() < 0.3:
        attributes += attribute(INFO, bytes(dice.choice([104, 168, 280])))
    mapped = bytes(10) + b"\xff\xff" if dice.random() < 0.5 else b"\xfe\x80" + bytes(8) + b"\xff\xff"
    ends = [bytes((10, 0, 0, dice.choice([1, 2, 255]))) for _ in range(2)]
    padded = [end + bytes(12) if family == socket.AF_INET else mapped + end for end in ends]
    ports = pack(">HH", dice.choice([20000, 20001, 20002, 8080, 65535, 443]), dice.choice([443, 5432]))
    expires, uid, inode = (
        dice.choice([0, 1, 59_000, 59_980, 60_000]),
        dice.choice([0, 7, 2**32 - 1]),
        dice.choice([0, 9]),
    )
    body = pack("=BBxx", family, state) + ports + b"".join(padded) + pack("=4x8xI8xII", expires, uid, inode)
    return pack("=IHHII", 16 + len(body) + len(attributes), 18, 2, 1, 7) + body + attributes


def attribute(kind: int, value: bytes) -> bytes:
    return pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def agree(parts: list[bytes], ground: Ground) -> None:
    tally, expected = ground.tally(parts), obvious(parts, ground)
    assert said(tally) == expected


GROUNDS = [
    Ground(),
    Ground(lowest=20001, take_over_after_ms=1000),
    Ground((8080, 20050), frozenset({20001}), frozenset({20001, 443}), 20002, None),
]


@pytest.mark.parametrize("ground", GROUNDS, ids=["plain", "odd-range", "listening-in-the-range"])
@pytest.mark.parametrize("name", EXPECTED)
def test_any_cut_of_a_recorded_dump_counts_the_same(name: str, ground: Ground) -> None:
    dice = random.Random(name)
    for shuffle in (False, True):
        agree(cut_anew(chunks(name), dice, shuffle=shuffle) if name != "empty" else [], ground)


@pytest.mark.parametrize("name", ["tcp-info", "tcp-info-nobody", "tcp-info-before-4.10", "tcp-info-of-2.6"])
def test_tcp_info_is_handed_on_and_changes_no_count(name: str) -> None:
    handed: list[bytes] = []

    def read_info(chunk: bytes, form: Form) -> None:
        handed.extend(split(chunk))

    tally = Tally(bytes(65536), None, read_info)
    for part in cut_anew(chunks(name), random.Random(name), shuffle=True):
        tally.add(part)
    messages = [message for chunk in chunks(name) for message in split(chunk)]
    assert sorted(handed) == sorted(message for message in messages if INFO in dict(attributes_of(message)))
    agree(chunks(name), Ground())


@pytest.mark.parametrize("ground", GROUNDS, ids=["plain", "odd-range", "listening-in-the-range"])
@pytest.mark.parametrize("seed", range(20))
def test_any_messages_count_as_an_obvious_reader_counts_them(seed: int, ground: Ground) -> None:
    dice = random.Random(seed)
    alike = made_up(dice)
    mixed, ipv4 = b"".join(made_up(dice) for _ in range(dice.randint(1, 40))), [socket.AF_INET]
    agree([mixed, alike * 5, alike, *(b"".join(made_up(dice, ipv4) for _ in range(20)) for _ in range(3))], ground)


@pytest.mark.root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_live_sockets_count_as_an_obvious_reader_counts_them(user: str) -> None:
    dice = random.Random(user)
    with World(ip_local_port_range="20000 20299") as world:
        listeners = [(host, world.listen(host, 8080)) for host in ("127.0.0.1", "127.0.0.2", "::1")]
        for port in range(20000, 20120):
            host, listener = dice.choice(listeners)
            with as_user(dice.choice(["root", "nobody", "daemon"])):
                client, server = pairs(world, listener, [port], host, mapped=":" not in host and port % 3 == 0)
            if dice.random() < 0.2:
                client.close()  # an orphan in FIN_WAIT2, or TIME_WAIT with the next
            if dice.random() < 0.2:
                server.close()
        world.connect("127.0.0.1", 8080, source_port=20200)  # nobody accepts it
        time.sleep(0.05)
        parts = dump(CONNECTIONS, user=user, receive_bytes=4096)[:-1]
    assert len(parts) > 3
    for ground in (Ground(), Ground((20000, 20299), frozenset({20007}), frozenset({8080}), 20000, 20)):
        agree(parts, ground)
        for _ in range(3):
            agree(cut_anew(parts, dice, shuffle=True), ground)
