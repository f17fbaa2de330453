"""Samples of a plausible host, to be changed where a test needs it."""

from collections.abc import Mapping
from typing import Any

from tcptide.forecast import Trend
from tcptide.model import Destination, Holder, Limits, Listener, Look, Origin, Point, Ports, Rates, Sample, Verdict
from tcptide.outlook import Outlook
from tcptide.series import COUNTERS, point_of

BOOT_ID = "3f0c6a52-5a0e-4a44-9f0e-2f6f0d1b7c11"

ORIGIN = Origin(
    source="host",
    hostname="web1",
    boot_id=BOOT_ID,
    netns_inode=4026531840,
    netns_cookie=1,
    wall_seconds=1_760_000_000.0,
    boottime_seconds=86_400.0,
    dump_seconds=0.004,
    method="sock_diag",
    privileged=False,
    unseen=(),
    simulated=False,
)

LIMITS = Limits(
    port_range=(32768, 60999),
    reserved_ports=(),
    tcp_tw_reuse=2,
    tcp_tw_reuse_delay_ms=1000,
    tcp_timestamps=1,
    tcp_max_tw_buckets=65536,
    tcp_max_orphans=65536,
    tcp_mem_pages=(95013, 126685, 190026),
    somaxconn=4096,
    nf_conntrack_count=2410,
    nf_conntrack_max=262144,
)

#: Totals of connections: 1204.
STATES: Mapping[str, tuple[int, int]] = {
    "ESTABLISHED": (1000, 100),
    "SYN_SENT": (3, 0),
    "SYN_RECV": (2, 0),
    "FIN_WAIT1": (4, 0),
    "FIN_WAIT2": (21, 0),
    "TIME_WAIT": (60, 1),
    "CLOSE_WAIT": (9, 0),
    "LAST_ACK": (4, 0),
    "LISTEN": (8, 4),
    "CLOSING": (0, 0),
    "BOUND": (1, 0),
}

COUNTS: Mapping[str, int] = {
    "Tcp.ActiveOpens": 500_000,
    "Tcp.PassiveOpens": 900_000,
    "Tcp.AttemptFails": 1_000,
    "Tcp.EstabResets": 2_000,
    "Tcp.InSegs": 90_000_000,
    "Tcp.OutSegs": 80_000_000,
    "Tcp.RetransSegs": 40_000,
    "TcpExt.TW": 300_000,
    "TcpExt.TCPTimeWaitOverflow": 0,
    "TcpExt.ListenOverflows": 0,
    "TcpExt.ListenDrops": 0,
    "TcpExt.EmbryonicRsts": 200,
    "TcpExt.TCPSynRetrans": 5_000,
    "TcpExt.TCPOrigDataSent": 60_000_000,
    "TcpExt.SyncookiesSent": 0,
    "sockstat.TCP.orphan": 2,
    "sockstat.TCP.mem": 1900,
}

DATABASE = Destination("10.0.0.1", "10.0.0.5", 5432, 1129, 0, 100 * 1129 / 28231, "app.service")

WEB = Listener("0.0.0.0", 8080, 3, 128, 33, "nginx.service", 100 * 3 / 129)
SSH = Listener("::", 22, 0, 128, 0, "ssh.service", 0.0)

PORTS = Ports(
    size=28232,
    capacity=28231,
    barred=1,
    worst=(DATABASE, Destination("10.0.0.1", "10.0.0.6", 6379, 41, 0, 100 * 41 / 28231, "worker.service")),
    bind=(("10.0.0.1", 4.2),),
)

HOLDERS = (
    Holder("unit", "nginx.service", {"ESTABLISHED": 700, "LISTEN": 1, "CLOSE_WAIT": 9}),
    Holder("unit", "app.service", {"ESTABLISHED": 380, "SYN_SENT": 3}),
    Holder("user", "www-data", {"ESTABLISHED": 1080, "LISTEN": 1}),
)


def sample(**changes: Any) -> Sample:
    """A quiet web server in front of a database; `changes` are fields of Sample, Origin, Limits or Ports."""

    def own(fields: tuple[str, ...]) -> dict[str, Any]:
        return {name: changes.pop(name) for name in fields if name in changes}

    whole = Sample(
        origin=ORIGIN._replace(**own(Origin._fields)),
        states=STATES,
        counters=COUNTS,
        limits=LIMITS._replace(**own(Limits._fields)),
        ports=PORTS._replace(**own(Ports._fields)),
        listeners=(WEB, SSH),
        not_accepted=3,
        local_ports=((8080, 690), (22, 4)),
        remotes=(("192.0.2.7", 310), ("2001:db8::7", 100)),
        holders=HOLDERS,
        lingering=(),
        tcp_info=None,
    )
    return whole._replace(**changes)


def states(**counts: int) -> dict[str, tuple[int, int]]:
    """The states of STATES, some with other (IPv4) counts."""
    return {**STATES, **{state: (count, 0) for state, count in counts.items()}}


def destination(ports_used: int, capacity: int = 28231, **changes: Any) -> Destination:
    """The database as a destination that `ports_used` ports go to."""
    percent = min(100.0, 100 * ports_used / capacity)
    return DATABASE._replace(ports_used=ports_used, utilisation_percent=percent)._replace(**changes)


def listener(queue: int, backlog: int = 128, **changes: Any) -> Listener:
    """The web server as a listener with `queue` connections waiting."""
    percent = min(100.0, 100 * queue / (backlog + 1))
    return WEB._replace(queue=queue, backlog=backlog, utilisation_percent=percent)._replace(**changes)


def look(**changes: Any) -> Look:
    """A stored look at sample(**changes)."""
    return Look(sample(**changes), stored=True, notices=())


def rates(**per_second: float | None) -> Rates:
    """Rates over a minute, zero where not given."""
    return Rates(60.0, {**dict.fromkeys(COUNTERS, 0.0), **per_second}, None)


def no_rates(missing: str = "first") -> Rates:
    """No rates, with the reason: first, reset or gap."""
    return Rates(0.0, dict.fromkeys(COUNTERS), missing)


def point(id: int | None = None, **changes: Any) -> Point:
    """The history row of sample(**changes)."""
    return point_of(sample(**changes), id)


def outlook(pattern: str = "normal", *trends: Trend, **changes: Any) -> Outlook:
    """What the history says as of sample(); `changes` are fields of Verdict or Outlook."""
    since = None if pattern in ("insufficient_data", "normal", "periodic") else ORIGIN.wall_seconds - 7200
    verdict = Verdict(pattern, since, 900.0, 1204.0, None, None)
    own = {name: changes.pop(name) for name in Verdict._fields if name in changes}
    row = (ORIGIN.wall_seconds, ORIGIN.boottime_seconds, ORIGIN.boot_id, ORIGIN.netns_cookie)
    return Outlook(*row, verdict._replace(**own), None, None, None, None, trends, ())._replace(**changes)


def trend(resource: str, used: float, per_hour: float, error: float = 0.1) -> Trend:
    """Steady growth for the last two hours, with a standard error as a share of it, and nothing else uncertain."""
    return Trend(
        resource=resource,
        wall_seconds=ORIGIN.wall_seconds,
        used=used,
        level=used,
        slope_per_second=per_hour / 3600,
        slope_error=error * per_hour / 3600,
        power=1.0,
        power_error=0.0,
        age_seconds=7200.0,
        horizon_seconds=864_000.0,
        base=(),
        base_error=0.0,
    )
