"""What is wrong in a sample, as data: findings, which advice.render puts into words."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from tcptide import levels, usage
from tcptide.model import Destination, Finding, Forecast, Limits, Listener, Ports, Rates, Sample
from tcptide.outlook import ports_resource
from tcptide.record import NamedTuple
from tcptide.text import endpoint, within

#: How bad a value is: (check without `check_`, metric, value) -> 0, 1 or 2. levels.severity knows the defaults.
Severity = Callable[[str, str, float], int]

NEAR_LIMIT_PERCENT = 75.0  # orphans and memory, which have no default thresholds
SUBJECTS = 3  # destinations or listeners: the fullest explain the others
WIDE_RANGE_PORTS = 50_000  # a port range of this size leaves little to gain
TIME_WAIT_BYTES = 300  # a tcp_timewait_sock and its share of the bind buckets
CONNTRACK_BYTES = 320  # a nf_conn and its share of the hash

PAGE_BYTES = 4096

HOST = "host"  # the subject of what has no nearer one

Values = dict[str, float | int | str]


class Facts(NamedTuple):
    """What there is to judge."""

    sample: Sample
    rates: Rates
    severity: Severity
    forecasts: Mapping[str, Forecast]  # by resource
    shown: Callable[[str], str]  # how a remote address is written

    def full_in(self, resource: str) -> str | None:
        """How long until a resource is used up, in words; None without a forecast."""
        ahead = self.forecasts.get(resource)
        return None if ahead is None or ahead.low is None else within(ahead.low, ahead.high)

    def too_soon(self, check: str, resource: str) -> int:
        """How bad it is that a resource is used up when it is forecast to be."""
        ahead = self.forecasts.get(resource)
        return (
            0 if ahead is None or ahead.seconds is None else self.severity(check, "exhaustion_seconds", ahead.seconds)
        )


def find(
    sample: Sample,
    rates: Rates,
    topics: Iterable[str] | None = None,
    severity: Severity = levels.severity,
    forecasts: Iterable[Forecast] = (),
    shown: Callable[[str], str] = str,
) -> tuple[Finding, ...]:
    """What is wrong, the most severe first; `topics` are those of TOPICS, all by default.

    shown: how a remote address is written; `sample` and `forecasts` have the whole ones.
    """
    finders = TOPICS.values() if topics is None else [TOPICS[topic] for topic in topics]
    facts = Facts(sample, rates, severity, {one.resource: one for one in forecasts}, shown)
    found = [finding for finder in finders for finding in finder(facts)]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def of_limit(ahead: Forecast, sample: Sample, shown: Callable[[str], str] = str) -> Finding:
    """What there is to be said of a limit that will be reached."""
    topic = ahead.resource if ahead.resource in TOPICS else "ports"
    found = find(sample, Rates(0.0, {}, "first"), (topic,), lambda check, metric, value: 1, (ahead,), shown)
    about = (finding for finding in found if "full_in" in finding.values)
    full_in = None if ahead.low is None else within(ahead.low, ahead.high)
    return next(about, Finding("growth", 1, HOST, known(full_in=full_in)))


def known(**values: float | str | None) -> Values:
    """The values of a finding; what isn't known is left out."""
    return {name: value for name, value in values.items() if value is not None}


def _ports(facts: Facts) -> Iterator[Finding]:
    ports, severity = facts.sample.ports, facts.severity
    if ports is None:
        return
    for destination in ports.worst[:SUBJECTS]:
        level = severity("tcp_port_exhaustion", "worst_destination", destination.utilisation_percent)
        level = max(level, facts.too_soon("tcp_port_exhaustion", ports_resource(destination)))
        if level or destination.utilisation_percent > levels.KNEE_PERCENT:
            yield _destination(destination, level, ports, facts)
    level = severity("tcp_port_exhaustion", "barred_ports", ports.barred)
    if level or 2 * ports.barred > ports.size:
        values = known(size=ports.size, barred=ports.barred)
        yield Finding("barred", level or (1 if ports.capacity else 2), HOST, values)
    for address, used_percent in (ports.bind or ())[:1]:
        if level := severity("tcp_port_exhaustion", "worst_bind", used_percent):
            source = f"'src [{address}]'" if ":" in address else f"'src {address}'"
            values = known(used_percent=used_percent, size=ports.size, barred=ports.barred, filter=source)
            yield Finding("bind", level, address, values)


def _destination(destination: Destination, level: int, ports: Ports, facts: Facts) -> Finding:
    remote, port = facts.shown(destination.remote), destination.remote_port
    time_wait = destination.time_wait - destination.reusable
    values = known(
        used_percent=destination.utilisation_percent,
        local=destination.local,
        used=destination.ports_used,
        capacity=ports.capacity,
        reusable=destination.reusable,
        time_wait=time_wait,
        holder=destination.holder,
        filter=toward(remote, port),
        full_in=facts.full_in(ports_resource(destination)),
    )
    code = _cure(destination, time_wait, facts.sample.limits) if level else "destination_knee"
    return Finding(code, level, endpoint(remote, port), values)


