"""Programs that forget to close, and programs that don't, as check_tcp_pattern sees them once a second."""

import heapq
import os
import random
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import pytest

from tests.storing import sql
from tests.watching import Kept, Said, Watch, at_once, watch
from tests.worlds import Cgroup, World, as_user

pytestmark = pytest.mark.root

CHECK = os.path.join(os.path.dirname(sys.executable), "check_tcp_pattern")

UNIT, USER = "tcptide-app.service", "daemon"
PORT = 8080
FORGOTTEN = 3  # a second
CALM_SECONDS = 5.0  # before it begins to forget
BUSY = 15  # a second
LATE_SECONDS = (1.0, 5.0)  # after its client
SECONDS = 24.0


class Story(NamedTuple):
    """What the check said, every second."""

    said: list[Said]
    kept: Kept


class Server:
    """A unit's or a user's server with 20 clients that stay."""

    def __init__(self, world: World, unit: Cgroup | None, watched: Watch) -> None:
        self.world, self.watched = world, watched
        self._unit = unit
        with unit.joined() if unit else as_user(USER):
            self._listener = world.listen("127.0.0.1", PORT)
        for _ in range(20):
            self.accept()

    def accept(self, number: int = 1) -> None:
        """Accept so many connections more. A unit's server is another program than its clients, a user's is not."""
        for _ in range(number):
            if self._unit:
                self.world.pair(self._listener)
            else:
                with as_user(USER):
                    self.world.pair(self._listener)

    def watch(self, meanwhile: Callable[[float], None]) -> Story:
        """Let the check run every second."""

        def go_on(seconds: float) -> bool:
            meanwhile(seconds)
            return True

        return Story(self.watched.each_second([[self.watched.command(CHECK)]], SECONDS, go_on), self.watched.kept())


@contextmanager
def serving(user: str | None, unit: str | None) -> Iterator[Server]:
    """The server, and a state of the user who runs the check."""
    with watch(user) as watched:
        if unit is None:
            with World() as world:
                yield Server(world, None, watched)
            return
        with Cgroup(unit) as group, World() as world:
            yield Server(world, group, watched)


def forgetful(user: str | None, unit: str | None, spoil_seconds: float | None = None) -> Story:
    """It forgets connections that its clients have closed; somebody deletes what the judgement knows, meanwhile."""
    with serving(user, unit) as server:
        forgotten, spoilt = 0, spoil_seconds is None

        def forget(seconds: float) -> None:
            nonlocal forgotten, spoilt
            while forgotten < FORGOTTEN * (seconds - CALM_SECONDS):
                server.accept()
                server.world.keep[-2].close()
                forgotten += 1
            if spoil_seconds is not None and seconds > spoil_seconds and not spoilt:
                spoilt = True
                sql(server.watched.state_dir, "DELETE FROM detector")

        return server.watch(forget)


def hoarding(user: str | None, unit: str | None) -> Story:
    """Clients stay, without a word, and become more."""
    with serving(user, unit) as server:
        hoarded = 0

        def hoard(seconds: float) -> None:
            nonlocal hoarded
            while hoarded < FORGOTTEN * (seconds - CALM_SECONDS):
                server.accept()
                hoarded += 1

        return server.watch(hoard)


def late(user: str | None, unit: str | None) -> Story:
    """It closes each connection some time after its client has, and has done so for longer than that."""
    rng = random.Random(1)
    came = [rng.uniform(-LATE_SECONDS[1], SECONDS) for _ in range(int(BUSY * (SECONDS + LATE_SECONDS[1])))]
    coming = sorted(((seconds, seconds + rng.uniform(*LATE_SECONDS)) for seconds in came), reverse=True)
    with serving(user, unit) as server:
        waiting: list[tuple[float, list[socket.socket]]] = []

        def serve(seconds: float) -> None:
            while coming and coming[-1][0] < seconds:
                server.accept()
                server.world.keep[-2].close()
                heapq.heappush(waiting, (coming.pop()[1], server.world.keep[-2:]))
            while waiting and waiting[0][0] < seconds:
                server.world.reset(heapq.heappop(waiting)[1])

        return server.watch(serve)


@pytest.fixture(scope="module")
def stories() -> dict[str, Story]:
    told = {
        "unit": partial(forgetful, "nobody", UNIT),
        "user": partial(forgetful, None, None, CALM_SECONDS + 4),
        "hoarding": partial(hoarding, "nobody", UNIT),
        "late": partial(late, None, UNIT),
    }
    return dict(zip(told, at_once(*told.values()), strict=True))


def find(lines: Sequence[str], words: str) -> int:
    (place,) = (place for place, line in enumerate(lines) if words in line)
    return place


@pytest.mark.parametrize(
    ("name", "holder", "cure"),
    [("unit", UNIT, f"systemctl restart {UNIT} frees them"), ("user", USER, "the program must close()")],
)
def test_who_forgets_to_close_is_named_within_ten_samples(
    name: str, holder: str, cure: str, stories: dict[str, Story]
) -> None:
    """Whether the judgement was lost on the way (`user`) or not."""
    said, kept = stories[name]
    assert {each.status for each in said} == {0}
    calm = [each for each in said if each.ended < CALM_SECONDS]
    leaking = [each for each in said if each.began > CALM_SECONDS + 1 / FORGOTTEN]
    assert not any("slow_leak" in each.text for each in calm)
    named = [each for each in leaking if f" by {holder}" in each.text]
    assert leaking.index(named[0]) < 10
    assert named == leaking[leaking.index(named[0]) :]
    for each in named:
        found = re.match(r"TCP_PATTERN OK - slow_leak since [0-9:]+: CLOSE_WAIT \+([0-9]+)/h ", each.text)
        assert found, each.text
        assert int(found[1]) == pytest.approx(3600 * FORGOTTEN, rel=0.25)
        place = find(each.lines, f"{holder} does not close connections that their peers have closed: ")
        assert re.search(r": [0-9]+ in CLOSE_WAIT: the oldest for [0-9]+ s; [0-9]+ more each hour", each.lines[place])
        assert each.lines[place + 1].startswith("-> ss -tnp state close-wait (reads only) ")
        assert cure in each.lines[place + 1]
    (event,) = kept.events
    assert (event.kind, event.old, event.new, event.code) == ("pattern", 0, 1, "leak_close_wait")
    assert event.message.endswith(f" by {holder}")


def test_clients_that_stay_are_not_forgotten_sockets(stories: dict[str, Story]) -> None:
    """From 20 to 77 in so short a time may be called a rise, though."""
    said, kept = stories["hoarding"]
    assert len(said) > 10
    assert {each.status for each in said} == {0}
    assert not any("leak" in line or "CLOSE_WAIT" in line for each in said for line in each.lines)
    assert set(kept.patterns) <= {"insufficient_data", "normal", "rapid_increase", "level_shift"}


def test_who_closes_late_is_never_named(stories: dict[str, Story]) -> None:
    said, kept = stories["late"]
    assert len(said) > 10
    assert {each.status for each in said} == {0}
    assert not any(UNIT in line or "CLOSE_WAIT" in line for each in said for line in each.lines)
    assert set(kept.patterns) == {"insufficient_data", "normal"}
    assert kept.events == ()


@pytest.mark.parametrize("name", ["unit", "user", "hoarding", "late"])
def test_judging_the_rows_again_says_the_same(name: str, stories: dict[str, Story]) -> None:
    """Stepped through by one process a row; of `user` the state was lost on the way."""
    kept = stories[name].kept
    assert kept.replayed == (kept.patterns, kept.outlook)
