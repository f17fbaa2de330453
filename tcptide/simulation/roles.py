"""The roles of simulated machines: a fleet as people have it, healthy, from a few connections to tens of thousands.

Sizes are drawn evenly by their logarithm. Limits leave room: a machine that is always near one is not healthy.
"""

import math
from collections.abc import Callable, Mapping
from random import Random

from tcptide.model import Limits
from tcptide.simulation.profile import DAY_SECONDS, DEFAULT, LIMITS, Burst, Path, Profile, Rhythm, Service, Upstream

_HOUR = 3600.0

#: At most so much of the ports towards an upstream are in TIME_WAIT in a busy hour.
_PORTS_SHARE = 0.12

_SSH = Service(22, 128, "ssh.service")


def profile(role: str | None, seed: int) -> Profile:
    """A machine of a role; the same seed gives the same one. Without a role the ordinary one.

    Raises KeyError for a role that isn't in ROLES.
    """
    if role is None:
        return DEFAULT
    generator = Random(f"{role} {seed}")  # noqa: S311
    made = ROLES[role](generator)
    return made._replace(
        role=role,
        reboots_a_week=generator.choice((0.0, 0.0, 0.0, 0.25, 1.0)),
        pauses_a_week=generator.choice((0.0, 0.0, 0.5, 2.0)),
        lost=_between(generator, 0.0002, 0.01),
        uneven=_between(generator, 1, 20),
        resets=_between(generator, 0.001, 0.05),
        evicted_seconds=_between(generator, 60, 7200),
    )


def _web(generator: Random) -> Profile:
    visitors = _between(generator, 0.1, 300)
    return Profile(
        visitors_per_second=visitors,
        stay_seconds=_between(generator, 2, 40),
        closes=generator.uniform(0.1, 0.9),
        upstreams=(
            _upstream("192.0.2.50", 5432, visitors * generator.choice((0.0, 0.02, 0.1, 0.5)), generator.randint(4, 60)),
            _upstream("192.0.2.51", 6379, visitors * generator.choice((0.0, 0.05, 0.2)), generator.randint(2, 20)),
        ),
        rhythm=_daily(generator),
        mood=generator.uniform(0.05, 0.3),
        mood_seconds=_between(generator, 600, 7200),
        jitter=generator.uniform(0.0, 0.12),
        failing=_between(generator, 0.0005, 0.01),
        half_open_per_second=generator.choice((0.0, 0.0, 0.01, 0.2)),
        dawdling=generator.choice((0, 0, 0, 8, 30)),
        bursts=_jobs(generator, visitors),
        restarts_a_week=generator.choice((0.0, 0.5, 2.0, 5.0)),
        paths=_far(generator),
        limits=_limits(visitors),
    )


def _api(generator: Random) -> Profile:
    visitors = _between(generator, 0.3, 400)
    return Profile(
        visitors_per_second=visitors,
        stay_seconds=_between(generator, 0.2, 60),
        closes=generator.uniform(0.0, 0.5),
        lasting=round(_between(generator, 1, 3000)) if generator.random() < 0.5 else 0,
        lasting_seconds=_between(generator, 300, 20_000),
        services=(Service(8443, 1024, "api.service"), _SSH),
        upstreams=tuple(
            _upstream(
                f"192.0.2.{60 + number}", 8080, visitors * generator.choice((0.0, 0.1, 0.4)), generator.randint(2, 80)
            )
            for number in range(generator.randint(1, 4))
        ),
        owners=(("api", "api.service", "java"), ("api", "api.service", "java")),
        rhythm=Rhythm(generator.uniform(0.5, 0.9), ((14.0, 5.0, 0.3),), 0.95, 0.9, dusk_hours=8.0),
        mood=generator.uniform(0.03, 0.2),
        mood_seconds=_between(generator, 600, 7200),
        jitter=generator.uniform(0.0, 0.08),
        failing=_between(generator, 0.0005, 0.01),
        dawdling=generator.choice((0, 0, 20, 60)),
        bursts=_jobs(generator, visitors),
        restarts_a_week=generator.choice((0.5, 2.0, 7.0)),
        paths=_near(generator),
        limits=_limits(visitors),
    )