def _cure(destination: Destination, time_wait: int, limits: Limits) -> str:
    """TIME_WAIT that holds most of the ports can be taken over; else a wider range helps, unless it is wide already."""
    if 2 * time_wait > destination.ports_used and limits.tcp_tw_reuse != 1 and limits.tcp_timestamps:
        return "destination_time_wait"
    low, high = limits.port_range
    return "destination_range" if high - low + 1 < WIDE_RANGE_PORTS else "destination_leak"


def toward(remote: str, port: int) -> str:
    """A filter for `ss`. A masked address is no filter, its port is."""
    if set(remote) <= set("0123456789abcdef.:"):
        return f"'dst {endpoint(remote, port)}'"
    return f"'dport = :{port}'"


def _time_wait(facts: Facts) -> Iterator[Finding]:
    per_second = facts.rates.per_second
    used, overflows = usage.time_wait(facts.sample), per_second.get("time_wait_overflows")
    if used is None:
        return
    level = facts.severity("tcp_time_wait", "bucket_usage", used.percent)
    level = max(level, facts.too_soon("tcp_time_wait", "time_wait"))
    if level or overflows:
        values = known(
            created_per_second=per_second.get("time_wait_created"),
            overflows_per_second=overflows,
            full_in=facts.full_in("time_wait"),
        )
        yield Finding("time_wait_limit", level or 1, HOST, _of_limit(used, TIME_WAIT_BYTES) | values)


def _accept_queues(facts: Facts) -> Iterator[Finding]:
    sample, rates = facts.sample, facts.rates
    overflows, named = rates.per_second.get("listen_overflows"), False
    for listener in usage.long_queues(sample, rates)[:SUBJECTS]:
        if level := facts.severity("tcp_listen_queue", "worst_listener", listener.utilisation_percent):
            named = True
            values = known(
                queue=listener.queue,
                backlog=listener.backlog,
                port=listener.port,
                somaxconn=sample.limits.somaxconn,
                overflows_per_second=overflows,
                holder=listener.holder,
            )
            code = "accept_queue_full" if listener.queue > listener.backlog else "accept_queue_filling"
            yield Finding(code, level, endpoint(listener.address, listener.port), values)
    if overflows and not named:
        yield Finding("listen_overflows", 1, HOST, known(overflows_per_second=overflows, seconds=rates.seconds))


def _syn_flood(facts: Facts) -> Iterator[Finding]:
    """Half-open connections fill a listener's SYN queue, as long as its backlog, and more are coming."""
    sample, per_second = facts.sample, facts.rates.per_second
    half_open = usage.in_state(sample, "SYN_RECV")
    cookies, dropped = per_second.get("syncookies_sent") or 0.0, per_second.get("req_queue_full_drops") or 0.0
    if half_open < levels.MINIMUM_HALF_OPEN or cookies + dropped < levels.MINIMUM_SYNS_PER_SECOND:
        return
    incoming = dict(sample.local_ports)
    fits = [one for one in sample.listeners if min(half_open, incoming.get(one.port, 0)) >= one.backlog]
    target: Listener | None = max(fits, key=lambda one: incoming[one.port], default=None)
    values = known(
        syn_recv=half_open,
        cookies_per_second=cookies or None,
        dropped_per_second=dropped or None,
        backlog=target.backlog if target else None,
    )
    level = facts.severity("tcp_errors", "syncookies_per_second", cookies) or 1
    yield Finding("syn_flood", level, endpoint(target.address, target.port) if target else HOST, values)


