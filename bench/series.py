"""Series of socket counts with known incidents, to judge the detector by. The same seed makes the same series.

A host is simulated rather than drawn. Clients arrive at a rate that has a day, a week and a noise; by Little's law
(Little 1961) what is open is arrivals times how long they stay: many stay for seconds, some for minutes; TIME_WAIT is
the closes of the last 60 s; CLOSE_WAIT is what the application is slow to close. Incidents change the rate, or cut or
hold connections, so that all states follow as they do on a host.
"""

import math
import random
from typing import NamedTuple

DAY_SECONDS = 86400
TIME_WAIT_SECONDS = 60
HEAVIEST = 4.0
FIRST_WALL_SECONDS = 1_767_225_600.0  # 2026-01-01, a Thursday

#: What each incident should be called.
RIGHT = {
    "flood": "rapid_increase",
    "outage": "rapid_decrease",
    "shift": "level_shift",
    "spike": "spike",
    "leak": "slow_leak",
}
ROLES = ("incidents", "usual", "cron", "small", "filling")


class Incident(NamedTuple):
    """Numbers of samples: start <= number < until is where it should be found; from `over` on all is usual again."""

    kind: str  # of RIGHT; '' for what may be named or not: a deployment, the first nights of a new batch job
    start: int
    until: int
    over: int


class Series(NamedTuple):
    """Samples, oldest first: (wall clock seconds, sockets by state)."""

    role: str
    interval_seconds: float
    limit: float | None
    samples: list[tuple[float, dict[str, int]]]
    incidents: list[Incident]
    onset: int  # the number of the sample from which on it grows towards the limit
    reached: int | None  # the number of the sample at which the sum has reached it


class Host:
    """What a host does when nothing happens."""

    def __init__(self, rng: random.Random, interval_seconds: float, small: bool) -> None:
        self.rng, self.interval_seconds = rng, interval_seconds
        self.per_second = math.exp(rng.uniform(math.log(0.002), math.log(0.05)) if small else rng.uniform(-0.7, 5.0))
        self.short_seconds = math.exp(rng.uniform(-1.5, 1.5))
        self.long_share, self.long_seconds = rng.choice((0.02, 0.1, 0.4)), rng.uniform(20, 240)
        self.close_seconds = rng.uniform(0.005, 0.05)
        self.closes_first = rng.uniform(0.1, 1.0)  # the side that closes first has the TIME_WAIT
        self.pool = rng.choice((0, 0, 0, 20, 100))  # connections that stay
        self.swing = rng.choice((0.0, 0.4, 1.0, 1.6))  # of the day, as a logarithm
        self.peak_seconds, self.weekend = rng.uniform(0, DAY_SECONDS), rng.choice((1.0, 1.0, 0.5))
        self.noise, self.wander_noise = rng.uniform(0.01, 0.08), rng.uniform(0.01, 0.1)
        self.wander_keep = math.exp(-interval_seconds / rng.uniform(600, 7200))
        self._wander = 0.0
        self._long = self.per_second * self.long_share * self.long_seconds
        self._closed: list[int] = []

    def usual_sockets(self) -> float:
        """The mean of the sum of all states, by Little's law."""
        open_seconds = self.long_share * self.long_seconds + (1 - self.long_share) * self.short_seconds
        return self.pool + self.per_second * (open_seconds + self.closes_first * TIME_WAIT_SECONDS)

    def rate(self, seconds: float) -> float:
        """Arrivals a second at a true time, with the day, the week and the noise.

        The noise has heavy tails (Student's t with 4 degrees), but no sample stands out by more than HEAVIEST.
        """
        rng = self.rng
        self._wander *= self.wander_keep
        self._wander += self.wander_noise * math.sqrt(1 - self.wander_keep**2) * rng.gauss(0, 1)
        heavy = max(-HEAVIEST, min(HEAVIEST, rng.gauss(0, 1) / math.sqrt(rng.gammavariate(2, 0.5))))
        day = self.swing * 0.5 * math.cos(2 * math.pi * (seconds - self.peak_seconds) / DAY_SECONDS)
        from_middle = abs((seconds / DAY_SECONDS + 0.5) % 7 - 3.5)  # days from the middle of the weekend
        weekend = min(1.0, max(0.0, 4 * (1.125 - from_middle)))  # it comes and goes over six hours
        off = weekend * math.log(self.weekend)
        return self.per_second * math.exp(off + day + self._wander + self.noise * heavy)

    def step(self, rate: float, cut: float = 0.0) -> dict[str, int]:
        """The sockets one interval later; cut: the share of open connections that the incident ends."""
        rng, seconds = self.rng, self.interval_seconds
        stay = math.exp(-seconds / self.long_seconds)
        before = self._long * (1 - cut)
        came = rate * self.long_share
        self._long = poisson(rng, before * stay + came * self.long_seconds * (1 - stay))
        left = max(0.0, before + came * seconds - self._long) / seconds
        part = min(seconds, TIME_WAIT_SECONDS)
        closes = rate * (1 - self.long_share) + left + (self._long * cut) / seconds
        self._closed = [*self._closed, poisson(rng, self.closes_first * closes * part)]
        del self._closed[: -max(1, round(TIME_WAIT_SECONDS / part))]
        open_now = poisson(rng, rate * (1 - self.long_share) * self.short_seconds) + round(self._long)
        return {
            "ESTABLISHED": open_now + round(self.pool * (1 - cut)),
            "TIME_WAIT": sum(self._closed),
            "CLOSE_WAIT": poisson(rng, rate * self.close_seconds),
            "SYN_RECV": poisson(rng, rate * 0.002),
        }


