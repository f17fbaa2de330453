"""The pictures of how many connections there were: by state, against the time before, opened, gone wrong."""

import numpy as np
import pandas as pd

from tcptide.schema import QUARTER_SECONDS

from . import words
from .canvas import NARROW, WIDE, Canvas, Image, Size
from .chart import Key, marks
from .charts import Charts
from .figures import column
from .frames import EXPECTED, Blocks
from .picture import Line, Picture

#: Layers of the stack from the bottom, neighbours of different lightness: name, colour, series. What is no layer, or
#: too thin for one, is 'other'.
LAYERS = (
    ("ESTABLISHED", "established", ("established",)),
    ("TIME_WAIT", "time_wait", ("time_wait",)),
    ("CLOSE_WAIT", "close_wait", ("close_wait",)),
    ("SYN_RECV", "syn_recv", ("syn_recv",)),
    ("SYN_SENT", "syn_sent", ("syn_sent",)),
    ("FIN_WAIT", "fin_wait", ("fin_wait1", "fin_wait2")),
)
THIN = 0.01  # of the highest total


def states(charts: Charts) -> Picture:
    """All connections, stacked by state."""
    blocks, history = charts.frame.blocks, charts.frame.history
    mean, total = blocks.mean, column(history, "total")
    rest = mean["total"].to_numpy()
    layers = []
    for name, role, members in LAYERS:
        values = mean[list(members)].sum(axis=1).where(mean["total"].notna()).to_numpy()
        if np.nanmax(values) > THIN * (total.highest or 0):
            layers.append((name, role, values))
            rest = rest - values
    if np.nanmax(rest) > 0:
        layers.append(("other", "other", rest))
    averaged = bool(blocks.seconds or history.rollups_until)
    expected = mean[EXPECTED].to_numpy()
    expects = bool(np.isfinite(expected).any())
    top = max(total.highest or 0, float(np.nanmax(expected)) if expects else 0)
    highest = Key("highest total", "text", width=0.9)
    foretold = Key("expected", "text", dashes=(4, 2), width=1)
    keys = [*(Key(name, role, "area") for name, role, _ in layers), *[highest] * averaged, *[foretold] * expects]

    def draw(size: Size) -> Image:
        canvas = Canvas(size)
        chart = charts.chart(canvas, "connections", marks(top), keys)
        base = 0 * rest
        for _, role, values in layers:
            chart.area(base + values, role, base)
            base = base + values
        if averaged:
            chart.line(blocks.highest["total"].to_numpy(), highest)
        else:
            chart.marks(base, "text")
        if expects:
            chart.line(expected, foretold)
        return canvas.image()

    means = {name: np.nanmean(values) for name, _, values in layers}
    most = max(means, key=lambda name: means[name], default=None)
    leading = f"; {most} is {words.percent(100 * means[most] / total.mean)} of them" if most and total.mean else ""
    return Picture(
        "states",
        "Connections by state",
        f"{words.counted(total.mean, 'connection')} on average{leading}; the most were {charts.highest(total)}.",
        "",
        draw(NARROW),
        draw(WIDE),
        charts.marked,
    )


def compared(charts: Charts) -> Picture | None:
    """The connections against those of the period before."""
    if charts.before is None:
        return None
    history, blocks = charts.frame.history, charts.frame.blocks
    then, now = by_block(charts.before.total(charts.frame.zone), blocks), blocks.mean["total"].to_numpy()
    if not np.isfinite(then).any():
        return None
    of, past = column(history, "total"), column(charts.before.history, "total")
    keys = [Key("this period", "established"), Key(charts.before.words, "text", dashes=(4, 2), width=1.2)]

    def draw(size: Size) -> Image:
        canvas = Canvas(size)
        chart = charts.chart(canvas, "connections, mean", marks(float(max(np.nanmax(then), np.nanmax(now)))), keys)
        chart.area(now, "tint")
        chart.line(then, keys[1])
        chart.line(now, keys[0])
        return canvas.image()

    changed = words.change(of.mean, past.mean)
    change = f": {changed}" if changed else ""
    return Picture(
        "total",
        f"Connections against {charts.before.words}",
        f"{words.count(of.mean)} on average, {words.count(past.mean)} {charts.before.words}{change}.",
        "Both at the same weekday and time of day.",
        draw(NARROW),
        draw(WIDE),
    )


def rare_states(charts: Charts) -> Picture | None:
    """The states that sockets only pass through while all is well."""
    lines = [
        Line("CLOSE_WAIT", "close_wait", "close_wait"),
        Line("SYN_RECV", "syn_recv", "established", (4, 2)),
        Line("SYN_SENT", "syn_sent", "syn_sent", (1, 1.5)),
    ]
    most = [(line.label, column(charts.frame.history, line.name)) for line in lines]
    return charts.lines(
        ("rare-states", "States that should be few", "sockets"),
        lines,
        f"At most {', '.join(charts.most(of, label) for label, of in most)}.",
        "CLOSE_WAIT that grows: a program does not close(). SYN_RECV: a flood. SYN_SENT: nobody answers.",
    )


def opens(charts: Charts) -> Picture | None:
    """New connections by who opened them."""
    both = column(charts.frame.history, "active_opens", "passive_opens")
    lines = [
        Line("by others", "passive_opens", "established", under="tint"),
        Line("by this host", "active_opens", "close_wait", (4, 2)),
    ]
    return charts.lines(
        ("opens", "Connections opened", "per second"),
        lines,
        f"{words.per_second(both.mean)} on average, at most {charts.highest(both, words.per_second)}.",
        "",
    )


def errors(charts: Charts) -> Picture | None:
    """What went wrong, by the minute."""
    increase = charts.frame.history.increase
    lines = [
        Line("segments sent again", "retrans_segs", "established", factor=60),
        Line("failed opens", "attempt_fails", "close_wait", (4, 2), factor=60),
        Line("resets", "estab_resets", "syn_sent", (1, 1.5), factor=60),
    ]
    sent, failed, resets = (increase[line.name] for line in lines)
    again, opens = words.counted(sent, "segment"), words.counted(failed, "failed open")
    counts = f"{again} sent again, {opens}, {words.counted(resets, 'reset')}"
    return charts.lines(("errors", "Errors and retransmits", "per minute"), lines, f"In all {counts}.", "")


def by_block(values: pd.Series, blocks: Blocks) -> np.ndarray:
    """The mean of a series by wall clock seconds in each block, or of the quarter around it where blocks are short."""
    edges = blocks.edges
    known = values.dropna()
    walls = known.index.to_numpy(dtype=float)
    number = np.searchsorted(edges, walls, side="right") - 1
    inside = (number >= 0) & (number < len(edges) - 1)
    sums, counts = (
        np.bincount(number[inside], weights, len(edges) - 1) for weights in (known.to_numpy()[inside], inside[inside])
    )
    middles = (edges[:-1] + edges[1:]) / 2
    at = np.clip(np.searchsorted(walls, middles, side="right") - 1, 0, max(0, len(walls) - 1))
    if not len(walls):
        return np.full(len(middles), np.nan)
    near = np.where((middles >= walls[at]) & (middles - walls[at] < QUARTER_SECONDS), known.to_numpy()[at], np.nan)
    return np.where(counts > 0, sums / np.maximum(counts, 1), near)
