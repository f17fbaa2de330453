"""The values that cross a boundary: what a look gives, what history holds, what analysis says.

Everywhere `None` means "not seen" and `0` means "measured zero". Units are in the names. All are NamedTuples:
they cost a check's cold start less than dataclasses and turn into JSON without help.
"""

from collections.abc import Callable, Mapping

from tcptide.record import NamedTuple

#: The kernel's names (include/net/tcp_states.h), as `ss` counts them; BOUND is a bound-idle socket.
STATES = (
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "BOUND",
)

#: Sockets that are no connection: they have no remote end.
NOT_CONNECTIONS = ("LISTEN", "BOUND")

#: Patterns that are no news, and those that something is the matter, in the order of how bad they are.
QUIET_PATTERNS = ("insufficient_data", "normal", "periodic")
ALARM_PATTERNS = ("spike", "level_shift", "rapid_decrease", "rapid_increase", "slow_leak")


class Origin(NamedTuple):
    """Where, when and how a look was taken."""

    source: str  # 'host', a --netns name, or 'netns-<inode>'
    hostname: str
    boot_id: str
    netns_inode: int | None
    netns_cookie: int | None  # SO_NETNS_COOKIE: differs at every creation of a namespace
    wall_seconds: float  # CLOCK_REALTIME when the look began
    boottime_seconds: float  # CLOCK_BOOTTIME when the look began
    dump_seconds: float  # how long the walk took
    method: str  # 'sock_diag' or 'psutil'
    privileged: bool  # process names of other users could be seen
    unseen: tuple[str, ...]  # what this kernel or this user could not see, e.g. 'bound-idle sockets (needs Linux 6.8)'
    simulated: bool


class Limits(NamedTuple):
    """Sysctls that bound what was counted; all of the looked-at namespace."""

    port_range: tuple[int, int]  # net.ipv4.ip_local_port_range, both ends inclusive
    reserved_ports: tuple[tuple[int, int], ...]  # net.ipv4.ip_local_reserved_ports, inclusive ranges
    tcp_tw_reuse: int | None
    tcp_tw_reuse_delay_ms: int | None
    tcp_timestamps: int | None
    tcp_max_tw_buckets: int | None
    tcp_max_orphans: int | None
    tcp_mem_pages: tuple[int, int, int] | None
    somaxconn: int | None
    nf_conntrack_count: int | None
    nf_conntrack_max: int | None


class Destination(NamedTuple):
    """The ephemeral ports in use towards one (local address, remote address, remote port)."""

    local: str
    remote: str
    remote_port: int
    ports_used: int  # of those that connect() could use: neither reserved nor barred
    reusable: int  # TIME_WAIT ports that connect() may take over, not in ports_used
    utilisation_percent: float  # 100 exactly when connect() fails
    holder: str | None  # the unit, else the user, that holds most of these ports
    time_wait: int = 0  # how many of ports_used and reusable are in TIME_WAIT


class Ports(NamedTuple):
    """How much of the ephemeral range is left, for connect() by destination and for bind(address, 0)."""

    size: int  # ports of the range that are not reserved
    capacity: int  # ports that connect() can use towards one destination
    barred: int  # ports of the range that a listener or an explicit bind() keeps from connect()
    worst: tuple[Destination, ...]  # fullest first
    bind: tuple[tuple[str, float], ...] | None  # (local address, percent taken for bind((address, 0))), fullest first

    @property
    def worst_percent(self) -> float:
        """How full the fullest destination is; with none in use 0, or 100 when connect() can use no port at all."""
        if self.worst:
            return self.worst[0].utilisation_percent
        return 0.0 if self.capacity else 100.0


class Listener(NamedTuple):
    """A listening socket and its accept queue; SO_REUSEPORT siblings are listeners of their own."""

    address: str
    port: int
    queue: int  # connections that wait for accept()
    backlog: int  # the queue is full at backlog + 1
    uid: int
    unit: str | None
    utilisation_percent: float  # 100 * queue / (backlog + 1)
    user: str | None = None  # the login name of uid

    @property
    def holder(self) -> str:
        """Whom to ask about it: the unit, which says more than the user does."""
        return self.unit or self.user or f"uid {self.uid}"


class Holder(NamedTuple):
    """Who holds sockets, and in which states; listening ones are not among them, they are Listeners."""

    kind: str  # 'user', 'unit' or 'process'
    name: str
    states: Mapping[str, int]


class Lingering(NamedTuple):
    """Sockets of one owner that have been in one state for long: CLOSE_WAIT, or ESTABLISHED with no data moving."""

    holder_kind: str  # 'unit', or 'user' for sockets of no unit
    holder: str
    state: str
    sockets: int
    oldest_seconds: float
    ages_seconds: tuple[float, ...] = ()  # of some of them, the oldest first: lingering.ranks()


class Leak(NamedTuple):
    """Sockets of one owner that are left over: they stay, and ever more of them."""

    holder_kind: str
    holder: str
    state: str
    sockets: int
    oldest_seconds: float
    per_hour: float  # how fast they become more
    since: float  # wall clock seconds when the oldest of them got into that state