class _Plan:
    """What changes a host, sample by sample, and what is true of it."""

    def __init__(self, samples: int) -> None:
        self.times = [1.0] * samples  # the rate
        self.cut = [0.0] * samples
        self.more = [0.0] * samples  # a burst of connections that are soon gone, as a share of the usual number
        self.held: list[tuple[str, float] | None] = [None] * samples  # state, arrivals' share that leaks
        self.state = "ESTABLISHED"  # that `more` is in
        self.incidents: list[Incident] = []

    def multiply(self, start: int, until: int, factor: float) -> None:
        for number in range(max(0, start), min(until, len(self.times))):
            self.times[number] *= factor


def poisson(rng: random.Random, mean: float) -> int:
    """A count whose mean is `mean`."""
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, chance, floor = 0, rng.random(), math.exp(-max(mean, 0.0))
    while chance > floor:
        count += 1
        chance *= rng.random()
    return count


def series(seed: int, role: str) -> Series:
    """One series of a role (of ROLES)."""
    rng = random.Random(f"tcptide {role} {seed}")
    interval = rng.choice((30, 60, 60, 60, 300)) if role != "cron" else 60
    days = {"filling": 9, "incidents": 6}.get(role, 7)
    samples = days * DAY_SECONDS // interval
    host = Host(rng, interval, role == "small")
    if role == "incidents":
        host.pool = 0  # what stays as it is would hide them
    plan = _Plan(samples)
    onset = samples // 3
    if role == "incidents":
        _incidents(rng, plan, interval)
    elif role == "cron":
        _cron(rng, plan)
    elif role == "filling":
        _fill(rng, plan, onset, interval)
    _deployments(rng, plan, interval)
    if role in ("usual", "cron") and rng.random() < 0.5:
        _nightly(rng, plan, interval)
    walls = _walls(rng, samples, interval)
    return _run(host, plan, walls, role, onset)


