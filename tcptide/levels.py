"""Default thresholds by (check, metric), and how much must have happened before a share of it says anything.

All defaults are upper bounds: a value above one breaches it. A metric that isn't here is informational until the
configuration file or an option gives it a range.
"""

from collections.abc import Mapping

from tcptide.record import NamedTuple


class Levels(NamedTuple):
    """Upper bounds in the metric's unit; None: no state comes of it."""

    warning: float | None = None
    critical: float | None = None


NONE = Levels()

#: By the check's name without `check_`, and the metric's perfdata label.
DEFAULTS: Mapping[tuple[str, str], Levels] = {
    ("tcp_connections", "conntrack_usage"): Levels(80, 90),
    ("tcp_time_wait", "bucket_usage"): Levels(90),
    ("tcp_port_exhaustion", "worst_destination"): Levels(70, 85),
    ("tcp_port_exhaustion", "worst_bind"): Levels(90),
    ("tcp_errors", "failed_open_percent"): Levels(5, 20),
    ("tcp_errors", "retransmit_percent"): Levels(3, 10),
    ("tcp_errors", "listen_overflows_per_second"): Levels(0),
    ("tcp_listen_queue", "worst_listener"): Levels(70, 90),
    ("tcp_listen_queue", "overflows_per_second"): Levels(0),
    ("tcp_pattern", "severity"): Levels(1, 2),
    ("tcp_quality", "degraded"): Levels(0),
    ("tcptide", "sample_age_seconds"): Levels(180, 600),
    ("tcptide", "unsent_reports"): Levels(0),
}

#: From here on connect() towards one destination is slow: the ports of one parity are used up
#: (net/ipv4/inet_hashtables.c, __inet_hash_connect).
KNEE_PERCENT = 50.0

MINIMUM_CONNECTIONS = 20  # expected or seen, for a pattern
MINIMUM_LEAKED = 5  # sockets, for a leak that only their number shows
MINIMUM_OPENS = 50  # opens between two samples, for failed_open_percent
MINIMUM_SEGMENTS = 1000  # segments sent between two samples, for retransmit_percent
SEGMENTS_TOGETHER = 10  # sent again, of one connection as a rule: to chance they are one
MINIMUM_MEASURED = 20  # connections with tcp_info, for what check_tcp_quality says of them
MINIMUM_RETRANSMITTING = 10  # connections, for more of them than usual
MINIMUM_HALF_OPEN = 64  # connections in SYN_RECV, for the signs of a flood, which are these and
MINIMUM_SYNS_PER_SECOND = 1.0  # answered with SYN cookies or dropped
MINIMUM_WAITING = 8  # connections in an accept queue, for worst_listener; none while the kernel counts overflows


#: These count intervals between samples, of a minute or more.
_BY_INTERVAL = (("tcptide", "sample_age_seconds"),)
_INTERVAL_SECONDS = 60.0


def of(check: str, metric: str, interval_seconds: float = _INTERVAL_SECONDS) -> Levels:
    """The defaults of a metric with such an interval between samples; NONE where there are none."""
    found = DEFAULTS.get((check, metric), NONE)
    if interval_seconds <= _INTERVAL_SECONDS or (check, metric) not in _BY_INTERVAL:
        return found
    return Levels(*(None if bound is None else bound * interval_seconds / _INTERVAL_SECONDS for bound in found))


def severity(check: str, metric: str, value: float | None) -> int:
    """0 within the defaults or not seen, 1 above warning, 2 above critical."""
    warning, critical = of(check, metric)
    if value is None:
        return 0
    if critical is not None and value > critical:
        return 2
    return int(warning is not None and value > warning)
