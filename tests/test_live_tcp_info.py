"""What tcp_info says of real connections between two namespaces: a host and another one, with a wire in between."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tcptide.clock import SYSTEM
from tcptide.codec import sample_from_json
from tcptide.kernel.procfs import ProcFs
from tcptide.model import TcpInfo
from tcptide.sampler import take_sample
from tests.worlds import World, eventually, run, start

pytestmark = pytest.mark.root

TAKE = """
from tcptide.clock import SYSTEM
from tcptide.codec import sample_to_json
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
print(sample_to_json(take_sample(ProcFs(), SYSTEM, tcp_info=True)))
"""


class Wire(NamedTuple):
    """This process is in the near namespace; 192.0.2.1 is the far one's address."""

    near: World
    listener: socket.socket  # far
    far: World
    far_pid: int

    def pair(self) -> tuple[socket.socket, socket.socket]:
        client = self.near.connect(*self.listener.getsockname()[:2])
        return client, self.far.accept(self.listener)

    def cut(self) -> None:
        ip_in(self.far_pid, "link", "set", "far0", "down")


def ip_in(pid: int, *words: str) -> None:
    subprocess.run(["nsenter", "--net", f"--target={pid}", "ip", *words], check=True)


@pytest.fixture
def wire() -> Iterator[Wire]:
    with World() as far, start(["sleep", "60"]) as holder:
        try:
            far.add_address("192.0.2.1")
            listener = far.listen("192.0.2.1", 443)
            with World() as near:
                peer = ["peer", "name", "far0", "netns", str(holder.pid)]
                subprocess.run(["ip", "link", "add", "near0", "type", "veth", *peer], check=True)
                for words in (["address", "add", "192.0.2.2/24", "dev", "near0"], ["link", "set", "near0", "up"]):
                    subprocess.run(["ip", *words], check=True)
                ip_in(holder.pid, "address", "add", "192.0.2.1/24", "dev", "far0")
                ip_in(holder.pid, "link", "set", "far0", "up")
                yield Wire(near, listener, far, holder.pid)
        finally:
            holder.kill()


def told() -> TcpInfo:
    found = take_sample(ProcFs(), SYSTEM, tcp_info=True).tcp_info
    assert found is not None
    return found


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_connections_to_another_host(user: str, wire: Wire) -> None:
    """Those within the host are none of them."""
    wire.near.pair(wire.near.listen("127.0.0.1"))
    for _ in range(3):
        client, server = wire.pair()
        client.send(b"ping")
        assert server.recv(4) == b"ping"
    done = run([sys.executable, "-c", TAKE], user=user)
    seen = sample_from_json(done.stdout)
    assert (done.stderr, seen.origin.unseen, seen.states["ESTABLISHED"]) == ("", (), (5, 0))
    found = seen.tcp_info
    assert found is not None
    assert found.rtt_ms is not None
    assert 0 < found.rtt_ms[0] <= found.rtt_ms[1] <= found.rtt_ms[2] < 1000
    assert (found.connections, found.retransmitting_percent, found.unacked) == (3, 0.0, 0)


def test_not_asked_for_there_is_none(wire: Wire) -> None:
    wire.pair()
    assert take_sample(ProcFs(), SYSTEM).tcp_info is None


def test_a_cut_wire_is_seen_by_retransmits(wire: Wire) -> None:
    quiet, (cut, _) = wire.pair(), wire.pair()
    quiet[0].send(b"ping")
    assert eventually(lambda: told().unacked, 0) == 0
    wire.cut()
    cut.send(b"lost")
    assert eventually(lambda: told().retransmitting_percent, 50.0) == 50.0
    assert told()[0] == 2
    assert told().unacked == 1


def test_a_peer_that_does_not_read_limits_the_sender(wire: Wire) -> None:
    client, _ = wire.pair()
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.send(bytes(65536))
    time.sleep(0.5)
    found = told()
    assert found.rwnd_limited_percent is not None
    assert found.sndbuf_limited_percent is not None
    assert found.rwnd_limited_percent > 50
    assert found.rwnd_limited_percent + found.sndbuf_limited_percent <= 100
