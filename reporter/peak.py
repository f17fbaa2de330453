"""What the checks would have said at the worst moment of an incident: its sample, as far as history keeps it."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from tcptide import findings
from tcptide.codec import Top
from tcptide.history_findings import of_leak
from tcptide.model import STATES, Finding, Leak, Origin, Ports, Rates, Sample
from tcptide.model import Limits as HostLimits
from tcptide.words import WORDS

from .columns import COUNTERS
from .frames import History
from .held import Row
from .limits import Limits
from .symptoms import Symptom

NEAR_SECONDS = 450.0  # of the moment, for the lists of who held what

#: kind of symptom -> the topic of tcptide.findings, and the codes of its findings that are about it.
TOPICS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "accept_queue": ("accept_queues", ("accept_queue_full", "accept_queue_filling", "listen_overflows")),
    "syn_flood": ("syn_flood", ("syn_flood",)),
    "ports": ("ports", ("destination_range", "destination_time_wait", "destination_leak")),
    "bind": ("ports", ("bind",)),
    "time_wait": ("time_wait", ("time_wait_limit",)),
    "conntrack": ("conntrack", ("conntrack_limit",)),
    "memory": ("host_limits", ("orphan_limit", "memory_limit", "memory_pressure")),
    "failed_opens": ("errors", ("failed_opens",)),
    "retransmits": ("errors", ("retransmits",)),
}

#: kind of symptom -> the codes of findings that are about it, those of the history included.
CODES: Mapping[str, tuple[str, ...]] = {
    **{kind: codes for kind, (_, codes) in TOPICS.items()},
    "leak": ("leak_close_wait", "leak_established"),
    "growth": ("leak_close_wait", "leak_established", "growth"),
    "flood": ("flood",),
    "outage": ("outage",),
    "level_shift": ("level_shift",),
    "gap": ("sampling_stopped",),
}

_NOWHERE = Origin("", "", "", None, None, 0.0, 0.0, 0.0, "", False, (), False)
_NO_LIMITS = HostLimits((0, 0), (), None, None, None, None, None, None, None, None, None)
#: Where no newest sample can be read.
_NOBODY = Sample(_NOWHERE, {}, {}, _NO_LIMITS, None, (), None, (), (), (), (), None)

_NO_TOP = Top((), (), (), (), (), (), ())


class Peaks:
    """The period's rows, to be judged one by one."""

    def __init__(self, history: History, rows: Sequence[Row], host: Sample | None, limits: Limits) -> None:
        """host: the newest sample, for what history does not keep: limits, and listeners whose queue was empty."""
        self._history, self._host, self._limits = history, host or _NOBODY, limits
        self._rows = sorted(rows, key=lambda row: row.wall_seconds)
        self._walls = [row.wall_seconds for row in self._rows]

    def finding(self, symptom: Symptom) -> Finding | None:
        """What is to be said of a symptom at its worst; None where history keeps too little of it."""
        return self.worst(symptom)[0]

    def worst(self, symptom: Symptom) -> tuple[Finding | None, float]:
        """The same, and the wall clock seconds of what it is made of."""
        recorded = _recorded(symptom)
        wall = symptom.event.wall_seconds if recorded and symptom.event else symptom.peak
        if symptom.kind == "leak":
            return self._leak(symptom, recorded) or (recorded, wall)
        if symptom.kind not in TOPICS:
            return recorded, wall
        topic, codes = TOPICS[symptom.kind]
        sample, rates = self._sample(symptom.peak)
        least = 0 if topic == "accept_queues" else 1  # a queue that is not full is not what overflowed
        found = findings.find(sample, rates, (topic,), severity=lambda *of: max(least, self._limits.severity(*of)))
        own = next((one for one in found if one.code in codes), None)
        return (own, symptom.peak) if own else (recorded, wall)

    def _leak(self, symptom: Symptom, recorded: Finding | None) -> tuple[Finding, float] | None:
        """By what lingered when it was worst: its end is that of the pattern."""
        found = [
            (one.sockets, row.wall_seconds, one)
            for row in self._between(symptom.since, symptom.until + NEAR_SECONDS)
            for one in row.top.lingering
            if recorded is None or one.holder == recorded.subject
        ]
        if not found:
            return None
        sockets, wall, most = max(found, key=lambda each: each[:2])
        per_hour = sockets / max(1.0, wall - symptom.since) * 3600
        kept = Leak(most.holder_kind, most.holder, most.state, sockets, most.oldest_seconds, per_hour, symptom.since)
        return of_leak(kept), wall

    def _between(self, since: float, until: float) -> Sequence[Row]:
        return self._rows[bisect_left(self._walls, since) : bisect_left(self._walls, until)]

    def _top(self, wall: float) -> Top:
        near = self._between(wall - NEAR_SECONDS, wall + NEAR_SECONDS)
        row = min(near, key=lambda row: abs(row.wall_seconds - wall), default=None)
        return row.top if row else _NO_TOP

    def _sample(self, wall: float) -> tuple[Sample, Rates]:
        history, top = self._history, self._top(wall)
        number = int(abs(history.values.index.to_numpy() - wall).argmin())
        highest = {name: None if value != value else value for name, value in history.highest.iloc[number].items()}
        mean = {name: None if value != value else value for name, value in history.values.iloc[number].items()}
        states = {state: (round(highest[state.lower()] or 0), 0) for state in STATES}
        limits = self._host.limits._replace(
            tcp_max_tw_buckets=_whole(highest["time_wait_limit"]),
            nf_conntrack_count=_whole(highest["conntrack"]),
            nf_conntrack_max=_whole(highest["conntrack_limit"]),
            tcp_max_orphans=_whole(highest["orphan_limit"]),
        )
        capacity, barred = _whole(highest["capacity"]), _whole(highest["barred_ports"])
        ports = None
        if capacity is not None:
            ports = Ports(capacity + (barred or 0), capacity, barred or 0, top.destinations, top.bind or None)
        counters = {"sockstat.TCP.orphan": highest["orphans"], "sockstat.TCP.mem": highest["memory_pages"]}
        waiting = {(one.address, one.port) for one in top.listeners}
        idle = (one for one in self._host.listeners if (one.address, one.port) not in waiting)
        sample = self._host._replace(
            states=states,
            counters={name: round(value) for name, value in counters.items() if value is not None},
            limits=limits,
            ports=ports,
            listeners=(*top.listeners, *(one._replace(queue=0, utilisation_percent=0.0) for one in idle)),
            not_accepted=_whole(highest["not_accepted"]),
            local_ports=top.local_ports,
            remotes=top.remotes,
            holders=top.holders,
            lingering=top.lingering,
        )
        seconds = float(history.seconds[number])
        return sample, Rates(seconds, {name: mean[name] for name in COUNTERS}, None)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _recorded(symptom: Symptom) -> Finding | None:
    """What was recorded of it, if it was, by a version whose findings are like this one's."""
    if symptom.event is None or not symptom.event.finding:
        return None
    try:
        found = Finding(**json.loads(symptom.event.finding))
        return found if found.code in CODES.get(symptom.kind, WORDS) and isinstance(found.values, dict) else None
    except (TypeError, ValueError):
        return None
