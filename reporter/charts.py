"""The pictures of the report: what each shows, how to read it, and its finding in one sentence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

import numpy as np

from tcptide import levels
from tcptide.model import NOT_CONNECTIONS, Sample
from tcptide.saying import sentence, time_left

from . import lane, patterns, words
from .ahead import Ahead
from .chart import NARROW, WIDE, Image, Size, TimeChart, bars, marks
from .figures import Measured, column, usage
from .frames import EXPECTED, Blocks, History
from .limits import Limits
from .patterns import Marked
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


@dataclass(frozen=True)
class Charts:
    """What all pictures of a report have in common."""

    history: History
    blocks: Blocks
    zone: tzinfo
    simulated: bool
    limits: Limits
    now: str  # what the last numbers are called
    patterns: Sequence[Marked] = ()
    ahead: Ahead | None = None  # of the destination that is fullest now

    @property
    def resolution(self) -> str:
        """What a step of a line stands for, and a surface."""
        if self.blocks.seconds is None:
            if self.history.rollups_until is None:
                return "Each step is one sample."
            each = "one sample, or the mean of a quarter of an hour"
        else:
            each = f"the mean of {words.duration(self.blocks.seconds)}"
        return f"Each step is {each}; a surface under a line reaches to the highest value in it."

    def all(self) -> list[Picture]:
        """The pictures of the page in its order, without those of which nothing was seen."""
        pictures = [
            self.states(),
            self.time_wait(),
            self.ports(),
            self.rare_states(),
            self.accept_queues(),
            self.opens(),
            self.errors(),
        ]
        return [picture for picture in pictures if picture]

    def states(self) -> Picture:
        """All connections, stacked by state."""
        mean, total = self.blocks.mean, column(self.history, "total")
        rest = mean["total"].to_numpy()
        layers = []
        for name, role, members in LAYERS:
            values = mean[list(members)].sum(axis=1).where(mean["total"].notna()).to_numpy()
            if np.nanmax(values) > THIN * (total.highest or 0):
                layers.append((name, role, values))
                rest = rest - values
        if np.nanmax(rest) > 0:
            layers.append(("other", "other", rest))

        averaged = bool(self.blocks.seconds or self.history.rollups_until)
        expected = mean[EXPECTED].to_numpy()
        expects = bool(np.isfinite(expected).any())
        top = max(total.highest or 0, float(np.nanmax(expected)) if expects else 0)

        def draw(size: Size, columns: int) -> Image:
            rows = -(-(len(layers) + averaged + expects) // columns)
            chart = self._chart(size, "connections", marks(top), rows, lane.HEIGHT if self.patterns else 0)
            lane.draw_patterns(chart, self.patterns)
            base = 0 * rest
            for name, role, values in layers:
                chart.area(base + values, role, name, base)
                base = base + values
            if averaged:
                chart.line(self.blocks.highest["total"].to_numpy(), "text", "highest total", width=0.9)
            else:
                chart.marks(base, "text")
            if expects:
                chart.line(expected, "text", "expected", (4, 2), width=1)
            return chart.image(columns)

        how = "The bars and bands are the patterns of the list above, by their numbers." if self.patterns else ""
        means = {name: np.nanmean(values) for name, _, values in layers}
        most = max(means, key=lambda name: means[name], default=None)
        leading = f"; {most} is {words.percent(100 * means[most] / total.mean)} of them" if most and total.mean else ""
        return Picture(
            "states",
            "Connections by state",
            f"{words.counted(total.mean, 'connection')} on average{leading}; the most were {self._highest(total)}.",
            how,
            draw(NARROW, 3),
            draw(WIDE, 9),
            patterns.sentence(self.patterns, self.zone),
        )

    def time_wait(self) -> Picture | None:
        """TIME_WAIT, and how far its limit is."""
        of = column(self.history, "time_wait")
        most = usage(self.history, "time_wait").highest or 0
        limit = column(self.history, "time_wait_limit").now
        of_limit = f", {words.percent(most)} of the limit of {words.count(limit)}" if limit else ""
        line = Line("TIME_WAIT", "time_wait", "text", under="time_wait")
        limits = [(limit, "tcp_max_tw_buckets")] if limit and most >= 40 else []
        return self._picture(
            ("time_wait", "TIME_WAIT", "sockets"),
            [line],
            f"At most {self._highest(of)}{of_limit}; {words.count(of.now)} {self.now}.",
            "" if limits else "Its limit, tcp_max_tw_buckets, is far above the picture." if limit else "",
            limits,
        )

    def ports(self) -> Picture | None:
        """How full the fullest destination is."""
        worst = column(self.history, "worst_destination")
        of = self.limits.of("tcp_port_exhaustion", "worst_destination")
        limits = sorted({limit for limit in (levels.KNEE_PERCENT, *of) if limit and limit < 100})
        lowest = min((limit for limit in of if limit is not None), default=100.0)
        above = self.history.seconds_above("worst_destination", lowest)
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
            [(limit, "") for limit in limits],
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

    def rare_states(self) -> Picture | None:
        """The states that sockets only pass through while all is well."""
        lines = [
            Line("CLOSE_WAIT", "close_wait", "close_wait"),
            Line("SYN_RECV", "syn_recv", "established", (4, 2)),
            Line("SYN_SENT", "syn_sent", "syn_sent", (1, 1.5)),
        ]
        most = [(line.label, column(self.history, line.name)) for line in lines]
        return self._picture(
            ("rare-states", "States that should be few", "sockets"),
            lines,
            f"At most {', '.join(f'{words.count(of.highest)} {label}' for label, of in most)}.",
            "CLOSE_WAIT that grows: a program does not close(). SYN_RECV: a flood. SYN_SENT: nobody answers.",
        )

    def opens(self) -> Picture | None:
        """New connections by who opened them."""
        both = column(self.history, "active_opens", "passive_opens")
        lines = [
            Line("by others", "passive_opens", "established", under="tint"),
            Line("by this host", "active_opens", "close_wait", (4, 2)),
        ]
        return self._picture(
            ("opens", "Connections opened", "per second"),
            lines,
            f"{words.per_second(both.mean)} on average, {words.per_second(both.highest)} at most.",
            "",
        )

    def errors(self) -> Picture | None:
        """What went wrong, by the minute."""
        increase = self.history.increase
        lines = [
            Line("segments sent again", "retrans_segs", "established", factor=60),
            Line("failed opens", "attempt_fails", "close_wait", (4, 2), factor=60),
            Line("resets", "estab_resets", "syn_sent", (1, 1.5), factor=60),
        ]
        counts = ", ".join(f"{words.count(increase[line.name])} {line.label}" for line in lines)
        return self._picture(("errors", "Errors and retransmits", "per minute"), lines, f"In all {counts}.", "")

    def accept_queues(self) -> Picture | None:
        """How full the fullest accept queue was, and when one overflowed."""
        fullest = column(self.history, "worst_listener")
        dropped = self.history.increase["listen_overflows"]
        lost = f"{words.count(dropped)} connections were dropped" if dropped else "none was seen to overflow"
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
        limits: Sequence[tuple[float, str]] = (),
        axis: Sequence[float] | None = None,
        flags: str | None = None,
        ahead: Ahead | None = None,
    ) -> Picture | None:
        name, title, unit = names
        if self.history.values[[line.name for line in lines]].isna().all(axis=None):
            return None
        mean, highest = self.blocks.mean, self.blocks.highest
        if axis is None:
            tops = [highest[line.name].max() * line.factor for line in lines] + [limit for limit, _ in limits]
            axis = marks(float(np.nanmax([0, *tops])))
        cone, now = ahead.cone if ahead else (), self.history.until
        columns = 2 if cone else 3
        chart = self._chart(NARROW, unit, axis, 2 if cone else 1, until=lane.end(cone, self.history.since, now))
        for line in lines:
            if line.under:
                chart.area(highest[line.name].to_numpy() * line.factor, line.under)
        for line in lines:
            chart.line(mean[line.name].to_numpy() * line.factor, line.role, line.label, line.dashes)
        for limit, label in limits:
            chart.level(limit, label)
        if cone:
            lane.draw_cone(chart, cone, now)
        if flags:
            chart.flags(highest[flags].to_numpy() > 0, "overflows")
        return Picture(name, title, finding, how, chart.image(columns))

    def _chart(
        self, size: Size, unit: str, axis: Sequence[float], rows: int, over: int = 0, until: float = 0.0
    ) -> TimeChart:
        return TimeChart(
            *(size, self.history, self.blocks, self.zone),
            unit=unit,
            marks=axis,
            rows=rows,
            simulated=self.simulated,
            lane=over,
            until=until,
        )

    def _highest(self, measured: Measured, say: Callable[[float | None], str] = words.count) -> str:
        """`3,204 (Tue 18 Nov 14:03)`."""
        when = "" if not measured.highest else f" ({words.stamp(measured.when or 0, self.zone)})"
        return say(measured.highest) + when


def states_now(sample: Sample, simulated: bool) -> Picture | None:
    """The states of one sample: what there is to draw while there is no history, if there is a connection."""
    counts = {state: v4 + v6 for state, (v4, v6) in sample.states.items() if state not in NOT_CONNECTIONS}
    roles = {member: role for _, role, members in LAYERS for member in members}
    rows = [(state, number, roles.get(state.lower(), "other")) for state, number in counts.items() if number]
    if not rows:
        return None
    rows.sort(key=lambda row: -row[1])
    told = ", ".join(f"{words.count(number)} {state}" for state, number, _ in rows)
    return Picture(
        "states-now",
        "Connections by state",
        f"{words.counted(sum(counts.values()), 'connection')}: {told}.",
        "One sample is a moment: a course over time needs at least two.",
        bars(rows, "connections", simulated=simulated),
    )
