"""Steady load, and load that is noisy as usual: no check says anything, nothing is recorded, whatever is asked when."""

import heapq
import os
import random
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from types import ModuleType
from typing import NamedTuple

import pytest

from checks import (
    check_tcp_connections,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
    check_tcp_port_exhaustion,
    check_tcp_quality,
    check_tcp_time_wait,
    check_tcptide,
    frame,
    output,
    ranges,
)
from tcptide import history
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.kernel import netns
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Sample
from tcptide.sampler import take_sample
from tcptide.simulate import samples
from tcptide.simulated_host import DAY_SECONDS, Host
from tcptide.simulated_roles import profile
from tcptide.writer import Writer
from tests.checking import ALL
from tests.judging import chosen
from tests.storing import HandClock, sql
from tests.watching import Kept, Said, at_once, watch
from tests.worlds import World

CHECKS: tuple[ModuleType, ...] = (
    check_tcp_connections,
    check_tcp_time_wait,
    check_tcp_port_exhaustion,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
    check_tcp_quality,
    check_tcptide,
)
QUIET_PATTERNS = {"insufficient_data", "normal", "periodic"}

MONDAY = 1_800_230_400.0
HOUR = 60  # rows
DAY = 24 * HOUR
CONFIG = Config()


def here(sample: Sample) -> Sample:
    """As if it had been taken in this namespace, since this machine booted."""
    return sample._replace(
        origin=sample.origin._replace(source="calm", boot_id=ProcFs().boot_id(), netns_cookie=netns.cookie())
    )


def simulated(role: str, seed: int, rows: int) -> Iterator[Sample]:
    """A healthy machine, from 8 in the morning on."""
    since = MONDAY + DAY_SECONDS / 3
    host = Host(seed, since - 30 * DAY_SECONDS, (), profile(role, seed))
    return map(here, samples(host, since, since + 60 * rows, 60.0))


def recorded(rows: int) -> Iterator[Sample]:
    """Real sockets that some clients open and close, a few looks again and again, as if a minute apart."""
    rng = random.Random(1)
    looks = []
    with World() as world:
        listener = world.listen("127.0.0.1", 8080)
        for _ in range(150):
            world.pair(listener)
        for _ in range(20):
            world.reset(world.keep[1 : 1 + 2 * rng.randrange(10)])
            while len(world.keep) < 2 * rng.randint(140, 160):
                world.pair(listener)
            looks.append(take_sample(ProcFs(), SYSTEM, tcp_info=True, linger_seconds=CONFIG.interval_seconds))
    for row in range(rows):
        look = rng.choice(looks)
        counters = {name: (row + 1) * count for name, count in looks[-1].counters.items()}
        when = {"wall_seconds": MONDAY + 60 * row, "boottime_seconds": 1e6 + 60 * row}
        yield here(look._replace(origin=look.origin._replace(**when), counters=counters))


class Minute(NamedTuple):
    """What a check makes of the newest row."""

    row: int
    check: str
    state: int
    line: str


def asked(directory: str, newest: Sample) -> Iterator[tuple[str, int, str]]:
    """Name, state and first line of every check, a second after the newest row; as its main does it."""
    clock = HandClock(newest.origin.wall_seconds + 1, newest.origin.boottime_seconds + 1)
    for check in CHECKS:
        spec = check.SPEC
        ask: frame.Ask = getattr(check, "_ask", None) or frame.sampled(check.judge)
        context = frame.Context(spec, chosen(spec), CONFIG, directory, "calm", ProcFs(), clock, 8.0)
        answer = ask(context, CONFIG.max_age_seconds)
        assert answer.notices == ()
        assert answer.sample == newest
        outcome = ranges.evaluate(spec, answer.judged, ranges.resolve(spec, [], [], CONFIG))
        yield spec.name, outcome.state, output.first_line(spec, answer, outcome)[0]


def replayed(directory: str, taken: Iterable[Sample], before: int) -> list[Minute]:
    """Each sample through the appender, each row through all checks; the first rows together, and unasked."""
    judged = history.judged(CONFIG)
    left = iter(taken)
    with Writer(directory) as writer:
        history.extend(writer, islice(left, before), advance=judged)
    said = []
    for row, sample in enumerate(left, before):
        with Writer(directory) as writer:
            assert history.append(writer, sample, advance=judged)
        said += [Minute(row, *found) for found in asked(directory, sample)]
    return said


@pytest.mark.parametrize("before", [0, DAY], ids=["young-history", "after-a-day"])
@pytest.mark.parametrize("role", ["recorded", "web", "api", "proxy", "database", "batch", "mail", "quiet"])
def test_an_hour_of_usual_load_raises_nothing(role: str, before: int, state_dir: str) -> None:
    rows = before + HOUR
    said = replayed(state_dir, recorded(rows) if role == "recorded" else simulated(role, 7, rows), before)
    assert len(said) == HOUR * len(CHECKS)
    assert {each.check for each in said} == set(ALL)
    assert [each for each in said if each.state] == []
    patterns = sql(state_dir, f"SELECT pattern FROM sample ORDER BY id LIMIT -1 OFFSET {before}")
    assert {pattern for (pattern,) in patterns} <= QUIET_PATTERNS  # type: ignore[misc]
    assert sql(state_dir, f"SELECT * FROM event WHERE wall >= {MONDAY + 60 * before}") == []
