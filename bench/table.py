"""Measurements to Markdown: what everything took, and whether the budgets hold. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .measure import Result, Run

SMALL_SOCKETS = 100

#: What is measured, by the name of its row.
BASELINE = "python, empty check"
FLOOR = "floor in C"
TAKE_SAMPLE = "take_sample() alone"
TCP_INFO = "take_sample(tcp_info=True)"
LINGERING = "take_sample(), 1 % in CLOSE_WAIT"
SS = "ss -tan"
TCPCOUNT = "check_tcpcount"
PSUTIL = "psutil plugin"

LOOKING, FRESH = "looking", "fresh sample"


def check_row(check: str, how: str) -> str:
    """The name of a check's row."""
    return f"{check}, {how}"


class Measured(NamedTuple):
    """One run of the benchmark."""

    sockets: int
    small: Mapping[str, Result]  # at 100 sockets
    large: Mapping[str, Result]  # at `sockets`
    missing: Mapping[str, str]  # peer -> how to get it


class Budget(NamedTuple):
    """A ratio or a size that must not be exceeded; `measured` is None when a peer is missing."""

    what: str
    measured: float | None
    at_most: float
    unit: str

    @property
    def holds(self) -> bool:
        """Measured, and within."""
        return self.measured is not None and self.measured <= self.at_most


def budgets(found: Measured) -> list[Budget]:
    """The worst check against each budget."""
    small, large = found.small, found.large

    def worst(results: Mapping[str, Result], how: str) -> float:
        return max(result.seconds for name, result in results.items() if name.endswith(f", {how}"))

    def against(peer: str) -> float | None:
        return worst(large, LOOKING) / large[peer].seconds if peer in large else None

    cold = small[BASELINE].seconds
    many = f"{found.sockets:,} sockets"
    fresh_growth = (worst(large, FRESH) / large[BASELINE].seconds) / (worst(small, FRESH) / cold)
    return [
        Budget(
            f"a check with a fresh sample, {SMALL_SOCKETS} sockets / {BASELINE}", worst(small, FRESH) / cold, 1.5, "x"
        ),
        Budget(f"a check that looks, {SMALL_SOCKETS} sockets / {BASELINE}", worst(small, LOOKING) / cold, 1.5, "x"),
        Budget(f"a check that looks, {many} / {TCPCOUNT}", against(TCPCOUNT), 0.8, "x"),
        Budget(f"a check that looks, {many} / {SS}", against(SS), 0.95, "x"),
        Budget(f"{TAKE_SAMPLE}, {many} / {FLOOR}", large[TAKE_SAMPLE].seconds / large[FLOOR].seconds, 1.8, "x"),
        Budget(f"{LINGERING}, {many} / {TAKE_SAMPLE}", large[LINGERING].seconds / large[TAKE_SAMPLE].seconds, 1.2, "x"),
        Budget(f"{TCP_INFO}, {many} / {TAKE_SAMPLE}", large[TCP_INFO].seconds / large[TAKE_SAMPLE].seconds, 1.7, "x"),
        Budget(f"a check with a fresh sample, {many} / {SMALL_SOCKETS} sockets", fresh_growth, 1.1, "x"),
        Budget("peak memory of a check", max(_peaks(found)), 40, "MiB"),
    ]


def _peaks(found: Measured) -> list[float]:
    return [
        result.peak_mib
        for results in (found.small, found.large)
        for name, result in results.items()
        if name.endswith((LOOKING, FRESH))
    ]


def results_table(found: Measured) -> list[str]:
    """Each program: milliseconds at both sizes, what that is of the baseline and of the peers, and peak memory.

    A look may use two processors at once: CPU time says what it costs, the rest says how long it takes.
    """
    peers = [peer for peer in (FLOOR, TCPCOUNT, SS, PSUTIL) if peer in found.large]
    head = [
        "program",
        f"{SMALL_SOCKETS} sockets, ms",
        "/ empty check",
        f"{found.sockets:,} sockets, ms",
        "CPU ms",
        *(f"/ {peer}" for peer in peers),
        "peak MiB",
    ]
    rows = []
    for name, large in found.large.items():
        small = found.small[name]
        rows.append(
            [
                name,
                f"{small.seconds * 1e3:.1f}",
                f"{small.seconds / found.small[BASELINE].seconds:.2f}",
                f"{large.seconds * 1e3:.1f}",
                f"{large.cpu_seconds * 1e3:.1f}",
                *(f"{large.seconds / found.large[peer].seconds:.2f}" for peer in peers),
                f"{max(small.peak_mib, large.peak_mib):.1f}",
            ]
        )
    rows += [[f"{peer} (missing: {remedy})", *[""] * (len(head) - 1)] for peer, remedy in found.missing.items()]
    return _markdown(head, rows)


class Added(NamedTuple):
    """A program with something in it, and the same with that left out."""

    what: str
    whole: Result
    left_out: Result

    @property
    def milliseconds(self) -> float:
        """What it adds: the median of the rounds' differences."""
        return self._median(lambda run: run.seconds)

    @property
    def cpu_milliseconds(self) -> float:
        """What it adds of CPU time."""
        return self._median(lambda run: run.cpu_seconds)

    def _median(self, of: Callable[[Run], float]) -> float:
        pairs = zip(self.whole.runs, self.left_out.runs, strict=True)
        return 1e3 * statistics.median(of(whole) - of(left_out) for whole, left_out in pairs)


def added_table(found: Sequence[Added]) -> list[str]:
    """Milliseconds with and without it, and the difference, CPU time too."""
    rows = []
    for one in found:
        figures = (1e3 * one.whole.seconds, 1e3 * one.left_out.seconds, one.milliseconds, one.cpu_milliseconds)
        rows.append([one.what, *(f"{each:.1f}" for each in figures)])
    return _markdown(["check", "ms", "judgement left out, ms", "added ms", "added CPU ms"], rows)


def budgets_table(kept: Sequence[Budget]) -> list[str]:
    """Each budget, what was measured, and whether it holds."""
    rows = []
    for budget in kept:
        measured = "not measured" if budget.measured is None else f"{budget.measured:.2f} {budget.unit}"
        rows.append([budget.what, measured, f"{budget.at_most:g} {budget.unit}", "yes" if budget.holds else "**no**"])
    return _markdown(["budget", "measured", "at most", "holds"], rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose columns line up: text to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return f"| {' | '.join([cells[0].ljust(widths[0]), *numbers])} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(head), line(rule), *map(line, rows)]
