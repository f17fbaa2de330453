"""What is said of each finding: sentences and clauses with `{placeholders}`, which tcptide.advice fills in.

Sources: Documentation/networking/ip-sysctl.rst, ip(7), tcp(7), listen(2), nf_conntrack-sysctl.rst, nft(8). Not
advised, ever: tcp_tw_recycle (gone since Linux 4.12, broke clients behind NAT), tcp_fin_timeout (it is about
FIN_WAIT2; TIME_WAIT lasts 60 seconds whatever it says), and to shut an address out: it may be that of the gateway, of a
proxy with all clients behind it, or of whoever follows the advice.
"""

from collections.abc import Mapping

from tcptide.record import NamedTuple


class Words(NamedTuple):
    """What advice is made of: sentences and clauses with `{placeholders}`, each translated as a whole."""

    what: str
    evidence: tuple[str, ...]
    next_step: tuple[str, ...]


_FULL_IN = "at this rate full in {full_in}"
_USED = "{used_percent} of the ports from {local} to {subject} are used"
_USED_BY = (
    "{used} of {capacity}",
    "{time_wait} of them in TIME_WAIT",
    "{reusable} more that connect() may take over",
    "mostly by {holder}",
    _FULL_IN,
)
_QUEUE = (
    "{queue} wait, backlog {backlog}",
    "net.core.somaxconn {somaxconn}",
    "{overflows_per_second} overflows/s on this host",
    "held by {holder}",
)
_PAGES = "{count} of {limit} pages of the whole machine (net.ipv4.tcp_mem)"
_PRESSURES = "{pressures_per_second} times a second under pressure"
_ABORTED = "{aborted_per_second} connections/s aborted"
_PRUNED = "{pruned_per_second} receive queues/s pruned"
_MEMORY_USERS = (
    "ss -tmnp (reads only): a large Recv-Q is a program that does not read, a large Send-Q a peer that does not"
)
_RISEN = (
    "for {for_seconds}",
    "mostly {state} ({change})",
    "most of it from {remote}",
    "most of it on port {local_port}",
    "most of it to {destination}",
    "most of it by {owner}",
)
_SEEN = "{seen} connections, {expected} expected"
_PER_HOUR = "{per_hour} more each hour"
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
            "ss -tanp {filter} (reads only) lists who holds the ports",
        ),
    ),
    "time_wait_limit": Words(
        "TIME_WAIT fills {used_percent} of its limit",
        ("{count} of {limit}", "{created_per_second}/s created", "{overflows_per_second}/s cut short", _FULL_IN),
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
    "syn_retransmits": Words(
        "{again_percent} of the segments were SYNs, or answers to them, that were sent again",
        (
            "{again_per_second}/s of {sent_per_second}/s",
            "{syn_sent} wait in SYN_SENT",
            "{syn_recv} in SYN_RECV",
            "{data_percent} of the segments with data",
        ),
        (
            "ss -tnp state syn-sent (reads only) lists who gets no answer from whom: a service that is down, or a "
            "firewall that drops what it should refuse",
            "ss -tn state syn-recv (reads only) lists whom this host's answers do not reach",
        ),
    ),
    "conntrack_limit": Words(
        "conntrack is {used_percent} full: at 100% the kernel drops new connections",
        ("{count} of {limit} (net.netfilter.nf_conntrack_max)", _FULL_IN),
        (
            "sysctl -w net.netfilter.nf_conntrack_max={double} (side effect: up to {megabytes} MB more kernel memory, "
            "and slower look-ups until /sys/module/nf_conntrack/parameters/hashsize is raised too)",
        ),
    ),
    "orphan_limit": Words(
        "sockets without a process are at {used_percent} of their limit: above it the kernel resets them",
        ("{count} of {limit} (net.ipv4.tcp_max_orphans)", _ABORTED),
        (
            "ss -tno state fin-wait-1 (reads only) lists peers that no longer acknowledge",
            "sysctl -w net.ipv4.tcp_max_orphans={double} gains time (side effect: up to 64 KB of unswappable memory "
            "each)",
        ),
    ),
    "memory_limit": Words(
        "TCP memory is at {used_percent} of its limit: above it data is dropped and connections are aborted",
        (_PAGES, _PRESSURES, _ABORTED, _PRUNED),
        (
            _MEMORY_USERS,
            "stop that rather than raise net.ipv4.tcp_mem",
        ),
    ),
    "memory_pressure": Words(
        "TCP ran short of memory: connections slow down, then they are aborted",
        (_PAGES, _PRESSURES, _ABORTED, _PRUNED),
        (
            _MEMORY_USERS,
            "if none stands out sysctl -w net.ipv4.tcp_mem='{raised}' (side effect: up to {megabytes} MB more of the "
            "machine's memory, which cannot be swapped)",
        ),
    ),
    "syn_flood": Words(
        "signs of a SYN flood at {subject}: {syn_recv} half-open connections",
        (
            "{cookies_per_second} SYN cookies/s",
            "{dropped_per_second} SYNs/s dropped",
            "backlog {backlog}",
            _SEEN,
            "for {for_seconds}",
        ),
        (
            "ss -tn state syn-recv (reads only) lists where they come from: what is no client can be blocked before "
            "this host, SYN cookies serve the others",
            "sysctl -w net.ipv4.tcp_syncookies=1 answers the {dropped_per_second}/s that are dropped (side effect: "
            "connections that begin with a cookie lack window scaling unless both ends have TCP timestamps on)",
        ),
    ),
    "leak_close_wait": Words(
        "{subject} does not close connections that their peers have closed: {sockets} in CLOSE_WAIT",
        ("the oldest for {oldest_seconds}", _PER_HOUR, "they stay until the program closes them or ends"),
        (
            "ss -tnp state close-wait (reads only) shows their peers, and to root the process and its descriptors",
            "{restart} frees them until they are as many again (side effect: its other connections end too)",
            "lasting cure: the program must close() when read() returns 0",
        ),
    ),
    "leak_established": Words(
        "{subject} keeps ever more connections open: {sockets} ESTABLISHED that are left over",
        ("the oldest idle for {oldest_seconds}", _PER_HOUR, _SEEN, "for {for_seconds}"),
        (
            "ss -tnpo state established (reads only): those without a keepalive timer never notice that their peer "
            "is gone",
            "have {holder} close what is idle and set SO_KEEPALIVE; sysctl -w net.ipv4.tcp_keepalive_time=600 then "
            "finds dead peers in about 20 minutes, not 2 hours (side effect: a small packet each 10 minutes for each "
            "idle connection that has keepalive on)",
        ),
    ),
    "growth": Words(
        "connections become ever more, beyond what traffic explains",
        (_SEEN, "for {for_seconds}", _PER_HOUR, "mostly {state} ({change})", "most of it by {owner}", _FULL_IN),
        ("check_tcp_connections -v (reads only) lists states, units and ports: the one that grows names the program",),
    ),
    "flood": Words(
        "connections rose to {seen}, {expected} expected",
        _RISEN,
        (
            "ss -tan {filter} (reads only) lists them",
            "check_tcp_connections --local-port {local_port} (reads only) says whose they are and where they come from",
            "if {remote} is neither a client nor a proxy of yours: nft 'add table inet tcptide; add chain inet tcptide "
            "flood {{ type filter hook input priority 0; }}; add rule inet tcptide flood {source} tcp dport "
            "{local_port} tcp flags syn / syn,ack limit rate over 10/second drop' (side effect: of what it opens at "
            "this port more than 10 a second is dropped, all else stays as it is; nft delete table inet tcptide "
            "undoes it)",
            "check_tcp_port_exhaustion and check_tcp_listen_queue (reads only) say which limit is near",
        ),
    ),
    "outage": Words(
        "connections fell to {seen}, {expected} expected",
        _RISEN,
        (
            "ss -ltn (reads only) says whether every service still listens",
            "{status} (reads only) says how its owner fares",
            "if all is well here look before this host: ip -s link (reads only), then the load balancer and DNS",
        ),
    ),
    "level_shift": Words(
        "connections have moved to {seen}, {expected} expected",
        _RISEN,
        (
            "check_tcp_connections -v (reads only) lists who holds them",
            "after a deployment or with a new client there is nothing to do: in some hours this is what is expected",
        ),
    ),
    "quality_rtt": Words(
        "round-trip times are {now_ms}, usually {usual_ms} (median of {connections} connections)",
        ("95% are within {now_tail_ms}, usually within {usual_tail_ms}",),
        (
            "ss -tin state established (reads only) shows each connection's rtt: if slow ones share a network it is "
            "the path to there",
            "if all are slow it is this host's link: tc -s qdisc (reads only) shows what waits and is dropped there",
        ),
    ),
    "quality_retransmitting": Words(
        "{now_percent} of the connections send again what was not acknowledged, usually {usual_percent}",
        ("of {connections} connections",),
        (
            "ss -tin state established (reads only): if those with retrans: share a network it is the path to there",
            "if not it is this host's link: ip -s link (reads only) counts its errors and drops",
        ),
    ),
    "sampling_stopped": Words(
        "no sample was stored for {age_seconds}",
        ("{samples} samples in the last {window_seconds}", "{gap_percent} of the time without any"),
        (
            "tcptide doctor (reads only) says what keeps samples from being taken or stored: the timer or cron job, "
            "the state directory, its owner",
        ),
    ),
    "report_unsent": Words(
        "the report of {subject} was not mailed",
        ("{why}",),
        (
            "mend that, then tcptide-report --send {message}, as the state's owner (side effect: it goes to whoever "
            "has not got it yet), or leave it to the next run",
        ),
    ),
    "report_failed": Words(
        "the report of {subject} was not made, so it was not mailed",
        ("{why}",),
        (
            "mend that; tcptide doctor (reads only) says whether it is; the next run makes and mails it, as "
            "long as that is the newest period",
        ),
    ),
    "report_overdue": Words(
        "reports are no longer made or mailed",
        ("the last was written {report_age_seconds} ago", "mail last went out {mail_age_seconds} ago"),
        (
            "systemctl list-timers 'tcptide*' or grep tcptide-report /etc/cron.d/* (reads only) shows when it is due; "
            "journalctl -t tcptide has its words",
        ),
    ),
}
