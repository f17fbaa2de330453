"""Whether samples are still taken and reports mailed: watches the watcher, and looks at nothing but the state."""

from argparse import Namespace
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import NoReturn

from tcptide import statefiles
from tcptide.errors import NoDataError
from tcptide.findings import Severity
from tcptide.model import Finding, Point, Report
from tcptide.record import NamedTuple
from tcptide.store import Reader
from tcptide.text import duration, percent, plural
from tcptide.trends import GAP_INTERVALS

from . import reports, spec
from .frame import Context, run
from .output import Answer
from .spec import CheckSpec, Judged, Metric, Phrase

WINDOW_SECONDS = 86400.0

SPEC = CheckSpec(
    name="check_tcptide",
    summary="Whether samples are still taken and stored, and reports mailed. It looks at the state alone, never at the "
    "sockets.",
    metrics=(
        Metric(
            "sample_age_seconds",
            "s",
            "time since the newest history row began, or since a boot after it; its defaults are 3 and 10 intervals, "
            "of at least a minute each",
        ),
        spec.percent(
            "gap_percent",
            f"part of the last 24 hours, or since the first sample, in pauses of over {GAP_INTERVALS} intervals",
        ),
        Metric("state_bytes", "B", "size of the database"),
        Metric("damaged_files", "", "databases that were set aside as damaged"),
        *reports.METRICS,
    ),
    needs=("state",),
)


class State(NamedTuple):
    """What there is to judge."""

    boot_id: str  # of the running kernel
    wall_seconds: float  # now
    boottime_seconds: float  # now
    interval_seconds: float  # between two rows, as configured
    points: tuple[Point, ...]  # of the last 24 hours, and the one before them; in the order they were stored
    size_bytes: int
    damaged_files: tuple[str, ...]
    sources: tuple[str, ...]
    reports: tuple[Report, ...] = ()  # in the order in which they were made


def judge(state: State, options: Namespace) -> Judged:
    """Samples that have stopped, or keep stopping, make every other check blind to what changes."""
    age, gap, window = age_seconds(state), gap_percent(state), window_seconds(state)
    samples = sum(point.wall_seconds >= state.wall_seconds - window for point in state.points)
    damaged = len(state.damaged_files)
    reported = reports.reported(state.reports, state.wall_seconds)

    def find(severity: Severity) -> Iterator[Finding]:
        if level := severity("tcptide", "sample_age_seconds", age):
            values = {"age_seconds": age, "gap_percent": gap, "samples": samples, "window_seconds": window}
            yield Finding("sampling_stopped", level, "host", values)
        yield from reported.find(severity)

    rows = f"{plural(samples, 'sample')} in {duration(window)}"
    return Judged(
        summary=Phrase(f"last sample {duration(age)} ago", f", {rows}, {percent(gap)} missing"),
        values={
            "sample_age_seconds": age,
            "gap_percent": gap,
            "state_bytes": state.size_bytes,
            "damaged_files": damaged,
            **reported.values,
        },
        phrases={
            "sample_age_seconds": Phrase(f"no sample for {duration(age)}"),
            "gap_percent": Phrase(f"{percent(gap)} of the last {duration(window)} without samples"),
            "state_bytes": Phrase(f"the state has {state.size_bytes / 1e6:.1f} MB"),
            "damaged_files": Phrase(plural(damaged, "damaged database")),
            **reported.phrases,
        },
        details=(
            f"sources: {', '.join(state.sources)}",
            *(f"damaged: {name}" for name in state.damaged_files),
            *reported.details,
        ),
        find=find,
    )


def age_seconds(state: State) -> float:
    """By the clock that is never set back, if the sample is of this boot; nobody could take one before it."""
    newest = state.points[-1]
    if newest.boot_id == state.boot_id:
        return state.boottime_seconds - newest.boottime_seconds
    return min(state.boottime_seconds, max(0.0, state.wall_seconds - newest.wall_seconds))


def window_seconds(state: State) -> float:
    """What is judged: the last 24 hours, or the time since the first sample ever."""
    return min(WINDOW_SECONDS, max(0.0, state.wall_seconds - state.points[0].wall_seconds))


def gap_percent(state: State) -> float:
    """Pauses of the window; a host that is off takes no samples, so that is no pause."""
    ends = [(point.boot_id, point.boottime_seconds, point.wall_seconds) for point in state.points]
    ends.append((state.boot_id, state.boottime_seconds, state.wall_seconds))
    whole = missing = 0.0
    for (same, earlier, _), (boot, later, wall) in pairwise(ends):
        span = later - earlier if same == boot else (later if boot == state.boot_id else 0.0)
        inside = min(span, max(0.0, wall - (state.wall_seconds - WINDOW_SECONDS)))
        whole += inside
        if span > GAP_INTERVALS * state.interval_seconds:
            missing += inside
    return 100 * missing / whole if whole else 0.0


def _ask(context: Context, max_age_seconds: float) -> Answer:
    wall = context.clock.wall()
    with Reader(context.directory) as reader:
        sources = reader.sources()
        newest = reader.latest(context.source)
        before = reader.before(context.source, wall - WINDOW_SECONDS)
        inside = reader.points(context.source, wall - WINDOW_SECONDS, inf)  # a clock that was set back hides no row
        made = reader.reports(context.source)
    points = inside if before is None else [before, *inside]
    if not points:
        known = ", ".join(source.name for source in sources)
        only = f"of {context.source}, only of {known}" if known else "yet"
        raise NoDataError(f"{context.directory}: no samples {only}")
    state = State(
        boot_id=context.proc.boot_id(),
        wall_seconds=wall,
        boottime_seconds=context.clock.boottime(),
        interval_seconds=context.config.interval_seconds,
        points=tuple(points),
        size_bytes=statefiles.size_bytes(context.directory),
        damaged_files=tuple(statefiles.damaged_files(context.directory)),
        sources=tuple(source.name for source in sources),
        reports=tuple(made),
    )
    marks = ("SIMULATED",) if any(source.simulated for source in sources) else ()
    return Answer(judge(state, context.options), newest, marks=marks)


def main() -> NoReturn:
    """The executable."""
    run(SPEC, _ask)
