"""Samples of real sockets: every part of them, as root and as an ordinary user sees it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tcptide.clock import SYSTEM
from tcptide.codec import sample_from_json
from tcptide.kernel.procfs import ProcFs
from tcptide.kernel.sockdiag import SocketFilter
from tcptide.model import STATES, Destination, Holder, Listener, Ports, Sample
from tcptide.sampler import take_filtered, take_sample
from tcptide.seen import kernel_version, not_shown
from tests.fixtures.record_sock_diag import leave, pairs
from tests.worlds import Cgroup, World, as_user, eventually, run

TAKE = """
import ctypes
ctypes.CDLL(None).personality({personality})
from tcptide.clock import SYSTEM
from tcptide.codec import sample_to_json
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
print(sample_to_json(take_sample(ProcFs(), SYSTEM, want_processes={processes})))
"""
UNAME26 = 0x0020000  # personality(2): uname -r says 2.6.x


def sample() -> Sample:
    return take_sample(ProcFs(), SYSTEM)


def sample_of(user: str, *, processes: bool = False, personality: int = 0) -> Sample:
    """A sample that another process takes, as the user."""
    program = TAKE.format(personality=personality, processes=processes)
    done = run([sys.executable, "-c", program], user=user)
    assert done.stderr == ""
    return sample_from_json(done.stdout)


def present(states: object) -> dict[str, object]:
    return {state: count for state, count in dict(states).items() if count != (0, 0)}  # type: ignore[call-overload]


@pytest.fixture
def world() -> Iterator[World]:
    with World(ip_local_port_range="20000 20099") as world:
        yield world


# All parts of a sample

WEB, APP = "tcptide-web.service", "tcptide-app.service"


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A web server and its clients in units of their own, both families and mapped; what is left when they go."""
    with Cgroup(WEB) as web, Cgroup(APP) as app, World(ip_local_port_range="20000 20099") as world:
        world.add_address("10.99.0.1")
        with web.joined(), as_user("daemon"):
            busy = world.listen("127.0.0.1", 8080, 9)
            both = world.listen("::", 8081, 7)
            world.listen("127.0.0.1", 20099, 8)
        with app.joined(), as_user("nobody"):
            world.bind("127.0.0.1", 20098)
        leave(pairs(world, both, [30010, 30011]))
        orphan, _ = pairs(world, busy, [30012])
        orphan.close()
        with app.joined(), as_user("nobody"):
            pairs(world, busy, range(30000, 30006))
            world.pair(busy, mapped=True)
            for _ in range(2):
                world.pair(both)
            world.connect("10.99.0.1", 8081, source="10.99.0.1")
            world.accept(both)
            for _ in range(3):
                world.connect("127.0.0.1", 8080, source="127.0.0.1")  # nobody accepts these
        assert eventually(lambda: sample().states["FIN_WAIT2"], (1, 0)) == (1, 0)
        yield world


@pytest.mark.root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_all_parts(user: str, town: World) -> None:
    seen = sample_of(user)
    assert seen.origin[8:] == ("sock_diag", user == "root", (), False)
    assert present(seen.states) == {
        "ESTABLISHED": (22, 4),
        "FIN_WAIT2": (1, 0),
        "TIME_WAIT": (2, 0),
        "CLOSE_WAIT": (1, 0),
        "LISTEN": (2, 1),
        "BOUND": (1, 0),
    }
    assert set(seen.states) == set(STATES)
    assert seen.ports == Ports(
        100,
        98,
        2,
        (
            Destination("127.0.0.1", "127.0.0.1", 8080, 4, 0, 100 * 4 / 98, APP),
            Destination("::1", "::1", 8081, 2, 0, 100 * 2 / 98, APP),
            Destination("10.99.0.1", "10.99.0.1", 8081, 1, 0, 100 / 98, APP),
        ),
        (("127.0.0.1", 6.0), ("::1", 2.0), ("10.99.0.1", 1.0)),
    )
    assert seen.listeners == (
        Listener("127.0.0.1", 8080, 3, 9, 1, WEB, 30.0, "daemon"),
        Listener("::", 8081, 0, 7, 1, WEB, 0.0, "daemon"),
        Listener("127.0.0.1", 20099, 0, 8, 1, WEB, 0.0, "daemon"),
    )
    assert seen.not_accepted == 3
    assert seen.local_ports == ((8080, 11), (8081, 3))
    assert seen.remotes == (("127.0.0.1", 11), ("::1", 2), ("10.99.0.1", 1))
    not_accepted = Holder("user", "daemon", {"ESTABLISHED": 3})  # before Linux 6.17 they were nobody's
    assert seen.holders == (  # an accepted socket has its listener's unit, and the user that accepted it
        Holder("unit", APP, {"ESTABLISHED": 13, "BOUND": 1}),
        Holder("unit", WEB, {"ESTABLISHED": 13, "CLOSE_WAIT": 1}),
        Holder("user", "nobody", {"ESTABLISHED": 23, "BOUND": 1}),
        *([not_accepted] if kernel_version(os.uname().release) >= (6, 17) else []),
        Holder("user", "root", {"CLOSE_WAIT": 1}),
    )


