"""Real sockets of several users and units, attributed as an ordinary user sees them: no root, no environment."""

import json
from collections.abc import Callable

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
from tests.worlds import Cgroup, World, as_user, cgroup2_mount, eventually, run

pytestmark = pytest.mark.root

CONTAINER = "3f4e5d6c7b8a" + "0" * 52


def holders(kind: str) -> dict[str, dict[str, int]]:
    """Who holds sockets; what only listens is left to the listeners."""
    found = take_sample(ProcFs(), SYSTEM).holders
    return {each.name: dict(each.states) for each in found if each.kind == kind}


def test_users() -> None:
    with World() as world:
        with as_user("daemon"):
            listener = world.listen("127.0.0.1")
            world.pair(listener)
        with as_user("nobody"):
            for _ in range(2):
                world.pair(listener)[0].shutdown(1)
        wanted = {"nobody": {"FIN_WAIT2": 2, "CLOSE_WAIT": 2}, "daemon": {"ESTABLISHED": 2}}
        assert eventually(lambda: holders("user"), wanted) == wanted


def test_units_and_what_has_none() -> None:
    """An accepted socket has its listener's unit; TIME_WAIT has no owner at all."""
    with Cgroup("tcptide-web.service") as web, Cgroup("tcptide-app.service") as app, World() as world:
        with web.joined():
            listener = world.listen("::1")
        with app.joined():
            for _ in range(3):
                client, server = world.pair(listener)
        client.close()
        server.close()
        assert holders("unit") == {
            "tcptide-app.service": {"ESTABLISHED": 2},
            "tcptide-web.service": {"ESTABLISHED": 2},
        }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"docker-{CONTAINER}.scope", f"docker-{CONTAINER[:12]}"),
        ("user@1000.service/app.slice/tcptide-editor.scope", "tcptide-editor.scope"),
        ("tcptide-worker.slice", "tcptide-worker.slice"),
    ],
    ids=["container", "user-unit", "slice"],
)
def test_unit_names(path: str, name: str) -> None:
    with Cgroup(path) as unit, World() as world:
        with unit.joined():
            world.pair(world.listen("127.0.0.1"))
        assert holders("unit") == {name: {"ESTABLISHED": 2}}


def test_unit_that_is_gone() -> None:
    """A socket outlives its unit's cgroup: then no name is left, and nothing fails."""
    with World() as world:
        with Cgroup("tcptide-gone.service") as unit, unit.joined():
            world.pair(world.listen("127.0.0.1"))
        assert holders("unit") == {}
        assert holders("user") == {"root": {"ESTABLISHED": 2}}


def test_exhausted_destination_names_the_unit(script: Callable[[str], str], agents_state_dir: str) -> None:
    check = [script("check_tcp_port_exhaustion"), "--max-age", "0", "--state-dir", agents_state_dir]
    with Cgroup("tcptide-app.service") as app, World(ip_local_port_range="20000 20009") as world:
        listener = world.listen("127.0.0.1", 5432)
        with app.joined():
            for _ in range(9):
                world.pair(listener)
        line = run(check, user="nobody").stdout.splitlines()[0]
    said = "TCP_PORT_EXHAUSTION CRITICAL - 90% of ports to 127.0.0.1:5432 used (9/10) by tcptide-app.service"
    assert line.split(" | ")[0] == said


def test_ordinary_user_sees_what_root_sees(script: Callable[[str], str], agents_state_dir: str) -> None:
    check = [script("check_tcp_connections"), "--max-age", "0", "--state-dir", agents_state_dir, "--output", "json"]
    with Cgroup("tcptide-web.service") as web, World() as world:
        with web.joined(), as_user("daemon"):
            listener = world.listen("127.0.0.1", 8080)
            for _ in range(5):
                world.pair(listener)
        by_root, by_nobody = (json.loads(run(check, user=user).stdout) for user in ("root", "nobody"))
    assert by_nobody["metrics"] == by_root["metrics"]
    assert by_nobody["details"] == by_root["details"]
    assert any("tcptide-web.service" in line for line in by_nobody["details"])
    assert any("daemon" in line for line in by_nobody["details"])


def test_units_that_cannot_be_seen_are_unknown(script: Callable[[str], str], agents_state_dir: str) -> None:
    """Without cgroup v2 in sight (`ip netns exec` hides it) nothing has a unit: no reason to say OK."""
    check = [script("check_tcp_connections"), "--state-dir", agents_state_dir, "--unit", "app.service", "-c", "5"]
    hidden = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        'umount -l "$0" && exec "$@"',
        cgroup2_mount(),
    ]
    with World() as world:
        world.pair(world.listen("127.0.0.1"))
        done = run([*hidden, *check])
    assert (done.returncode, done.stdout) == (
        3,
        "TCP_CONNECTIONS UNKNOWN - --unit: not seen here: units (no cgroup v2 mount)\n",
    )