def _proxy(generator: Random) -> Profile:
    visitors = _between(generator, 2, 800)
    backends = generator.randint(2, 6)
    reuse = 1 if visitors > 200 else 2
    return Profile(
        visitors_per_second=visitors,
        stay_seconds=_between(generator, 1, 30),
        closes=generator.uniform(0.3, 0.9),
        services=(Service(443, 4096, "haproxy.service"), Service(80, 4096, "haproxy.service", 10), _SSH),
        upstreams=tuple(
            _upstream(
                f"192.0.2.{100 + number}",
                8080,
                visitors / backends * generator.uniform(0.2, 0.9),
                generator.randint(0, 100),
                1_000.0 if reuse == 1 else None,
            )
            for number in range(backends)
        ),
        owners=(("haproxy", "haproxy.service", "haproxy"), ("haproxy", "haproxy.service", "haproxy")),
        rhythm=_daily(generator),
        mood=generator.uniform(0.05, 0.2),
        jitter=generator.uniform(0.0, 0.08),
        failing=_between(generator, 0.0005, 0.01),
        half_open_per_second=generator.choice((0.0, 0.0, 0.05, 0.5)),
        restarts_a_week=generator.choice((0.0, 1.0, 7.0)),
        paths=_far(generator),
        limits=_limits(visitors)._replace(tcp_tw_reuse=reuse),
    )


def _database(generator: Random) -> Profile:
    """Clients' pools: connections that stay, from a few machines."""
    visitors = _between(generator, 0.02, 5)
    return Profile(
        visitors_per_second=visitors,
        stay_seconds=_between(generator, 0.05, 20),
        closes=generator.uniform(0.0, 0.2),
        lasting=round(_between(generator, 10, 3000)),
        lasting_seconds=_between(generator, 1_800, 100_000),
        services=(Service(5432, 128, "postgresql.service"), _SSH),
        upstreams=(_upstream("192.0.2.201", 5432, 0.01, generator.randint(1, 4)),),
        owners=(("postgres", "postgresql.service", "postgres"), ("postgres", "postgresql.service", "postgres")),
        rhythm=Rhythm(generator.uniform(0.8, 1.0), ((13.0, 5.0, 0.15),), 1.0, 1.0),
        mood=0.02,
        failing=0.001,
        bursts=_jobs(generator, visitors),
        restarts_a_week=generator.choice((0.0, 0.2, 1.0)),
        paths=_near(generator),
    )


def _batch(generator: Random) -> Profile:
    """Next to nothing, but for its jobs."""
    every = generator.choice((300.0, 600.0, 900.0, 1800.0, _HOUR))
    opened = _between(generator, 0.5, 250)
    jobs = [Burst(every, generator.uniform(0, every), generator.uniform(10, every / 3), 0.0, opened)]
    if generator.random() < 0.6:
        at, lasts = generator.uniform(0, DAY_SECONDS), generator.uniform(1, 4) * _HOUR
        jobs.append(Burst(DAY_SECONDS, at, lasts, 0.0, _between(generator, 0.5, 100)))
    return Profile(
        visitors_per_second=_between(generator, 0.005, 0.2),
        stay_seconds=_between(generator, 1, 60),
        services=(_SSH,),
        upstreams=(_upstream("192.0.2.70", 443, 0.02, generator.randint(1, 10)),),
        owners=(("root", "ssh.service", "sshd"), ("batch", "cron.service", "python3")),
        rhythm=Rhythm(1.0, (), 1.0, 1.0),
        mood=0.1,
        failing=_between(generator, 0.001, 0.015),
        bursts=tuple(jobs),
        paths=_near(generator),
    )


def _quiet(generator: Random) -> Profile:
    """A tiny machine: an administrator now and then, an agent that reports each minute."""
    return Profile(
        visitors_per_second=_between(generator, 0.0005, 0.02),
        stay_seconds=_between(generator, 30, 1200),
        services=(_SSH,),
        upstreams=(_upstream("192.0.2.80", 5665, generator.choice((0.0, 0.017, 0.1)), generator.randint(0, 3)),),
        owners=(("root", "ssh.service", "sshd"), ("nagios", "icinga2.service", "icinga2")),
        rhythm=Rhythm(0.05, ((11.0, 3.0, 0.9), (15.0, 2.0, 0.8)), 0.1, 0.1, dusk_hours=8.0),
        mood=0.5,
        failing=_between(generator, 0.001, 0.02),
        half_open_per_second=generator.choice((0.0, 0.0, 0.003, 0.1)),
        bursts=(Burst(DAY_SECONDS, 6.5 * _HOUR, 120.0, 0.0, generator.choice((0.2, 1.0))),),
        paths=_far(generator),
    )