SS_STATES = {"ESTAB": "ESTABLISHED", "UNCONN": "BOUND"}


@pytest.mark.root
def test_ss_counts_the_same(town: World) -> None:
    lines = subprocess.run(["ss", "-Htan"], check=True, capture_output=True, text=True).stdout.splitlines()
    counts: dict[str, tuple[int, int]] = {}
    for line in lines:
        state, _, _, local, _ = line.split()
        name = SS_STATES.get(state, state.replace("-", "_").replace("FIN_WAIT_", "FIN_WAIT"))
        v4, v6 = counts.get(name, (0, 0))
        is_ipv6 = local.startswith(("[", "*")) and not local.startswith("[::ffff:")  # '*': both families
        counts[name] = (v4, v6 + 1) if is_ipv6 else (v4 + 1, v6)
    assert {state: pair for state, pair in present(sample().states).items() if state != "BOUND"} == counts


@pytest.mark.root
def test_process_names_are_added_when_wanted(town: World) -> None:
    by_root, by_nobody = (sample_of(user, processes=True) for user in ("root", "nobody"))
    with open("/proc/self/comm") as comm:
        name = comm.read().strip()
    assert [holder for holder in by_root.holders if holder.kind == "process"] == [
        Holder("process", name, {"ESTABLISHED": 23, "CLOSE_WAIT": 1})
    ]
    assert [holder for holder in by_nobody.holders if holder.kind == "process"] == []
    assert by_root.origin.unseen == by_nobody.origin.unseen == ()


@pytest.mark.root
def test_a_filter_leaves_holders_of_what_it_counts(town: World) -> None:
    seen = take_filtered(ProcFs(), SYSTEM, SocketFilter(family=6, users=("nobody",), states=("ESTABLISHED",)))
    assert present(seen.states) == {"ESTABLISHED": (0, 4)}
    assert seen.holders == (
        Holder("unit", APP, {"ESTABLISHED": 2}),
        Holder("unit", WEB, {"ESTABLISHED": 2}),
        Holder("user", "nobody", {"ESTABLISHED": 4}),
    )
    assert seen.ports is None
    assert (seen.listeners, seen.not_accepted, seen.remotes) == ((), None, ())


@pytest.mark.root
def test_an_orphan_is_nobody_s(town: World) -> None:
    """FIN_WAIT2 and TIME_WAIT carry uid 0, and aren't root's."""
    seen = take_filtered(ProcFs(), SYSTEM, SocketFilter(users=("root",)))
    assert present(seen.states) == {"CLOSE_WAIT": (1, 0)}
    assert seen.holders == (Holder("unit", WEB, {"CLOSE_WAIT": 1}), Holder("user", "root", {"CLOSE_WAIT": 1}))


# Parts that take a world of their own


@pytest.mark.root
def test_an_ipv6_listener_for_ipv6_alone_holds_no_ipv4_port(world: World) -> None:
    world.bind("127.0.0.1", 20000)
    for port, alone in ((20001, 1), (20002, 0)):
        listener = world.tcp_socket("::")
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, alone)
        listener.bind(("::", port))
        listener.listen()
    ports = sample().ports
    assert ports is not None
    assert (ports.barred, ports.capacity) == (3, 97)  # connect() asks for no family
    assert ports.bind == (("::", 2.0), ("127.0.0.1", 2.0))


