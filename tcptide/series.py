"""The one table of stored numbers: store, history, report, exports and JSON iterate it.

A name keeps its meaning and unit for ever; it is the column's name, the metric's name and the JSON key.
Gauges are the value at the look. Counters are the kernel's since boot (or since the namespace began); what is
shown of them is their per-second rate. Kernel names: net/ipv4/proc.c (snmp, netstat) and
Documentation/networking/snmp_counter.rst.
"""

from collections.abc import Callable

from tcptide.model import NOT_CONNECTIONS, STATES, Point, Sample
from tcptide.record import NamedTuple


class Series(NamedTuple):
    """One stored number."""

    name: str
    kind: str  # 'gauge' or 'counter'
    unit: str  # '' for a plain count, else 'percent', 'ms', 'pages', 'ports', 'seconds'
    help: str
    get: Callable[[Sample], float | None]


def total_connections(sample: Sample) -> int:
    """All sockets but those without a remote end (LISTEN, bound-idle)."""
    return sum(v4 + v6 for state, (v4, v6) in sample.states.items() if state not in NOT_CONNECTIONS)


def _state(state: str) -> Series:
    def get(sample: Sample) -> float | None:
        pair = sample.states.get(state)
        return None if pair is None else pair[0] + pair[1]

    what = "bound to a port, neither connected nor listening" if state == "BOUND" else f"in {state}"
    return Series(state.lower(), "gauge", "", f"sockets {what}", get)


def _counter(name: str, key: str, help: str) -> Series:
    return Series(name, "counter", "", f"{help} ({key})", lambda sample: sample.counters.get(key))


def _kernel_gauge(name: str, key: str, unit: str, help: str) -> Series:
    return Series(name, "gauge", unit, f"{help} ({key})", lambda sample: sample.counters.get(key))


def _limit(name: str, field: str, unit: str, help: str) -> Series:
    def get(sample: Sample) -> float | None:
        value: float | None = getattr(sample.limits, field)
        return value

    return Series(name, "gauge", unit, help, get)


def _total_ipv6(sample: Sample) -> float:
    return sum(v6 for state, (_, v6) in sample.states.items() if state not in NOT_CONNECTIONS)


def _worst_destination(sample: Sample) -> float | None:
    return sample.ports.worst_percent if sample.ports else None


def _worst_destination_ports(sample: Sample) -> float | None:
    if sample.ports is None:
        return None
    return sample.ports.worst[0].ports_used if sample.ports.worst else 0


def _worst_bind(sample: Sample) -> float | None:
    if sample.ports is None or sample.ports.bind is None:
        return None
    return sample.ports.bind[0][1] if sample.ports.bind else 0.0


def _worst_listener(sample: Sample) -> float:
    return max((listener.utilisation_percent for listener in sample.listeners), default=0.0)


def _tcp_mem_limit(sample: Sample) -> float | None:
    return sample.limits.tcp_mem_pages[2] if sample.limits.tcp_mem_pages else None


def _rtt(name: str, index: int, help: str) -> Series:
    def get(sample: Sample) -> float | None:
        rtt_ms = sample.tcp_info.rtt_ms if sample.tcp_info else None
        return rtt_ms[index] if rtt_ms else None

    return Series(name, "gauge", "ms", help, get)