class TcpInfo(NamedTuple):
    """What tcp_info says about connections: ESTABLISHED, with another host, and data sent in the last five minutes.

    All but the counts are None without such a connection; the limited times are None too before Linux 4.10.
    """

    connections: int
    rtt_ms: tuple[float, float, float] | None  # p50, p95, p99 of the kernel's smoothed round-trip times
    retransmitting_percent: float | None  # of connections that have sent something again that isn't acknowledged yet
    rwnd_limited_percent: float | None  # of the time with something to send: the receiver's window was full
    sndbuf_limited_percent: float | None  # likewise: the send buffer was full
    unacked: int  # segments sent and not acknowledged


class Sample(NamedTuple):
    """What one look gave."""

    origin: Origin
    states: Mapping[str, tuple[int, int]]  # state -> (IPv4, IPv6); an IPv4-mapped address counts as IPv4
    counters: Mapping[str, int]  # 'Tcp.ActiveOpens', 'TcpExt.TW', 'sockstat.TCP.orphan', ...
    limits: Limits
    ports: Ports | None
    listeners: tuple[Listener, ...]  # fullest first
    not_accepted: int | None  # connections in accept queues
    local_ports: tuple[tuple[int, int], ...]  # (local port, incoming connections), most first
    remotes: tuple[tuple[str, int], ...]  # (remote address, incoming connections), most first
    holders: tuple[Holder, ...]  # most sockets first within a kind
    lingering: tuple[Lingering, ...]
    tcp_info: TcpInfo | None


class Point(NamedTuple):
    """One history row: what analysis sees. `values` has one entry for each Series."""

    id: int | None  # None: not stored
    wall_seconds: float
    boottime_seconds: float
    boot_id: str
    netns_cookie: int | None
    values: Mapping[str, float | None]


class Rates(NamedTuple):
    """Counters as per-second rates between two points."""

    seconds: float  # between the two points; 0 when there is none
    per_second: Mapping[str, float | None]  # by the name of the counter Series
    missing: str | None  # why there is no rate at all: 'first', 'reset' or 'gap'


class Verdict(NamedTuple):
    """What the detector says is happening."""

    pattern: str  # of QUIET_PATTERNS or ALARM_PATTERNS
    since: float | None  # wall clock seconds
    expected: float | None
    seen: float | None
    grew: str | None  # the state that grew
    holder: str | None  # the unit, user or destination behind it


class Forecast(NamedTuple):
    """Time until a limit, with an 80 % interval; `reason` says why there is none."""

    resource: str
    seconds: float | None
    low: float | None
    high: float | None
    reason: str | None


class Finding(NamedTuple):
    """What is wrong, as data; `advice.render` makes the words."""

    code: str
    severity: int  # 0 note, 1 warning, 2 critical
    subject: str  # who or what: a destination, a listener, a unit, the host
    values: Mapping[str, float | int | str]


class Look(NamedTuple):
    """A sample for a caller of snapshot, and how it came."""

    sample: Sample
    stored: bool  # the state holds this sample
    notices: tuple[str, ...]  # e.g. 'no history: /var/lib/tcptide: Permission denied'
    shown: Callable[[str], str] = str  # how a remote address is written out; what is judged has the whole ones


class Looks(NamedTuple):
    """How so many of the stored looks were taken, all in one way: see Origin."""

    method: str
    privileged: bool | None  # None: of a version that did not keep it
    unseen: tuple[str, ...]
    samples: int
    dump_seconds: float | None  # the mean


class Source(NamedTuple):
    """The host or one network namespace."""

    name: str
    hostname: str
    simulated: bool


class Rollup(NamedTuple):
    """One statistic over a quarter of an hour; counters as per-second rates. `values` has one entry for each Series."""

    statistic: str  # 'min', 'mean', 'max' or 'p95'
    quarter: int  # wall clock seconds // 900
    samples: int
    covered_seconds: float  # of the quarter's 900, those that samples stand for
    values: Mapping[str, float | None]


class Standing(NamedTuple):
    """What is the case now, for one recorded service."""

    name: str
    state: int  # 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    since_seconds: float  # wall clock
    seen_seconds: float  # wall clock of the last record
    code: str | None  # of the worst finding


class Event(NamedTuple):
    """A change of state that was recorded."""

    id: int
    wall_seconds: float
    name: str  # the service's, 'pattern', or the resource whose limit a forecast is about
    kind: str  # 'threshold', 'pattern' or 'forecast'
    old: int | None  # a state, 0 OK to 3 UNKNOWN; None: nothing was recorded before
    new: int  # of a pattern, or of a limit in reach: 1 while it is the case, 0 when it no longer is
    code: str | None
    message: str
    finding: str | None  # JSON: code and values, not prose


class Report(NamedTuple):
    """A report that was made, and what became of its mail."""

    label: str  # of its period
    since_seconds: float  # wall clock, as the rest
    until_seconds: float
    made_seconds: float
    path: str
    mail: str | None = None  # path of the message; None: it was not to be mailed
    message_id: str | None = None
    pending: tuple[str, ...] = ()  # recipients that it is still to be sent to
    mailed_seconds: float | None = None  # None: nobody has it
    failure: str | None = None  # why not all have it
