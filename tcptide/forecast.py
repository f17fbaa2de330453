"""When a limit is reached, by how a resource grows (tcptide.tracker): a check asks it of what the history says."""

from tcptide.model import Forecast
from tcptide.record import NamedTuple

STEP_SECONDS = 1800.0  # of a number of Trend.base
OPTIMIST_AHEAD = 4.0  # times the horizon, for the later end of the interval
Z80 = 1.28  # half an 80 % interval of a normal distribution, in standard errors


class Trend(NamedTuple):
    """What must be known of a resource's growth to say when any limit is reached. JSON-ready."""

    resource: str
    wall_seconds: float
    used: float
    level: float  # what growth starts from: `used` without its noise, but as high as noise takes it now and then
    slope_per_second: float  # of the growth, now
    slope_error: float  # its standard error
    power: float  # growth goes like its age to this power
    power_error: float
    age_seconds: float  # how long it has grown
    horizon_seconds: float  # no claim further ahead
    base: tuple[
        float, ...
    ]  # by how much what it grows on will have changed, every STEP_SECONDS of a day; () if unknown
    base_error: float  # standard error of that now; ahead it is the same share
    base_now: float = 0.0


def forecast(trend: Trend | None, resource: str, limit: float | None, wall_seconds: float) -> Forecast:
    """Seconds from wall_seconds until `limit` is used, with an 80 % interval; high None: maybe never."""
    if limit is None or not limit > 0:
        return Forecast(resource, None, None, None, "no limit")
    if trend is None:
        return Forecast(resource, None, None, None, "no growth")
    if trend.used >= limit:
        return Forecast(resource, 0.0, 0.0, 0.0, None)
    reached = _crossing(trend, limit, 0.0)
    if reached is None:
        return Forecast(resource, None, None, None, "too far ahead")
    soon, late = _crossing(trend, limit, Z80), _crossing(trend, limit, -Z80)
    passed = max(0.0, wall_seconds - trend.wall_seconds)
    low, middle = (max(0.0, each - passed) for each in (min(reached, reached if soon is None else soon), reached))
    return Forecast(resource, middle, low, None if late is None else max(middle, late - passed), None)


def _crossing(trend: Trend, limit: float, errors: float) -> float | None:
    """Seconds until the limit if everything is so many standard errors worse; None: not before the horizon."""
    had = errors * trend.base_error
    room = limit - trend.level
    slope = trend.slope_per_second + errors * trend.slope_error
    if room <= had:
        return 0.0
    if slope <= 0:
        return None
    most = trend.horizon_seconds * (1 if errors >= 0 else OPTIMIST_AHEAD)
    power, age = max(0.3, trend.power + errors * trend.power_error), max(trend.age_seconds, 1.0)
    share = trend.base_error / trend.base_now if trend.base_now else 0.0

    def grown(seconds: float, change: float) -> float:
        """What will be used of the room by then, with this change of the base."""
        growth: float = slope * age / power * ((1 + seconds / age) ** power - 1)
        return growth + change + errors * (trend.base_error + share * change)

    if not trend.base:
        if grown(most, 0.0) < room:
            return None
        alone: float = age * ((1 + (room - had) * power / (slope * age)) ** (1 / power) - 1)
        return alone
    step = STEP_SECONDS
    ahead, i, day = 0.0, 0, len(trend.base)
    while ahead < most:
        if not i % day and grown(ahead + day * step, max(trend.base)) < room:
            ahead, i = ahead + day * step, i + day  # a whole day without it
            had = grown(ahead, trend.base[-1])
            continue
        have = grown(ahead + step, trend.base[i % day])
        if have >= room:
            return ahead + step * (room - had) / (have - had)
        ahead, had, i = ahead + step, have, i + 1
    return None
