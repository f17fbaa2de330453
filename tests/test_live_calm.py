"""Steady load, and load that is noisy as usual: no check says anything, nothing is recorded, whatever is asked when."""

import heapq
import os
import random
import socket
import sys
from collections.abc import Iterable, Iterator
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
from tcptide.simulation.host import DAY_SECONDS, Host
from tcptide.simulation.roles import profile
from tcptide.writer import Writer
from tests.checking import ALL
from tests.judging import chosen
from tests.storing import HandClock, sql
from tests.watching import Kept, Said, at_once, patterns, watch
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
HALF_DAY = 12 * HOUR
SEED = 10
CONFIG = Config()

SECONDS = 22.0
PER_SECOND, STAY_SECONDS = 15, 3.0  # visits


def here(sample: Sample) -> Sample:
    """As if it had been taken in this namespace, since this machine booted."""
    return sample._replace(
        origin=sample.origin._replace(source="calm", boot_id=ProcFs().boot_id(), netns_cookie=netns.cookie())
    )


def simulated(role: str, rows: int) -> Iterator[Sample]:
    """A healthy machine, from midnight on."""
    since = MONDAY
    host = Host(SEED, since - 30 * DAY_SECONDS, (), profile(role, SEED))
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
        origin = look.origin._replace(wall_seconds=MONDAY + 60 * row, boottime_seconds=1e6 + 60 * row)
        yield here(look._replace(origin=origin, counters=counters))


class Minute(NamedTuple):
    """What a check makes of the newest row."""

    wall_seconds: float
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
    for sample in left:
        with Writer(directory) as writer:
            assert history.append(writer, sample, advance=judged)
        said += [Minute(sample.origin.wall_seconds, *found) for found in asked(directory, sample)]
    return said


@pytest.mark.root
@pytest.mark.parametrize(
    ("role", "before"),
    [("recorded", 0), ("web", 0), ("web", HALF_DAY), ("api", HALF_DAY), ("proxy", HALF_DAY)],
)
def test_an_hour_of_usual_load_raises_nothing(role: str, before: int, state_dir: str) -> None:
    rows = before + HOUR
    said = replayed(state_dir, recorded(rows) if role == "recorded" else simulated(role, rows), before)
    assert len(said) > 0.9 * HOUR * len(CHECKS)  # a machine misses a minute now and then
    assert {each.check for each in said} == set(ALL)
    assert [each for each in said if each.state] == []
    assert set(patterns(state_dir)[before:]) <= QUIET_PATTERNS
    since = said[0].wall_seconds - 60
    assert sql(state_dir, f"SELECT * FROM event WHERE wall > {since}") == []


class Story(NamedTuple):
    """What all checks said."""

    said: list[Said]
    kept: Kept


def usual(user: str | None, noise: float) -> Story:
    """Clients come, stay for some seconds and go, all but for some that stay; with noise as they like."""
    rng = random.Random(1)
    each = [(number / PER_SECOND, STAY_SECONDS) for number in range(int((SECONDS + STAY_SECONDS) * PER_SECOND))]
    visits = sorted(
        (came + noise * rng.uniform(-1, 1) - STAY_SECONDS, stay * rng.uniform(1 - noise, 1 + noise))
        for came, stay in each
    )[::-1]
    going: list[tuple[float, list[socket.socket]]] = []
    commands = [os.path.join(os.path.dirname(sys.executable), check) for check in ALL]
    with World() as world, watch(user) as watched:
        listener = world.listen("127.0.0.1", 8080)
        for _ in range(100):
            world.pair(listener)

        def serve(seconds: float) -> bool:
            while visits and visits[-1][0] < seconds:
                came, stay = visits.pop()
                heapq.heappush(going, (came + stay, [*world.pair(listener)]))
            while going and going[0][0] < seconds:
                world.reset(heapq.heappop(going)[1])
            return True

        looking = watched.command(os.path.join(os.path.dirname(sys.executable), "check_tcp_pattern"))
        rounds = [[looking, watched.command(command, 5)] for command in commands]
        return Story(watched.each_second(rounds, SECONDS, serve), watched.kept())


@pytest.mark.root
def test_nothing_is_said_of_real_sockets_that_come_and_go() -> None:
    for said, kept in at_once(partial(usual, None, 0.0), partial(usual, "nobody", 0.5)):
        assert {each.check for each in said} == set(ALL)
        assert [each for each in said if each.status] == []
        assert "normal" in kept.patterns
        assert set(kept.patterns) <= QUIET_PATTERNS
        assert kept.events == ()
