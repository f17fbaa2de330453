"""What a look at a simulated machine shows besides its counts: ports, listeners, who holds what, round-trip times."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random

from tcptide.lingering import of_ages
from tcptide.model import Destination, Holder, Lingering, Listener, Ports
from tcptide.simulation.events import Incident
from tcptide.simulation.profile import DAY_SECONDS, Path, Profile, Upstream

LOCAL = "192.0.2.10"
LEAKED = 4000  # sockets, by the end of the incident
LINGER_SECONDS = 60.0

#: Standard normal deviates with an equal part of a path's connections around each.
_DEVIATES = (-1.65, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.65, 2.33)
_WEIGHTS = (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.08, 0.02)


def ports(profile: Profile, outgoing: Mapping[Upstream, float], time_wait_created: float, time_wait: int) -> Ports:
    """The ports in use; where tcp_tw_reuse is 1 connect() may take over what has been in TIME_WAIT for a second."""
    worst = []
    capacity = profile.capacity
    for upstream, opened in outgoing.items():
        waiting = round(time_wait * opened / time_wait_created) if time_wait_created else 0
        reusable = waiting * 59 // 60 if profile.limits.tcp_tw_reuse == 1 else 0
        waiting = min(waiting, capacity - upstream.pooled + reusable)
        used = upstream.pooled + waiting - reusable
        percent = 100 * used / capacity
        client = profile.owners[1][1]
        worst.append(Destination(LOCAL, upstream.address, upstream.port, used, reusable, percent, client, waiting))
    worst.sort(key=lambda destination: -destination.ports_used)
    taken = min(100.0, 100 * (1 + sum(destination.ports_used for destination in worst)) / profile.size)
    return Ports(profile.size, capacity, 1, tuple(worst), ((LOCAL, taken),))


def listeners(profile: Profile, queues: Mapping[int, int]) -> tuple[Listener, ...]:
    """Each service listens on both families; those who wait came over IPv4."""
    found = [
        Listener(address, one.port, queues[one.port] if address == "0.0.0.0" else 0, one.backlog, 0, one.unit, 0.0)  # noqa: S104
        for one in profile.services
        for address in ("0.0.0.0", "::")  # noqa: S104
    ]
    full = [one._replace(utilisation_percent=100 * one.queue / (one.backlog + 1)) for one in found]
    return tuple(sorted(full, key=lambda listener: -listener.utilisation_percent))


def local_ports(profile: Profile, visiting: int, half_open: int) -> tuple[tuple[int, int], ...]:
    """How many came in where; those that are not open yet at the first service."""
    others = [(one.port, visiting // one.one_in) for one in profile.services if one.one_in]
    return ((profile.services[0].port, visiting - sum(count for _, count in others) + half_open), *others)


def holders(profile: Profile, visiting: int, states: Mapping[str, int]) -> tuple[Holder, ...]:
    """TIME_WAIT and SYN_RECV belong to nobody: the kernel keeps no owner for them."""
    server = {"ESTABLISHED": visiting, "FIN_WAIT2": states["FIN_WAIT2"]}
    client = {"ESTABLISHED": profile.pooled, "CLOSE_WAIT": states["CLOSE_WAIT"]}
    return tuple(
        Holder(kind, names[column], held)
        for column, kind in enumerate(("user", "unit", "process"))
        for names, held in zip(profile.owners, (server, client), strict=True)
    )


def lingering(
    profile: Profile, incidents: Sequence[Incident], left: Sequence[float], wall: float
) -> tuple[Lingering, ...]:
    """Who has had sockets in CLOSE_WAIT for a while: since `left`, and those of a leak came one after the other."""
    ages = [wall - since for since in left]
    for incident in incidents:
        if incident.kind == "leak" and incident.begins_seconds <= wall < incident.ends_seconds:
            each = (incident.ends_seconds - incident.begins_seconds) / LEAKED
            since = wall - incident.begins_seconds
            ages += [since - number * each for number in range(int(since / each))]
    old = sorted((age for age in ages if age >= LINGER_SECONDS), reverse=True)
    return (of_ages("unit", profile.owners[1][1], "CLOSE_WAIT", old),) if old else ()


class Paths:
    """The round-trip times of peers at several distances, whose shares come and go with the hour."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._moods = [0.0] * len(paths)  # congestion, as a logarithm

    def rtt_ms(self, wall: float, connections: int, generator: Random) -> tuple[float, float, float]:
        """The median and the 95th and 99th percentile of so many connections, as uncertain as few of them are."""
        hour = wall % DAY_SECONDS / 3600
        values = []
        for number, path in enumerate(self._paths):
            self._moods[number] = mood = 0.97 * self._moods[number] + generator.gauss(0, 0.02)
            turn = math.cos((hour - path.hour) * math.pi / 12)
            share = path.share * (1 + path.by_day * turn)
            values += [
                (path.rtt_ms * math.exp(mood + path.spread * deviate), share * weight)
                for deviate, weight in zip(_DEVIATES, _WEIGHTS, strict=True)
            ]
        values.sort()
        below = list(accumulate(weight for _, weight in values))
        whole = below[-1]
        unsure = 0.5 / math.sqrt(connections)
        found = []
        for rank in (0.5, 0.95, 0.99):
            at = min(0.999, max(0.001, rank + generator.gauss(0, unsure) * min(1.0, 2 * math.sqrt(rank * (1 - rank)))))
            found.append(round(values[min(bisect_left(below, at * whole), len(values) - 1)][0], 2))
        median, most, nearly_all = sorted(found)
        return median, most, nearly_all
