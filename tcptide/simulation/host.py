"""A simulated machine: samples that a real one could have given.

Visitors come by the hour and the weekday (UTC), and with the machine's moods; the rest follows from them by Little's
law: sockets in a state = openings per second x seconds in the state. TIME_WAIT takes 60 s (TCP_TIMEWAIT_LEN,
include/net/tcp.h). All is drawn from one seeded generator: the same arguments give the same samples. What kind of
machine it is a Profile says; the ordinary one is a web server with a database and a cache behind it.
"""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from tcptide.model import NOT_CONNECTIONS, Origin, Sample, TcpInfo
from tcptide.record import NamedTuple
from tcptide.simulation import looks
from tcptide.simulation.events import INCIDENTS, Incident, Ordinary, ordinary, place
from tcptide.simulation.looks import LEAKED
from tcptide.simulation.profile import DAY_SECONDS, DEFAULT, Profile, Upstream

__all__ = ["DAY_SECONDS", "INCIDENTS", "Host", "Incident", "place"]

TIME_WAIT_SECONDS = 60


class Flow(NamedTuple):
    """Connections opened, per second."""

    incoming: float
    outgoing: Mapping[Upstream, float]
    closes: float

    @property
    def time_wait(self) -> float:
        """TIME_WAIT created per second: this host closes what it opens, and a part of what its visitors do."""
        return self.incoming * self.closes + sum(self.outgoing.values())


