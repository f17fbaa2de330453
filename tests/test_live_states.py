"""Every TCP state, made of real sockets without losing a packet, as the sampler counts it."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.model import STATES
from tcptide.sampler import take_sample
from tests.worlds import World, eventually, run

pytestmark = pytest.mark.root

DEFER_SECONDS = 30


def fill(sender: socket.socket) -> None:
    """Send until both buffers stay full: a FIN then has to wait behind data that nobody reads."""
    sender.setblocking(False)
    refused = 0
    while refused < 3:
        try:
            sender.send(bytes(65536))
            refused = 0
        except BlockingIOError:
            refused += 1
            time.sleep(0.002)


def listen(world: World, host: str, backlog: int = 8) -> socket.socket:
    """A listener whose connections have a small receive buffer."""
    listener = world.bind(host)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.listen(backlog)
    return listener


def bound(world: World, host: str) -> dict[str, int]:
    world.bind(host)
    return {"BOUND": 1}


def listening(world: World, host: str) -> dict[str, int]:
    listen(world, host)
    return {"LISTEN": 1}


def established(world: World, host: str) -> dict[str, int]:
    world.pair(listen(world, host))
    return {"LISTEN": 1, "ESTABLISHED": 2}


def not_accepted(world: World, host: str) -> dict[str, int]:
    world.connect(*listen(world, host).getsockname()[:2])
    return {"LISTEN": 1, "ESTABLISHED": 2}


def syn_sent(world: World, host: str) -> dict[str, int]:
    """A full accept queue (backlog 0 holds one) drops the next SYN."""
    address = listen(world, host, backlog=0).getsockname()[:2]
    world.connect(*address)
    world.connect(*address, blocking=False)
    return {"LISTEN": 1, "ESTABLISHED": 2, "SYN_SENT": 1}


def syn_recv(world: World, host: str) -> dict[str, int]:
    """TCP_DEFER_ACCEPT keeps the server's end in SYN_RECV until data comes."""
    listener = listen(world, host)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)
    world.connect(*listener.getsockname()[:2])
    return {"LISTEN": 1, "ESTABLISHED": 1, "SYN_RECV": 1}


def fin_wait1(world: World, host: str) -> dict[str, int]:
    client, _ = world.pair(listen(world, host))
    fill(client)
    client.shutdown(socket.SHUT_WR)
    return {"LISTEN": 1, "FIN_WAIT1": 1, "ESTABLISHED": 1}


def fin_wait1_orphan(world: World, host: str) -> dict[str, int]:
    client, _ = world.pair(listen(world, host))
    fill(client)
    client.close()
    return {"LISTEN": 1, "FIN_WAIT1": 1, "ESTABLISHED": 1}


def fin_wait2(world: World, host: str) -> dict[str, int]:
    client, _ = world.pair(listen(world, host))
    client.shutdown(socket.SHUT_WR)
    return {"LISTEN": 1, "FIN_WAIT2": 1, "CLOSE_WAIT": 1}


def fin_wait2_orphan(world: World, host: str) -> dict[str, int]:
    client, _ = world.pair(listen(world, host))
    client.close()
    return {"LISTEN": 1, "FIN_WAIT2": 1, "CLOSE_WAIT": 1}


def time_wait(world: World, host: str) -> dict[str, int]:
    client, server = world.pair(listen(world, host))
    client.close()
    server.close()
    return {"LISTEN": 1, "TIME_WAIT": 1}


def last_ack(world: World, host: str) -> dict[str, int]:
    """The client is done; the server's FIN waits behind data."""
    client, server = world.pair(listen(world, host))
    fill(server)
    client.shutdown(socket.SHUT_WR)
    server.shutdown(socket.SHUT_WR)
    return {"LISTEN": 1, "LAST_ACK": 1, "FIN_WAIT2": 1}


def closing(world: World, host: str) -> dict[str, int]:
    """The server's FIN waits behind data; meanwhile the client's comes."""
    client, server = world.pair(listen(world, host))
    fill(server)
    server.shutdown(socket.SHUT_WR)
    client.shutdown(socket.SHUT_WR)
    return {"LISTEN": 1, "CLOSING": 1, "FIN_WAIT2": 1}


Maker = Callable[[World, str], dict[str, int]]

MAKERS: tuple[Maker, ...] = (
    bound,
    listening,
    established,
    not_accepted,
    syn_sent,
    syn_recv,
    fin_wait1,
    fin_wait1_orphan,
    fin_wait2,
    fin_wait2_orphan,
    time_wait,
    last_ack,
    closing,
)


def counted() -> dict[str, tuple[int, int]]:
    """States with sockets in them: (IPv4, IPv6)."""
    states = take_sample(ProcFs(), SYSTEM).states
    return {state: pair for state, pair in states.items() if pair != (0, 0)}


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"], ids=["ipv4", "ipv6"])
def test_state(make: Maker, host: str) -> None:
    with World() as world:
        made = make(world, host)
        wanted = {state: (0, count) if ":" in host else (count, 0) for state, count in made.items()}
        assert eventually(counted, wanted) == wanted


def test_mapped_address_counts_as_ipv4() -> None:
    """An IPv6 socket connected to an IPv4 address, and one accepted by a listener for both families."""
    with World() as world:
        listener = world.listen("::")
        port = listener.getsockname()[1]
        world.connect("127.0.0.1", port, mapped=True)
        world.accept(listener)
        world.connect("127.0.0.1", port)
        wanted = {"LISTEN": (0, 1), "ESTABLISHED": (4, 0)}
        assert eventually(counted, wanted) == wanted


def test_all_at_once_as_a_check_says_it(script: Callable[[str], str], agents_state_dir: str) -> None:
    check = [script("check_tcp_connections"), "--max-age", "0", "--state-dir", agents_state_dir, "--output", "json"]
    with World() as world:
        made = [Counter(make(world, host)) for make in MAKERS for host in ("127.0.0.1", "::1", "::1")]
        wanted = sum(made, Counter())
        eventually(lambda: {state: sum(pair) for state, pair in counted().items()}, dict(wanted))
        metrics = json.loads(run(check, user="nobody").stdout)["metrics"]
    assert {state: metrics[state.lower()]["value"] for state in STATES} == {state: wanted[state] for state in STATES}
    assert metrics["total"]["value"] == wanted.total() - wanted["LISTEN"] - wanted["BOUND"]


def test_empty_namespace() -> None:
    with World():
        assert counted() == {}
