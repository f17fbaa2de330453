"""The pictures over time: what each shows, how to read it, and its finding in one sentence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tcptide import levels
from tcptide.saying import sentence, time_left
from tcptide.schema import QUARTER_SECONDS

from . import lane, words
from .ahead import Ahead
from .canvas import NARROW, WIDE, Canvas, Image, Size
from .chart import Box, Frame, Key, TimeChart, marks
from .compare import Before
from .figures import Measured, column, usage
from .frames import EXPECTED, Blocks
from .lane import Mark
from .limits import Limits
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
TALL = 320  # CSS pixels of a picture with two charts

#: Lines that are told apart by their dashes, in the order of their names: colour, dashes.
STYLES = (("established", ()), ("close_wait", (4, 2)), ("syn_sent", (1, 1.5)), ("text", (6, 2, 1, 2)))


@dataclass(frozen=True)
class Charts:
    """What all pictures of a report have in common."""

    frame: Frame
    limits: Limits
    now: str  # what the last numbers are called
    marks: Sequence[Mark] = ()  # what went wrong when, by its number in the list
    marked: str = ""  # the same in words
    ahead: Ahead | None = None  # of the destination that is fullest now
    destinations: Sequence[tuple[str, np.ndarray]] = ()  # percent of the ports by block, the fullest first
    before: Before | None = None  # the period that this one is compared with

    @property
    def resolution(self) -> str:
        """What a step of a line stands for, and a surface."""
        if self.frame.blocks.seconds is None:
            if self.frame.history.rollups_until is None:
                return "Each step is one sample."
            each = "one sample, or the mean of a quarter of an hour"
        else:
            each = f"the mean of {words.duration(self.frame.blocks.seconds)}"
        return f"Each step is {each}; a surface under a line reaches to the highest value in it."

    def all(self) -> list[Picture]:
        """The pictures over time in their order on the page, without those of which nothing was seen."""
        pictures = [
            self.states(),
            self.compared(),
            self.time_wait(),
            self.ports(),
            self.by_destination(),
            self.rare_states(),
            self.accept_queues(),
            self.opens(),
            self.errors(),
        ]
        return [picture for picture in pictures if picture]

    def states(self) -> Picture:
        """All connections, stacked by state."""
        blocks, history = self.frame.blocks, self.frame.history
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
            chart = self.chart(canvas, "connections", marks(top), keys)
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
            f"{words.counted(total.mean, 'connection')} on average{leading}; the most were {self._highest(total)}.",
            "",
            draw(NARROW),
            draw(WIDE),
            self.marked,
        )

    def compared(self) -> Picture | None:
        """The connections against those of the period before."""
        if self.before is None:
            return None
        history, blocks = self.frame.history, self.frame.blocks
        then, now = by_block(self.before.total(self.frame.zone), blocks), blocks.mean["total"].to_numpy()
        if not np.isfinite(then).any():
            return None
        of, past = column(history, "total"), column(self.before.history, "total")
        keys = [Key("this period", "established"), Key(self.before.words, "text", dashes=(4, 2), width=1.2)]
        canvas = Canvas(NARROW)
        chart = self.chart(canvas, "connections, mean", marks(float(max(np.nanmax(then), np.nanmax(now)))), keys)
        chart.area(now, "tint")
        chart.line(then, keys[1])
        chart.line(now, keys[0])
        changed = words.change(of.mean, past.mean)
        change = f": {changed}" if changed else ""
        return Picture(
            "total",
            f"Connections against {self.before.words}",
            f"{words.count(of.mean)} on average, {words.count(past.mean)} {self.before.words}{change}.",
            "Both at the same weekday and time of day.",
            canvas.image(),
        )

    def time_wait(self) -> Picture | None:
        """TIME_WAIT and how far its limit is; below, how fast it comes about."""
        of, created = column(self.frame.history, "time_wait"), column(self.frame.history, "time_wait_created")
        if of.highest is None:
            return None
        most = usage(self.frame.history, "time_wait").highest or 0
        limit = column(self.frame.history, "time_wait_limit").now
        near = bool(limit and most >= 25)
        blocks = self.frame.blocks
        size = replace(NARROW, height=TALL if created.highest is not None else NARROW.height)
        canvas = Canvas(size)
        upper = Box(0, TALL - 185 if created.highest is not None else 0, size.width, size.height)
        axis = marks(max(of.highest, limit or 0.0 if near else 0.0))
        line = Key("TIME_WAIT", "text")
        chart = self.chart(canvas, "sockets", axis, box=upper)
        chart.area(blocks.highest["time_wait"].to_numpy(), "time_wait")
        chart.line(blocks.mean["time_wait"].to_numpy(), line)
        if near and limit:
            chart.level(limit, f"limit {words.count(limit)} (tcp_max_tw_buckets)")
        rate = ""
        if created.highest is not None:
            lower = Box(0, 0, size.width, upper.bottom)
            under = replace(self, frame=replace(self.frame, simulated=False)).chart(
                *(canvas, "created per second", _few(marks(created.highest))),
                box=lower,
                numbered=False,
                indent=chart.indent,
            )
            under.area(blocks.highest["time_wait_created"].to_numpy(), "tint")
            under.line(blocks.mean["time_wait_created"].to_numpy(), Key("", "established"))
            rate = f" Up to {words.per_second(created.highest)} were created; each lasts a minute."
        of_limit = f", {words.percent(most)} of the limit of {words.count(limit)}" if limit else ""
        return Picture(
            "time_wait",
            "TIME_WAIT and how fast it comes about",
            f"At most {self._highest(of)}{of_limit}; {words.count(of.now)} {self.now}.{rate}",
            "" if near else "Its limit, tcp_max_tw_buckets, is far above the picture." if limit else "",
            canvas.image(),
        )

    def ports(self) -> Picture | None:
        """How full the fullest destination is."""
        history = self.frame.history
        worst = column(history, "worst_destination")
        of = self.limits.of("tcp_port_exhaustion", "worst_destination")
        limits = sorted({limit for limit in (levels.KNEE_PERCENT, *of) if limit and limit < 100})
        lowest = min((limit for limit in of if limit is not None), default=100.0)
        above = history.seconds_above("worst_destination", lowest)
        long = f", above {lowest:g}% for {words.duration(above)}" if above else ""
        lines = [
            Line("fullest destination", "worst_destination", "established", under="tint"),
            Line("fullest address for bind()", "worst_bind", "syn_sent", (4, 2)),
        ]
        return self._picture(
            ("ports", "Ephemeral ports used", "percent of the range"),
            lines,
            f"The fullest destination took at most {self._highest(worst, words.percent)}{long}.{self._full()}",
            f"Above {levels.KNEE_PERCENT:g}% each connect() there gets slow; at 100% it fails.{self._cone_words()}",
            limits=limits,
            axis=(0, *limits, 100),
            ahead=self.ahead,
        )

    def way_to_limit(self) -> Picture:
        """The same close up, where all of the history would be too long to show what is to come."""
        picture = self.ports()
        if picture is None or self.ahead is None:
            raise ValueError("there is nothing to draw")
        told = sentence(self.ahead.forecast)
        return replace(
            picture,
            name="ports-ahead",
            title="Ephemeral ports: the way to the last",
            finding=f"{told[0].upper()}{told[1:]}.",
        )

    def _full(self) -> str:
        left = time_left(self.ahead.forecast) if self.ahead else ""
        return f" The one that is fullest now: {left}." if left else ""

    def _cone_words(self) -> str:
        cone = self.ahead and self.ahead.cone
        return " The cone holds what is to come with 80% probability, if it goes on like this." if cone else ""

    def by_destination(self) -> Picture | None:
        """The ports by destination, where there is more than one to tell apart."""
        shown = self.destinations[: len(STYLES)]
        if len(shown) < 2:
            return None
        keys = [Key(name, role, dashes=dashes) for (name, _), (role, dashes) in zip(shown, STYLES, strict=False)]
        tops = [float(np.nanmax(values)) for _, values in shown]
        canvas = Canvas(NARROW)
        chart = self.chart(canvas, "percent of the range", marks(max(tops)), keys)
        for key, (_, values) in zip(keys, shown, strict=True):
            chart.line(values, key)
        told = ", ".join(f"{words.percent(top)} {name}" for (name, _), top in zip(shown, tops, strict=True))
        return Picture("destinations", "Ports by destination", f"At most {told}.", "", canvas.image())

    def rare_states(self) -> Picture | None:
        """The states that sockets only pass through while all is well."""
        lines = [
            Line("CLOSE_WAIT", "close_wait", "close_wait"),
            Line("SYN_RECV", "syn_recv", "established", (4, 2)),
            Line("SYN_SENT", "syn_sent", "syn_sent", (1, 1.5)),
        ]
        most = [(line.label, column(self.frame.history, line.name)) for line in lines]
        return self._picture(
            ("rare-states", "States that should be few", "sockets"),
            lines,
            f"At most {', '.join(self._most(of, label) for label, of in most)}.",
            "CLOSE_WAIT that grows: a program does not close(). SYN_RECV: a flood. SYN_SENT: nobody answers.",
        )

    def opens(self) -> Picture | None:
        """New connections by who opened them."""
        both = column(self.frame.history, "active_opens", "passive_opens")
        lines = [
            Line("by others", "passive_opens", "established", under="tint"),
            Line("by this host", "active_opens", "close_wait", (4, 2)),
        ]
        return self._picture(
            ("opens", "Connections opened", "per second"),
            lines,
            f"{words.per_second(both.mean)} on average, at most {self._highest(both, words.per_second)}.",
            "",
        )

    def errors(self) -> Picture | None:
        """What went wrong, by the minute."""
        increase = self.frame.history.increase
        lines = [
            Line("segments sent again", "retrans_segs", "established", factor=60),
            Line("failed opens", "attempt_fails", "close_wait", (4, 2), factor=60),
            Line("resets", "estab_resets", "syn_sent", (1, 1.5), factor=60),
        ]
        sent, failed, resets = (increase[line.name] for line in lines)
        again, opens = words.counted(sent, "segment"), words.counted(failed, "failed open")
        counts = f"{again} sent again, {opens}, {words.counted(resets, 'reset')}"
        return self._picture(("errors", "Errors and retransmits", "per minute"), lines, f"In all {counts}.", "")

    def accept_queues(self) -> Picture | None:
        """How full the fullest accept queue was, and when one overflowed."""
        fullest = column(self.frame.history, "worst_listener")
        dropped = self.frame.history.increase["listen_overflows"]
        lost = (
            f"{words.counted(dropped, 'connection')} {'was' if dropped == 1 else 'were'} dropped"
            if dropped
            else "none was seen to overflow"
        )
        return self._picture(
            ("accept-queues", "Accept queues", "percent of the backlog"),
            [Line("fullest listener", "worst_listener", "established", under="tint")],
            f"The fullest was at most {self._highest(fullest, words.percent)}; {lost}.",
            "A full queue drops connections: the program behind it does not accept() them fast enough.",
            axis=(0, 25, 50, 75, 100),
            flags="listen_overflows",
        )

    def _picture(
        self,
        names: tuple[str, str, str],
        lines: Sequence[Line],
        finding: str,
        how: str,
        limits: Sequence[float] = (),
        axis: Sequence[float] | None = None,
        flags: str | None = None,
        ahead: Ahead | None = None,
    ) -> Picture | None:
        name, title, unit = names
        history, mean, highest = self.frame.history, self.frame.blocks.mean, self.frame.blocks.highest
        if history.values[[line.name for line in lines]].isna().all(axis=None):
            return None
        if axis is None:
            axis = marks(float(np.nanmax([0, *(highest[line.name].max() * line.factor for line in lines)])))
        cone = ahead.cone if ahead else ()
        flagged = highest[flags].to_numpy() > 0 if flags else np.zeros(0, dtype=bool)
        keys = [Key(line.label, line.role, dashes=line.dashes) for line in lines]
        also = [lane.FORECAST] * bool(cone) + [Key("overflows", "close_wait", "flag")] * bool(flagged.any())
        canvas = Canvas(NARROW)
        ends = lane.end(cone, history.since, history.last)
        chart = self.chart(canvas, unit, axis, [*keys, *also], until=ends)
        for line in lines:
            if line.under:
                chart.area(highest[line.name].to_numpy() * line.factor, line.under)
        for line, key in zip(lines, keys, strict=True):
            chart.line(mean[line.name].to_numpy() * line.factor, key)
        for limit in limits:
            chart.level(limit)
        if cone:
            lane.draw_cone(chart, cone, history.last)
        if flagged.any():
            chart.flags(flagged, "close_wait")
        return Picture(name, title, finding, how, canvas.image())

    def chart(
        self,
        canvas: Canvas,
        unit: str,
        axis: Sequence[float],
        keys: Sequence[Key] = (),
        *,
        box: Box | None = None,
        until: float = 0.0,
        numbered: bool = True,
        labels: Sequence[str] | None = None,
        indent: float = 0.0,
    ) -> TimeChart:
        """A chart with the marks of what went wrong."""
        high = lane.HEIGHT if self.marks and numbered else 0
        frame = replace(self.frame, until=until)
        chart = TimeChart(
            *(canvas, frame),
            unit=unit,
            marks=axis,
            box=box,
            keys=keys,
            lane=high,
            labels=labels,
            indent=indent,
            bands=[(one.since, one.until) for one in self.marks],
        )
        if high:
            lane.numbers(chart, self.marks)
        return chart

    def _most(self, measured: Measured, label: str) -> str:
        """`3,999 CLOSE_WAIT (Sun 22 Nov 10:56)`."""
        when = "" if not measured.highest else f" ({words.stamp(measured.when or 0, self.frame.zone)})"
        return f"{words.count(measured.highest)} {label}{when}"

    def _highest(self, measured: Measured, say: Callable[[float | None], str] = words.count) -> str:
        """`3,204 (Tue 18 Nov 14:03)`."""
        when = "" if not measured.highest else f" ({words.stamp(measured.when or 0, self.frame.zone)})"
        return say(measured.highest) + when


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


def _few(axis: list[float]) -> list[float]:
    """At most three of the marks, for a low chart."""
    return axis if len(axis) <= 3 else [0, axis[-1] / 2, axis[-1]]