class Host:
    """The simulated machine; `look` moves it on and gives the next sample."""

    def __init__(
        self, seed: int, booted: float, incidents: Sequence[Incident] = (), profile: Profile = DEFAULT
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._seed = seed
        self._booted = booted
        self._incidents = incidents
        self._profile = profile
        self._mood = 0.0  # slow deviation from the rhythm, as a logarithm
        self._counters: Counter[str] = Counter()
        self._boot_id = self._new_boot_id()
        self._day = -1
        self._ordinary: tuple[Ordinary, ...] = ()  # of that day
        self._lasting = 0
        self._left: list[float] = []  # when each connection that dawdles got into CLOSE_WAIT, oldest first
        self._paths = looks.Paths(profile.paths)

    def look(self, wall: float, seconds: float) -> Sample | None:
        """The sample at `wall`, `seconds` after the one before; None while nobody samples."""
        going = {
            incident.kind: (wall - incident.begins_seconds) / (incident.ends_seconds - incident.begins_seconds)
            for incident in self._incidents
            if incident.begins_seconds <= wall < incident.ends_seconds
        }
        passing = self._passing(wall, seconds)
        if "reboot" in passing:
            self._boot(wall)
            return None
        flow = self._flow(wall, seconds, going, passing)
        created = self._count(flow, seconds, going, passing)
        if "gap" in going or any(one.kind == "pause" and one.covers(wall) for one in self._ordinary):
            return None
        busy = flow.incoming / 200
        first = self._profile.services[0]
        queues = {one.port: self._drawn(busy) if one == first else 0 for one in self._profile.services}
        if "accept-queue" in going:
            queues[first.port] = first.backlog + 1 - min(3, self._drawn(0.7))
        time_wait = round(created / seconds * TIME_WAIT_SECONDS)
        states = self._states(wall, flow, time_wait, queues, going, passing)
        return self._sample(wall, flow, states, queues)

    def _passing(self, wall: float, seconds: float) -> Mapping[str, float]:
        """What is ordinary and goes on: kind -> the part of the time since the last look."""
        day = int(wall // DAY_SECONDS)
        if day != self._day:
            self._day, self._ordinary = day, ordinary(self._profile, self._seed, day)
        shares = ((one.kind, one.share(wall, seconds)) for one in self._ordinary)
        return {kind: share for kind, share in shares if share}

    def _new_boot_id(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _boot(self, wall: float) -> None:
        self._boot_id, self._booted = self._new_boot_id(), wall
        self._counters.clear()
        self._lasting, self._left = 0, []

    def _drawn(self, mean: float) -> int:
        """A Poisson number; from 30 on the normal distribution is near enough."""
        if mean > 30:
            return max(0, round(self._random.gauss(mean, math.sqrt(mean))))
        number, left, floor = 0, self._random.random(), math.exp(-mean)
        while left > floor:
            number, left = number + 1, left * self._random.random()
        return number

    def _luck(self, connections: int) -> float:
        """Times the usual share goes wrong: as it is with few peers, mostly less, now and then much more."""
        if not self._profile.uneven:
            return 1.0
        peers = max(0.1, connections / self._profile.uneven)
        return self._random.gammavariate(peers, 1 / peers)

    def _flow(self, wall: float, seconds: float, going: Mapping[str, float], passing: Mapping[str, float]) -> Flow:
        profile = self._profile
        drawn, span = self._random.gauss(0, profile.mood), profile.mood_seconds
        self._mood += drawn * math.sqrt(seconds / span) - self._mood * seconds / span
        busy = profile.rhythm.busy(wall) * math.exp(self._mood)
        if profile.jitter:
            busy *= math.exp(self._random.gauss(0, profile.jitter))
        outgoing = {upstream: upstream.opened_per_second * busy for upstream in profile.upstreams}
        first = profile.upstreams[0]
        if (progress := going.get("port-exhaustion")) is not None:
            surge = min(1.0, 4 * progress, 4 * (1 - progress))
            outgoing[first] += surge * (0.97 * profile.capacity / TIME_WAIT_SECONDS - outgoing[first])
        incoming = profile.visitors_per_second * busy * (1 - passing.get("restart", 0.0))
        for burst in profile.bursts:
            if share := burst.share(wall, seconds):
                incoming += share * burst.incoming_per_second
                outgoing[first] += share * burst.outgoing_per_second
        return Flow(incoming, outgoing, profile.closes)

    def _count(self, flow: Flow, seconds: float, going: Mapping[str, float], passing: Mapping[str, float]) -> int:
        """Advance the kernel's counters; return how many sockets entered TIME_WAIT."""
        profile = self._profile
        passive = self._drawn(flow.incoming * seconds)
        active = self._drawn(sum(flow.outgoing.values()) * seconds)
        closed = self._drawn(flow.time_wait * seconds)
        created = min(closed, int((profile.limits.tcp_max_tw_buckets or closed) * seconds / TIME_WAIT_SECONDS))
        sent = 14 * passive + 9 * active
        syn_again, reset = self._drawn(0.0008 * passive), self._drawn(profile.resets * passive)
        dropped = self._drawn(25 * seconds) if "accept-queue" in going else 0
        cookies = self._drawn(350 * seconds) if "flood" in going else 0
        failed = self._drawn(profile.failing * active * self._luck(active)) + cookies // 50
        broken_off = self._drawn(profile.half_open_per_second * seconds) if profile.half_open_per_second else 0
        if "peer" in passing:
            failed += self._drawn(passing["peer"] * active / len(profile.upstreams))
        lost = profile.lost * self._luck(active + passive)
        self._counters.update(
            {
                "Tcp.ActiveOpens": active,
                "Tcp.PassiveOpens": passive,
                "Tcp.AttemptFails": failed + broken_off,
                "Tcp.EstabResets": reset,
                "Tcp.InSegs": 11 * passive + 8 * active + cookies,
                "Tcp.OutSegs": sent + cookies,
                "Tcp.RetransSegs": self._drawn(lost * sent) + syn_again,
                "Tcp.InErrs": 0,
                "Tcp.OutRsts": reset + self._drawn(0.02 * seconds),
                "TcpExt.EmbryonicRsts": broken_off,
                "TcpExt.TCPSynRetrans": syn_again,
                "TcpExt.TCPOrigDataSent": sent // 2,
                "TcpExt.TW": created,
                "TcpExt.TCPTimeWaitOverflow": closed - created,
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
        self,
        wall: float,
        flow: Flow,
        time_wait: int,
        queues: Mapping[int, int],
        going: Mapping[str, float],
        passing: Mapping[str, float],
    ) -> dict[str, int]:
        profile = self._profile
        incoming, outgoing = flow.incoming, sum(flow.outgoing.values())
        visiting = self._drawn(profile.stay_seconds * incoming + 0.02 * outgoing)
        established = profile.pooled + visiting + sum(queues.values()) + self._stayed(flow, passing)
        return {
            "ESTABLISHED": established,
            "SYN_SENT": self._drawn(0.001 * outgoing),
            "SYN_RECV": self._drawn(0.03 * incoming) + (profile.services[0].backlog if "flood" in going else 0),
            "FIN_WAIT1": self._drawn(0.02 * incoming),
            "FIN_WAIT2": self._drawn(0.2 * incoming),
            "TIME_WAIT": time_wait,
            "CLOSE_WAIT": self._drawn(0.05 * incoming)
            + round(LEAKED * going.get("leak", 0.0))
            + self._dawdling(wall, flow),
            "LAST_ACK": self._drawn(0.03 * incoming),
            "LISTEN": 2 * len(profile.services),
            "CLOSING": self._drawn(0.0005 * incoming),
            "BOUND": 1,
        }

    def _stayed(self, flow: Flow, passing: Mapping[str, float]) -> int:
        """Connections of clients that stay: some end and others begin; a restart ends all, and they come back."""
        profile = self._profile
        if not profile.lasting:
            return 0
        busy = flow.incoming / profile.visitors_per_second
        ending = 1 - math.exp(-60 / profile.lasting_seconds)
        missing = max(0.0, profile.lasting * busy * ending)
        if "restart" in passing:
            self._lasting = self._drawn(0.1 * self._lasting)
        elif self._lasting < profile.lasting * busy / 2:  # clients connect again at once
            missing = 0.6 * (profile.lasting * busy - self._lasting)
        self._lasting += self._drawn(missing) - self._drawn(min(1.0, ending) * self._lasting)
        self._lasting = max(0, self._lasting)
        return self._lasting

    def _dawdling(self, wall: float, flow: Flow) -> int:
        """What a client's pool has left in CLOSE_WAIT: the less it is used the more, the newest are used first.

        It closes the others when they have been idle for too long, and the servers close more of those that are left.
        """
        profile = self._profile
        if not profile.dawdling:
            return 0
        used = min(1.0, flow.incoming / profile.visitors_per_second)
        left = round(profile.dawdling * (1 - used))
        self._left = [since for since in self._left if wall - since < profile.evicted_seconds][:left]
        self._left += [wall - self._random.uniform(0, 60) for _ in range(left - len(self._left))]
        return len(self._left)

    def _sample(self, wall: float, flow: Flow, states: Mapping[str, int], queues: Mapping[int, int]) -> Sample:
        profile = self._profile
        seen = wall + self._random.uniform(0.2, 1.2)  # cron starts a little late
        total = sum(count for state, count in states.items() if state not in NOT_CONNECTIONS)
        visiting = states["ESTABLISHED"] - profile.pooled
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
            limits=profile.limits._replace(nf_conntrack_count=total + 35),
            ports=looks.ports(profile, flow.outgoing, flow.time_wait, states["TIME_WAIT"]),
            listeners=looks.listeners(profile, queues),
            not_accepted=sum(queues.values()),
            local_ports=looks.local_ports(profile, visiting, states["SYN_RECV"]),
            remotes=tuple((f"198.51.100.{17 + number}", visiting // (12 + 9 * number)) for number in range(5)),
            holders=looks.holders(profile, visiting, states),
            lingering=looks.lingering(profile, self._incidents, self._left, wall),
            tcp_info=self._tcp_info(wall, states["ESTABLISHED"]),
        )

    def _tcp_info(self, wall: float, connections: int) -> TcpInfo:
        def around(typical: float) -> float:
            return round(typical * math.exp(self._random.gauss(0, 0.08)), 2)

        if not self._profile.paths:
            return TcpInfo(
                connections, (around(24), around(95), around(210)), around(0.4), around(1.5), around(0.3), 40
            )
        if not connections:
            return TcpInfo(0, None, None, None, None, 0)
        rtt_ms = self._paths.rtt_ms(wall, connections, self._random)
        retransmitting = min(connections, self._drawn(2 * self._profile.lost * connections))
        return TcpInfo(
            connections, rtt_ms, 100 * retransmitting / connections, around(1.5), around(0.3), connections // 10
        )
