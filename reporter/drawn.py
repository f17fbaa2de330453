"""All pictures of a report, in the order of the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from tcptide.model import NOT_CONNECTIONS, Sample

from . import alerts, frames, heat, held, lane, words
from .alerts import Alert
from .canvas import NARROW, Canvas
from .chart import Frame, bars
from .charts import LAYERS, Charts
from .compare import Before
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
    every = charts.all()
    if fullest and near is not None:
        close = frames.history(
            [point for point in loaded.points if point.wall_seconds >= near],
            *(near, history.last, history.spacing_seconds),
        )
        ahead = replace(
            charts,
            frame=replace(frame, history=close, blocks=frames.blocks(close)),
            marks=lane.within(marking.marks, near),
            ahead=fullest,
        )
        every.insert([one.name for one in every].index("ports") + 1, ahead.way_to_limit())
    every += filter(None, [heat.picture(history, zone, simulated), alerts.picture(alerted, charts)])
    gaps = " Where there were no samples the picture is grey and empty." if history.gaps else ""
    numbers = " Bars and bands with numbers mark what needs attention." if marking.marks else ""
    return every, charts.resolution + gaps + numbers


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
