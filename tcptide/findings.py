"""What is wrong in a sample, as data: findings, which advice.render puts into words."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from tcptide import levels, usage
from tcptide.model import Destination, Finding, Limits, Ports, Rates, Sample
from tcptide.text import endpoint

#: How bad a value is: (check without `check_`, metric, value) -> 0, 1 or 2. levels.severity knows the defaults.
Severity = Callable[[str, str, float], int]

NEAR_LIMIT_PERCENT = 75.0  # orphans and memory, which have no default thresholds
SUBJECTS = 3  # destinations or listeners: the fullest explain the others
WIDE_RANGE_PORTS = 50_000  # a port range of this size leaves little to gain
TIME_WAIT_BYTES = 300  # a tcp_timewait_sock and its share of the bind buckets
CONNTRACK_BYTES = 320  # a nf_conn and its share of the hash

HOST = "host"  # the subject of what has no nearer one

Values = dict[str, float | int | str]


def find(
    sample: Sample, rates: Rates, topics: Iterable[str] | None = None, severity: Severity = levels.severity
) -> tuple[Finding, ...]:
    """What is wrong, the most severe first; `topics` are those of TOPICS, all by default."""
    finders = TOPICS.values() if topics is None else [TOPICS[topic] for topic in topics]
    found = [finding for finder in finders for finding in finder(sample, rates, severity)]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def _known(**values: float | str | None) -> Values:
    """What isn't known is left out."""
    return {name: value for name, value in values.items() if value is not None}


def _ports(sample: Sample, rates: Rates, severity: Severity) -> Iterator[Finding]:
    ports = sample.ports
    if ports is None:
        return
    for destination in ports.worst[:SUBJECTS]:
        level = severity("tcp_port_exhaustion", "worst_destination", destination.utilisation_percent)
        if level or destination.utilisation_percent > levels.KNEE_PERCENT:
            yield _destination(destination, level, ports, sample.limits)
    level = severity("tcp_port_exhaustion", "barred_ports", ports.barred)
    if level or 2 * ports.barred > ports.size:
        values = _known(size=ports.size, barred=ports.barred)
        yield Finding("barred", level or (1 if ports.capacity else 2), HOST, values)
    for address, used_percent in (ports.bind or ())[:1]:
        if level := severity("tcp_port_exhaustion", "worst_bind", used_percent):
            values = _known(used_percent=used_percent, size=ports.size, barred=ports.barred)
            yield Finding("bind", level, address, values)


def _destination(destination: Destination, level: int, ports: Ports, limits: Limits) -> Finding:
    time_wait = destination.time_wait - destination.reusable
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
    code = _cure(destination, time_wait, limits) if level else "destination_knee"
    return Finding(code, level, endpoint(destination.remote, destination.remote_port), values)


def _cure(destination: Destination, time_wait: int, limits: Limits) -> str:
    """TIME_WAIT that holds most of the ports can be taken over; else a wider range helps, unless it is wide already."""
    if 2 * time_wait > destination.ports_used and limits.tcp_tw_reuse != 1 and limits.tcp_timestamps:
        return "destination_time_wait"
    low, high = limits.port_range
    return "destination_range" if high - low + 1 < WIDE_RANGE_PORTS else "destination_leak"


def _filter(destination: Destination) -> str:
    """For `ss`. A masked address is no filter, its port is."""
    if set(destination.remote) <= set("0123456789abcdef.:"):
        return f"'dst {endpoint(destination.remote, destination.remote_port)}'"
    return f"'dport = :{destination.remote_port}'"


def _time_wait(sample: Sample, rates: Rates, severity: Severity) -> Iterator[Finding]:
    used, overflows = usage.time_wait(sample), rates.per_second.get("time_wait_overflows")
    if used is None:
        return
    level = severity("tcp_time_wait", "bucket_usage", used.percent)
    if level or overflows:
        created = rates.per_second.get("time_wait_created")
        values = _of_limit(used, TIME_WAIT_BYTES) | _known(created_per_second=created, overflows_per_second=overflows)
        yield Finding("time_wait_limit", level or 1, HOST, values)


