"""What check_tcp_quality says on simulated hosts: healthy ones with jobs to far places, and such that become worse.

    python -m bench.quality [--hosts N] [--seed S]

Each host has a history of sixteen days with a row a minute: its own noise, moods and day, and perhaps a job that talks
to a far place over more than half of the connections for some minutes, every hour, night or week; no two runs of it are
alike. Half of the hosts have an incident in the last week: three times the usual round-trip time for an hour, or one
connection in ten that retransmits. Rows outside of the job or the incident that look usual aren't compared: there is
nothing to be said of them.
"""

import argparse
import math
import random
import statistics
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tcptide import quality, trends
from tcptide.model import Point, Rollup
from tcptide.schema import QUARTER_SECONDS

DAYS, LEARNT_DAYS = 16, 8
DAY = 1440  # minutes
BEGIN = 1_800_230_400.0  # a Monday, 0:00 UTC

JOBS = ("none", "hourly", "nightly", "nightly at random", "workdays", "weekly")
INCIDENTS = ("none", "rtt", "retransmitting")


class Run(NamedTuple):
    """One run of a job, or an incident."""

    begins: float  # minutes since the history began
    ends: float
    rtt: float  # times the usual one, or ms
    retransmitting: float  # percent


class Host(NamedTuple):
    """What a host is like."""

    seed: int
    job: str
    incident: str
    runs: tuple[Run, ...]
    trouble: Run | None


class Told(NamedTuple):
    """What was said of a host."""

    host: Host
    false_days: frozenset[int]  # on which something was said that was not so
    found_after: float | None  # rows of the incident


