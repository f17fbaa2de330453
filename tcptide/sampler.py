"""From the kernel to a Sample: one look, with the names that people know put to what it counted."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from tcptide import ports
from tcptide.clock import Clock
from tcptide.errors import SourceError
from tcptide.kernel import addresses, cgroups, netns, processes
from tcptide.kernel.addresses import AF_INET
from tcptide.kernel.messages import STATE_NAMES, Entry
from tcptide.kernel.procfs import ProcFs, hashed_sockets
from tcptide.kernel.sockdiag import SocketFilter, Walk
from tcptide.kernel.tally import Owner
from tcptide.lingering import lingering
from tcptide.model import Holder, Limits, Listener, Origin, Sample
from tcptide.portuse import port_use
from tcptide.seen import TOP, Seen, not_shown

_LISTENERS = 200


def take_sample(
    proc: ProcFs,
    clock: Clock,
    *,
    source: str | None = None,
    want_processes: bool = False,
    tcp_info: bool = False,
    linger_seconds: float = 60.0,
) -> Sample:
    """Look at the network namespace of this process.

    `source` is the name that it is stored under, by default the namespace's own. `want_processes` asks for process
    names too, which takes a walk over all open files; `tcp_info` for the kernel's view of each connection, which takes
    half as long again. Sockets linger that have been in CLOSE_WAIT for `linger_seconds`. Where sock_diag can't be had
    psutil is asked instead, and the sample's origin says so.

    Raises SourceError when neither answers (it says why, of both), ParseError for a file of /proc of an unknown form.
    """
    wall, boottime = clock.wall(), clock.boottime()
    limits, counters = proc.limits(), proc.counters()
    began = time.perf_counter()
    try:
        seen = _through_sock_diag(proc, limits, counters, linger_seconds, tcp_info=tcp_info)
    except SourceError as error:
        from tcptide import fallback

        seen = fallback.through_psutil(limits, str(error))
    seconds = time.perf_counter() - began
    if want_processes:
        try:
            seen = seen._replace(holders=seen.holders + processes.holders(proc))
        except SourceError as error:
            seen = seen._replace(unseen=(*seen.unseen, f"processes ({error})"))
    origin = _origin(proc, seen, source or netns.source_name(proc), wall, boottime, seconds)
    return _sample(origin, limits, counters, seen)


def take_filtered(proc: ProcFs, clock: Clock, chosen: SocketFilter, *, source: str | None = None) -> Sample:
    """Count the sockets that pass a filter: states and holders, the rest is left out.

    Owners are looked at here, the rest of the filter in the kernel. Sockets that have no owner any more (TIME_WAIT,
    SYN_RECV) pass no filter by user or unit. Raises SourceError: there is no fallback for it.
    """
    wall, boottime = clock.wall(), clock.boottime()
    limits = proc.limits()
    began = time.perf_counter()
    walk = Walk()
    tally = walk.filtered(chosen)
    owners, mount = tally.owners(), proc.cgroup2_mount()
    units = _units(mount, owners)
    unseen = not_shown(
        os.uname().release, interrupted=walk.interrupted, lacks_cgroups=tally.lacks_cgroups, lacks_mount=mount is None
    )
    if chosen.units and (tally.lacks_cgroups or mount is None):
        raise SourceError(f"--unit: not seen here: {unseen[-1]}")
    if chosen.users or chosen.units:
        passing: Mapping[Owner, Mapping[str, int]] = {
            owner: counts for owner, counts in owners.items() if _passes(owner, units, chosen)
        }
        states = tally.states(passing.__contains__)
    else:
        passing, states = owners, tally.states()
    seen = Seen("sock_diag", unseen, states, holders=_holders(passing, units))
    seconds = time.perf_counter() - began
    origin = _origin(proc, seen, source or netns.source_name(proc), wall, boottime, seconds)
    return _sample(origin, limits, {}, seen)


def _through_sock_diag(
    proc: ProcFs, limits: Limits, counters: Mapping[str, int], linger_seconds: float, *, tcp_info: bool
) -> Seen:
    ephemeral = ports.ephemeral(limits)
    hard_to_reach = ports.hard_to_reach(limits, ephemeral)
    for _ in range(2):
        walk = Walk()
        census = walk.census(
            limits.port_range,
            ephemeral,
            hard_to_reach,
            ports.take_over_after_ms(limits),
            hashed_sockets(counters),
            linger_seconds=linger_seconds,
            tcp_info=tcp_info,
        )
        if not walk.interrupted:
            break
    tally, listeners, bound_idle = census.tally, census.deciding.listeners, census.deciding.bound_idle
    owners = tally.owners()
    for entry in bound_idle:
        owners[entry.uid, entry.cgroup]["BOUND"] += 1
    mount = proc.cgroup2_mount()
    units = _units(mount, [*owners, *((entry.uid, entry.cgroup) for entry in listeners)])
    states = tally.states()
    for group in (listeners, bound_idle):
        _count_entries(group, states)
    return Seen(
        "sock_diag",
        not_shown(
            os.uname().release,
            bound_idle=bool(bound_idle),
            interrupted=walk.interrupted,
            lacks_cgroups=tally.lacks_cgroups or any(entry.cgroup is None for entry in listeners),
            lacks_mount=mount is None,
            lacks_limited=census.infos.lacks_limited,
        ),
        states,
        port_use(limits, ephemeral, hard_to_reach, census, lambda owner: _owner_name(owner, units)),
        _listeners(listeners, units),
        tally.not_accepted,
        tuple(tally.incoming_ports().most_common(TOP)),
        tuple((addresses.text(*remote), sockets) for remote, sockets in tally.remotes().most_common(TOP)),
        _holders(owners, units),
        lingering(census.infos.ages_ms(), lambda owner: _kind_and_name(owner, units)),
        census.infos.tcp_info() if tcp_info else None,
    )


def _count_entries(group: tuple[Entry, ...], states: dict[str, tuple[int, int]]) -> None:
    for entry in group:
        name = STATE_NAMES[entry.state]
        v4, v6 = states[name]
        is_ipv4 = addresses.unmapped(entry.family, entry.local)[0] == AF_INET
        states[name] = (v4 + 1, v6) if is_ipv4 else (v4, v6 + 1)


def _listeners(entries: tuple[Entry, ...], units: Mapping[int, str]) -> tuple[Listener, ...]:
    listeners = [
        Listener(
            addresses.text(*addresses.unmapped(entry.family, entry.local)),
            entry.local_port,
            entry.queue,
            entry.backlog,
            entry.uid,
            None if entry.cgroup is None else units.get(entry.cgroup),
            100.0 * entry.queue / (entry.backlog + 1),
            _user(entry.uid),
        )
        for entry in entries
    ]
    listeners.sort(key=lambda listener: (-listener.utilisation_percent, -listener.queue, listener.port))
    return tuple(listeners[:_LISTENERS])


def _units(mount: str | None, owners: Iterable[Owner]) -> dict[int, str]:
    ids = {cgroup for _, cgroup in owners if cgroup}
    return cgroups.names(ids, mount) if ids else {}


def _kind_and_name(owner: Owner, units: Mapping[int, str]) -> tuple[str, str | None]:
    """The unit, which says more than the user does, or else the user."""
    uid, cgroup = owner
    unit = units.get(cgroup or 0)
    return ("unit", unit) if unit else ("user", _user(uid))


def _owner_name(owner: Owner, units: Mapping[int, str]) -> str | None:
    return _kind_and_name(owner, units)[1]


@cache  # a directory service may take its time, the more so for a container's user that it doesn't know
def _user(uid: int | None) -> str | None:
    return None if uid is None else processes.user_name(uid)


def _passes(owner: Owner, units: Mapping[int, str], chosen: SocketFilter) -> bool:
    uid, cgroup = owner
    return (not chosen.users or _user(uid) in chosen.users or str(uid) in chosen.users) and (
        not chosen.units or units.get(cgroup or 0) in chosen.units
    )


def _holders(owners: Mapping[Owner, Mapping[str, int]], units: Mapping[int, str]) -> tuple[Holder, ...]:
    by_holder: dict[tuple[str, str], Counter[str]] = {}
    for (uid, cgroup), states in owners.items():
        unit = units.get(cgroup or 0)
        for kind, name in (("user", _user(uid)), ("unit", unit)):
            if name is not None:
                by_holder.setdefault((kind, name), Counter()).update(states)
    ordered = sorted(by_holder.items(), key=lambda item: (item[0][0], -item[1].total(), item[0][1]))
    per_kind: Counter[str] = Counter()
    holders = []
    for (kind, name), states in ordered:
        per_kind[kind] += 1
        if per_kind[kind] <= TOP:
            holders.append(Holder(kind, name, dict(states)))
    return tuple(holders)


def _origin(proc: ProcFs, seen: Seen, source: str, wall: float, boottime: float, seconds: float) -> Origin:
    return Origin(
        source,
        proc.hostname(),
        proc.boot_id(),
        proc.netns_inode(),
        netns.cookie(),
        wall,
        boottime,
        seconds,
        seen.method,
        os.geteuid() == 0,
        seen.unseen,
        False,
    )


def _sample(origin: Origin, limits: Limits, counters: Mapping[str, int], seen: Seen) -> Sample:
    return Sample(
        origin,
        seen.states,
        counters,
        limits,
        seen.ports,
        seen.listeners,
        seen.not_accepted,
        seen.local_ports,
        seen.remotes,
        seen.holders,
        seen.lingering,
        seen.tcp_info,
    )
