"""The one place that makes words of findings: what is wrong, the evidence, one safe next step with its side effect.

Nothing of it is ever done by itself. `find` is that of tcptide.findings.

Sources: Documentation/networking/ip-sysctl.rst, ip(7), tcp(7), listen(2), nf_conntrack-sysctl.rst. Not advised, ever:
tcp_tw_recycle (gone since Linux 4.12, broke clients behind NAT) and tcp_fin_timeout (it is about FIN_WAIT2; TIME_WAIT
lasts 60 seconds whatever it says).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tcptide.findings import find
from tcptide.model import Finding
from tcptide.text import duration, number, percent

__all__ = ["WORDS", "Advice", "Words", "find", "render"]


class Advice(NamedTuple):
    """A finding in words."""

    what: str
    evidence: str
    next_step: str


class Words(NamedTuple):
    """What advice is made of: sentences and clauses with `{placeholders}`, each translated as a whole."""

    what: str
    evidence: tuple[str, ...]
    next_step: tuple[str, ...]


_USED = "{used_percent} of the ports from {local} to {subject} are used"
_USED_BY = (
    "{used} of {capacity}",
    "{time_wait} of them in TIME_WAIT",
    "{reusable} more that connect() may take over",
    "mostly by {holder}",
)
_QUEUE = (
    "{queue} wait, backlog {backlog}",
    "net.core.somaxconn {somaxconn}",
    "{overflows_per_second} overflows/s on this host",
    "held by {holder}",
)
_KEEP_CONNECTIONS = "lasting cure: a connection pool or keep-alive in {holder}"
_LISTED = "ss -tanp {filter} lists them (reads only)"

#: By the finding's code.
WORDS: Mapping[str, Words] = {
    "destination_range": Words(
        _USED,
        _USED_BY,
        (
            "sysctl -w net.ipv4.ip_local_port_range='10240 65535' adds ports (side effect: a service that listens "
            "above 10240 may find its port taken: list such ports in net.ipv4.ip_local_reserved_ports first)",
            _KEEP_CONNECTIONS,
        ),
    ),
    "destination_time_wait": Words(
        _USED,
        _USED_BY,
        (
            "sysctl -w net.ipv4.tcp_tw_reuse=1 lets connect() take over TIME_WAIT ports after a second (side effect: "
            "only TCP timestamps, which both ends must have on, then tell late segments of the old connection apart)",
            _KEEP_CONNECTIONS,
        ),
    ),
    "destination_leak": Words(
        _USED,
        _USED_BY,
        (
            _LISTED,
            "let {holder} close or pool its connections, or spread them over more addresses or ports of the "
            "destination (side effect: each has its own full set of ports)",
        ),
    ),
    "destination_knee": Words(
        "connect() from {local} to {subject} is slow: over half of its ports are used",
        (
            "{used} of {capacity}, {used_percent}",
            "with all ports of one parity taken, each connect() searches thousands (milliseconds instead of "
            "microseconds)",
            "mostly by {holder}",
        ),
        (_LISTED, _KEEP_CONNECTIONS),
    ),
    "barred": Words(
        "listeners and explicit bind() keep {barred} of {size} ephemeral ports from every connect()",
        ("the range is net.ipv4.ip_local_port_range without the reserved ports",),
        (
            "ss -ltnp (reads only) lists listeners: give them ports outside of the range",
            "programs that bind() before connect(): have them set IP_BIND_ADDRESS_NO_PORT (side effect: the port is "
            "known only after connect())",
        ),
    ),
    "bind": Words(
        "bind() to {subject} without a port finds {used_percent} of the ports taken",
        (
            "{size} ports in the range, {barred} barred by listeners and explicit bind()",
            "at 100% bind() fails with EADDRINUSE, whatever the destination",
        ),
        (
            "have the program set IP_BIND_ADDRESS_NO_PORT before bind() (side effect: its port is known only after "
            "connect())",
            "ss -tanp 'src {subject}' lists who holds the ports",
        ),
    ),
    "time_wait_limit": Words(
        "TIME_WAIT fills {used_percent} of its limit",
        ("{count} of {limit}", "{created_per_second}/s created", "{overflows_per_second}/s cut short"),
        (
            "sysctl -w net.ipv4.tcp_max_tw_buckets={double} (side effect: up to {megabytes} MB more kernel memory)",
            "lasting cure: keep-alive, so that this side closes fewer connections",
        ),
    ),
    "accept_queue_full": Words(
        "the accept queue of {subject} is full: new connections are dropped",
        _QUEUE,
        (
            "ss -ltnp 'sport = :{port}' twice (reads only): a Recv-Q that stays is a stuck accept loop, look at "
            "{holder}",
            "if it moves raise the program's listen backlog and net.core.somaxconn, both (side effect: the listener "
            "must be reopened, and clients wait longer instead of failing)",
        ),
    ),
    "accept_queue_filling": Words(
        "the accept queue of {subject} is filling",
        _QUEUE,
        (
            "ss -ltnp 'sport = :{port}' twice (reads only): a Recv-Q that stays is a stuck accept loop, look at "
            "{holder}",
            "if it moves give {holder} more workers, or raise its listen backlog and net.core.somaxconn, both (side "
            "effect: the listener must be reopened)",
        ),
    ),
    "listen_overflows": Words(
        "an accept queue overflowed: connections were dropped",
        ("{overflows_per_second} overflows/s over {seconds} s", "no queue is near its backlog now"),
        (
            "ss -ltn (reads only): a Recv-Q above its Send-Q is the queue",
            "nstat -az TcpExtListenOverflows (reads only) says whether it goes on",
        ),
    ),
    "failed_opens": Words(
        "{failed_percent} of the opened connections failed",
        (
            "{failed} of {opens} opens in {seconds} s were refused, timed out or broke off",
            "{syn_sent} wait in SYN_SENT",
        ),
        (
            "ss -tnp state syn-sent (reads only) lists who gets no answer from whom",
            "what is refused is gone at once: look for a service that is down in the logs of what connects to it",
        ),
    ),
    "retransmits": Words(
        "{again_percent} of the segments were sent again",
        (
            "{again_per_second}/s of {sent_per_second}/s",
            "{syn_per_second}/s of them SYNs",
            "{data_percent} of the segments with data",
        ),
        (
            "ss -tin state established (reads only): if the connections with retrans: share a peer it is the peer's "
            "path, if not this host's link: ip -s link (reads only)",
        ),
    ),
    "conntrack_limit": Words(
        "conntrack is {used_percent} full: at 100% the kernel drops new connections",
        ("{count} of {limit} (net.netfilter.nf_conntrack_max)",),
        (
            "sysctl -w net.netfilter.nf_conntrack_max={double} (side effect: up to {megabytes} MB more kernel memory, "
            "and slower look-ups until /sys/module/nf_conntrack/parameters/hashsize is raised too)",
        ),
    ),
    "orphan_limit": Words(
        "sockets without a process are at {used_percent} of their limit: above it the kernel resets them",
        ("{count} of {limit} (net.ipv4.tcp_max_orphans)",),
        (
            "ss -tno state fin-wait-1 (reads only) lists peers that no longer acknowledge",
            "sysctl -w net.ipv4.tcp_max_orphans={double} gains time (side effect: up to 64 KB of unswappable memory "
            "each)",
        ),
    ),
    "memory_limit": Words(
        "TCP memory is at {used_percent} of its limit: above it data is dropped and connections are aborted",
        ("{count} of {limit} pages of the whole machine (net.ipv4.tcp_mem)",),
        (
            "ss -tmnp (reads only): a large Recv-Q is a program that does not read, a large Send-Q a peer that does "
            "not",
            "stop that rather than raise net.ipv4.tcp_mem",
        ),
    ),
    "sampling_stopped": Words(
        "no sample was stored for {age_seconds}",
        ("{samples} samples in the last {window_seconds}", "{gap_percent} of the time without any"),
        (
            "tcptide doctor (reads only) says what keeps samples from being taken or stored: the cron job, the state "
            "directory, its owner",
        ),
    ),
}


def render(finding: Finding, translate: Callable[[str], str] = str) -> Advice:
    """The finding in words. `translate` gets each sentence and clause; a clause of which not all is known is dropped.

    In `what`, which has no clauses, `?` stands for what isn't known.
    """
    words = _Known(holder=translate("its owner"), subject=finding.subject)
    words.update((name, _word(name, value)) for name, value in finding.values.items())
    what, evidence, next_step = WORDS[finding.code]
    return Advice(
        translate(what).format_map(words), _clauses(evidence, words, translate), _clauses(next_step, words, translate)
    )


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "?"


def _clauses(clauses: tuple[str, ...], words: Mapping[str, str], translate: Callable[[str], str]) -> str:
    """A first sample, say, has no rates: nothing is said of them."""
    known = []
    for clause in clauses:
        try:
            known.append(translate(clause).format(**words))
        except KeyError:
            continue
    return "; ".join(known)


def _word(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("_percent"):
        return percent(value)
    return duration(value) if name.endswith("_seconds") else number(value)
