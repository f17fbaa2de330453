"""How well patterns are told and limits foretold, on simulated series with known incidents (bench/series.py).

recall: incidents found in time; right: incidents whose most frequent name was the right one; delay: minutes until first
named, the median. False alarms: alarms outside incidents, those under 15 samples apart are one; a week of samples.
Forecast: half way and three quarters of the way to the limit. error: the median of |forecast - truth| / truth, where no
forecast counts 1; covered: truths in the 80 % interval; false: samples of usual series with a claim within a day.

With --csv, the episodes in a file of yours: a header, a column `time` (seconds since 1970, or ISO 8601, in UTC where no
zone is given), and either `count` or columns of states by the kernel's names (ESTABLISHED, TIME_WAIT, CLOSE_WAIT, ...).
`count` is taken as ESTABLISHED; without TIME_WAIT a leak there can't be told from more traffic.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tcptide.model import ALARM_PATTERNS
from tcptide.patterns import SENSITIVITIES, VERSION

from .csvfile import BadFileError, episodes, read
from .detector import Judge
from .series import DAY_SECONDS, RIGHT, ROLES, Incident, Series, series

APART_SAMPLES = 15  # alarms closer than this are one
WEEK_SECONDS = 7 * DAY_SECONDS
WAYS = (0.5, 0.75)
FEWEST_SAMPLES = 20  # of a way that can be foretold


class Found(NamedTuple):
    """What was said of one incident."""

    kind: str
    name: str | None  # the most frequent alarm in time; None: missed
    delay_seconds: float | None


class Guess(NamedTuple):
    """A forecast at a known distance from the limit, in seconds."""

    way: float
    truth: float
    ttl: float | None
    low: float | None
    high: float | None


class Judged(NamedTuple):
    """One series with one sensitivity."""

    role: str
    found: list[Found]
    false_alarms: Counter[str]
    usual_seconds: float  # outside incidents
    periodic_ratio: float
    guesses: list[Guess]
    false_claims_ratio: float
    sample_seconds: float  # that one sample took


def judge(one: Series, sensitivity: str) -> Judged:
    """Feed a series to the detector."""
    judge = Judge(one.interval_seconds, one.limit, sensitivity)
    began = time.perf_counter()
    answers = [judge.update(wall, states) for wall, states in one.samples]
    took = time.perf_counter() - began
    verdicts: list[dict[str, Any]] = [{"class": answer} if isinstance(answer, str) else answer for answer in answers]
    names = [verdict["class"] for verdict in verdicts]
    excused = [False] * len(names)
    for incident in one.incidents:
        excused[incident.start : incident.over] = [True] * len(excused[incident.start : incident.over])
    usual = [number for number, is_excused in enumerate(excused) if not is_excused]
    soon = [number for number in usual if (verdicts[number].get("ttl") or DAY_SECONDS * 2) <= DAY_SECONDS]
    return Judged(
        one.role,
        [_found(incident, names, one.interval_seconds) for incident in one.incidents if incident.kind],
        Counter(names[number] for number in _firsts(usual, names)),
        len(usual) * one.interval_seconds,
        sum(names[number] == "periodic" for number in usual) / max(1, len(usual)),
        _guesses(one, verdicts),
        len(soon) / max(1, len(usual)),
        took / len(names),
    )


def _found(incident: Incident, names: Sequence[str], interval_seconds: float) -> Found:
    alarms = [
        (number - incident.start, names[number])
        for number in range(incident.start, incident.until)
        if names[number] in ALARM_PATTERNS
    ]
    if not alarms:
        return Found(incident.kind, None, None)
    counts = Counter(name for _, name in alarms)
    name = max((name for _, name in reversed(alarms)), key=counts.__getitem__)
    return Found(incident.kind, name, alarms[0][0] * interval_seconds)


def _firsts(usual: Iterable[int], names: Sequence[str]) -> Iterable[int]:
    """The first alarm of each false episode."""
    last = -APART_SAMPLES
    for number in usual:
        if names[number] in ALARM_PATTERNS:
            if number - last >= APART_SAMPLES:
                yield number
            last = number


def _guesses(one: Series, verdicts: Sequence[dict[str, Any]]) -> list[Guess]:
    if one.reached is None or one.reached - one.onset < FEWEST_SAMPLES:
        return []
    found = []
    for way in WAYS:
        at = one.onset + int(way * (one.reached - one.onset))
        truth = one.samples[one.reached][0] - one.samples[at][0]
        if truth > 0:
            found.append(Guess(way, truth, *map(verdicts[at].get, ("ttl", "lo", "hi"))))
    return found


def _percent(numbers: Iterable[bool]) -> str:
    all_of = list(numbers)
    return f"{100 * sum(all_of) / len(all_of):.0f} %" if all_of else "-"


def incidents_table(judged: Sequence[Judged]) -> list[str]:
    """By kind of incident, for one sensitivity."""
    lines = ["| incident | series | recall | right | delay, min |", "| --- | ---: | ---: | ---: | ---: |"]
    found = [each for one in judged if one.role == "incidents" for each in one.found]
    for kind, right in RIGHT.items():
        of = [each for each in found if each.kind == kind]
        delays = [each.delay_seconds / 60 for each in of if each.delay_seconds is not None]
        cells = [
            str(len(of)),
            _percent(each.name is not None for each in of),
            _percent(each.name == right for each in of),
            f"{statistics.median(delays):.0f}" if delays else "-",
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def alarms_table(judged: dict[str, list[Judged]]) -> list[str]:
    """False alarms a week, by role and sensitivity."""
    lines = [f"| role | {' | '.join(judged)} | most often |", "| --- |" + " ---: |" * len(judged) + " --- |"]
    for role in ROLES:
        cells, names = [], Counter[str]()
        for of_sensitivity in judged.values():
            of = [one for one in of_sensitivity if one.role == role]
            names = names or sum((one.false_alarms for one in of), Counter[str]())
            weeks = sum(one.usual_seconds for one in of) / WEEK_SECONDS
            cells.append(f"{sum(one.false_alarms.total() for one in of) / weeks:.2f}" if weeks else "-")
        lines.append(f"| {role} | {' | '.join(cells)} | {', '.join(name for name, _ in names.most_common(2)) or '-'} |")
    return lines


def forecast_lines(judged: Sequence[Judged]) -> list[str]:
    """How well the limit was foretold."""
    lines = []
    for way in WAYS:
        of = [guess for one in judged for guess in one.guesses if guess.way == way]
        if not of:
            continue
        errors = [1.0 if guess.ttl is None else abs(guess.ttl - guess.truth) / guess.truth for guess in of]
        told = [guess for guess in of if guess.ttl is not None]
        inside = (
            (guess.low or 0.0) <= guess.truth and (guess.high is None or guess.truth <= guess.high) for guess in told
        )
        lines.append(
            f"{way:.0%} of the way, {len(of)} series: error {statistics.median(errors):.2f}, claimed"
            f" {_percent(guess.ttl is not None for guess in of)}, covered {_percent(inside)}"
        )
    usual = [one.false_claims_ratio for one in judged if one.role in ("usual", "cron", "small", "filling")]
    return [*lines, f"false claims: {100 * statistics.mean(usual):.3f} % of samples"]


def report(judged: dict[str, list[Judged]]) -> list[str]:
    """All of it, as Markdown; the details are those of the first sensitivity."""
    first, of_first = next(iter(judged.items()))
    cron = [one.periodic_ratio for one in of_first if one.role == "cron"]
    others = [one.periodic_ratio for one in of_first if one.role in ("usual", "small")]
    return [
        f"Detector {VERSION}. Incidents, sensitivity {first}:",
        "",
        *incidents_table(of_first),
        "",
        "False alarms a week of usual samples:",
        "",
        *alarms_table(judged),
        "",
        f"periodic: {100 * statistics.mean(cron):.1f} % of cron, {100 * statistics.mean(others):.2f} % of others",
        *forecast_lines(of_first),
        f"{1e6 * statistics.median(one.sample_seconds for one in of_first):.0f} microseconds a sample",
    ]


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.detection",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--series", type=_positive, default=20, help="of each role (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first series (default: %(default)s)")
    parser.add_argument("--csv", metavar="FILE", help="list the episodes in a file instead")
    parser.add_argument(
        "--sensitivity", choices=SENSITIVITIES, default="quiet", help="with --csv (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.csv is not None:
        try:
            samples = read(options.csv)
        except BadFileError as error:
            print(f"bench.detection: {error}", file=sys.stderr)
            return 2
        print(*episodes(samples, options.sensitivity), sep="\n")
        return 0
    judged: dict[str, list[Judged]] = {sensitivity: [] for sensitivity in SENSITIVITIES}
    for role in ROLES:
        for seed in range(options.seed, options.seed + options.series):
            one = series(seed, role)
            for sensitivity, of in judged.items():
                of.append(judge(one, sensitivity))
    print(*report(judged), sep="\n")
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1: {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