SERIES: tuple[Series, ...] = (
    Series("total", "gauge", "", "connections in all states but LISTEN and bound-idle", total_connections),
    Series("total_ipv6", "gauge", "", "the part of total that is IPv6", _total_ipv6),
    *(_state(state) for state in STATES),
    Series("not_accepted", "gauge", "", "connections that wait for accept()", lambda sample: sample.not_accepted),
    Series(
        "worst_destination",
        "gauge",
        "percent",
        "ephemeral ports used towards the fullest destination",
        _worst_destination,
    ),
    Series("worst_destination_ports", "gauge", "ports", "the same as a number of ports", _worst_destination_ports),
    Series(
        "worst_bind",
        "gauge",
        "percent",
        "ephemeral ports that bind(address, 0) finds taken, worst address",
        _worst_bind,
    ),
    Series(
        "capacity",
        "gauge",
        "ports",
        "ports that connect() can use towards one destination",
        lambda sample: sample.ports.capacity if sample.ports else None,
    ),
    Series(
        "barred_ports",
        "gauge",
        "ports",
        "ephemeral ports barred by listeners and explicit bind()",
        lambda sample: sample.ports.barred if sample.ports else None,
    ),
    Series("worst_listener", "gauge", "percent", "fill of the fullest accept queue", _worst_listener),
    _kernel_gauge("orphans", "sockstat.TCP.orphan", "", "sockets without a process"),
    _kernel_gauge("memory_pages", "sockstat.TCP.mem", "pages", "memory of all TCP sockets of the machine"),
    Series("memory_limit_pages", "gauge", "pages", "tcp_mem's upper limit", _tcp_mem_limit),
    _limit("time_wait_limit", "tcp_max_tw_buckets", "", "tcp_max_tw_buckets"),
    _limit("orphan_limit", "tcp_max_orphans", "", "tcp_max_orphans"),
    _limit("conntrack", "nf_conntrack_count", "", "connections that conntrack holds"),
    _limit("conntrack_limit", "nf_conntrack_max", "", "nf_conntrack_max"),
    _rtt("rtt_p50_ms", 0, "median round-trip time"),
    _rtt("rtt_p95_ms", 1, "95th percentile of round-trip times"),
    _rtt("rtt_p99_ms", 2, "99th percentile of round-trip times"),
    Series(
        "retransmitting_percent",
        "gauge",
        "percent",
        "ESTABLISHED connections with unacknowledged retransmits",
        lambda s: s.tcp_info.retransmitting_percent if s.tcp_info else None,
    ),
    Series(
        "rwnd_limited_percent",
        "gauge",
        "percent",
        "share of busy time limited by the receiver's window",
        lambda s: s.tcp_info.rwnd_limited_percent if s.tcp_info else None,
    ),
    Series(
        "sndbuf_limited_percent",
        "gauge",
        "percent",
        "share of busy time limited by the send buffer",
        lambda s: s.tcp_info.sndbuf_limited_percent if s.tcp_info else None,
    ),
    Series(
        "measured",
        "gauge",
        "",
        "connections that these figures are of: to other hosts, with data sent of late",
        lambda s: s.tcp_info.connections if s.tcp_info else None,
    ),
    Series(
        "unacked",
        "gauge",
        "",
        "segments sent and not yet acknowledged",
        lambda s: s.tcp_info.unacked if s.tcp_info else None,
    ),
    _counter("active_opens", "Tcp.ActiveOpens", "connections opened by this side"),
    _counter("passive_opens", "Tcp.PassiveOpens", "connections opened by the other side"),
    _counter("attempt_fails", "Tcp.AttemptFails", "opens that failed: refused, timed out, half-open"),
    _counter("embryonic_resets", "TcpExt.EmbryonicRsts", "half-open connections that the other side broke off"),
    _counter("estab_resets", "Tcp.EstabResets", "connections that ended by reset"),
    _counter("in_segs", "Tcp.InSegs", "segments received"),
    _counter("out_segs", "Tcp.OutSegs", "segments sent"),
    _counter("retrans_segs", "Tcp.RetransSegs", "segments sent again"),
    _counter("in_errs", "Tcp.InErrs", "segments received with an error"),
    _counter("out_rsts", "Tcp.OutRsts", "resets sent"),
    _counter("syn_retransmits", "TcpExt.TCPSynRetrans", "SYN and SYN-ACK sent again"),
    _counter("orig_data_sent", "TcpExt.TCPOrigDataSent", "segments sent with data, retransmits left out"),
    _counter("time_wait_created", "TcpExt.TW", "sockets that entered TIME_WAIT"),
    _counter("time_wait_overflows", "TcpExt.TCPTimeWaitOverflow", "TIME_WAIT sockets cut short by tcp_max_tw_buckets"),
    _counter("listen_overflows", "TcpExt.ListenOverflows", "connections dropped: accept queue full"),
    _counter("listen_drops", "TcpExt.ListenDrops", "connections dropped by listeners, overflows included"),
    _counter("syncookies_sent", "TcpExt.SyncookiesSent", "SYN cookies sent: SYN queue full"),
    _counter("req_queue_full_drops", "TcpExt.TCPReqQFullDrop", "SYNs dropped: SYN queue full, no cookies"),
    _counter("abort_on_memory", "TcpExt.TCPAbortOnMemory", "connections aborted: too many orphans or no memory"),
    _counter("memory_pressures", "TcpExt.TCPMemoryPressures", "times that TCP came under memory pressure"),
    _counter("pruned", "TcpExt.PruneCalled", "receive queues pruned: no memory"),
    _counter("receive_queue_drops", "TcpExt.TCPRcvQDrop", "segments dropped: receive queue full"),
    _counter("backlog_drops", "TcpExt.TCPBacklogDrop", "segments dropped: socket backlog full"),
)

NAMES: tuple[str, ...] = tuple(series.name for series in SERIES)
#: Those that only a look with tcp_info has.
TCP_INFO = (
    *("rtt_p50_ms", "rtt_p95_ms", "rtt_p99_ms"),
    *("retransmitting_percent", "rwnd_limited_percent", "sndbuf_limited_percent", "unacked", "measured"),
)
COUNTERS: tuple[str, ...] = tuple(series.name for series in SERIES if series.kind == "counter")
BY_NAME = {series.name: series for series in SERIES}


def point_of(sample: Sample, id: int | None = None) -> Point:
    """The history row of a sample, whether it is stored or not."""
    origin = sample.origin
    values = {series.name: series.get(sample) for series in SERIES}
    return Point(id, origin.wall_seconds, origin.boottime_seconds, origin.boot_id, origin.netns_cookie, values)
