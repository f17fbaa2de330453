"""A healthy fleet, simulated: every host's history through the appender's judgement and all checks, each minute.

    python -m bench.fleet --hosts 400 --days 7

Nothing is wrong with these hosts, so whatever isn't OK is a false alarm. Prints them by check and role, then how often
which pattern was named, as Markdown.
"""

import argparse
import gc
import multiprocessing
import sys
import time
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from checks import (
    check_tcp_connections,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
    check_tcp_port_exhaustion,
    check_tcp_quality,
    check_tcp_time_wait,
    check_tcptide,
    options,
    output,
    ranges,
)
from checks.output import Answer
from checks.spec import CheckSpec, Judged
from tcptide import quality, trends
from tcptide.codec import TOP, Top
from tcptide.config import Config
from tcptide.findings import Severity
from tcptide.lookout import Lookout
from tcptide.model import ALARM_PATTERNS, Finding, Look, Point, Rollup, Sample
from tcptide.observation import observe
from tcptide.series import point_of
from tcptide.simulate import samples
from tcptide.simulation.host import DAY_SECONDS, Host
from tcptide.simulation.roles import profile

MONDAY = 1_800_230_400.0  # 2027-01-18 00:00 UTC
STEP_SECONDS = 60.0
UP_SECONDS = 30 * DAY_SECONDS

#: Of twenty hosts.
ROLES = (
    ("web",) * 5 + ("api",) * 4 + ("database",) * 3 + ("proxy",) * 2 + ("batch",) * 2 + ("quiet",) * 2 + ("mail",) * 2
)

#: At most so many results may be other than OK, of all checks of a fleet of 400 hosts in a week.
ALLOWED = 3

CHECKS = (
    check_tcp_connections,
    check_tcp_time_wait,
    check_tcp_port_exhaustion,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
)

_SETTINGS = Config()


def _nothing(severity: Severity) -> tuple[Finding, ...]:
    """Findings explain a state, they make none: left out they are a tenth of the time."""
    return ()


class Asked(NamedTuple):
    """A check with its defaults."""

    spec: CheckSpec
    options: Namespace
    thresholds: Mapping[str, ranges.Thresholds]

    def result(self, judged: Judged, sample: Sample) -> tuple[int, str]:
        """The state, and the first line if it isn't OK."""
        outcome = ranges.evaluate(self.spec, judged._replace(find=_nothing), self.thresholds)
        line = output.first_line(self.spec, Answer(judged, sample), outcome)[0] if outcome.state else ""
        return outcome.state, line


def asked(spec: CheckSpec) -> Asked:
    """The check as a scheduler runs it that knows no options."""
    return Asked(spec, options.read(spec, []), ranges.resolve(spec, [], [], _SETTINGS))


class Alarm(NamedTuple):
    """A result that isn't OK."""

    check: str
    host: str
    minute: int  # since the history began
    line: str


class Week(NamedTuple):
    """What came of one host."""

    role: str
    host: str
    samples: int
    results: int
    alarms: tuple[Alarm, ...]
    patterns: Mapping[str, int]  # how often one was named


class History:
    """What the state would hold of a host."""

    def __init__(self) -> None:
        self.rows: deque[Point] = deque(maxlen=61)
        self.usual: Mapping[str, quality.Usual] = {}
        self._quarters = {name: deque[Rollup](maxlen=(quality.DAYS + 1) * 96 + 1) for name in ("mean", "max")}

    def add(self, point: Point) -> None:
        """As the appender does it: a row that begins a quarter of an hour rolls up the one of the row before it."""
        last = self.rows[-1] if self.rows else None
        self.rows.append(point)
        if last is None:
            return
        quarter = trends.quarter_of(last.wall_seconds)
        if quarter != trends.quarter_of(point.wall_seconds):
            around = [row for row in self.rows if abs(trends.quarter_of(row.wall_seconds) - quarter) <= 1]
            for rollup in trends.roll_up(quarter, around):
                if rollup.statistic in self._quarters:
                    self._quarters[rollup.statistic].append(rollup)
            self.usual = quality.usual_at(point.wall_seconds, self._quarters["mean"], self._quarters["max"])


def top(sample: Sample) -> Top:
    """The lists that a history row keeps, without their way through JSON."""
    ports = sample.ports
    kept: Counter[str] = Counter()
    holders = []
    for holder in sample.holders:
        kept[holder.kind] += 1
        if kept[holder.kind] <= TOP:
            holders.append(holder)
    return Top(
        ports.worst[:TOP] if ports else (),
        (ports.bind or ())[:TOP] if ports else (),
        tuple(one for one in sample.listeners[:TOP] if one.queue),
        sample.local_ports[:TOP],
        sample.remotes[:TOP],
        tuple(holders),
        sample.lingering[:TOP],
    )


def judged(sample: Sample, history: History, lookout: Lookout) -> Iterator[tuple[Asked, Judged]]:
    """What each check makes of a sample that has just become a row."""
    point = point_of(sample)
    before = list(history.rows)
    if before:  # just before this sample was taken
        yield _WATCHER, check_tcptide.judge(_watched(before[-1], point), _WATCHER.options)
    history.add(point)
    outlook = lookout.step(observe(point, top(sample), {}))
    rates = trends.rates(point, before[-17:])
    look = Look(sample, True, ())
    for module, check in _ASKED:
        # Whose connections they are is only said, never judged, and sums over owners take as long as all other judges.
        seen = Look(sample._replace(holders=()), True, ()) if module is check_tcp_connections else look
        yield check, module.judge(seen, rates, point, outlook, check.options)
    compared = quality.compare(point, before, history.usual)
    yield _QUALITY, check_tcp_quality.judge(look, compared, _QUALITY.options)