def _run(host: Host, plan: _Plan, walls: list[float | None], role: str, onset: int) -> Series:
    usual_sockets, leaked = host.usual_sockets(), dict[str, int]()
    found: list[tuple[float, dict[str, int]]] = []
    numbers: list[int] = []  # of the sample at each step; steps in a gap have none
    highest, limit, reached = 0, None, None
    for step, wall in enumerate(walls):
        seconds = FIRST_WALL_SECONDS + step * host.interval_seconds
        usual = host.rate(seconds)
        states = host.step(usual * plan.times[step], plan.cut[step])
        more = plan.more[step] * usual_sockets
        states[plan.state] += poisson(host.rng, more)
        held = plan.held[step]
        if held is not None:
            state, share = held
            leaked[state] = leaked.get(state, 0) + poisson(host.rng, usual * share * host.interval_seconds)
        elif leaked:
            leaked.clear()  # someone restarts the service
        for state, count in leaked.items():
            states[state] += count
        total = sum(states.values())
        numbers.append(len(found))
        if role == "filling" and step < onset:
            highest = max(highest, total)
            limit = max(40.0, 1.25 * highest)
        if wall is not None:
            found.append((wall, states))
        if limit is not None and step >= onset and total >= limit:
            reached = len(found) - 1
            break
    numbers.append(len(found))
    incidents = [_seen(incident, numbers) for incident in plan.incidents]
    return Series(role, host.interval_seconds, limit, found, incidents, numbers[onset], reached)


def _seen(incident: Incident, numbers: list[int]) -> Incident:
    """The same in numbers of samples; it can't be asked for if the series ended first or a gap hid some of it."""
    last = len(numbers) - 1
    start, until, over = (numbers[min(last, step)] for step in incident[1:])
    hidden = until - start < incident.until - incident.start and incident.kind != "leak"
    return Incident("" if hidden else incident.kind, start, until, over)


def _incidents(rng: random.Random, plan: _Plan, interval: float) -> None:
    """One of each kind that fits, a day apart, the leak last."""
    day = round(DAY_SECONDS / interval)
    kinds = ["flood", "outage", "shift", "spike"]
    rng.shuffle(kinds)
    for number, kind in enumerate([*kinds[:3], "leak"]):
        start = round(day * (number + 1 + rng.uniform(0.0, 0.5)))
        {"flood": _flood, "outage": _outage, "shift": _shift, "spike": _spike, "leak": _leak}[kind](
            rng, plan, start, interval
        )


def _add(plan: _Plan, kind: str, start: int, until: int, ends: int, rest: int = 60) -> None:
    plan.incidents.append(Incident(kind, start, until, ends + rest))


def _flood(rng: random.Random, plan: _Plan, start: int, interval: float) -> None:
    """Clients come three to twenty times as often, or hold connections that they never use."""
    factor, ramp = math.exp(rng.uniform(math.log(4), math.log(20))), max(1, round(rng.uniform(60, 480) / interval))
    ends = start + ramp + max(3, round(rng.uniform(600, 3600) / interval))
    for number in range(start, ends):
        grown = 1 + (factor - 1) * min(1.0, (number - start + 1) / ramp)
        plan.times[number] *= grown
    _add(plan, "flood", start, start + ramp + max(4, round(360 / interval)), ends)


def _outage(rng: random.Random, plan: _Plan, start: int, interval: float) -> None:
    """Nobody gets through any more; what was open is cut off."""
    ends = start + max(5, round(rng.uniform(900, 7200) / interval))
    plan.multiply(start, ends, rng.uniform(0.0, 0.1))
    for number in range(start, ends):
        plan.cut[number] = rng.uniform(0.9, 1.0)
    _add(plan, "outage", start, start + max(5, round(420 / interval)), ends)


def _shift(rng: random.Random, plan: _Plan, start: int, interval: float) -> None:
    """A customer more, or another host takes half of the clients: for good."""
    plan.multiply(start, len(plan.times), rng.choice((rng.uniform(0.35, 0.55), rng.uniform(1.6, 2.3))))
    _add(plan, "shift", start, start + 60, start + 60, 240)


def _spike(rng: random.Random, plan: _Plan, start: int, interval: float) -> None:
    length, height = rng.randint(1, 3), rng.uniform(2.5, 8.0)
    for number in range(start, start + length):
        plan.more[number] = height
    _add(plan, "spike", start, start + length + 3, start + length)