def _errors(facts: Facts) -> Iterator[Finding]:
    sample, rates, severity = facts.sample, facts.rates, facts.severity
    failed = usage.failed_opens(rates)
    if failed and usage.enough(failed, rates, levels.MINIMUM_OPENS):
        level = severity("tcp_errors", "failed_open_percent", usage.at_least(failed, rates) or 0.0)
        values = known(
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
        sure = usage.at_least(again, rates, levels.SEGMENTS_TOGETHER)
        level = severity("tcp_errors", "retransmit_percent", sure or 0.0)
        values = known(
            again_percent=again.percent,
            again_per_second=again.part,
            sent_per_second=again.whole,
            syn_per_second=rates.per_second.get("syn_retransmits"),
            data_percent=data.percent if data else None,
            syn_sent=usage.in_state(sample, "SYN_SENT"),
            syn_recv=usage.in_state(sample, "SYN_RECV"),
        )
        if level and not usage.mostly_syns(rates):
            yield Finding("retransmits", level, HOST, values)
        elif level and not rates.per_second.get("listen_overflows") and not any(_syn_flood(facts)):  # these explain it
            yield Finding("syn_retransmits", level, HOST, values)


def _conntrack(facts: Facts) -> Iterator[Finding]:
    used = usage.conntrack(facts.sample)
    if used and (level := facts.severity("tcp_connections", "conntrack_usage", used.percent)):
        values = known(full_in=facts.full_in("conntrack"))
        yield Finding("conntrack_limit", level, HOST, _of_limit(used, CONNTRACK_BYTES) | values)


def _host_limits(facts: Facts) -> Iterator[Finding]:
    sample, per_second = facts.sample, facts.rates.per_second
    happened = known(
        pressures_per_second=per_second.get("memory_pressures") or None,
        aborted_per_second=per_second.get("abort_on_memory") or None,
        pruned_per_second=per_second.get("pruned") or None,
    )
    orphans, memory, named = usage.orphans(sample), usage.memory(sample), False
    for name, used in (("orphan", orphans), ("memory", memory)):
        level = facts.severity("tcp_errors", f"{name}_usage", used.percent) if used else 0
        if used and (level or used.percent > NEAR_LIMIT_PERCENT):
            named = True
            yield Finding(f"{name}_limit", level or 1, HOST, _of_limit(used, 0) | happened)
    if not named and happened.keys() & {"pressures_per_second", "aborted_per_second"}:
        values = _of_limit(memory, 0) if memory else {}
        pages = sample.limits.tcp_mem_pages
        if pages:
            low, pressure, most = pages
            values["raised"] = f"{low} {pressure * 3 // 2} {most * 3 // 2}"
            values["megabytes"] = most * PAGE_BYTES // 2_000_000 + 1
        yield Finding("memory_pressure", 1, HOST, values | happened)


def _of_limit(used: usage.Share, bytes_each: int) -> Values:
    return {
        "used_percent": used.percent,
        "count": used.part,
        "limit": used.whole,
        "double": 2 * used.whole,
        "megabytes": used.whole * bytes_each // 1_000_000 + 1,
    }


#: What there is to find, by what it is about.
TOPICS: Mapping[str, Callable[[Facts], Iterator[Finding]]] = {
    "ports": _ports,
    "time_wait": _time_wait,
    "accept_queues": _accept_queues,
    "syn_flood": _syn_flood,
    "errors": _errors,
    "conntrack": _conntrack,
    "host_limits": _host_limits,
}

_OVERFLOWS = ("overflows_per_second", "listen_overflows_per_second", "retransmit_percent")  # SYNs are sent again then

#: The metrics of checks that a finding explains, by its code.
EXPLAINS: Mapping[str, tuple[str, ...]] = {
    "destination_range": ("worst_destination", "exhaustion_seconds"),
    "destination_time_wait": ("worst_destination", "exhaustion_seconds"),
    "destination_leak": ("worst_destination", "exhaustion_seconds"),
    "destination_knee": (),
    "barred": ("worst_destination", "barred_ports"),
    "bind": ("worst_bind",),
    "time_wait_limit": ("bucket_usage", "overflows_per_second", "exhaustion_seconds"),
    "accept_queue_full": ("worst_listener", *_OVERFLOWS),
    "accept_queue_filling": ("worst_listener", *_OVERFLOWS),
    "listen_overflows": _OVERFLOWS,
    "failed_opens": ("failed_open_percent",),
    "retransmits": ("retransmit_percent",),
    "syn_retransmits": ("retransmit_percent",),
    "conntrack_limit": ("conntrack_usage", "exhaustion_seconds"),
    "orphan_limit": ("orphan_usage",),
    "memory_limit": ("memory_usage",),
    "memory_pressure": ("memory_usage",),
    "syn_flood": ("syncookies_per_second", "syn_recv", "retransmit_percent", "severity", "total"),
    "sampling_stopped": ("sample_age_seconds",),
    "report_unsent": ("unsent_reports", "mail_age_seconds"),
    "report_failed": ("unsent_reports", "mail_age_seconds"),
    "report_overdue": ("report_age_seconds", "mail_age_seconds"),
    "leak_close_wait": ("severity", "close_wait"),
    "leak_established": ("severity", "established"),
    "growth": ("severity", "total", "exhaustion_seconds"),
    "flood": ("severity", "total"),
    "outage": ("severity", "total"),
    "level_shift": ("severity", "total"),
    "quality_rtt": ("degraded", "rtt_p50", "rtt_p95", "rtt_p99"),
    "quality_retransmitting": ("degraded", "retransmitting_percent"),
}
