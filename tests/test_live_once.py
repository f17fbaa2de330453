"""Every check at once on a state whose sample is old: one process looks, and all of them answer from that look."""

import json
import os
import pwd
import sqlite3
from collections.abc import Callable
from itertools import cycle, islice, product

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel import netns
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample
from tests.storing import store_samples
from tests.worlds import World, start

pytestmark = pytest.mark.root

CHECKS = (
    "check_tcp_connections",
    "check_tcp_time_wait",
    "check_tcp_port_exhaustion",
    "check_tcp_errors",
    "check_tcp_listen_queue",
    "check_tcptide",  # looks at nothing but the state
)
PROCESSES = 32
OLD_SECONDS = 120.0


def store_old_sample(directory: str) -> None:
    proc = ProcFs()
    sample = take_sample(proc, SYSTEM, source=netns.source_name(proc))
    origin = sample.origin._replace(
        wall_seconds=sample.origin.wall_seconds - OLD_SECONDS,
        boottime_seconds=sample.origin.boottime_seconds - OLD_SECONDS,
    )
    store_samples(directory, sample._replace(origin=origin))


@pytest.mark.parametrize("users", [("nobody",), ("nobody", "root")], ids=["as-one-user", "as-root-too"])
def test_many_checks_one_look(users: tuple[str, ...], script: Callable[[str], str], agents_state_dir: str) -> None:
    with World() as world:
        listener = world.listen("127.0.0.1")
        for _ in range(50):
            world.pair(listener)
        store_old_sample(agents_state_dir)
        processes = [
            start([script(check), "--state-dir", agents_state_dir, "--output", "json"], user=user)
            for check, user in islice(cycle(product(CHECKS, users)), PROCESSES)
        ]
        outputs = [process.communicate(timeout=300) for process in processes]
    assert [errors for _, errors in outputs] == [""] * PROCESSES
    answers = [json.loads(output) for output, _ in outputs]
    assert {answer["state"] for answer in answers} == {"OK"}
    assert [answer["notices"] for answer in answers] == [[]] * PROCESSES
    looked = {answer["sample"]["wall_seconds"] for answer in answers if answer["check"] != "check_tcptide"}
    assert len(looked) == 1
    with sqlite3.connect(f"file:{agents_state_dir}/tcptide.db?mode=ro", uri=True) as store:
        assert store.execute("SELECT count(*) FROM sample").fetchone() == (2,)
        assert store.execute("SELECT count(*) FROM latest").fetchone() == (1,)
    assert {os.stat(os.path.join(agents_state_dir, name)).st_uid for name in os.listdir(agents_state_dir)} == {
        pwd.getpwnam("nobody").pw_uid
    }
