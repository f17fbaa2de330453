"""What kind of machine is simulated: its services, its peers, its rhythm, and how often something ordinary happens.

`Profile()` is the machine of `tcptide simulate`: one web server with a database and a cache behind it.
"""

import math

from tcptide.model import Limits
from tcptide.record import NamedTuple

DAY_SECONDS = 86400

LIMITS = Limits(
    port_range=(32768, 60999),
    reserved_ports=(),
    tcp_tw_reuse=2,
    tcp_tw_reuse_delay_ms=1000,
    tcp_timestamps=1,
    tcp_max_tw_buckets=65536,
    tcp_max_orphans=65536,
    tcp_mem_pages=(93531, 124711, 187062),
    somaxconn=4096,
    nf_conntrack_count=None,
    nf_conntrack_max=262144,
)


class Service(NamedTuple):
    """Something that listens."""

    port: int
    backlog: int
    unit: str
    one_in: int = 0  # of so many visitors one comes here; 0: none. Those that are left come to the first service.


class Upstream(NamedTuple):
    """A destination that this machine connects to."""

    address: str
    port: int
    opened_per_second: float  # in a busy hour
    pooled: int  # connections that stay open


class Rhythm(NamedTuple):
    """How busy it is, by the hour and the weekday (UTC): about 1 in a busy hour of a weekday."""

    night: float = 0.16
    peaks: tuple[tuple[float, float, float], ...] = ((10.5, 2.6, 0.65), (15.0, 3.0, 0.70), (20.0, 2.0, 0.35))
    saturday: float = 0.55
    sunday: float = 0.45
    dusk_hours: float = 0.0  # in which one day becomes the other

    def busy(self, wall: float) -> float:
        """The sum of what there is at night and of its peaks: hour, width in hours, height."""
        hour = wall / 3600 % 24
        day = self.night + sum(height * math.exp(-(((hour - peak) / width) ** 2)) for peak, width, height in self.peaks)
        if not self.dusk_hours:
            return day * self._of_day(wall)
        dusk = 3600 * self.dusk_hours
        before, after = self._of_day(wall - dusk / 2), self._of_day(wall + dusk / 2)
        if before == after:
            return day * before
        return day * (before + (after - before) * ((wall + dusk / 2) % DAY_SECONDS) / dusk)

    def _of_day(self, wall: float) -> float:
        weekday = (int(wall) // DAY_SECONDS + 3) % 7  # 1 January 1970 was a Thursday; Monday is 0
        return {5: self.saturday, 6: self.sunday}.get(weekday, 1.0)


class Burst(NamedTuple):
    """A job that runs at its time and opens connections while it does."""

    every_seconds: float
    at_seconds: float  # after a multiple of that
    lasts_seconds: float  # as a rule; each time a little more or less
    incoming_per_second: float
    outgoing_per_second: float  # to the first upstream

    def share(self, wall: float, seconds: float) -> float:
        """Which part of the `seconds` before `wall` it ran."""
        since = (wall - self.at_seconds) % self.every_seconds
        run = wall - since
        lasts = self.lasts_seconds * (0.75 + 0.5 * (math.sin(run) + 1) / 2)  # of each run its own, whoever asks
        return max(0.0, min(since, lasts) - max(0.0, since - seconds)) / seconds


class Path(NamedTuple):
    """Peers at about one distance."""

    rtt_ms: float
    spread: float  # of a lognormal distribution
    share: float  # of the connections, on average over the day
    by_day: float  # how much of the share comes and goes with the hour
    hour: float  # when it is most


class Profile(NamedTuple):
    """A kind of machine. Rates are of a busy hour."""

    role: str = ""
    visitors_per_second: float = 60
    stay_seconds: float = 12  # a visitor's connection
    closes: float = 0.5  # the part of the visitors' connections that this side closes: they end in TIME_WAIT
    lasting: int = 0  # connections of clients that stay for long
    lasting_seconds: float = 3600.0
    services: tuple[Service, ...] = (
        Service(443, 511, "nginx.service"),
        Service(80, 511, "nginx.service", 20),
        Service(22, 128, "ssh.service"),
    )
    upstreams: tuple[Upstream, ...] = (
        Upstream("192.0.2.50", 5432, 10, 40),
        Upstream("192.0.2.51", 6379, 4, 16),
    )
    owners: tuple[tuple[str, str, str], ...] = (  # user, unit and process: of the server, of the client
        ("www-data", "nginx.service", "nginx"),
        ("app", "app.service", "python3"),
    )
    rhythm: Rhythm = Rhythm()
    mood: float = 0.15  # slow deviation from the rhythm, as a logarithm
    mood_seconds: float = 1800
    jitter: float = 0.0  # the same from one minute to the next
    failing: float = 0.004  # of the connects
    half_open_per_second: float = 0.0  # health checks of a load balancer that break off before the end
    resets: float = 0.012  # of the visitors
    lost: float = 0.0012  # of the segments
    uneven: float = 0.0  # how much losses and failures come from few peers at a time: connections a peer has
    dawdling: int = 0  # idle connections in a client's pool that the server has closed
    evicted_seconds: float = 1800.0  # after which the pool closes them, if it has not needed them before
    bursts: tuple[Burst, ...] = ()
    restarts_a_week: float = 0.0
    reboots_a_week: float = 0.0
    pauses_a_week: float = 0.0  # of the sampler
    paths: tuple[Path, ...] = ()
    limits: Limits = LIMITS

    @property
    def pooled(self) -> int:
        """Connections to upstreams that stay open."""
        return sum(upstream.pooled for upstream in self.upstreams)

    @property
    def size(self) -> int:
        """Ports of the ephemeral range."""
        low, high = self.limits.port_range
        return high - low + 1

    @property
    def capacity(self) -> int:
        """Ports for connect(): one is bound explicitly."""
        return self.size - 1


DEFAULT = Profile()