def _leak(rng: random.Random, plan: _Plan, start: int, interval: float) -> None:
    """A share of the clients' connections is never closed, until someone restarts the service."""
    ends = min(len(plan.times), start + round(rng.uniform(8, 24) * 3600 / interval))
    _hold(rng, plan, start, ends)
    _add(plan, "leak", start, ends, ends)


def _hold(rng: random.Random, plan: _Plan, start: int, ends: int) -> None:
    held = (rng.choice(("CLOSE_WAIT", "ESTABLISHED")), math.exp(rng.uniform(math.log(4e-4), math.log(4e-3))))
    for number in range(start, ends):
        plan.held[number] = held


def _fill(rng: random.Random, plan: _Plan, onset: int, interval: float) -> None:
    """A leak, or clients that become more and more over minutes to hours, up to the limit."""
    if rng.random() < 0.7:
        _hold(rng, plan, onset, len(plan.times))
        _add(plan, "leak", onset, len(plan.times), len(plan.times))
        return
    pace = interval / rng.uniform(900, 7200)
    for number in range(onset, len(plan.times)):
        plan.times[number] *= 1 + pace * (number - onset)
    _add(plan, "", onset, len(plan.times), len(plan.times))


def _cron(rng: random.Random, plan: _Plan) -> None:
    """A job's connections every so many minutes, once or twice a minute later than it should."""
    period, width, height = rng.choice((5, 10, 15, 20, 30, 60)), rng.randint(1, 2), rng.uniform(0.8, 5.0)
    first = rng.randrange(period)
    for due in range(first, len(plan.times) - 3, period):
        late = rng.random() < 0.01
        for number in range(due + late, due + late + width):
            plan.more[number] += height * rng.uniform(0.9, 1.1)
    plan.state = rng.choice(("ESTABLISHED", "TIME_WAIT"))
    plan.incidents.append(Incident("", 0, 0, first + 6 * period))  # it has to be learnt


def _nightly(rng: random.Random, plan: _Plan, interval: float) -> None:
    """A batch job at the same time of every day. Its first two nights are news."""
    day, length = round(DAY_SECONDS / interval), round(rng.uniform(1200, 5400) / interval)
    at, factor = rng.randrange(day), rng.uniform(1.5, 3.0)
    for start in range(at, len(plan.times), day):
        plan.multiply(start, start + length, factor)
        if start < 2 * day + at:
            plan.incidents.append(Incident("", start, start, start + length + 60))


def _deployments(rng: random.Random, plan: _Plan, interval: float) -> None:
    """Restarts that cut off what is open for a sample or two."""
    for _ in range(rng.randint(0, 3)):
        start, length = rng.randrange(len(plan.times) - 60), rng.randint(1, 2)
        if any(start - 60 < one.over and one.start < start + 60 for one in plan.incidents if one.kind):
            continue
        for number in range(start, start + length):
            plan.cut[number], plan.times[number] = rng.uniform(0.5, 1.0), plan.times[number] * 0.5
        plan.incidents.append(Incident("", start, start, start + length + 30))


def _walls(rng: random.Random, samples: int, interval: float) -> list[float | None]:
    """The wall clock at each step: a scheduler's jitter, a clock that is set, and None where nobody looked."""
    walls: list[float | None] = []
    jitter, set_by = rng.choice((0.0, 0.5, 4.0)), 0.0
    steps = set(rng.sample(range(samples), rng.choice((0, 0, 1))))
    gaps = {start: round(rng.uniform(4 * interval, 6 * 3600) / interval) for start in rng.sample(range(samples), 2)}
    left = 0
    for number in range(samples):
        if number in steps:
            set_by += rng.choice((-3600.0, 3600.0, -120.0, 7.0))
        left = max(left - 1, gaps.get(number, 0))
        wall = FIRST_WALL_SECONDS + number * interval + set_by + rng.uniform(0.0, jitter)
        walls.append(None if left else round(wall, 1))
    return walls
