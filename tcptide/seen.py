"""What a source gave, before it becomes a Sample; sock_diag and psutil both give it."""

from collections.abc import Mapping

from tcptide.model import Holder, Lingering, Listener, Ports, TcpInfo
from tcptide.record import NamedTuple

#: How long a sample's lists get: what a person reads, not what a host has.
TOP = 20


class Seen(NamedTuple):
    """What a source gave: the part of a Sample that depends on how it was looked."""

    method: str
    unseen: tuple[str, ...]
    states: Mapping[str, tuple[int, int]]
    ports: Ports | None = None
    listeners: tuple[Listener, ...] = ()
    not_accepted: int | None = None
    local_ports: tuple[tuple[int, int], ...] = ()
    remotes: tuple[tuple[str, int], ...] = ()
    holders: tuple[Holder, ...] = ()
    lingering: tuple[Lingering, ...] = ()
    tcp_info: TcpInfo | None = None


def not_shown(
    release: str,
    *,
    bound_idle: bool = False,
    interrupted: bool = False,
    lacks_cgroups: bool = False,
    lacks_mount: bool = False,
    lacks_limited: bool = False,
) -> tuple[str, ...]:
    """What this kernel or the moment did not show. `release` is the kernel's, as `uname -r` prints it.

    Without a bound-idle socket in sight only the version can tell whether they would be shown: to make one for a trial
    would take a port from those who need it.
    """
    notes = []
    if interrupted:
        notes.append("a table at rest: it changed while it was read (NLM_F_DUMP_INTR)")
    if not bound_idle and kernel_version(release) < (6, 8):
        notes.append("bound-idle sockets (needs Linux 6.8)")
    if lacks_cgroups:
        notes.append("units (needs Linux 5.9 with CONFIG_SOCK_CGROUP_DATA)")
    elif lacks_mount:
        notes.append("units (no cgroup v2 mount)")
    if lacks_limited:
        notes.append("limited times of connections (needs Linux 4.10)")
    return tuple(notes)


def kernel_version(release: str) -> tuple[int, int]:
    """(6, 8) for '6.8.0-31-generic'; (0, 0) for another form."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)
