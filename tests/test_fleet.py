"""A slice of the simulated fleet: healthy hosts raise nothing, and what is wrong with a host is seen through it."""

import subprocess
import sys

import pytest

from bench import fleet
from bench.fleet import Alarm, Week
from tcptide.simulate import samples
from tcptide.simulation.host import DAY_SECONDS, Host, Incident
from tests.worlds import TREE

WEEKS = [
    Week("web", "web 0", 10_080, 80_000, (Alarm("check_tcp_errors", "web 0", 7, "TCP_ERRORS WARNING - ..."),), {}),
    Week("web", "web 1", 10_080, 80_000, (), {"spike": 3}),
    Week("mail", "mail 2", 10_080, 80_000, (), {"slow_leak": 1}),
]


@pytest.mark.parametrize(("role", "seed"), [("web", 0), ("proxy", 12), ("batch", 14), ("mail", 58)])
def test_a_healthy_day_raises_nothing(role: str, seed: int) -> None:
    day = fleet.replay(role, seed, 1)
    assert day.samples > 1_400
    assert day.results > 8 * 1_400
    assert day.alarms == ()


def test_what_is_wrong_is_seen() -> None:
    """The fleet's silence means something."""
    host = Host(0, fleet.MONDAY - DAY_SECONDS, [Incident("accept-queue", fleet.MONDAY, fleet.MONDAY + 3600, ":443")])
    hour = fleet.through("web", "web 0", samples(host, fleet.MONDAY, fleet.MONDAY + 3600, 60))
    assert {alarm.check for alarm in hour.alarms} == {"check_tcp_listen_queue", "check_tcp_errors"}
    assert len(hour.alarms) == 119  # the first sample has no rates
    assert hour.alarms[0].line.startswith("TCP_LISTEN_QUEUE CRITICAL - :443 accept queue 51")


def test_tables_count_by_check_and_role() -> None:
    table = fleet.alarms_table(WEEKS)
    assert table[0] == "| check | web | api | database | proxy | batch | quiet | mail | all |"
    assert "| check_tcp_errors | 1 on 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 on 1 |" in table
    assert "| check_tcp_time_wait | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in table
    assert fleet.patterns_table(WEEKS, 7)[2:] == [
        "| slow_leak | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 1.00 |",
        "| spike | 1.50 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 |",
    ]


def test_runs() -> None:
    command = [sys.executable, "-m", "bench.fleet", "--hosts", "2", "--days", "0.05", "--processes", "1", "--assert"]
    done = subprocess.run(command, cwd=TREE, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 hosts, 0.05 days, seed 0: 144 samples, 1,150 results, 0 not OK on 0 hosts; ")
