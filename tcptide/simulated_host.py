"""A simulated machine: samples that a real one could have given.

One web server with a database and a cache behind it. Visitors come by the hour and the weekday (UTC); the rest follows
from them by Little's law: sockets in a state = openings per second x seconds in the state. TIME_WAIT takes 60 s
(TCP_TIMEWAIT_LEN, include/net/tcp.h). All is drawn from one seeded generator: the same arguments give the same samples.
"""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tcptide.model import NOT_CONNECTIONS, Destination, Holder, Limits, Listener, Origin, Ports, Sample, TcpInfo

DAY_SECONDS = 86400
TIME_WAIT_SECONDS = 60

LOCAL = "192.0.2.10"
DATABASE = ("192.0.2.50", 5432)
CACHE = ("192.0.2.51", 6379)
POOLED = {DATABASE: 40, CACHE: 16}  # connections that stay open
LIMITS = Limits(
    port_range=(32768, 60999),
    reserved_ports=(),
    tcp_tw_reuse=2,
    tcp_tw_reuse_delay_ms=1000,
    tcp_timestamps=1,
    tcp_max_tw_buckets=65536,
    tcp_max_orphans=65536,
    tcp_mem_pages=(93531, 124711, 187062),
    somaxconn=4096,
    nf_conntrack_count=None,
    nf_conntrack_max=262144,
)
SIZE = LIMITS.port_range[1] - LIMITS.port_range[0] + 1
CAPACITY = SIZE - 1  # one port of the range is bound explicitly
LISTENERS = {443: (511, "nginx.service"), 80: (511, "nginx.service"), 22: (128, "ssh.service")}  # backlog, unit


class Incident(NamedTuple):
    """Something that goes wrong, and the truth about it."""

    kind: str
    begins_seconds: float  # wall clock
    ends_seconds: float
    subject: str  # who or what it is about


#: kind -> shortest and longest duration in hours, subject
INCIDENTS: Mapping[str, tuple[float, float, str]] = {
    "leak": (12.0, 30.0, "app.service"),  # CLOSE_WAIT grows until the service is restarted
    "flood": (0.25, 1.0, ":443"),  # half-open connections, SYN cookies
    "port-exhaustion": (1.0, 4.0, "192.0.2.50:5432"),  # the pool is bypassed, TIME_WAIT takes the ports
    "accept-queue": (0.2, 0.7, ":443"),  # the server does not accept, connections are dropped
    "gap": (0.5, 5.0, "sampler"),  # nobody samples
}


def place(kinds: Sequence[str], since: float, until: float, seed: int) -> tuple[Incident, ...]:
    """Each kind about once a fortnight, at least once, never two at a time."""
    generator = random.Random(f"incidents {seed}")  # noqa: S311
    order = list(kinds) * max(1, round((until - since) / (14 * DAY_SECONDS)))
    generator.shuffle(order)
    slot = (until - since) / max(1, len(order))
    incidents = []
    for number, kind in enumerate(order):
        shortest, longest, subject = INCIDENTS[kind]
        duration = min(generator.uniform(shortest, longest) * 3600, 0.6 * slot)
        begins = since + number * slot + generator.uniform(0.1 * slot, 0.9 * slot - duration)
        incidents.append(Incident(kind, round(begins), round(begins + duration), subject))
    return tuple(incidents)


