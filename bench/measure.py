"""Run programs again and again, interleaved, and give medians of what they took."""

import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_SECONDS = 60


class Run(NamedTuple):
    """One run of a program."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    status: int
    output: str


class Result(NamedTuple):
    """Many runs of one program, one a round."""

    runs: tuple[Run, ...]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """The median."""
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_mib(self) -> float:
        """The highest."""
        return max(run.peak_mib for run in self.runs)

    @property
    def status(self) -> int:
        """The highest."""
        return max(run.status for run in self.runs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Of all runs."""
        return tuple(run.output for run in self.runs)


class Native:
    """The two C programs, compiled into a folder of their own for as long as this context lasts.

    Raises OSError without a compiler.
    """

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="tcptide-bench-")
        self.floor = self._compile("floor")
        self.stopwatch = self._compile("stopwatch")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def _compile(self, name: str) -> str:
        program = os.path.join(self._folder.name, name)
        subprocess.run(["cc", "-O2", "-o", program, os.path.join(HERE, f"{name}.c")], check=True)
        return program


def run_once(stopwatch: str, argv: Sequence[str]) -> Run:
    """Run as monitoring does, from / with an empty environment."""
    done = subprocess.run(
        [stopwatch, *argv], cwd="/", env={}, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    output, _, last = done.stdout.rstrip("\n").rpartition("\n")
    seconds, cpu_seconds, peak_kib, status = last.split()
    return Run(float(seconds), float(cpu_seconds), int(peak_kib) / 1024, int(status), output or done.stderr)


def measure(
    stopwatch: str,
    programs: Mapping[str, Sequence[str]],
    rounds: int,
    before_round: Callable[[], object],
    *,
    to_and_fro: bool = False,
) -> dict[str, Result]:
    """Each program once a round, so that a slow moment of the machine hits all of them.

    to_and_fro: every other round in the opposite order, so that none always comes first.
    """
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for number in range(rounds):
        before_round()
        order = list(programs)
        for name in reversed(order) if to_and_fro and number % 2 else order:
            runs[name].append(run_once(stopwatch, programs[name]))
    return {name: Result(tuple(taken)) for name, taken in runs.items()}
