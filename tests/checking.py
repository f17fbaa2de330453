"""Installed checks as a scheduler runs them, and a state for them to find."""

from collections.abc import Callable, Mapping
from typing import Any

from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.history import append, judged
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Sample
from tcptide.sampler import take_sample
from tcptide.writer import Writer

from . import worlds

LOOKING = (
    "check_tcp_connections",
    "check_tcp_time_wait",
    "check_tcp_port_exhaustion",
    "check_tcp_errors",
    "check_tcp_listen_queue",
    "check_tcp_pattern",
    "check_tcp_quality",
)
ALL = (*LOOKING, "check_tcptide")

#: A check's name and arguments in, exit status and lines out: the fixture `check`.
Check = Callable[..., tuple[int, list[str]]]


def answer(*command: str, environ: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    """The exit status of a check and its lines; stderr has to be empty."""
    done = worlds.run(command, environ=environ)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def prefix(name: str) -> str:
    """What the lines of a check begin with."""
    return name.removeprefix("check_").upper()


def store(directory: str, *samples: Sample) -> None:
    """Keep samples as the sampler does."""
    for sample in samples:
        with Writer(directory) as writer:
            append(writer, sample, advance=judged(Config()))


def aged(seconds: float, source: str, **changes: Any) -> Sample:
    """A sample of this machine, as if taken so long ago."""
    sample = take_sample(ProcFs(), SYSTEM, source=source)
    origin = sample.origin
    past = origin._replace(
        wall_seconds=origin.wall_seconds - seconds, boottime_seconds=origin.boottime_seconds - seconds
    )
    return sample._replace(origin=past, **changes)
