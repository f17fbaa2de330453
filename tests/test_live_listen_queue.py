"""Accept queues of real listeners, filled connection by connection to backlog + 1 and beyond."""

import json
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Listener
from tcptide.sampler import take_sample
from tests.watching import watch
from tests.worlds import Cgroup, World, as_user, eventually, run

pytestmark = pytest.mark.root

BACKLOG = 9  # holds ten


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def fill(world: World, listener: socket.socket, waiting: int) -> None:
    """Connections that nobody accepts; what the queue can't hold stays in SYN_SENT."""
    address, port = listener.getsockname()[:2]
    for _ in range(waiting):
        world.connect(address, port, blocking=False)


def seen() -> tuple[Listener, ...]:
    return take_sample(ProcFs(), SYSTEM).listeners


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(
    ("waiting", "queue"),
    [(0, 0), (1, 1), (BACKLOG, BACKLOG), (BACKLOG + 1, BACKLOG + 1), (BACKLOG + 4, BACKLOG + 1)],
    ids=["empty", "one", "backlog", "full", "overflowing"],
)
def test_queue_and_backlog(world: World, host: str, waiting: int, queue: int) -> None:
    listener = world.listen(host, 8080, BACKLOG)
    fill(world, listener, waiting)
    eventually(lambda: seen()[0].queue, queue)
    (only,) = seen()
    assert only == Listener(host, 8080, queue, BACKLOG, 0, None, 10.0 * queue, "root")


def test_waiting_connections_are_not_accepted_ones(world: World) -> None:
    listener = world.listen("127.0.0.1", 8080, BACKLOG)
    for _ in range(3):
        world.pair(listener)
    fill(world, listener, 4)
    assert eventually(lambda: take_sample(ProcFs(), SYSTEM).not_accepted, 4) == 4
    assert take_sample(ProcFs(), SYSTEM).states["ESTABLISHED"] == (2 * 3 + 2 * 4, 0)


def test_overflows_are_counted(world: World) -> None:
    listener = world.listen("127.0.0.1", 8080, BACKLOG)
    before = take_sample(ProcFs(), SYSTEM).counters["TcpExt.ListenOverflows"]
    fill(world, listener, BACKLOG + 4)
    assert eventually(lambda: take_sample(ProcFs(), SYSTEM).counters["TcpExt.ListenOverflows"] - before, 3) == 3


def test_fullest_first_and_siblings_apart(world: World) -> None:
    """SO_REUSEPORT siblings have queues of their own."""
    siblings = []
    for _ in range(2):
        sibling = world.tcp_socket("127.0.0.1")
        sibling.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sibling.bind(("127.0.0.1", 8081))
        sibling.listen(BACKLOG)
        siblings.append(sibling)
    fill(world, world.listen("::1", 8080, BACKLOG), BACKLOG)
    fill(world, siblings[0], 6)
    queues = eventually(lambda: sum(each.queue for each in seen() if each.port == 8081), 6)
    assert queues == 6
    assert [each.port for each in seen()] == [8080, 8081, 8081]


@pytest.mark.parametrize(
    ("waiting", "state"),
    [(6, "OK"), (7, "OK"), (8, "WARNING"), (9, "WARNING"), (10, "CRITICAL")],
    ids=["ok-60-percent", "ok-under-8-waiting", "warn-80-percent", "warn-90-percent", "crit-full"],
)
def test_check_judges_and_names_the_unit(
    waiting: int, state: str, script: Callable[[str], str], agents_state_dir: str
) -> None:
    check = [script("check_tcp_listen_queue"), "--max-age", "0", "--state-dir", agents_state_dir]
    with Cgroup("tcptide-web.service") as unit, World() as world:
        with unit.joined(), as_user("daemon"):
            listener = world.listen("127.0.0.1", 8080, BACKLOG)
        fill(world, listener, waiting)
        assert eventually(lambda: seen()[0].queue, waiting) == waiting
        text = run(check, user="nobody").stdout.splitlines()[0]
        said = json.loads(run([*check, "--output", "json"], user="nobody").stdout)
    assert said["metrics"]["worst_listener"]["value"] == 10.0 * waiting
    assert said["state"] == state
    assert text.startswith(f"TCP_LISTEN_QUEUE {state} - ")
    if state != "OK":
        assert re.search(rf"127\.0\.0\.1:8080 accept queue {waiting}/{BACKLOG}\b.*tcptide-web\.service", text)


def test_a_program_that_stops_accepting_is_critical_and_named(script: Callable[[str], str]) -> None:
    stops = 4.0
    with Cgroup("tcptide-web.service") as unit, World() as world, watch("nobody") as watched:
        with unit.joined():
            listener = world.listen("127.0.0.1", 8080, BACKLOG)

        def visit(seconds: float) -> bool:
            missing = int(10 * seconds) - len(world.keep)
            if seconds > stops:
                fill(world, listener, missing)
            else:
                for _ in range(missing // 2):
                    world.pair(listener)
            return True

        said = watched.each_second([[watched.command(script("check_tcp_listen_queue"))]], 9, visit)
    assert {(each.status, each.text) for each in said if each.ended < stops} == {
        (0, "TCP_LISTEN_QUEUE OK - 1 listener, no one waits")
    }
    stuck = [each for each in said if each.began > stops + 2]
    assert {each.status for each in stuck} == {2}
    what = f"127.0.0.1:8080 accept queue {BACKLOG + 1}/{BACKLOG} (100%), tcptide-web.service"
    assert stuck[0].text == f"TCP_LISTEN_QUEUE CRITICAL - {what}"
    evidence, next_step = stuck[0].lines[-2:]
    assert evidence.startswith("the accept queue of 127.0.0.1:8080 is full: new connections are dropped: 10 wait, ")
    assert evidence.endswith("; held by tcptide-web.service")
    assert next_step.startswith("-> ss -ltnp 'sport = :8080' twice (reads only): ")
    assert "look at tcptide-web.service" in next_step
