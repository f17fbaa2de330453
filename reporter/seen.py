"""What went over its limit in the period, whether or not it still does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo

import pandas as pd

from tcptide import levels

from . import words
from .figures import destination, listening, measured, share
from .frames import History
from .limits import Limits
from .load import Loaded

#: What the kernel counts only when something goes wrong: severity, series, what it means, what was counted.
TROUBLES = (
    (2, "listen_overflows", "Accept queues overflowed", "connections dropped"),
    (2, "abort_on_memory", "Too many orphans or no memory", "connections aborted"),
    (1, "time_wait_overflows", "TIME_WAIT hit its limit", "sockets cut short"),
    (1, "syncookies_sent", "A SYN queue was full", "SYN cookies sent"),
    (1, "req_queue_full_drops", "A SYN queue was full", "SYNs dropped"),
    (1, "memory_pressures", "TCP came under memory pressure", "times"),
)


@dataclass(frozen=True)
class Seen:
    """One thing that was the case, and when."""

    severity: int  # 1 warning, 2 critical
    what: str
    evidence: str
    code: str  # the metric that was over its limit, or the series that was counted
    values: Mapping[str, float]


def seen(history: History, loaded: Loaded, zone: tzinfo, limits: Limits) -> list[Seen]:
    """All of it, the worst first."""
    every = [*_over_levels(history, loaded, zone, limits), *_troubles(history, zone)]
    return sorted(every, key=lambda one: -one.severity)


def _over_levels(history: History, loaded: Loaded, zone: tzinfo, limits: Limits) -> Iterator[Seen]:
    """Percentages over the limits, where as much happened as a check asks for."""
    values, highest = history.values, history.highest
    waiting = highest["not_accepted"] >= levels.MINIMUM_WAITING
    opens = values["active_opens"] + values["passive_opens"]
    many = opens * history.spacing_seconds >= levels.MINIMUM_OPENS
    broken_off = values["embryonic_resets"].fillna(0)  # by the other side, as load balancers check a service
    failed = share((values["attempt_fails"] - broken_off).clip(lower=0), opens).where(many)
    sent = values["out_segs"] * history.spacing_seconds
    again = share(values["retrans_segs"], values["out_segs"]).where(sent >= levels.MINIMUM_SEGMENTS)
    time_wait, conntrack = (share(highest[name], values[f"{name}_limit"]) for name in ("time_wait", "conntrack"))
    to, at = destination(loaded.fullest_destination), listening(loaded.fullest_listener)
    for check, metric, percentages, what, who in (
        ("tcp_port_exhaustion", "worst_destination", highest["worst_destination"], "Few ports were left", to),
        ("tcp_port_exhaustion", "worst_bind", highest["worst_bind"], "Few ports were left for bind()", ""),
        ("tcp_time_wait", "bucket_usage", time_wait, "TIME_WAIT came near its limit", ""),
        ("tcp_listen_queue", "worst_listener", highest["worst_listener"].where(waiting), "An accept queue filled:", at),
        ("tcp_errors", "failed_open_percent", failed, "Opens failed", ""),
        ("tcp_errors", "retransmit_percent", again, "Segments were sent again", ""),
        ("tcp_connections", "conntrack_usage", conntrack, "The conntrack table filled", ""),
    ):
        most = measured(history, percentages, percentages).highest
        severity = limits.severity(check, metric, most)
        limit = limits.of(check, metric)[severity - 1]
        if severity and limit is not None:
            when = _when(percentages > limit, history, zone)
            name = f"{what} {who}".rstrip(" :")
            told = f"at most {words.percent(most)}, above {limit:g}% {when}"
            heights = {"highest_percent": most or 0.0, "limit_percent": limit}
            yield Seen(severity, name, told, metric, {**heights, **_span(percentages > limit, history)})


def _troubles(history: History, zone: tzinfo) -> Iterator[Seen]:
    for severity, name, what, unit in TROUBLES:
        if counted := history.increase[name]:
            where = history.highest[name] > 0
            told = f"{words.count(counted)} {unit}, {_when(where, history, zone)}"
            yield Seen(severity, what, told, name, {"counted": counted, **_span(where, history)})


def _span(where: pd.Series, history: History) -> dict[str, float]:
    rows = where.to_numpy()
    if not rows.any():
        return {}
    since, until = float(history.begins[rows][0]), float(history.ends[rows][-1])
    return {"seconds": float(history.seconds[rows].sum()), "since_epoch": since, "until_epoch": until}


def _when(where: pd.Series, history: History, zone: tzinfo) -> str:
    """`for 42 min, from Tue 18 Nov 14:03 to 15:10`."""
    rows = where.to_numpy()
    if not rows.any():
        return "while no samples were taken"
    since, until = history.begins[rows][0], history.ends[rows][-1]
    if since == until:
        return f"at {words.stamp(since, zone)}"
    return f"for {words.duration(history.seconds[rows].sum())}, from {words.stretch(since, until, zone)}"
