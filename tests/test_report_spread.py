"""--spread: each host has its own time to begin, always the same."""

import os

import pytest

from reporter import spread
from tcptide.clock import SystemClock
from tcptide.errors import ConfigError

HOUR = 3600
FLEET = [f"web{number}.example.org" for number in range(400)]


class Slept(SystemClock):
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_hosts_are_spread_evenly() -> None:
    delays = [spread.delay_seconds(host, HOUR) for host in FLEET]
    assert min(delays) >= 0 and max(delays) < HOUR
    quarters = [sum(quarter * 900 <= delay < (quarter + 1) * 900 for delay in delays) for quarter in range(4)]
    assert sum(quarters) == len(FLEET) and min(quarters) > 75
    minutes = [int(delay // 60) for delay in delays]
    assert max(map(minutes.count, range(60))) < 20


def test_host_always_waits_as_long() -> None:
    clock = Slept()
    for _ in range(3):
        spread.wait(clock, HOUR)
    assert clock.seconds == 3 * [spread.delay_seconds(os.uname().nodename, HOUR)]
    assert spread.delay_seconds("web1.example.org", HOUR) == pytest.approx(704.8, abs=0.1)


def test_name_that_is_no_text_has_its_time() -> None:
    assert 0 <= spread.delay_seconds("web\udcff", HOUR) < HOUR


@pytest.mark.parametrize("text", ["-1", "1.5", "an hour", "86401", "", "\u0661"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        spread.seconds(text)
    assert str(caught.value) == f"--spread: {text!r} is not a whole number of seconds from 0 to 86400"


def test_without_it_nothing_is_waited_for() -> None:
    assert (spread.seconds(None), spread.seconds("0"), spread.seconds("3600")) == (0, 0, HOUR)
