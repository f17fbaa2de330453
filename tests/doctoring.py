"""What the tests of `tcptide doctor` examine: a state with samples of certain ages, at a clock that stands still."""

import os
from typing import Any

from tcptide import history, statefiles
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.doctor_item import Patient
from tcptide.kernel import processes
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Sample
from tcptide.simulation.host import Host
from tcptide.writer import Writer

from .storing import HandClock

SAMPLER = "/usr/bin/tcptide sample"

NOW = 1_800_000_000.0
BOOTED = 1_700_000_000.0
CLOCK = HandClock(NOW, NOW - BOOTED)


def patient(directory: str, **changes: Any) -> Patient:
    whole = Patient(ProcFs(), CLOCK, {}, directory, Config(), "host", SAMPLER, ())
    return whole._replace(**changes)


def lines(items: Any) -> list[str]:
    return [str(item) for item in items]


def real(sample: Sample, age_seconds: float, boot_id: str) -> Sample:
    """A simulated sample passed off as one of this host."""
    wall = CLOCK.wall() - age_seconds
    origin = sample.origin._replace(simulated=False, wall_seconds=wall, boottime_seconds=wall - BOOTED, boot_id=boot_id)
    return sample._replace(origin=origin)


def store(directory: str, *ages_seconds: float, boot_id: str | None = None) -> None:
    """Samples of these ages, the oldest first."""
    sample = Host(1, 0).look(NOW, 60)
    assert sample is not None
    boot = boot_id or ProcFs().boot_id()
    with statefiles.lock(directory, SYSTEM, 1), Writer(directory) as writer:
        for age in ages_seconds:
            history.append(writer, real(sample, age, boot))


def me() -> str:
    return processes.user_name(os.geteuid())
