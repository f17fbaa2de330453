"""The same questions put to psutil, where sock_diag can't be had: slower, and less is seen; the sample says what."""

from collections import Counter

from tcptide import ports
from tcptide.errors import SourceError
from tcptide.kernel import processes
from tcptide.model import NOT_CONNECTIONS, STATES, Destination, Limits, Ports
from tcptide.seen import TOP, Seen

Key = tuple[str, str, int]


def through_psutil(limits: Limits, why: str) -> Seen:
    """Count what psutil shows. `why` is what sock_diag answered. Raises SourceError when psutil can't look either."""
    try:
        rows = processes.tcp_sockets()
    except SourceError as error:
        raise SourceError(f"{why}; {error}") from error
    states = {state: [0, 0] for state in STATES if state != "BOUND"}
    ephemeral = ports.ephemeral(limits)
    listening = {row.local_port for row in rows if row.state == "LISTEN"}
    hard_to_reach = ports.hard_to_reach(limits, ephemeral)
    lowest = None if hard_to_reach in listening else hard_to_reach
    used: Counter[Key] = Counter()
    time_wait: Counter[Key] = Counter()
    used_lowest: set[Key] = set()
    incoming: Counter[int] = Counter()
    remotes: Counter[str] = Counter()
    for row in rows:
        states[row.state][row.family == 6] += 1
        if row.state in NOT_CONNECTIONS or row.remote is None or row.remote_port is None:
            continue
        if row.local_port in listening:
            incoming[row.local_port] += 1
            remotes[row.remote] += 1
        elif ephemeral[row.local_port]:
            used[row.local, row.remote, row.remote_port] += 1
            time_wait[row.local, row.remote, row.remote_port] += row.state == "TIME_WAIT"
            if row.local_port == lowest:
                used_lowest.add((row.local, row.remote, row.remote_port))
    size = ephemeral.count(1)
    barred = sum(ephemeral[port] for port in listening)
    capacity = size - barred - (lowest is not None)
    taken = ports.Taken(used, time_wait, {}, used_lowest, ())
    fullest = ports.by_destination(limits, capacity, taken, lambda key: False, TOP)
    return Seen(
        "psutil",
        (
            why,
            "accept queues",
            "users and units",
            "bound ports that do not listen",
            "TIME_WAIT that connect() may take over",
            "tcp_info and how long sockets stay in CLOSE_WAIT",
        ),
        {state: (v4, v6) for state, (v4, v6) in states.items()},
        Ports(
            size,
            capacity,
            barred,
            tuple(Destination(*use.key, *use[1:4], None, use.time_wait) for use in fullest),
            None,
        ),
        local_ports=tuple(incoming.most_common(TOP)),
        remotes=tuple(remotes.most_common(TOP)),
    )
