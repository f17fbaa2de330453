"""What `tcptide doctor` is told, and what it says of one thing."""

import grp
import os
import pwd
import shlex
from collections.abc import Mapping
from contextlib import suppress

from tcptide import statefiles
from tcptide.clock import Clock
from tcptide.config import Config
from tcptide.kernel.procfs import ProcFs
from tcptide.record import NamedTuple

OK, NOTE, PROBLEM = "ok", "note", "problem"

#: The users that run checks, the first that there is: where there is icinga or nrpe, nagios came with the plugins.
_AGENTS = ("icinga", "nrpe", "nagios")


class Item(NamedTuple):
    """What was found of one thing."""

    state: str  # 'ok', 'note' (works, but less is seen) or 'problem' (doesn't work)
    subject: str
    text: str
    fix: str = ""  # a command to copy, or what else to do

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
    sampler: str  # the command that samples what is examined here, for a cron line
    schedules: tuple[str, ...]  # files and directories with a scheduler's entries

    @property
    def directory(self) -> str:
        """Of the state."""
        return statefiles.state_directory(self.state_option, self.environ, self.config.state_dir)

    @property
    def agent(self) -> pwd.struct_passwd | None:
        """Who runs the checks: the owner of the state, else who asks; for root the first of the usual names, if any.

        A directory of root's is its owner's only when root asks: else it was made by mistake. None: the system knows
        no such user.
        """
        caller = os.geteuid()
        try:
            uid = os.stat(self.directory).st_uid or caller
        except OSError:
            uid = caller
            for name in _AGENTS if caller == 0 else ():
                with suppress(KeyError):
                    return pwd.getpwnam(name)
        try:
            return pwd.getpwuid(uid)
        except KeyError:
            return None


def install_command(directory: str, user: pwd.struct_passwd | None) -> str:
    """Makes a state directory that belongs to the user."""
    if user is None:
        return ""
    try:
        group = grp.getgrgid(user.pw_gid).gr_name
    except KeyError:
        group = str(user.pw_gid)
    return shlex.join(["install", "-d", "-m", "0750", "-o", user.pw_name, "-g", group, directory])
