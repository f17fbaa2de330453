"""What `tcptide doctor` is told, and what it says of one thing."""

from collections.abc import Mapping
from typing import NamedTuple

from tcptide import statefiles
from tcptide.clock import Clock
from tcptide.config import Config
from tcptide.kernel.procfs import ProcFs

OK, NOTE, PROBLEM = "ok", "note", "problem"


class Item(NamedTuple):
    """What was found of one thing."""

    state: str  # 'ok', 'note' (works, but less is seen) or 'problem' (doesn't work)
    subject: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8}{self.subject:<12}{self.text}{f' -> {self.fix}' if self.fix else ''}"


class Patient(NamedTuple):
    """What is examined."""

    proc: ProcFs
    clock: Clock
    environ: Mapping[str, str]
    state_option: str | None
    config: Config
    source: str
    program: str  # the path of the executable, for a cron line
    schedules: tuple[str, ...]  # files and directories with a scheduler's entries

    @property
    def directory(self) -> str:
        """Of the state."""
        return statefiles.state_directory(self.state_option, self.environ, self.config.state_dir)
