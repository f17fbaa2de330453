"""A series of one's own in a CSV file, and what the detector says of it."""

import csv
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from tcptide.model import ALARM_PATTERNS, NOT_CONNECTIONS, STATES, Verdict
from tcptide.patterns import Detector

Sample = tuple[float, Mapping[str, float]]
JUDGED = tuple(state for state in STATES if state not in NOT_CONNECTIONS)


class BadFileError(Exception):
    """Says which file, line and value, and what is wrong with it."""


def read(path: str) -> list[Sample]:
    """The samples of a file. Raises BadFileError."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            try:
                return _samples(path, ((rows.line_num, row) for row in rows))
            except (csv.Error, UnicodeDecodeError) as error:
                raise BadFileError(f"{path}:{max(1, rows.line_num)}: {error}") from None
    except OSError as error:
        raise BadFileError(f"{path}: {error.strerror}") from None


def _samples(path: str, rows: Iterator[tuple[int, list[str]]]) -> list[Sample]:
    header = [name.strip() for name in next(rows, (1, []))[1]]
    columns = [name for name in header if name in JUDGED]
    if "count" in header and not columns:
        columns = ["count"]
    if "time" not in header or not columns or len(set(header)) < len(header):
        raise BadFileError(
            f"{path}:1: the header needs `time`, and `count` or states ({', '.join(JUDGED)}): {','.join(header)!r}"
        )
    samples: list[Sample] = []
    for line, row in rows:
        if not row:
            continue
        where = f"{path}:{line}"
        if len(row) != len(header):
            raise BadFileError(f"{where}: {len(row)} values under {len(header)} columns: {','.join(row)!r}")
        values = dict(zip(header, row, strict=True))
        states = {
            "ESTABLISHED" if name == "count" else name: _count(f"{where}: {name}", values[name]) for name in columns
        }
        samples.append((_time(f"{where}: time", values["time"]), states))
    if len(samples) < 2:
        raise BadFileError(f"{path}: {len(samples)} samples; at least 2 are needed")
    if _interval_seconds(samples) <= 0:
        raise BadFileError(f"{path}: time does not go forward")
    return samples


def _count(where: str, text: str) -> float:
    try:
        count = float(text)
    except ValueError:
        count = -1.0
    if not 0 <= count < math.inf:
        raise BadFileError(f"{where}: not a count: {text!r}")
    return count


def _time(where: str, text: str) -> float:
    """Wall clock seconds; a time without a zone is taken as UTC."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise BadFileError(f"{where}: neither seconds since 1970 nor ISO 8601: {text!r}") from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise BadFileError(f"{where}: neither seconds since 1970 nor ISO 8601: {text!r}")
    return seconds


def _interval_seconds(samples: Sequence[Sample]) -> float:
    return statistics.median(after[0] - before[0] for before, after in pairwise(samples))


def episodes(samples: Sequence[Sample], sensitivity: str) -> list[str]:
    """A line for each alarm that goes on, with its evidence; and one that says what was looked at."""
    interval = _interval_seconds(samples)
    detector = Detector(interval, sensitivity)
    found: list[list[tuple[float, Verdict]]] = []
    before = None
    for wall, states in samples:
        verdict = detector.update(wall, states)
        if verdict.pattern in ALARM_PATTERNS:
            if before is None or verdict.since != before.since:
                found.append([])
            found[-1].append((wall, verdict))
        before = verdict if verdict.pattern in ALARM_PATTERNS else None
    usual = len(samples) - sum(map(len, found))
    looked = f"{len(samples)} samples, {interval:g} s apart: {len(found)} episodes, {usual} samples without alarm"
    return [*map(_line, found), looked]


def _line(episode: Sequence[tuple[float, Verdict]]) -> str:
    """Its last name, since that is told from most of it, and the count that was furthest from what was expected."""
    last, verdict = episode[-1]
    since, expected = verdict.since or last, verdict.expected or 0.0
    furthest = max((each.seen or 0.0 for _, each in episode), key=lambda seen: abs(seen - expected))
    leaks = f", {verdict.grew}" if verdict.grew else ""
    return f"{_iso(since)} to {_iso(last)}: {verdict.pattern}: {expected:.0f} -> {furthest:.0f}{leaks}"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
