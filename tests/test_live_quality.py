"""Real connections whose segments are lost: from tcp_info to the check's WARNING, against a prepared history."""

import subprocess
import time
from collections.abc import Callable

import pytest

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Rollup
from tcptide.sampler import take_sample
from tcptide.schema import QUARTER_SECONDS
from tcptide.series import NAMES
from tcptide.writer import Writer
from tests.judging import text
from tests.storing import store_samples
from tests.worlds import World, run

pytestmark = pytest.mark.root

CONNECTIONS = 30  # each has two ends here; one of them has sent what is lost
INTERVAL_SECONDS = 1

#: The check says nothing in the first ten minutes after a boot; the tests may run then.
UP_FOR_LONG = ["unshare", "--time", "--fork", "--boottime", "100000"]


def prepare(directory: str, configuration: str) -> None:
    """Two days in which 0.2 % retransmitted, and a configuration with short intervals."""
    sample = take_sample(ProcFs(), SYSTEM, source="here")
    store_samples(directory, sample._replace(origin=sample.origin._replace(boot_id="another boot")))
    newest = int(time.time() // QUARTER_SECONDS)
    values = {**dict.fromkeys(NAMES), "retransmitting_percent": 0.2, "measured": 60.0}
    with Writer(directory) as writer, writer.transaction():
        source_id = writer.source_id(sample.origin)
        writer.put_rollups(source_id, [Rollup("mean", newest - ago, 15, 900.0, values) for ago in range(1, 193)])
    with open(configuration, "w") as file:
        file.write(f"interval_seconds = {INTERVAL_SECONDS}\n")


def test_lost_segments_are_a_degradation(script: Callable[[str], str], state_dir: str, tmp_path: str) -> None:
    configuration = f"{tmp_path}/tcptide.toml"
    command = [script("check_tcp_quality"), "--state-dir", state_dir, "--source", "here", "--config", configuration]

    def said() -> str:
        done = run([*UP_FOR_LONG, *command, "--max-age", "0"])
        assert done.stderr == ""
        return text(done.stdout.splitlines()[0]).removeprefix("TCP_QUALITY ")

    with World() as world:
        world.add_others()
        prepare(state_dir, configuration)
        listener = world.listen("198.18.0.1")
        clients = [world.pair(listener)[0] for _ in range(CONNECTIONS)]
        for client in clients:
            client.send(b"heard")
        first = said()
        subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
        for client in clients:
            client.send(b"lost")
        time.sleep(2)
        lines = []
        for _ in range(4):
            lines.append(said())
            time.sleep(INTERVAL_SECONDS)
    assert first.startswith("OK - rtt ")
    assert f", 0% retransmitting, {2 * CONNECTIONS} connections" in first
    assert [line.partition(" ")[0] for line in lines] == ["OK", "OK", "OK", "WARNING"]
    assert lines[-1].startswith(f"WARNING - retransmitting 50%, usually 0.2% ({2 * CONNECTIONS} connections)")