def _mail(generator: Random) -> Profile:
    """Clients that hang up, servers that are gone, and a newsletter."""
    visitors = _between(generator, 0.02, 20)
    return Profile(
        visitors_per_second=visitors,
        stay_seconds=_between(generator, 2, 60),
        closes=generator.uniform(0.2, 0.8),
        lasting=round(_between(generator, 5, 1500)),
        lasting_seconds=1_740.0,  # IMAP IDLE
        services=(
            Service(25, 100, "postfix.service"),
            Service(993, 100, "dovecot.service", 3),
            Service(587, 100, "postfix.service", 8),
            _SSH,
        ),
        upstreams=tuple(
            _upstream(f"198.51.100.{200 + number}", 25, visitors * generator.uniform(0.02, 0.3), 0)
            for number in range(5)
        ),
        owners=(("dovecot", "dovecot.service", "imap"), ("postfix", "postfix.service", "smtp")),
        rhythm=_daily(generator),
        mood=0.35,
        jitter=generator.uniform(0.05, 0.4),
        failing=_between(generator, 0.003, 0.03),
        bursts=(Burst(7 * DAY_SECONDS, generator.uniform(8, 80) * _HOUR, 1_800.0, 0.1 * visitors, 5 * visitors),),
        paths=_far(generator),
    )


ROLES: Mapping[str, Callable[[Random], Profile]] = {
    "web": _web,
    "api": _api,
    "proxy": _proxy,
    "database": _database,
    "batch": _batch,
    "quiet": _quiet,
    "mail": _mail,
}


def _between(generator: Random, low: float, high: float) -> float:
    return math.exp(generator.uniform(math.log(low), math.log(high)))


def _upstream(address: str, port: int, opened: float, pooled: int, at_most: float | None = None) -> Upstream:
    """No more than leaves ports, unless they can be taken over."""
    low, high = LIMITS.port_range
    most = _PORTS_SHARE * (high - low) / 60 if at_most is None else at_most
    return Upstream(address, port, min(opened, most), pooled)


def _daily(generator: Random) -> Rhythm:
    """Morning, afternoon and evening, in one of many time zones; a weekend that may be quieter or busier."""
    zone, weekend = generator.choice((0, 0, 0, -7, 8)), generator.uniform(0.3, 1.2)
    peaks = (
        ((10.5 + zone) % 24, generator.uniform(1.8, 3.2), generator.uniform(0.3, 0.8)),
        ((15.0 + zone) % 24, generator.uniform(2.0, 3.5), generator.uniform(0.3, 0.8)),
        ((20.0 + zone) % 24, generator.uniform(1.5, 2.5), generator.uniform(0.0, 0.7)),
    )
    round_the_clock = tuple((hour + day, width, height) for hour, width, height in peaks for day in (-24, 0, 24))
    return Rhythm(
        generator.uniform(0.05, 0.4), round_the_clock, weekend, weekend * generator.uniform(0.7, 1.0), dusk_hours=8.0
    )


def _jobs(generator: Random, visitors: float) -> tuple[Burst, ...]:
    """A nightly backup, and for some something each hour or few minutes."""
    opened = min(60.0, visitors)
    jobs = [Burst(DAY_SECONDS, generator.uniform(0, 6) * _HOUR, generator.uniform(300, 5400), 0.0, 0.2 * opened)]
    if generator.random() < 0.3:
        every = generator.choice((300.0, 900.0, _HOUR, _HOUR))
        at, lasts = generator.uniform(0, every), generator.uniform(5, 120)
        jobs.append(Burst(every, at, lasts, 0.0, generator.uniform(0.3, 3) * opened))
    return tuple(jobs)


def _far(generator: Random) -> tuple[Path, ...]:
    """Neighbours, the continent, another one: their shares come and go with the hours of their zones."""
    nearest = generator.choice((0.3, 5.0, 15.0))
    return (
        Path(nearest, 0.4, generator.uniform(0.05, 1), generator.uniform(0, 0.6), generator.uniform(8, 20)),
        Path(generator.uniform(20, 45), 0.5, generator.uniform(0.2, 1), generator.uniform(0, 0.8), 15.0),
        Path(
            generator.uniform(90, 220),
            0.4,
            generator.uniform(0, 0.6),
            generator.uniform(0, 0.9),
            generator.uniform(0, 24),
        ),
    )


def _near(generator: Random) -> tuple[Path, ...]:
    """The same data centre, and a few connections elsewhere."""
    return (
        Path(generator.uniform(0.15, 2), 0.5, 1.0, 0.0, 0.0),
        Path(generator.uniform(10, 90), 0.3, generator.choice((0.0, 0.02, 0.1)), 0.3, 12.0),
    )


def _limits(visitors: float) -> Limits:
    """Busier machines have more memory, and the kernel sizes its tables by it."""
    if visitors > 100:
        return LIMITS._replace(tcp_max_tw_buckets=262_144, nf_conntrack_max=1_048_576)
    return LIMITS._replace(tcp_max_tw_buckets=32_768, nf_conntrack_max=65_536) if visitors < 20 else LIMITS