@pytest.mark.root
def test_link_local_addresses(world: World) -> None:
    subprocess.run(["ip", "address", "add", "fe80::1/64", "dev", "lo", "nodad"], check=True)
    listener = world.tcp_socket("::")
    listener.bind(("fe80::1", 8080, 0, socket.if_nametoindex("lo")))
    listener.listen()
    client = world.tcp_socket("::")
    assert eventually(lambda: client.connect_ex(listener.getsockname()), 0) == 0  # a new address needs a moment
    world.accept(listener)
    seen = sample()
    assert seen.ports is not None
    assert seen.ports.worst == (Destination("fe80::1", "fe80::1", 8080, 1, 0, 1.0, "root"),)
    assert seen.remotes == (("fe80::1", 1),)


@pytest.mark.root
def test_a_user_without_a_name(world: World) -> None:
    os.seteuid(3_000_000_001)
    try:
        world.bind("127.0.0.1", 20000)
    finally:
        os.seteuid(0)
    assert sample().holders == (Holder("user", "uid 3000000001", {"BOUND": 1}),)


@pytest.mark.root
def test_more_listeners_than_a_sample_lists(world: World) -> None:
    for port in range(1000, 1220):
        world.listen("127.0.0.1", port)
    world.connect("127.0.0.1", 1219)
    seen = sample()
    assert present(seen.states) == {"LISTEN": (220, 0), "ESTABLISHED": (2, 0)}
    assert [listener.port for listener in seen.listeners] == [1219, *range(1000, 1199)]


@pytest.mark.root
def test_each_namespace_has_an_identity() -> None:
    with World():
        first, again, named = sample().origin, sample().origin, take_sample(ProcFs(), SYSTEM, source="db").origin
        with World():
            inner = sample().origin
    assert first.source == f"netns-{first.netns_inode}"
    assert (again.source, again.netns_cookie, again.boot_id) == (first.source, first.netns_cookie, first.boot_id)
    assert (named.source, named.netns_cookie) == ("db", first.netns_cookie)
    assert inner.netns_cookie not in (None, first.netns_cookie)
    assert inner.source != first.source


# What is not seen


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.18.44", (6, 18)),
        ("6.8.0-31-generic", (6, 8)),
        ("6.1-rc3", (6, 1)),
        ("5.14.0-362.el9.x86_64", (5, 14)),
        ("6", (0, 0)),
        ("", (0, 0)),
        ("six.eight", (0, 0)),
    ],
)
def test_kernel_version(release: str, version: tuple[int, int]) -> None:
    assert kernel_version(release) == version


BOUND, UNITS = "bound-idle sockets (needs Linux 6.8)", "units (needs Linux 5.9 with CONFIG_SOCK_CGROUP_DATA)"
NO_MOUNT = "units (no cgroup v2 mount)"
CHANGED = "a table at rest: it changed while it was read (NLM_F_DUMP_INTR)"


@pytest.mark.parametrize(
    ("release", "found", "notes"),
    [
        ("6.18.0", {}, ()),
        ("6.8.0", {}, ()),
        ("6.7.12", {}, (BOUND,)),
        ("6.7.12-backports", {"bound_idle": True}, ()),
        ("5.4.0", {"lacks_cgroups": True}, (BOUND, UNITS)),
        ("6.12.0", {"interrupted": True, "lacks_cgroups": True}, (CHANGED, UNITS)),
        ("6.12.0", {"lacks_mount": True}, (NO_MOUNT,)),
    ],
    ids=["all-seen", "6.8", "before-6.8", "before-6.8-but-seen", "before-5.9", "changed", "no-mount"],
)
def test_what_is_not_shown_is_named(release: str, found: dict[str, bool], notes: tuple[str, ...]) -> None:
    assert not_shown(release, **found) == notes


@pytest.mark.root
def test_a_kernel_that_calls_itself_old(world: World) -> None:
    assert sample_of("nobody", personality=UNAME26).origin.unseen == (BOUND,)
    world.bind("127.0.0.1", 20000)
    assert sample_of("nobody", personality=UNAME26).origin.unseen == ()
