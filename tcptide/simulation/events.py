"""What happens to a simulated machine: incidents, which are wrong, and what is ordinary: restarts, reboots, pauses."""

import random
import re
from collections.abc import Mapping, Sequence

from tcptide.record import NamedTuple
from tcptide.simulation.profile import DAY_SECONDS, DEFAULT, Profile
from tcptide.text import endpoint


class Incident(NamedTuple):
    """Something that goes wrong, and the truth about it."""

    kind: str
    begins_seconds: float  # wall clock
    ends_seconds: float
    subject: str  # who or what it is about


#: kind -> shortest and longest duration in hours
_HOURS: Mapping[str, tuple[float, float]] = {
    "leak": (12.0, 30.0),  # CLOSE_WAIT grows until the service is restarted
    "flood": (0.25, 1.0),  # half-open connections, SYN cookies
    "port-exhaustion": (1.0, 4.0),  # the pool is bypassed, TIME_WAIT takes the ports
    "accept-queue": (0.2, 0.7),  # the server does not accept, connections are dropped
    "gap": (0.5, 5.0),  # nobody samples
}


def subject(kind: str, profile: Profile) -> str:
    """Who or what an incident is about."""
    if kind in ("flood", "accept-queue"):
        return f":{profile.services[0].port}"
    if kind == "port-exhaustion":
        return endpoint(profile.upstreams[0].address, profile.upstreams[0].port)
    return profile.owners[1][1] if kind == "leak" else "sampler"


#: kind -> shortest and longest duration in hours, subject on the ordinary machine
INCIDENTS = {kind: (*hours, subject(kind, DEFAULT)) for kind, hours in _HOURS.items()}


def place(
    kinds: Sequence[str], since: float, until: float, seed: int, profile: Profile = DEFAULT
) -> tuple[Incident, ...]:
    """Each kind about once a fortnight, at least once, never two at a time."""
    generator = random.Random(f"incidents {seed}")  # noqa: S311
    order = list(kinds) * max(1, round((until - since) / (14 * DAY_SECONDS)))
    generator.shuffle(order)
    slot = (until - since) / max(1, len(order))
    incidents = []
    for number, kind in enumerate(order):
        shortest, longest = _HOURS[kind]
        duration = min(generator.uniform(shortest, longest) * 3600, 0.6 * slot)
        begins = since + number * slot + generator.uniform(0.1 * slot, 0.9 * slot - duration)
        incidents.append(Incident(kind, round(begins), round(begins + duration), subject(kind, profile)))
    return tuple(incidents)


class Wanted(NamedTuple):
    """An incident that is to be, as people write it: `leak@9d6h+15h`, or `flood@-40m` before the end."""

    kind: str
    offset_seconds: float  # from the begin of the history; negative: from its end
    length_seconds: float

    def at(self, since: float, until: float, profile: Profile = DEFAULT) -> Incident:
        """The incident in a history; it may still go on when that ends. Raises ValueError if it begins outside."""
        begins = (until if self.offset_seconds < 0 else since) + self.offset_seconds
        if not since <= begins < until:
            raise ValueError(f"{self.kind} would begin outside of the history")
        return Incident(self.kind, begins, begins + self.length_seconds, subject(self.kind, profile))


_WANTED = re.compile(r"([a-z-]+)@(-?)((?:[0-9]+[dhm])+)(?:\+((?:[0-9]+[dhm])+))?")
_UNITS = {"d": 86400, "h": 3600, "m": 60}


def wanted(text: str) -> Wanted:
    """The incident that a text asks for; without a length it lasts as long as the shortest and longest on average.

    Raises ValueError for what is none.
    """
    found = _WANTED.fullmatch(text)
    if not found or found[1] not in _HOURS:
        raise ValueError(f"{text!r} is no KIND@OFFSET[+LENGTH], such as leak@9d6h+15h or flood@-40m")
    kind, before, offset, length = found.groups()
    usual = sum(_HOURS[kind]) / 2 * 3600
    return Wanted(kind, -_seconds(offset) if before else _seconds(offset), _seconds(length) if length else usual)


def _seconds(text: str) -> float:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall("([0-9]+)([dhm])", text))


class Ordinary(NamedTuple):
    """Something that happens to every machine now and then."""

    kind: str  # 'restart' of the server, 'peer': one of the upstreams restarts, 'reboot', 'pause' of the sampler
    begins_seconds: float  # wall clock
    ends_seconds: float

    def covers(self, wall: float) -> bool:
        """Whether it goes on at that time."""
        return self.begins_seconds <= wall < self.ends_seconds

    def share(self, wall: float, seconds: float) -> float:
        """Which part of the `seconds` before `wall` it took."""
        return max(0.0, min(wall, self.ends_seconds) - max(wall - seconds, self.begins_seconds)) / seconds


#: kind -> shortest and longest duration in seconds, first and last hour of the day
_ORDINARY: Mapping[str, tuple[float, float, float, float]] = {
    "restart": (15, 90, 8, 18),
    "peer": (3, 8, 8, 18),
    "reboot": (60, 400, 1, 5),
    "pause": (20, 60, 0, 23),
}


def ordinary(profile: Profile, seed: int, day: int) -> tuple[Ordinary, ...]:
    """What happens on a day (days since 1970). Drawn apart, so that it takes nothing from the samples' randomness."""
    generator = random.Random(f"day {seed} {day}")  # noqa: S311
    a_week = {
        "restart": profile.restarts_a_week,
        "peer": profile.restarts_a_week if len(profile.upstreams) > 1 else 0.0,
        "reboot": profile.reboots_a_week,
        "pause": profile.pauses_a_week,
    }
    happening = []
    for kind, (shortest, longest, first, last) in _ORDINARY.items():
        if generator.random() < a_week[kind] / 7:
            begins = day * DAY_SECONDS + generator.uniform(first, last) * 3600
            happening.append(Ordinary(kind, begins, begins + generator.uniform(shortest, longest)))
    return tuple(happening)
