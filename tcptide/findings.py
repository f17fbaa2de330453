"""What is wrong in a sample, as data: findings, which advice.render puts into words."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from tcptide import levels, usage
from tcptide.model import Destination, Finding, Limits, Ports, Rates, Sample
from tcptide.text import endpoint

NEAR_LIMIT_PERCENT = 75.0  # orphans and memory, which have no default thresholds
SUBJECTS = 3  # destinations or listeners: the fullest explain the others
WIDE_RANGE_PORTS = 50_000  # a port range of this size leaves little to gain
TIME_WAIT_BYTES = 300  # a tcp_timewait_sock and its share of the bind buckets
CONNTRACK_BYTES = 320  # a nf_conn and its share of the hash

HOST = "host"  # the subject of what has no nearer one

Values = dict[str, float | int | str]


def find(sample: Sample, rates: Rates, topics: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """What is wrong, the most severe first; `topics` are those of TOPICS, all by default."""
    finders = TOPICS.values() if topics is None else [TOPICS[topic] for topic in topics]
    found = [finding for finder in finders for finding in finder(sample, rates)]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def _severity(value: float, check: str, metric: str) -> int:
    warning, critical = levels.of(check, metric)
    if critical is not None and value > critical:
        return 2
    return 1 if warning is not None and value > warning else 0


def _known(**values: float | str | None) -> Values:
    """What isn't known is left out."""
    return {name: value for name, value in values.items() if value is not None}


def _ports(sample: Sample, rates: Rates) -> Iterator[Finding]:
    ports = sample.ports
    if ports is None:
        return
    for destination in ports.worst[:SUBJECTS]:
        if destination.utilisation_percent > levels.KNEE_PERCENT:
            yield _destination(destination, ports, sample)
    if 2 * ports.barred > ports.size:
        yield Finding("barred", 1 if ports.capacity else 2, HOST, _known(size=ports.size, barred=ports.barred))
    for address, used_percent in ports.bind[:1]:
        if severity := _severity(used_percent, "tcp_port_exhaustion", "worst_bind"):
            values = _known(used_percent=used_percent, size=ports.size, barred=ports.barred)
            yield Finding("bind", severity, address, values)


def _destination(destination: Destination, ports: Ports, sample: Sample) -> Finding:
    severity = _severity(destination.utilisation_percent, "tcp_port_exhaustion", "worst_destination")
    time_wait = usage.in_state(sample, "TIME_WAIT")
    values = _known(
        used_percent=destination.utilisation_percent,
        local=destination.local,
        used=destination.ports_used,
        capacity=ports.capacity,
        reusable=destination.reusable,
        time_wait=time_wait,
        holder=destination.holder,
        filter=_filter(destination),
    )
    code = _cure(destination, time_wait, sample.limits) if severity else "destination_knee"
    return Finding(code, severity, endpoint(destination.remote, destination.remote_port), values)


def _cure(destination: Destination, time_wait: int, limits: Limits) -> str:
    """TIME_WAIT that fills the ports can be taken over; else a wider range helps, unless it is wide already."""
    if 2 * time_wait > destination.ports_used and limits.tcp_tw_reuse != 1 and limits.tcp_timestamps:
        return "destination_time_wait"
    low, high = limits.port_range
    return "destination_range" if high - low + 1 < WIDE_RANGE_PORTS else "destination_leak"


def _filter(destination: Destination) -> str:
    """For `ss`. A masked address is no filter, its port is."""
    if set(destination.remote) <= set("0123456789abcdef.:"):
        return f"'dst {endpoint(destination.remote, destination.remote_port)}'"
    return f"'dport = :{destination.remote_port}'"


def _time_wait(sample: Sample, rates: Rates) -> Iterator[Finding]:
    used, overflows = usage.time_wait(sample), rates.per_second.get("time_wait_overflows")
    if used is None:
        return
    severity = _severity(used.percent, "tcp_time_wait", "bucket_usage")
    if severity or overflows:
        created = rates.per_second.get("time_wait_created")
        values = _of_limit(used, TIME_WAIT_BYTES) | _known(created_per_second=created, overflows_per_second=overflows)
        yield Finding("time_wait_limit", severity or 1, HOST, values)


def _accept_queues(sample: Sample, rates: Rates) -> Iterator[Finding]:
    overflows, seen = rates.per_second.get("listen_overflows"), False
    for listener in usage.long_queues(sample, rates)[:SUBJECTS]:
        if severity := _severity(listener.utilisation_percent, "tcp_listen_queue", "worst_listener"):
            seen = True
            values = _known(
                queue=listener.queue,
                backlog=listener.backlog,
                port=listener.port,
                somaxconn=sample.limits.somaxconn,
                overflows_per_second=overflows,
                holder=listener.holder,
            )
            code = "accept_queue_full" if listener.queue > listener.backlog else "accept_queue_filling"
            yield Finding(code, severity, endpoint(listener.address, listener.port), values)
    if overflows and not seen:
        yield Finding("listen_overflows", 1, HOST, _known(overflows_per_second=overflows, seconds=rates.seconds))


def _errors(sample: Sample, rates: Rates) -> Iterator[Finding]:
    failed = usage.failed_opens(rates)
    if failed and usage.enough(failed, rates, levels.MINIMUM_OPENS):
        severity = _severity(failed.percent, "tcp_errors", "failed_open_percent")
        values = _known(
            failed_percent=failed.percent,
            failed=round(failed.part * rates.seconds),
            opens=round(failed.whole * rates.seconds),
            seconds=rates.seconds,
            syn_sent=usage.in_state(sample, "SYN_SENT"),
        )
        if severity:
            yield Finding("failed_opens", severity, HOST, values)
    again, data = usage.retransmits(rates), usage.retransmitted_data(rates)
    if again and usage.enough(again, rates, levels.MINIMUM_SEGMENTS):
        severity = _severity(again.percent, "tcp_errors", "retransmit_percent")
        values = _known(
            again_percent=again.percent,
            again_per_second=again.part,
            sent_per_second=again.whole,
            syn_per_second=rates.per_second.get("syn_retransmits"),
            data_percent=data.percent if data else None,
        )
        if severity:
            yield Finding("retransmits", severity, HOST, values)


def _conntrack(sample: Sample, rates: Rates) -> Iterator[Finding]:
    used = usage.conntrack(sample)
    if used and (severity := _severity(used.percent, "tcp_connections", "conntrack_usage")):
        yield Finding("conntrack_limit", severity, HOST, _of_limit(used, CONNTRACK_BYTES))


def _host_limits(sample: Sample, rates: Rates) -> Iterator[Finding]:
    for code, used in (("orphan_limit", usage.orphans(sample)), ("memory_limit", usage.memory(sample))):
        if used and used.percent > NEAR_LIMIT_PERCENT:
            yield Finding(code, 1, HOST, _of_limit(used, 0))


def _of_limit(used: usage.Share, bytes_each: int) -> Values:
    return {
        "used_percent": used.percent,
        "count": used.part,
        "limit": used.whole,
        "double": 2 * used.whole,
        "megabytes": used.whole * bytes_each // 1_000_000 + 1,
    }


#: What there is to find, by what it is about.
TOPICS: Mapping[str, Callable[[Sample, Rates], Iterator[Finding]]] = {
    "ports": _ports,
    "time_wait": _time_wait,
    "accept_queues": _accept_queues,
    "errors": _errors,
    "conntrack": _conntrack,
    "host_limits": _host_limits,
}
