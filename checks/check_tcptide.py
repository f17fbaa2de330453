"""Whether samples are still taken: watches the watcher, and looks at nothing but the state."""

from argparse import Namespace
from itertools import pairwise
from typing import NamedTuple, NoReturn

from tcptide import statefiles
from tcptide.errors import NoDataError
from tcptide.model import Finding, Point
from tcptide.store import Reader
from tcptide.text import duration, percent, plural
from tcptide.trends import GAP_INTERVALS

from . import spec
from .frame import Context, run
from .output import Answer
from .spec import CheckSpec, Judged, Metric, Phrase

WINDOW_SECONDS = 86400.0

SPEC = CheckSpec(
    name="check_tcptide",
    summary="Whether samples are still taken and stored. It looks at the state alone, never at the sockets.",
    metrics=(
        Metric("sample_age_seconds", "s", "time since the newest history row began"),
        spec.percent(
            "gap_percent", f"part of the last 24 hours without samples (pauses over {GAP_INTERVALS} intervals)"
        ),
        Metric("state_bytes", "B", "size of the database"),
        Metric("damaged_files", "", "databases that were set aside as damaged"),
    ),
    needs=("state",),
)


class State(NamedTuple):
    """What there is to judge."""

    boot_id: str  # of the running kernel
    wall_seconds: float  # now
    boottime_seconds: float  # now
    interval_seconds: float  # between two rows, as configured
    points: tuple[Point, ...]  # of the last 24 hours, or the newest alone; in the order they were stored
    size_bytes: int
    damaged_files: tuple[str, ...]
    sources: tuple[str, ...]


def judge(state: State, options: Namespace) -> Judged:
    """Samples that have stopped, or keep stopping, make every other check blind to what changes."""
    age, gap = age_seconds(state), gap_percent(state)
    damaged = len(state.damaged_files)
    rows = plural(len(state.points), "sample")
    stopped = age > GAP_INTERVALS * state.interval_seconds
    return Judged(
        summary=Phrase(f"last sample {duration(age)} ago", f", {rows} in 24 h, {percent(gap)} missing"),
        values={
            "sample_age_seconds": age,
            "gap_percent": gap,
            "state_bytes": state.size_bytes,
            "damaged_files": damaged,
        },
        phrases={
            "sample_age_seconds": Phrase(f"no sample for {duration(age)}"),
            "gap_percent": Phrase(f"{percent(gap)} of the last 24 h without samples"),
            "state_bytes": Phrase(f"the state has {state.size_bytes / 1e6:.1f} MB"),
            "damaged_files": Phrase(plural(damaged, "damaged database")),
        },
        details=(f"sources: {', '.join(state.sources)}", *(f"damaged: {name}" for name in state.damaged_files)),
        findings=(_stopped(age, gap, len(state.points)),) if stopped else (),
    )


def _stopped(age: float, gap: float, samples: int) -> Finding:
    return Finding("sampling_stopped", 1, "host", {"age_seconds": age, "gap_percent": gap, "samples": samples})


def age_seconds(state: State) -> float:
    """By the clock that is never set back, if the sample is of this boot."""
    newest = state.points[-1]
    if newest.boot_id == state.boot_id:
        return state.boottime_seconds - newest.boottime_seconds
    return max(0.0, state.wall_seconds - newest.wall_seconds)


def gap_percent(state: State) -> float:
    """Pauses of the time since the first of the points; a host that is off takes no samples, so that is no pause."""
    ends = [(point.boot_id, point.boottime_seconds) for point in state.points]
    ends.append((state.boot_id, state.boottime_seconds))
    spans = [
        later - earlier if same == boot else (later if boot == state.boot_id else 0.0)
        for (same, earlier), (boot, later) in pairwise(ends)
    ]
    missing = sum(span for span in spans if span > GAP_INTERVALS * state.interval_seconds)
    return 100 * missing / sum(spans) if sum(spans) else 0.0


def _ask(context: Context, max_age_seconds: float) -> Answer:
    wall = context.clock.wall()
    with Reader(context.directory) as reader:
        sources = reader.sources()
        newest = reader.latest(context.source)
        points = reader.points(context.source, wall - WINDOW_SECONDS, wall) or reader.recent(context.source, 1)
    if not points:
        known = ", ".join(source.name for source in sources) or "nothing"
        raise NoDataError(f"{context.directory}: no samples of {context.source}, only of {known}")
    state = State(
        boot_id=context.proc.boot_id(),
        wall_seconds=wall,
        boottime_seconds=context.clock.boottime(),
        interval_seconds=context.config.interval_seconds,
        points=tuple(points),
        size_bytes=statefiles.size_bytes(context.directory),
        damaged_files=tuple(statefiles.damaged_files(context.directory)),
        sources=tuple(source.name for source in sources),
    )
    marks = ("SIMULATED",) if any(source.simulated for source in sources) else ()
    return Answer(judge(state, context.options), newest, marks=marks)


def main() -> NoReturn:
    """The executable."""
    run(SPEC, _ask)