def host(seed: int) -> Host:
    """One of many; its job and incident go round."""
    generator = random.Random(f"quality {seed}")
    job, incident = JOBS[seed % len(JOBS)], INCIDENTS[seed // len(JOBS) % len(INCIDENTS)]
    trouble = None
    if incident != "none":
        begins = generator.uniform((LEARNT_DAYS + 1) * DAY, (DAYS - 1) * DAY)
        trouble = Run(begins, begins + 60, 3.0, 0.0) if incident == "rtt" else Run(begins, begins + 60, 1.0, 10.0)
    return Host(seed, job, incident, tuple(_runs(generator, job)), trouble)


def _runs(generator: random.Random, job: str) -> Iterator[Run]:
    if job == "none":
        return
    shortest, longest = {"hourly": (2, 15), "weekly": (10, 120)}.get(job, (4, 60))
    length, height = generator.uniform(shortest, longest), generator.uniform(60, 250)
    lossy = generator.choice((0.0, 0.0, 8.0))
    every = {"hourly": 60, "weekly": 7 * DAY}.get(job, DAY)
    begins, late = generator.uniform(0, every), {"nightly at random": 240.0, "hourly": 1.0}.get(job, 5.0)
    while begins < DAYS * DAY:
        if job != "workdays" or begins // DAY % 7 < 5:
            at = begins + generator.uniform(0, late)
            lasts = length * math.exp(generator.gauss(0, 0.15))
            yield Run(at, at + lasts, height * math.exp(generator.gauss(0, 0.1)), lossy)
        begins += every


def rows(host: Host) -> Iterator[Point]:
    """A row a minute."""
    generator = random.Random(f"rows {host.seed}")
    near = generator.choice((0.4, 1.5, 10.0, 24.0))
    spread, day, tail = generator.uniform(0.03, 0.25), generator.choice((0.0, 0.0, 0.4)), generator.uniform(2, 6)
    connections = generator.randint(25, 400)
    lost, mood = generator.uniform(0.0, 1.0), 0.0
    if host.incident == "rtt" and near < 10.0:
        near = 24.0  # three times as long is to be 20 ms more
    runs = iter(host.runs)
    run = next(runs, None)
    for minute in range(DAYS * DAY):
        while run and run.ends <= minute:
            run = next(runs, None)
        mood = 0.9 * mood + generator.gauss(0, 0.43 * spread)
        median = near * math.exp(mood + day * math.sin(2 * math.pi * minute / DAY))
        highest, retransmitting = tail * median, lost
        if run and run.begins <= minute:
            median, highest = run.rtt, max(1.5 * run.rtt, highest)
            retransmitting = max(lost, run.retransmitting)
        if (trouble := host.trouble) and trouble.begins <= minute < trouble.ends:
            median, highest = median * trouble.rtt, highest * trouble.rtt
            retransmitting += trouble.retransmitting
        many = min(connections, _drawn(generator, connections * retransmitting / 100))
        values = {
            "rtt_p50_ms": median * math.exp(generator.gauss(0, spread / 2)),
            "rtt_p95_ms": highest * math.exp(generator.gauss(0, spread)),
            "retransmitting_percent": 100 * many / connections,
            "measured": float(connections),
        }
        yield Point(minute, BEGIN + 60 * minute, 1e6 + 60 * minute, "boot", 1, values)


def told(host: Host) -> Told:
    """Go through a host's history, as the check would once a minute."""
    quarters: list[tuple[Rollup, Rollup]] = []
    recent: list[Point] = []
    usual: Mapping[str, quality.Usual] | None = None
    lowest = math.inf
    wrong: set[int] = set()
    found = None
    for row in rows(host):
        if recent and row.wall_seconds % QUARTER_SECONDS == 0:
            quarters, usual = [*quarters[-(quality.DAYS + 1) * 96 :], _rolled_up(recent[-15:])], None
            lowest = min(lowest, quarters[-1][0].values["rtt_p50_ms"] or 0.0)
        minute = round((row.wall_seconds - BEGIN) / 60)
        if minute >= LEARNT_DAYS * DAY and _stands_out(row, lowest):
            if usual is None:
                means, maxima = zip(*quarters, strict=True)
                usual = quality.usual_at(row.wall_seconds, means, maxima)
            said = [one.kind for one in quality.compare(row, recent, usual).degradations]
            trouble = host.trouble
            if trouble is None or not trouble.begins <= minute < trouble.ends:
                wrong |= {minute // DAY} if said else set()
            elif found is None and host.incident in said:
                found = minute - trouble.begins
        recent = [*recent[-60:], row]
    return Told(host, frozenset(wrong), found)


def _drawn(generator: random.Random, mean: float) -> int:
    """A Poisson number."""
    number, left, floor = 0, generator.random(), math.exp(-mean)
    while left > floor:
        number, left = number + 1, left * generator.random()
    return number


def _rolled_up(points: list[Point]) -> tuple[Rollup, Rollup]:
    quarter = trends.quarter_of(points[0].wall_seconds)
    values = {name: [point.values[name] or 0.0 for point in points] for name in quality.NAMES}
    mean: Mapping[str, float | None] = {name: sum(of) / len(of) for name, of in values.items()}
    highest: Mapping[str, float | None] = {name: max(of) for name, of in values.items()}
    return (
        Rollup("mean", quarter, len(points), 60.0 * len(points), mean),
        Rollup("max", quarter, len(points), 60.0 * len(points), highest),
    )


def _stands_out(row: Point, lowest: float) -> bool:
    """Whether anything could be said at all: that takes 20 ms or 5 points more than usual."""
    values = row.values
    return (values["rtt_p50_ms"] or 0.0) >= lowest + 20.0 or (values["retransmitting_percent"] or 0.0) >= 5.0


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=180, help="how many (default 180)")
    parser.add_argument("--seed", type=int, default=0, help="of the first; each host has its own")
    chosen = parser.parse_args()
    every = [told(host(seed)) for seed in range(chosen.seed, chosen.seed + chosen.hosts)]
    print(f"{'job':18} hosts  host days  with a false WARNING  incidents  found  after rows")
    for job in JOBS:
        of = [one for one in every if one.host.job == job]
        incidents = [one for one in of if one.host.trouble]
        delays = [one.found_after for one in incidents if one.found_after is not None]
        middle = f"{statistics.median(delays):.0f}" if delays else "-"
        print(
            f"{job:18}{len(of):6}{len(of) * (DAYS - LEARNT_DAYS):11}{sum(len(one.false_days) for one in of):22}"
            f"{len(incidents):11}{len(delays):7}{middle:>12}"
        )


if __name__ == "__main__":
    main()
