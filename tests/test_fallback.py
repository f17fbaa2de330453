"""Looking through psutil where sock_diag really can't be had: a seccomp filter forbids netlink sockets, as systemd's
RestrictAddressFamilies does.
"""

import errno
import os
import platform
import socket
import sys
from collections.abc import Iterator
from struct import pack

import pytest

from tcptide.codec import sample_from_json
from tcptide.model import Destination, Holder, Ports, Sample
from tests.fixtures.record_sock_diag import leave, pairs
from tests.worlds import TREE, World, run, tcp_in_sockstat

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}  # its number, asm/unistd.h


def forbidding(family: int | None) -> bytes:
    """A classic BPF program: socket(family, ...), or every socket(), fails (linux/filter.h, linux/seccomp.h)."""
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    refuse, allow = 0x00050000 | errno.EPROTONOSUPPORT, 0x7FFF0000
    return b"".join(
        (
            pack("=HBBI", load, 0, 0, 0),  # the system call's number
            pack("=HBBI", jump_if_equal, 0, 3 if family else 1, SOCKET_CALL[platform.machine()]),
            pack("=HBBI", load, 0, 0, 16) if family else b"",  # its first argument
            pack("=HBBI", jump_if_equal, 0, 1, family) if family else b"",
            pack("=HBBI", give, 0, 0, refuse),
            pack("=HBBI", give, 0, 0, allow),
        )
    )


PROGRAM = """
import ctypes, sys
sys.path.insert(0, {tree!r})
from tcptide.clock import SYSTEM
from tcptide.codec import sample_to_json
from tcptide.errors import SourceError
from tcptide.kernel.procfs import ProcFs
from tcptide.kernel.sockdiag import SocketFilter
from tcptide.sampler import take_filtered, take_sample

class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

code = bytes.fromhex({code!r})
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(Program(len(code) // 8, code)), 0, 0) == 0  # PR_SET_SECCOMP, a filter
try:
    print(sample_to_json({take}))
except SourceError as error:
    print(error)
"""
TAKE = "take_sample(ProcFs(), SYSTEM)"
REFUSED = "sock_diag: cannot open a netlink socket: Protocol not supported"


def said(user: str, take: str = TAKE, *, family: int | None = socket.AF_NETLINK, site: bool = True) -> str:
    program = PROGRAM.format(tree=TREE, code=forbidding(family).hex(), take=take)
    done = run([sys.executable, *([] if site else ["-S"]), "-c", program], user=user)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.strip()


def sample_of(user: str, take: str = TAKE, *, family: int | None = socket.AF_NETLINK) -> Sample:
    return sample_from_json(said(user, take, family=family))


UNSEEN = (
    REFUSED,
    "accept queues",
    "users and units",
    "bound ports that do not listen",
    "TIME_WAIT that connect() may take over",
    "tcp_info and how long sockets stay in CLOSE_WAIT",
)

pytestmark = pytest.mark.root


@pytest.fixture
def world() -> Iterator[World]:
    with World(ip_local_port_range="20000 20099") as world:
        yield world


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_what_psutil_shows(user: str, world: World) -> None:
    listener = world.listen("127.0.0.1", 8080)
    world.listen("127.0.0.1", 20099)
    world.bind("127.0.0.1", 20098)
    leave(pairs(world, listener, [20001]))
    pairs(world, listener, [30000, 30001])
    for _ in range(3):
        world.pair(listener, mapped=True)
    world.pair(world.listen("::1", 8081))
    world.connect("127.0.0.1", 8080, source_port=30002)
    seen = sample_of(user)
    assert seen.origin[8:] == ("psutil", user == "root", UNSEEN, False)
    assert {state: pair for state, pair in seen.states.items() if pair != (0, 0)} == {
        "ESTABLISHED": (12, 2),
        "TIME_WAIT": (1, 0),
        "LISTEN": (2, 1),
    }
    assert seen.ports == Ports(
        100,
        99,
        1,
        (
            Destination("127.0.0.1", "127.0.0.1", 8080, 4, 0, 400 / 99, None, 1),
            Destination("::1", "::1", 8081, 1, 0, 100 / 99, None),
        ),
        None,
    )
    assert "BOUND" not in seen.states
    assert (seen.listeners, seen.not_accepted, seen.holders) == ((), None, ())
    assert seen.local_ports == ((8080, 6), (8081, 1))
    assert seen.remotes == (("127.0.0.1", 6), ("::1", 1))
    assert seen.counters["Tcp.ActiveOpens"] == 8
    assert seen.origin.netns_cookie is not None


def test_an_empty_namespace(world: World) -> None:
    seen = sample_of("nobody")
    assert set(seen.states.values()) == {(0, 0)}
    assert seen.ports == Ports(100, 100, 0, (), None)


def test_with_no_socket_at_all_to_be_had(world: World) -> None:
    world.listen("::1", 8081)
    seen = sample_of("nobody", family=None)
    assert seen.states["LISTEN"] == (0, 1)
    assert seen.origin.netns_cookie is None
    assert seen.origin.netns_inode == os.stat("/proc/self/ns/net").st_ino


def test_an_odd_range_and_reserved_ports() -> None:
    with World(ip_local_port_range="20000 20002", ip_local_reserved_ports="20001") as world:
        world.listen("127.0.0.1", 9000)
        world.connect("127.0.0.1", 9000)
        with pytest.raises(OSError, match="Cannot assign requested address"):
            world.connect("127.0.0.1", 9000)
        ports = sample_of("nobody").ports
    assert ports is not None
    assert ports[:3] == (2, 1, 0)
    assert ports.worst_percent == 100


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_process_names(user: str, world: World) -> None:
    world.pair(world.listen("127.0.0.1", 8080))
    seen = sample_of(user, "take_sample(ProcFs(), SYSTEM, want_processes=True)")
    assert seen.origin.unseen == UNSEEN
    with open("/proc/self/comm") as comm:
        mine = Holder("process", comm.read().strip(), {"ESTABLISHED": 2})
    assert seen.holders == ((mine,) if user == "root" else ())


def test_no_process_names_among_very_many_sockets() -> None:
    with World(ip_local_port_range="10000 60999", tcp_max_tw_buckets=30_000, tcp_tw_reuse=0) as world:
        listener = world.listen("127.0.0.1", 9000, 64)
        address = listener.getsockname()
        for _ in range(20_000):
            client, server = socket.create_connection(address), listener.accept()[0]
            client.close()
            server.close()
        sockets = tcp_in_sockstat("tw") + 1
        seen = sample_of("nobody", "take_sample(ProcFs(), SYSTEM, want_processes=True)")
    assert sockets > 20_000
    assert seen.states["TIME_WAIT"] == (sockets - 1, 0)
    assert seen.holders == ()
    assert seen.origin.unseen == (
        *UNSEEN,
        f"processes (no process names: {sockets} sockets, looked up to 20000)",
    )


def test_when_neither_answers_both_reasons_are_given(world: World) -> None:
    assert said("nobody", site=False) == f"{REFUSED}; psutil: No module named 'psutil'"


def test_a_filter_has_no_fallback(world: World) -> None:
    assert said("nobody", "take_filtered(ProcFs(), SYSTEM, SocketFilter(states=('LISTEN',)))") == REFUSED