def visitors(wall: float) -> float:
    """The rhythm: about 1 in a busy hour of a weekday, a sixth of it at night, half of that at weekends."""
    hour = wall / 3600 % 24
    peaks = ((10.5, 2.6, 0.65), (15.0, 3.0, 0.70), (20.0, 2.0, 0.35))  # hour, width in hours, height
    day = 0.16 + sum(height * math.exp(-(((hour - peak) / width) ** 2)) for peak, width, height in peaks)
    weekday = (int(wall) // DAY_SECONDS + 3) % 7  # 1 January 1970 was a Thursday; Monday is 0
    return day * {5: 0.55, 6: 0.45}.get(weekday, 1.0)


class Flow(NamedTuple):
    """Connections opened, per second."""

    incoming: float
    outgoing: Mapping[tuple[str, int], float]  # by destination

    @property
    def time_wait(self) -> float:
        """TIME_WAIT created per second: this host closes what it opens, and every second visitor."""
        return self.incoming / 2 + sum(self.outgoing.values())


class Host:
    """The simulated machine; `look` moves it on and gives the next sample."""

    def __init__(self, seed: int, booted: float, incidents: Sequence[Incident] = ()) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._booted = booted
        self._incidents = incidents
        self._mood = 0.0  # slow deviation from the rhythm, as a logarithm
        self._counters: Counter[str] = Counter()
        digits = f"{self._random.getrandbits(128):032x}"
        self._boot_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def look(self, wall: float, seconds: float) -> Sample | None:
        """The sample at `wall`, `seconds` after the one before; None while nobody samples."""
        going = {
            incident.kind: (wall - incident.begins_seconds) / (incident.ends_seconds - incident.begins_seconds)
            for incident in self._incidents
            if incident.begins_seconds <= wall < incident.ends_seconds
        }
        flow = self._flow(wall, seconds, going)
        created = self._count(flow, seconds, going)
        if "gap" in going:
            return None
        busy = flow.incoming / 200
        queues = {port: self._drawn(busy) if port == 443 else 0 for port in LISTENERS}
        if "accept-queue" in going:
            queues[443] = LISTENERS[443][0] + 1 - min(3, self._drawn(0.7))
        time_wait = round(created / seconds * TIME_WAIT_SECONDS)
        return self._sample(wall, flow, self._states(flow, time_wait, queues, going), queues)

    def _drawn(self, mean: float) -> int:
        """A Poisson number; from 30 on the normal distribution is near enough."""
        if mean > 30:
            return max(0, round(self._random.gauss(mean, math.sqrt(mean))))
        number, left, floor = 0, self._random.random(), math.exp(-mean)
        while left > floor:
            number, left = number + 1, left * self._random.random()
        return number

    def _flow(self, wall: float, seconds: float, going: Mapping[str, float]) -> Flow:
        self._mood += self._random.gauss(0, 0.15) * math.sqrt(seconds / 1800) - self._mood * seconds / 1800
        busy = visitors(wall) * math.exp(self._mood)
        database = 10 * busy
        if (progress := going.get("port-exhaustion")) is not None:
            surge = min(1.0, 4 * progress, 4 * (1 - progress))
            database += surge * (0.97 * CAPACITY / TIME_WAIT_SECONDS - database)
        return Flow(60 * busy, {DATABASE: database, CACHE: 4 * busy})

    def _count(self, flow: Flow, seconds: float, going: Mapping[str, float]) -> int:
        """Advance the kernel's counters; return how many sockets entered TIME_WAIT."""
        passive = self._drawn(flow.incoming * seconds)
        active = self._drawn(sum(flow.outgoing.values()) * seconds)
        created = self._drawn(flow.time_wait * seconds)
        sent = 14 * passive + 9 * active
        syn_again, reset = self._drawn(0.0008 * passive), self._drawn(0.012 * passive)
        dropped = self._drawn(25 * seconds) if "accept-queue" in going else 0
        cookies = self._drawn(350 * seconds) if "flood" in going else 0
        self._counters.update(
            {
                "Tcp.ActiveOpens": active,
                "Tcp.PassiveOpens": passive,
                "Tcp.AttemptFails": self._drawn(0.004 * active) + cookies // 50,
                "Tcp.EstabResets": reset,
                "Tcp.InSegs": 11 * passive + 8 * active + cookies,
                "Tcp.OutSegs": sent + cookies,
                "Tcp.RetransSegs": self._drawn(0.0012 * sent) + syn_again,
                "Tcp.InErrs": 0,
                "Tcp.OutRsts": reset + self._drawn(0.02 * seconds),
                "TcpExt.TCPSynRetrans": syn_again,
                "TcpExt.TCPOrigDataSent": sent // 2,
                "TcpExt.TW": created,
                "TcpExt.TCPTimeWaitOverflow": 0,
                "TcpExt.ListenOverflows": dropped,
                "TcpExt.ListenDrops": dropped,
                "TcpExt.SyncookiesSent": cookies,
                "TcpExt.TCPReqQFullDrop": 0,
                "TcpExt.TCPAbortOnMemory": 0,
                "TcpExt.TCPMemoryPressures": 0,
                "TcpExt.PruneCalled": 0,
                "TcpExt.TCPRcvQDrop": 0,
                "TcpExt.TCPBacklogDrop": 0,
            }
        )
        return created

    def _states(
        self, flow: Flow, time_wait: int, queues: Mapping[int, int], going: Mapping[str, float]
    ) -> dict[str, int]:
        incoming, outgoing = flow.incoming, sum(flow.outgoing.values())
        return {
            "ESTABLISHED": sum(POOLED.values()) + self._drawn(12 * incoming + 0.02 * outgoing) + sum(queues.values()),
            "SYN_SENT": self._drawn(0.001 * outgoing),
            "SYN_RECV": self._drawn(0.03 * incoming) + (512 - self._drawn(6) if "flood" in going else 0),
            "FIN_WAIT1": self._drawn(0.02 * incoming),
            "FIN_WAIT2": self._drawn(0.2 * incoming),
            "TIME_WAIT": time_wait,
            "CLOSE_WAIT": self._drawn(0.05 * incoming) + round(4000 * going.get("leak", 0.0)),
            "LAST_ACK": self._drawn(0.03 * incoming),
            "LISTEN": 2 * len(LISTENERS),
            "CLOSING": self._drawn(0.0005 * incoming),
            "BOUND": 1,
        }

    def _sample(self, wall: float, flow: Flow, states: Mapping[str, int], queues: Mapping[int, int]) -> Sample:
        seen = wall + self._random.uniform(0.2, 1.2)  # cron starts a little late
        total = sum(count for state, count in states.items() if state not in NOT_CONNECTIONS)
        visiting = states["ESTABLISHED"] - sum(POOLED.values())
        origin = Origin(
            source="host",
            hostname="simulated",
            boot_id=self._boot_id,
            netns_inode=None,
            netns_cookie=1,
            wall_seconds=round(seen, 3),
            boottime_seconds=round(seen - self._booted, 3),
            dump_seconds=round(0.004 + total * 1.2e-6, 6),
            method="sock_diag",
            privileged=True,
            unseen=(),
            simulated=True,
        )
        memory = {"sockstat.TCP.orphan": self._drawn(3), "sockstat.TCP.mem": 40 + total // 12}
        return Sample(
            origin=origin,
            states={state: (count - count // 5, count // 5) for state, count in states.items()},
            counters={**self._counters, **memory},
            limits=LIMITS._replace(nf_conntrack_count=total + 35),
            ports=_ports(flow, states["TIME_WAIT"]),
            listeners=_listeners(queues),
            not_accepted=sum(queues.values()),
            local_ports=((443, visiting - visiting // 20), (80, visiting // 20)),
            remotes=tuple((f"198.51.100.{17 + number}", visiting // (12 + 9 * number)) for number in range(5)),
            holders=_holders(visiting, states),
            lingering=(),
            tcp_info=self._tcp_info(states["ESTABLISHED"]),
        )

    def _tcp_info(self, connections: int) -> TcpInfo:
        def around(typical: float) -> float:
            return round(typical * math.exp(self._random.gauss(0, 0.08)), 2)

        return TcpInfo(connections, (around(24), around(95), around(210)), around(0.4), around(1.5), around(0.3), 40)


def _ports(flow: Flow, time_wait: int) -> Ports:
    worst = []
    for (remote, port), opened in flow.outgoing.items():
        used = POOLED[remote, port] + round(time_wait * opened / flow.time_wait)
        used = min(used, CAPACITY)
        worst.append(Destination(LOCAL, remote, port, used, 0, 100 * used / CAPACITY, "app.service"))
    worst.sort(key=lambda destination: -destination.ports_used)
    taken = min(100.0, 100 * (1 + sum(destination.ports_used for destination in worst)) / SIZE)
    return Ports(SIZE, CAPACITY, 1, tuple(worst), ((LOCAL, taken),))


def _listeners(queues: Mapping[int, int]) -> tuple[Listener, ...]:
    listeners = [
        Listener(address, port, queue if address == "0.0.0.0" else 0, backlog, 0, unit, 0.0)  # noqa: S104
        for port, queue in queues.items()
        for backlog, unit in (LISTENERS[port],)
        for address in ("0.0.0.0", "::")  # noqa: S104
    ]
    full = [one._replace(utilisation_percent=100 * one.queue / (one.backlog + 1)) for one in listeners]
    return tuple(sorted(full, key=lambda listener: -listener.utilisation_percent))


def _holders(visiting: int, states: Mapping[str, int]) -> tuple[Holder, ...]:
    """TIME_WAIT and SYN_RECV belong to nobody: the kernel keeps no owner for them."""
    server = {"ESTABLISHED": visiting, "FIN_WAIT2": states["FIN_WAIT2"]}
    client = {"ESTABLISHED": sum(POOLED.values()), "CLOSE_WAIT": states["CLOSE_WAIT"]}
    owners = (("www-data", "nginx.service", "nginx"), ("app", "app.service", "python3"))
    return tuple(
        Holder(kind, names[column], held)
        for column, kind in enumerate(("user", "unit", "process"))
        for names, held in zip(owners, (server, client), strict=True)
    )
