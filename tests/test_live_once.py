"""Every check at once on an empty state: one process looks, and all of them answer from that look."""

import json
import os
import pwd
import sqlite3
from collections.abc import Callable

import pytest

from tests.worlds import World, start

pytestmark = pytest.mark.root

LOOKERS = (
    "check_tcp_connections",
    "check_tcp_time_wait",
    "check_tcp_port_exhaustion",
    "check_tcp_errors",
    "check_tcp_listen_queue",
)
PROCESSES = 32
TIMEOUT_SECONDS = 8


@pytest.mark.parametrize("users", [("nobody",), ("nobody", "root")], ids=["as-one-user", "as-root-too"])
def test_many_checks_one_look(users: tuple[str, ...], script: Callable[[str], str], agents_state_dir: str) -> None:
    with World() as world:
        listener = world.listen("127.0.0.1")
        for _ in range(50):
            world.pair(listener)
        processes = [
            start(
                [script(LOOKERS[number % len(LOOKERS)]), "--state-dir", agents_state_dir, "--output", "json"],
                user=users[number % len(users)],
            )
            for number in range(PROCESSES)
        ]
        outputs = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in outputs] == [""] * PROCESSES
    answers = [json.loads(output) for output, _ in outputs]
    assert {answer["state"] for answer in answers} == {"OK"}
    assert [answer["notices"] for answer in answers] == [[]] * PROCESSES
    assert len({answer["sample"]["wall_seconds"] for answer in answers}) == 1
    with sqlite3.connect(f"file:{agents_state_dir}/tcptide.db?mode=ro", uri=True) as store:
        assert store.execute("SELECT count(*) FROM sample").fetchone() == (1,)
        assert store.execute("SELECT count(*) FROM latest").fetchone() == (1,)
    assert {os.stat(os.path.join(agents_state_dir, name)).st_uid for name in os.listdir(agents_state_dir)} == {
        pwd.getpwnam("nobody").pw_uid
    }
