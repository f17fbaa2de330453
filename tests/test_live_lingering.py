"""Real sockets that stay: how long they have been in CLOSE_WAIT, whose they are, and a program that leaks them."""

import json
import socket
import sys
import time
from collections.abc import Callable

import pytest

from tcptide.clock import SYSTEM
from tcptide.codec import sample_from_json, top_from_json, top_to_json
from tcptide.detection.survival import Survivors
from tcptide.kernel import tcpinfo
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Lingering, Sample
from tcptide.sampler import take_sample
from tests.worlds import Cgroup, World, as_user, eventually, run

pytestmark = pytest.mark.root

WEB, APP = "tcptide-web.service", "tcptide-app.service"

TAKE = """
from tcptide.clock import SYSTEM
from tcptide.codec import sample_to_json
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
print(sample_to_json(take_sample(ProcFs(), SYSTEM, linger_seconds=0.0)))
"""


def sample(linger_seconds: float = 0.0, *, tcp_info: bool = False) -> Sample:
    return take_sample(ProcFs(), SYSTEM, linger_seconds=linger_seconds, tcp_info=tcp_info)


def half_closed(world: World) -> tuple[socket.socket, socket.socket]:
    """A connection that has carried data and then nothing for a second, until the client ended its side."""
    client, server = world.pair(world.listen("127.0.0.1"))
    client.send(b"ping")
    server.send(server.recv(4))
    time.sleep(1.0)
    client.shutdown(socket.SHUT_WR)
    assert eventually(lambda: sample().states["CLOSE_WAIT"], (1, 0)) == (1, 0)
    return client, server


def nothing(server: socket.socket) -> None:
    """What a program does with a socket that it has forgotten."""


def send(server: socket.socket) -> None:
    server.send(b"late")


def probe(server: socket.socket) -> None:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)


@pytest.mark.parametrize(
    ("use", "wait_seconds", "low", "high"),
    [
        pytest.param(nothing, 1.2, 1.2, 2.1, id="forgotten-since-the-fin"),
        pytest.param(send, 0.0, 0.0, 1.0, id="since-data-was-sent-and-acknowledged"),
        pytest.param(probe, 1.5, 0.0, 1.2, id="since-the-peer-answered-a-keepalive-probe"),
    ],
)
def test_how_long_in_close_wait(
    use: Callable[[socket.socket], None], wait_seconds: float, low: float, high: float
) -> None:
    with World() as world:
        _, server = half_closed(world)
        if use is send:
            time.sleep(1.2)
        use(server)
        time.sleep(wait_seconds)
        for tcp_info in (False, True):
            (found,) = sample(tcp_info=tcp_info).lingering
            assert found[:4] == ("user", "root", "CLOSE_WAIT", 1)
            assert low - 0.05 <= found.oldest_seconds <= high
        assert sample(linger_seconds=5.0).lingering == ()


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_whose_they_are(user: str) -> None:
    """The unit's, else the user's; not those that wait for accept(), which nobody can have forgotten."""
    with Cgroup(WEB) as web, World() as world:
        with web.joined(), as_user("daemon"):
            listener = world.listen("127.0.0.1", 8080)
        for _ in range(3):
            world.pair(listener)[0].shutdown(socket.SHUT_WR)
        world.connect("127.0.0.1", 8080).shutdown(socket.SHUT_WR)
        with as_user("daemon"):
            world.pair(world.listen("::1", 8081))[0].shutdown(socket.SHUT_WR)
        assert eventually(lambda: sample().states["CLOSE_WAIT"], (4, 1)) == (4, 1)
        done = run([sys.executable, "-c", TAKE], user=user)
    seen = sample_from_json(done.stdout)
    assert (done.stderr, seen.states["CLOSE_WAIT"]) == ("", (4, 1))
    assert sorted(one[:4] for one in seen.lingering) == [
        ("unit", WEB, "CLOSE_WAIT", 3),
        ("user", "daemon", "CLOSE_WAIT", 1),
    ]
    assert all(len(one.ages_seconds) == one.sockets for one in seen.lingering)


def test_idle_connections_are_seen_with_tcp_info(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcpinfo, "IDLE_SECONDS", 0.5)
    with World() as world:
        listener = world.listen("127.0.0.1")
        world.pair(listener)
        client, server = world.pair(listener)
        time.sleep(0.6)
        client.send(b"ping")
        assert server.recv(4) == b"ping"
        assert sample().lingering == ()
        (found,) = sample(tcp_info=True).lingering
    assert isinstance(found, Lingering)
    assert found[:4] == ("user", "root", "ESTABLISHED", 2)
    assert 0.6 <= found.oldest_seconds < 1.0


def test_a_program_that_forgets_to_close_is_named_within_ten_samples() -> None:
    """Beside one that closes late, and clients that hold their connections."""
    interval = 0.5
    survivors, said = Survivors(), []
    with Cgroup(APP) as app, Cgroup(WEB) as web, World() as world:
        with app.joined():
            leaking = world.listen("127.0.0.1", 8080)
        with web.joined():
            late = world.listen("127.0.0.1", 8081)
        waiting: list[list[socket.socket]] = []
        for _ in range(10):
            began = time.monotonic()
            for _ in range(2):
                world.pair(leaking)[0].close()
            waiting.append([])
            for _ in range(20):
                client, server = world.pair(late)
                client.close()
                waiting[-1].append(server)
            if len(waiting) > 3:
                world.reset(waiting.pop(0))
            seen = sample(interval)
            survivors = Survivors.load(json.loads(json.dumps(survivors.dump())))
            said.append(survivors.update(seen.origin.wall_seconds, top_from_json(top_to_json(seen)).lingering))
            time.sleep(max(0.0, began + interval - time.monotonic()))
    (leak,) = said[-1]
    assert leak[:3] == ("unit", APP, "CLOSE_WAIT")
    assert leak.per_hour == pytest.approx(4 * 3600, rel=0.25)
    assert {one.holder for leaks in said for one in leaks} == {APP}
