"""Checks once a second on real sockets that change meanwhile; several such stories at once, a process each."""

import multiprocessing
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import NamedTuple, TypeVar, cast

from tcptide.lookout import Lookout
from tcptide.model import Event
from tcptide.observation import observe
from tcptide.outlook import Outlook
from tcptide.store import Reader

from . import worlds
from .storing import sql

T = TypeVar("T")

Command = Sequence[str]

#: The shortest that the configuration allows.
INTERVAL_SECONDS = 1

_STORY_SECONDS = 150  # much longer than any takes
_TICK_SECONDS = 0.01

#: No pattern is named in the first ten minutes after a boot; the tests may run then.
_UP_SECONDS = 100_000


class Said(NamedTuple):
    """One run of a check; times are seconds since the watching began."""

    began: float
    ended: float
    check: str
    status: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Line 1 without its perfdata."""
        return self.lines[0].partition(" | ")[0]


class Kept(NamedTuple):
    """What is in the state afterwards."""

    patterns: tuple[str, ...]  # of each row
    events: tuple[Event, ...]
    outlook: Outlook | None
    replayed: tuple[tuple[str, ...], Outlook | None]  # patterns and outlook when the rows are judged again


class Watch(NamedTuple):
    """A state and a configuration of their own, with a row a second, and who runs the checks."""

    state_dir: str
    configuration: str
    user: str | None

    def command(self, script: str, max_age_seconds: float = 0) -> list[str]:
        """A check as a scheduler runs it."""
        options = [] if script.endswith("/check_tcptide") else ["--max-age", str(max_age_seconds)]
        return [script, "--config", self.configuration, *options]

    def each_second(
        self, rounds: Sequence[Sequence[Command]], seconds: float, meanwhile: Callable[[float], bool]
    ) -> list[Said]:
        """Run one of the rounds of commands every second, in turn, and in between `meanwhile`, again and again.

        `meanwhile` is told how long that has been going on; when it says False the last round begins.
        """
        said: list[Said] = []
        coming = cycle(rounds)
        waiting: list[Command] = []
        running: tuple[float, Command, subprocess.Popen[str]] | None = None
        began, due, last = time.monotonic(), 0, False
        try:
            while running or waiting or not last:
                now = time.monotonic() - began
                if not last:
                    last = not meanwhile(now) or now >= seconds
                    if last or now >= due:
                        waiting, due = [*waiting, *next(coming)], int(now) + 1
                if running and running[2].poll() is not None:
                    output, errors = running[2].communicate()
                    assert errors == ""
                    check = os.path.basename(running[1][0])
                    lines = tuple(output.splitlines())
                    said.append(Said(running[0], now, check, running[2].returncode, lines))
                    running = None
                if waiting and not running:
                    running = now, waiting[0], worlds.start(waiting.pop(0), user=self.user)
                time.sleep(_TICK_SECONDS)
        finally:
            if running:
                running[2].kill()
                running[2].communicate()
        return said

    def kept(self) -> Kept:
        """What is in the state now."""
        with Reader(self.state_dir) as reader:
            ((name, *_),) = reader.sources()
            events, outlook = reader.events(name, 0, 1e12), reader.outlook(name)
            rows = zip(reader.points(name, 0, 1e12), reader.tops(name, 0, 1e12), strict=True)
            lookout = Lookout(INTERVAL_SECONDS)
            again = [lookout.step(observe(row, top, {})) for row, (_, top) in rows]
        replayed = tuple(one.verdict.pattern for one in again), again[-1]
        return Kept(tuple(patterns(self.state_dir)), tuple(events), outlook, replayed)


def patterns(directory: str) -> list[str]:
    """The pattern of each history row, the oldest first."""
    return [str(*row) for row in cast(list[tuple[str]], sql(directory, "SELECT pattern FROM sample ORDER BY id"))]


@contextmanager
def watch(user: str | None = None) -> Iterator[Watch]:
    """An empty state; it is the user's who runs the checks, None: root."""
    parent = tempfile.mkdtemp(prefix="tcptide-test-", dir="/tmp")
    try:
        os.chmod(parent, 0o755)
        directory, configuration = os.path.join(parent, "state"), os.path.join(parent, "tcptide.toml")
        os.mkdir(directory, 0o750)
        with open(configuration, "w") as file:
            file.write(f'state_dir = "{directory}"\ninterval_seconds = {INTERVAL_SECONDS}\n')
        if user:
            entry = pwd.getpwnam(user)
            os.chown(directory, entry.pw_uid, entry.pw_gid)
        yield Watch(directory, configuration, user)
    finally:
        shutil.rmtree(parent)


def at_once(*stories: Callable[[], T]) -> list[T]:
    """What the stories return, each told by a process that may enter worlds; their checks find a host long up."""
    with multiprocessing.get_context("fork").Pool(len(stories), worlds.age_boot, (_UP_SECONDS,)) as pool:
        told = [pool.apply_async(story) for story in stories]
        until = time.monotonic() + _STORY_SECONDS
        return [each.get(max(0.0, until - time.monotonic())) for each in told]