def _watched(newest: Point, now: Point) -> check_tcptide.State:
    clocks = (now.boot_id, now.wall_seconds, now.boottime_seconds, _SETTINGS.interval_seconds)
    return check_tcptide.State(*clocks, (newest,), 0, (), ("host",))


_ASKED: Sequence[tuple[Any, Asked]] = [(module, asked(module.SPEC)) for module in CHECKS]
_QUALITY, _WATCHER = asked(check_tcp_quality.SPEC), asked(check_tcptide.SPEC)


def replay(role: str, seed: int, days: float) -> Week:
    """A host from its first sample on: the history is young at first."""
    since = MONDAY + seed % 7 * DAY_SECONDS
    host = Host(seed, since - UP_SECONDS, (), profile(role, seed))
    return through(role, f"{role} {seed}", samples(host, since, since + days * DAY_SECONDS, STEP_SECONDS))


def through(role: str, host: str, taken: Iterable[Sample]) -> Week:
    """What comes of a host's samples."""
    history, lookout = History(), Lookout(_SETTINGS.interval_seconds, _SETTINGS.pattern.sensitivity)
    number = results = 0
    began: float | None = None
    alarms: list[Alarm] = []
    patterns: Counter[str] = Counter()
    for sample in taken:
        number += 1
        began = sample.origin.wall_seconds if began is None else began
        for check, found in judged(sample, history, lookout):
            results += 1
            state, line = check.result(found, sample)
            if state:
                alarms.append(Alarm(check.spec.name, host, int((sample.origin.wall_seconds - began) // 60), line))
        for change in lookout.changes:
            if change.forecast is None:
                patterns[change.pattern or ""] += change.pattern in ALARM_PATTERNS
            else:
                patterns["limit in reach"] += change.forecast.seconds is not None
    return Week(role, host, number, results, tuple(alarms), +patterns)


def _replay(arguments: tuple[str, int, float]) -> Week:
    return replay(*arguments)


def fleet(hosts: int, days: float, seed: int, processes: int) -> Iterator[Week]:
    """Each host of the fleet, as they get done."""
    jobs = [(ROLES[number % len(ROLES)], seed + number, days) for number in range(hosts)]
    with multiprocessing.Pool(processes, initializer=gc.disable) as pool:  # there is nothing to collect in a replay
        yield from pool.imap_unordered(_replay, jobs)


def alarms_table(weeks: Sequence[Week]) -> list[str]:
    """Results that aren't OK, by check and role: how many, on how many hosts."""
    roles = list(dict.fromkeys(ROLES))
    lines = [f"| check | {' | '.join(roles)} | all |", f"| --- | {'---: | ' * len(roles)}---: |"]
    for name in (*(check.spec.name for _, check in _ASKED), _QUALITY.spec.name, _WATCHER.spec.name):
        cells = []
        for role in (*roles, None):
            of = [alarm for week in weeks if role in (week.role, None) for alarm in week.alarms if alarm.check == name]
            cells.append(f"{len(of)} on {len({alarm.host for alarm in of})}" if of else "0")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def patterns_table(weeks: Sequence[Week], days: float) -> list[str]:
    """How often a pattern was named in a host's week, by role."""
    roles = list(dict.fromkeys(ROLES))
    names = sorted({name for week in weeks for name in week.patterns})
    lines = [f"| named in a host's week | {' | '.join(roles)} |", f"| --- | {'---: | ' * len(roles)}".rstrip()]
    for name in names:
        cells = []
        for role in roles:
            of = [week for week in weeks if week.role == role]
            cells.append(f"{sum(week.patterns.get(name, 0) for week in of) * 7 / days / max(1, len(of)):.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__, allow_abbrev=False)
    parser.add_argument("--hosts", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--days", type=float, default=7, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the first host (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--examples", type=int, default=20, help="first lines to show (default: %(default)s)")
    parser.add_argument(
        "--assert", dest="hold", action="store_true", help=f"exit 1 for more than {ALLOWED} false alarms"
    )
    chosen = parser.parse_args()
    began = time.monotonic()
    weeks = []
    for week in fleet(chosen.hosts, chosen.days, chosen.seed, chosen.processes):
        weeks.append(week)
        print(f"{len(weeks)}/{chosen.hosts}: {week.host}, {len(week.alarms)} not OK", file=sys.stderr)
    alarms = [alarm for week in weeks for alarm in week.alarms]
    results, taken = sum(week.results for week in weeks), sum(week.samples for week in weeks)
    print(
        f"{chosen.hosts} hosts, {chosen.days:g} days, seed {chosen.seed}: {taken:,} samples, {results:,} results, "
        f"{len(alarms)} not OK on {len({alarm.host for alarm in alarms})} hosts; {time.monotonic() - began:.0f} s",
        "",
        *alarms_table(weeks),
        "",
        *patterns_table(weeks, chosen.days),
        sep="\n",
    )
    for alarm in sorted(alarms, key=lambda alarm: (alarm.check, alarm.host, alarm.minute))[: chosen.examples]:
        print(f"    {alarm.host}, minute {alarm.minute}: {alarm.line}")
    return int(chosen.hold and len(alarms) > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
