"""What needs psutil: process names, and all sockets where sock_diag cannot be had. psutil is loaded when asked.

psutil reads /proc/net/tcp and tcp6 and, for the process ids, every /proc/PID/fd that it may: that is slower than
sock_diag by a factor of ten (12 us a socket) and shows neither backlogs nor cgroups nor bound-idle sockets.
"""

import pwd

from tcptide.errors import SourceError
from tcptide.kernel.procfs import ProcFs, hashed_sockets, printable
from tcptide.model import Holder
from tcptide.record import NamedTuple

_MAPPED = "::ffff:"


class Row(NamedTuple):
    """One socket of /proc/net/tcp or tcp6. An IPv4-mapped IPv6 address is given as IPv4."""

    state: str  # as in model.STATES
    family: int  # 4 or 6
    local: str
    local_port: int
    remote: str | None  # None for LISTEN
    remote_port: int | None
    pid: int | None  # None: nobody's (TIME_WAIT, orphans) or another user's


def tcp_sockets() -> list[Row]:
    """All TCP sockets of this network namespace, as far as /proc/net/tcp shows them.

    Raises SourceError when psutil or /proc/net/tcp cannot be had. Listeners that share address and port
    (SO_REUSEPORT) are one row when their processes cannot be seen.
    """
    try:
        import psutil
    except ImportError as error:
        raise SourceError(f"psutil: {error}") from error
    try:
        connections = psutil.net_connections(kind="tcp")
    except OSError as error:
        raise SourceError(f"{error.filename or '/proc/net/tcp'}: {error.strerror}") from error
    except (psutil.Error, RuntimeError, ValueError, KeyError) as error:  # RuntimeError: a line it cannot parse
        raise SourceError(f"/proc/net/tcp: {type(error).__name__}: {error}") from error
    rows = []
    for connection in connections:
        # CLOSE: caught between its last state and its removal, so neither a connection nor bound.
        if connection.status == psutil.CONN_CLOSE or not connection.laddr:
            continue
        local, local_port = connection.laddr
        remote, remote_port = connection.raddr or (None, None)
        if local.startswith(_MAPPED):
            local, remote = local.removeprefix(_MAPPED), remote and remote.removeprefix(_MAPPED)
        family = 6 if ":" in local else 4
        rows.append(Row(connection.status, family, local, local_port, remote, remote_port, connection.pid))
    return rows


def holders(proc: ProcFs, max_sockets: int = 20_000) -> tuple[Holder, ...]:
    """The sockets that processes hold, listening ones left out, by process name and state, most sockets first.

    Left out too are processes that ended meanwhile and those whose descriptors this user may not see. Raises
    SourceError like tcp_sockets(), and when there are more than `max_sockets` sockets (20,000 take about 0.3 s).
    """
    sockets = hashed_sockets(proc.counters())
    if sockets > max_sockets:
        raise SourceError(f"no process names: {sockets} sockets, looked up to {max_sockets}")
    names: dict[int, str | None] = {}
    states: dict[str, dict[str, int]] = {}
    for row in tcp_sockets():
        if row.pid is None or row.state == "LISTEN":
            continue
        if row.pid not in names:
            names[row.pid] = _process_name(row.pid)
        name = names[row.pid]
        if name is not None:
            counts = states.setdefault(name, {})
            counts[row.state] = counts.get(row.state, 0) + 1
    ordered = sorted(states.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return tuple(Holder("process", name, counts) for name, counts in ordered)


def user_name(uid: int) -> str:
    """The user's login name, or 'uid 1234' when the system knows none."""
    try:
        return printable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"uid {uid}"


def _process_name(pid: int) -> str | None:
    import psutil

    try:
        return printable(psutil.Process(pid).name())
    except psutil.Error:
        return None
