"""From the kernel to a Sample: one look, with the names that people know put to what it counted."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from tcptide import ports
from tcptide.clock import Clock
from tcptide.errors import SourceError
from tcptide.kernel import addresses, cgroups, netns, processes
from tcptide.kernel.addresses import AF_INET, AF_INET6, Address
from tcptide.kernel.messages import STATE_NAMES, Entry
from tcptide.kernel.procfs import ProcFs
from tcptide.kernel.sockdiag import Census, Listening, SocketFilter, Walk
from tcptide.kernel.tally import Owner
from tcptide.model import Destination, Holder, Limits, Listener, Origin, Ports, Sample

#: How long a sample's lists get: what a person reads, not what a host has.
TOP = 20
_LISTENERS = 200


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


def take_sample(proc: ProcFs, clock: Clock, *, source: str | None = None, want_processes: bool = False) -> Sample:
    """Look at the network namespace of this process.

    `source` is the name that it is stored under, by default the namespace's own. `want_processes` asks for process
    names too, which takes a walk over all open files. Where sock_diag can't be had psutil is asked instead, and the
    sample's origin says so.

    Raises SourceError when neither answers (it says why, of both), ParseError for a file of /proc of an unknown form.
    """
    wall, boottime = clock.wall(), clock.boottime()
    limits, counters = proc.limits(), proc.counters()
    began = time.perf_counter()
    try:
        seen = _through_sock_diag(proc, limits, counters)
    except SourceError as error:
        from tcptide import fallback

        seen = fallback.through_psutil(limits, str(error))
    seconds = time.perf_counter() - began
    if want_processes:
        try:
            seen = seen._replace(holders=seen.holders + processes.holders())
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
    owners = tally.owners()
    units = _units(proc, owners)
    if chosen.users or chosen.units:
        passing: Mapping[Owner, Mapping[str, int]] = {
            owner: counts for owner, counts in owners.items() if _passes(owner, units, chosen)
        }
        states = tally.states(passing.__contains__)
    else:
        passing, states = owners, tally.states()
    unseen = not_shown(os.uname().release, interrupted=walk.interrupted, lacks_cgroups=tally.lacks_cgroups)
    seen = Seen("sock_diag", unseen, states, holders=_holders(passing, units))
    seconds = time.perf_counter() - began
    origin = _origin(proc, seen, source or netns.source_name(proc), wall, boottime, seconds)
    return _sample(origin, limits, {}, seen)


def _through_sock_diag(proc: ProcFs, limits: Limits, counters: Mapping[str, int]) -> Seen:
    ephemeral = ports.ephemeral(limits)
    hard_to_reach = ports.hard_to_reach(limits, ephemeral)
    expected = sum(counters.get(key, 0) for key in ("sockstat.TCP.inuse", "sockstat.TCP.tw", "sockstat6.TCP6.inuse"))
    for _ in range(2):
        walk = Walk()
        census = walk.census(limits.port_range, ephemeral, hard_to_reach, ports.take_over_after_ms(limits), expected)
        if not walk.interrupted:
            break
    tally, listeners, bound_idle = census.tally, census.deciding.listeners, census.deciding.bound_idle
    owners = tally.owners()
    for entry in bound_idle:
        owners[entry.uid, entry.cgroup]["BOUND"] += 1
    units = _units(proc, [*owners, *((entry.uid, entry.cgroup) for entry in listeners)])
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
        ),
        states,
        _ports(limits, ephemeral, hard_to_reach, census, units),
        _listeners(listeners, units),
        tally.not_accepted,
        tuple(tally.incoming_ports().most_common(TOP)),
        tuple((addresses.text(*remote), sockets) for remote, sockets in tally.remotes().most_common(TOP)),
        _holders(owners, units),
    )


def _count_entries(group: tuple[Entry, ...], states: dict[str, tuple[int, int]]) -> None:
    for entry in group:
        name = STATE_NAMES[entry.state]
        v4, v6 = states[name]
        is_ipv4 = addresses.unmapped(entry.family, entry.local)[0] == AF_INET
        states[name] = (v4 + 1, v6) if is_ipv4 else (v4, v6 + 1)


def _ports(
    limits: Limits, ephemeral: bytes, hard_to_reach: int | None, census: Census, units: Mapping[int, str]
) -> Ports:
    taken = ports.Taken(*census.tally.taken())
    fullest = ports.by_destination(limits, census.capacity, taken, addresses.touches_loopback, TOP)
    owners = census.tally.main_owners({use.key for use in fullest})
    return Ports(
        ephemeral.count(1),
        census.capacity,
        len(census.barred),
        tuple(
            Destination(*addresses.split(use.key), *use[1:], _owner_name(owners.get(use.key), units)) for use in fullest
        ),
        _bind(census, ephemeral, hard_to_reach),
    )


def _bind(census: Census, ephemeral: bytes, hard_to_reach: int | None) -> tuple[tuple[str, float], ...]:
    """The local addresses whose ports are nearest to used up for bind((address, 0))."""
    if 1 not in ephemeral:
        return (("0.0.0.0", 100.0),)  # noqa: S104 - all ports are reserved, whatever the address
    everywhere, by_address = _bound(census.deciding, ephemeral)
    for address, held in census.tally.bind_ports().items():
        by_address.setdefault(address, set()).update(held)
    for family, held in everywhere.items():
        if held and not any(address[0] == family for address in by_address):
            by_address[family, bytes(16)] = set()
    percents = [
        (ports.bind_percent(held | everywhere[family], ephemeral, hard_to_reach), (family, address))
        for (family, address), held in by_address.items()
        if held or everywhere[family]
    ]
    return tuple((addresses.text(*address), percent) for percent, address in sorted(percents, reverse=True)[:TOP])


def _bound(deciding: Listening, ephemeral: bytes) -> tuple[dict[int, set[int]], dict[Address, set[int]]]:
    """Ports of the range that listen() and bind() hold: on every address of a family, and by address.

    An IPv6 wildcard socket holds its port for IPv4 as well unless it is IPV6_V6ONLY (ipv6_rcv_saddr_equal() of
    net/ipv4/inet_connection_sock.c).
    """
    everywhere: dict[int, set[int]] = {AF_INET: set(), AF_INET6: set()}
    by_address: dict[Address, set[int]] = {}
    for entry in (entry for group in deciding for entry in group if ephemeral[entry.local_port]):
        if addresses.is_wildcard(entry.local):
            everywhere[entry.family].add(entry.local_port)
            if entry.family == AF_INET6 and not entry.v6only:
                everywhere[AF_INET].add(entry.local_port)
        else:
            by_address.setdefault(addresses.unmapped(entry.family, entry.local), set()).add(entry.local_port)
    return everywhere, by_address


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


def _units(proc: ProcFs, owners: Iterable[Owner]) -> dict[int, str]:
    ids = {cgroup for _, cgroup in owners if cgroup}
    return cgroups.names(ids, proc.cgroup2_mount()) if ids else {}


def _owner_name(owner: Owner | None, units: Mapping[int, str]) -> str | None:
    """The unit, which says more than the user does, or else the user."""
    if owner is None:
        return None
    uid, cgroup = owner
    return units.get(cgroup or 0) or _user(uid)


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


def not_shown(
    release: str, *, bound_idle: bool = False, interrupted: bool = False, lacks_cgroups: bool = False
) -> tuple[str, ...]:
    """What this kernel or the moment did not show. `release` is the kernel's, as `uname -r` prints it."""
    notes = []
    if interrupted:
        notes.append("a table at rest: it changed while it was read (NLM_F_DUMP_INTR)")
    if not bound_idle and kernel_version(release) < (6, 8):
        notes.append("bound-idle sockets (needs Linux 6.8)")
    if lacks_cgroups:
        notes.append("units (needs Linux 5.9 with CONFIG_SOCK_CGROUP_DATA)")
    return tuple(notes)


def kernel_version(release: str) -> tuple[int, int]:
    """(6, 8) for '6.8.0-31-generic'; (0, 0) for another form."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


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
        (),
        None,
    )
