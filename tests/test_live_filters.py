"""check_tcp_connections with each filter, as an ordinary user, over one world of known sockets."""

import json
from collections.abc import Callable, Iterator

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
from tests.worlds import Cgroup, World, as_user, eventually, run, tcp_in_sockstat

pytestmark = pytest.mark.root

FAR = "10.99.0.1"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A web server of root, an IPv6 service of nobody, a database and its clients in units of their own."""
    with Cgroup("tcptide-db.service") as db_unit, Cgroup("tcptide-app.service") as app_unit, World() as world:
        world.add_address(FAR)
        web = world.listen("127.0.0.1", 8080)
        for _ in range(3):
            with as_user("nobody"):
                world.connect("127.0.0.1", 8080)
            world.accept(web)
        world.pair(web, mapped=True)
        client, server = world.pair(web)
        client.close()
        server.close()

        with as_user("nobody"):
            api = world.listen("::1", 8443)
        for _ in range(2):
            leaving = world.connect("::1", 8443)
            with as_user("nobody"):
                world.accept(api)
        leaving.shutdown(1)

        with db_unit.joined():
            database = world.listen(FAR, 5432)
        for _ in range(2):
            with app_unit.joined(), as_user("daemon"):
                world.connect(FAR, 5432, source=FAR)
            world.accept(database)

        world.bind("127.0.0.1", 8081)
        assert eventually(lambda: tcp_in_sockstat("tw"), 1) == 1
        assert eventually(lambda: take_sample(ProcFs(), SYSTEM).states["FIN_WAIT2"], (0, 1)) == (0, 1)
        yield world


ALL = {"established": 14, "time_wait": 1, "fin_wait2": 1, "close_wait": 1, "listen": 3, "bound": 1}

CASES = {
    "": ALL,
    "--state ESTABLISHED": {"established": 14},
    "--state TIME_WAIT": {"time_wait": 1},
    "--state TIME_WAIT --state CLOSE_WAIT --state SYN_SENT": {"time_wait": 1, "close_wait": 1},
    "--state LISTEN": {"listen": 3},
    "--state BOUND": {"bound": 1},
    "--local-port 8080": {"established": 4, "listen": 1},
    "--local-port 8080 --local-port 8443": {"established": 5, "close_wait": 1, "listen": 2},
    "--local-port 8081": {"bound": 1},
    "--remote-port 8080": {"established": 4, "time_wait": 1},
    "--remote-port 8443": {"established": 1, "fin_wait2": 1},
    "--remote 10.0.0.0/8": {"established": 4},
    "--remote 10.99.0.1": {"established": 4},
    "--remote 10.99.0.0/32": {},
    "--remote 127.0.0.0/8": {"established": 8, "time_wait": 1},
    "--remote ::1": {"established": 2, "fin_wait2": 1, "close_wait": 1},
    "--remote ::1/128 --remote 10.99.0.0/24": {"established": 6, "fin_wait2": 1, "close_wait": 1},
    "--remote 192.0.2.0/24": {},
    "--family 4": {"established": 12, "time_wait": 1, "listen": 2, "bound": 1},
    "--family 6": {"established": 2, "fin_wait2": 1, "close_wait": 1, "listen": 1},
    "--user nobody": {"established": 4, "close_wait": 1, "listen": 1},
    "--user daemon": {"established": 2},
    "--user nobody --user daemon": {"established": 6, "close_wait": 1, "listen": 1},
    "--unit tcptide-db.service": {"established": 2, "listen": 1},
    "--unit tcptide-app.service": {"established": 2},
    "--unit tcptide-none.service": {},
    "--user nobody --family 4": {"established": 3},
    "--user daemon --unit tcptide-app.service --remote-port 5432 --state ESTABLISHED": {"established": 2},
    "--user daemon --unit tcptide-db.service": {},
    "--local-port 8080 --state LISTEN": {"listen": 1},
    "--remote-port 8080 --state TIME_WAIT --remote 127.0.0.0/8 --family 4": {"time_wait": 1},
}


@pytest.mark.parametrize(("options", "states"), CASES.items(), ids=[options or "no-filter" for options in CASES])
def test_filter_leaves(
    options: str, states: dict[str, int], world: World, script: Callable[[str], str], agents_state_dir: str
) -> None:
    check = [script("check_tcp_connections"), "--output", "json", "--state-dir", agents_state_dir, *options.split()]
    said = json.loads(run(check, user="nobody").stdout)
    values = {label: metric["value"] for label, metric in said["metrics"].items()}
    seen = {state: values[state] for state in (*ALL, "syn_sent", "syn_recv", "fin_wait1", "last_ack", "closing")}
    assert {state: count for state, count in seen.items() if count} == states
    assert values["total"] == sum(states.values()) - states.get("listen", 0) - states.get("bound", 0)
    assert said["state"] == "OK"
