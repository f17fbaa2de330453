"""All pictures of a report, in the order of the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from tcptide.model import NOT_CONNECTIONS, Sample

from . import alerts, capacity, connections, frames, heat, held, lane, words
from .ahead import Ahead
from .alerts import Alert
from .canvas import NARROW, Canvas
from .chart import Frame, bars
from .charts import Charts
from .compare import Before
from .connections import LAYERS
from .frames import History
from .lane import Mark
from .limits import Limits
from .load import Loaded
from .picture import Picture

NOTHING = "There was no connection at that moment: nothing to draw."


@dataclass(frozen=True)
class Marking:
    """What pictures mark, and the same in words."""

    marks: Sequence[Mark]
    words: str


def pictures(
    history: History,
    loaded: Loaded,
    before: Before | None,
    zone: tzinfo,
    limits: Limits,
    marking: Marking,
    alerted: Sequence[Alert],
) -> tuple[list[Picture], str]:
    """The pictures, and how to read them all. before: what the period is compared with."""
    simulated = loaded.source.simulated
    if loaded.newest and len(history.values) == 1:
        drawing = states_now(loaded.newest, simulated)
        return ([drawing], "") if drawing else ([], NOTHING)
    fullest = next((one for one in loaded.ahead if one.cone), None)
    near = None if fullest is None else lane.near(fullest.cone, history)
    shown = fullest if fullest is None or near is None else replace(fullest, cone=())
    blocks = frames.blocks(history)
    destinations = tuple(held.by_block(loaded.rows, held.destinations, blocks))
    frame = Frame(history, blocks, zone, simulated)
    charts = Charts(frame, limits, now(loaded), marking.marks, marking.words, shown, destinations, before)
    every = [
        connections.states(charts),
        connections.compared(charts),
        capacity.time_wait(charts),
        capacity.ports(charts),
        _way_to_limit(charts, loaded, fullest, near) if fullest and near is not None else None,
        capacity.by_destination(charts),
        connections.rare_states(charts),
        capacity.accept_queues(charts),
        connections.opens(charts),
        connections.errors(charts),
        heat.picture(history, zone, simulated),
        alerts.picture(alerted, charts),
    ]
    gaps = " Where there were no samples the picture is grey and empty." if history.gaps else ""
    numbers = " Bars and bands with numbers mark what needs attention." if marking.marks else ""
    return [picture for picture in every if picture], charts.resolution + gaps + numbers


def _way_to_limit(charts: Charts, loaded: Loaded, fullest: Ahead, since: float) -> Picture:
    """The end of the history close up, where all of it would be too long to show what is to come."""
    history = charts.frame.history
    points = [point for point in loaded.points if point.wall_seconds >= since]
    close = frames.history(points, since, history.last, history.spacing_seconds)
    frame = replace(charts.frame, history=close, blocks=frames.blocks(close))
    return capacity.way_to_limit(replace(charts, frame=frame, marks=lane.within(charts.marks, since), ahead=fullest))


def now(loaded: Loaded) -> str:
    """What the last numbers of a period are: the newest that there are, or not."""
    return "now" if loaded.newest else "at the end"


def states_now(sample: Sample, simulated: bool) -> Picture | None:
    """The states of one sample: what there is to draw while there is no history, if there is a connection."""
    counts = {state: v4 + v6 for state, (v4, v6) in sample.states.items() if state not in NOT_CONNECTIONS}
    roles = {member: role for _, role, members in LAYERS for member in members}
    rows = [(state, number, roles.get(state.lower(), "other")) for state, number in counts.items() if number]
    if not rows:
        return None
    rows.sort(key=lambda row: -row[1])
    told = ", ".join(f"{words.count(number)} {state}" for state, number, _ in rows)
    canvas = Canvas(replace(NARROW, height=44 + 26 * len(rows)))
    bars(canvas, None, rows, "connections", simulated=simulated)
    return Picture(
        "states-now",
        "Connections by state",
        f"{words.counted(sum(counts.values()), 'connection')}: {told}.",
        "One sample is a moment: a course over time needs at least two.",
        canvas.image(),
    )