def _accept_queues(sample: Sample, rates: Rates, severity: Severity) -> Iterator[Finding]:
    overflows, seen = rates.per_second.get("listen_overflows"), False
    for listener in usage.long_queues(sample, rates)[:SUBJECTS]:
        if level := severity("tcp_listen_queue", "worst_listener", listener.utilisation_percent):
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
            yield Finding(code, level, endpoint(listener.address, listener.port), values)
    if overflows and not seen:
        yield Finding("listen_overflows", 1, HOST, _known(overflows_per_second=overflows, seconds=rates.seconds))


def _errors(sample: Sample, rates: Rates, severity: Severity) -> Iterator[Finding]:
    failed = usage.failed_opens(rates)
    if failed and usage.enough(failed, rates, levels.MINIMUM_OPENS):
        level = severity("tcp_errors", "failed_open_percent", failed.percent)
        values = _known(
            failed_percent=failed.percent,
            failed=round(failed.part * rates.seconds),
            opens=round(failed.whole * rates.seconds),
            seconds=rates.seconds,
            syn_sent=usage.in_state(sample, "SYN_SENT"),
        )
        if level:
            yield Finding("failed_opens", level, HOST, values)
    again, data = usage.retransmits(rates), usage.retransmitted_data(rates)
    if again and usage.enough(again, rates, levels.MINIMUM_SEGMENTS):
        level = severity("tcp_errors", "retransmit_percent", again.percent)
        values = _known(
            again_percent=again.percent,
            again_per_second=again.part,
            sent_per_second=again.whole,
            syn_per_second=rates.per_second.get("syn_retransmits"),
            data_percent=data.percent if data else None,
        )
        if level:
            yield Finding("retransmits", level, HOST, values)


def _conntrack(sample: Sample, rates: Rates, severity: Severity) -> Iterator[Finding]:
    used = usage.conntrack(sample)
    if used and (level := severity("tcp_connections", "conntrack_usage", used.percent)):
        yield Finding("conntrack_limit", level, HOST, _of_limit(used, CONNTRACK_BYTES))


def _host_limits(sample: Sample, rates: Rates, severity: Severity) -> Iterator[Finding]:
    for name, used in (("orphan", usage.orphans(sample)), ("memory", usage.memory(sample))):
        level = severity("tcp_errors", f"{name}_usage", used.percent) if used else 0
        if used and (level or used.percent > NEAR_LIMIT_PERCENT):
            yield Finding(f"{name}_limit", level or 1, HOST, _of_limit(used, 0))


def _of_limit(used: usage.Share, bytes_each: int) -> Values:
    return {
        "used_percent": used.percent,
        "count": used.part,
        "limit": used.whole,
        "double": 2 * used.whole,
        "megabytes": used.whole * bytes_each // 1_000_000 + 1,
    }


#: What there is to find, by what it is about.
TOPICS: Mapping[str, Callable[[Sample, Rates, Severity], Iterator[Finding]]] = {
    "ports": _ports,
    "time_wait": _time_wait,
    "accept_queues": _accept_queues,
    "errors": _errors,
    "conntrack": _conntrack,
    "host_limits": _host_limits,
}

#: The metrics of checks that a finding explains, by its code.
EXPLAINS: Mapping[str, tuple[str, ...]] = {
    "destination_range": ("worst_destination",),
    "destination_time_wait": ("worst_destination",),
    "destination_leak": ("worst_destination",),
    "destination_knee": (),
    "barred": ("worst_destination", "barred_ports"),
    "bind": ("worst_bind",),
    "time_wait_limit": ("bucket_usage", "overflows_per_second"),
    "accept_queue_full": ("worst_listener", "overflows_per_second", "listen_overflows_per_second"),
    "accept_queue_filling": ("worst_listener", "overflows_per_second", "listen_overflows_per_second"),
    "listen_overflows": ("overflows_per_second", "listen_overflows_per_second"),
    "failed_opens": ("failed_open_percent",),
    "retransmits": ("retransmit_percent",),
    "conntrack_limit": ("conntrack_usage",),
    "orphan_limit": ("orphan_usage",),
    "memory_limit": ("memory_usage",),
    "sampling_stopped": ("sample_age_seconds",),
}
