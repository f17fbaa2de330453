"""The page: plain data from history and sample, and its HTML by the template."""

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

import jinja2
import numpy as np
from markupsafe import Markup

from tcptide import __version__, advice, findings, trends
from tcptide.model import Finding, Sample
from tcptide.series import COUNTERS

from . import charts, figures, frames, seen, tables, words
from .frames import History
from .limits import Limits
from .load import Loaded
from .palette import COLOURS

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates")

SEVERITIES = ("note", "warning", "critical")
GAPS_SHOWN = 8
FEW_POINTS = 15
RESTARTS = {
    "boot": "the host booted",
    "namespace": "the network namespace was made anew",
    "counters": "the kernel's counters went back",
}

#: What no terminal, browser or mail program shall act on: control characters, those that turn the direction of text,
#: and the lone surrogates that undecodable bytes become.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Attention:
    """A finding in words."""

    severity: str
    what: str
    evidence: str
    next_step: str = ""


@dataclass(frozen=True)
class Moment:
    """A time for people and for programs."""

    text: str
    machine: str


@dataclass(frozen=True)
class Span:
    """A part of the period."""

    since: Moment
    until: Moment
    length: str


@dataclass(frozen=True)
class Quality:
    """How much was seen, and how."""

    samples: str  # how many, and how far apart
    coverage: str
    covered_percent: float | None
    gaps: list[Span]
    more_gaps: int
    restarts: list[tuple[Moment, str]]
    looked: list[str]
    unseen: list[str]
    never: list[str]  # series without a single value


@dataclass(frozen=True)
class Page:
    """Everything that the template shows."""

    hostname: str
    source: str
    simulated: bool
    period: Span
    length: str  # of the period
    zone: str
    stale: str  # how old the newest sample was, if that is more than it should be
    now: list[Attention] | None  # None: there is no newest sample in the period to judge
    newest: Moment | None
    seen: list[Attention]
    nothing_seen: str  # what that nothing was seen means
    lacking: list[str]  # what a report over such samples can't say
    figures: list[figures.Figure]
    pictures: list[charts.Picture]
    resolution: str  # how to read the pictures
    states: tables.Table
    tops: list[tables.Table]
    quality: Quality
    limits: str  # where they come from
    made: Moment
    version: str = __version__


def build(loaded: Loaded, interval_seconds: float, zone: tzinfo, made_wall: float, limits: Limits) -> Page:
    """The page's data. `made_wall`: when it is made, wall clock seconds."""
    history = frames.history(loaded.points, loaded.since, loaded.until, interval_seconds, loaded.rollups)
    newest = loaded.newest
    pictures, resolution = _pictures(history, loaded, zone, limits)
    age = made_wall - history.ends[-1]
    over = seen.seen(history, loaded, zone, limits)
    single = history.since == history.until
    return Page(
        hostname=loaded.source.hostname,
        source=loaded.source.name,
        simulated=loaded.source.simulated,
        period=_span(history.since, history.until, zone),
        length="a single sample" if single else words.duration(history.until - history.since),
        zone=str(zone),
        stale=words.duration(age) if newest and age > trends.GAP_INTERVALS * history.spacing_seconds else "",
        now=[_attention(finding) for finding in findings.find(newest, loaded.rates, severity=limits.severity)]
        if newest
        else None,
        newest=_moment(newest.origin.wall_seconds, zone) if newest else None,
        seen=[Attention(SEVERITIES[one.severity], one.what, one.evidence) for one in over],
        nothing_seen=_nothing_seen(history),
        lacking=list(_lacking(history, loaded, zone)),
        figures=figures.Figures(history, loaded, zone, limits, _now(loaded)).all(),
        pictures=pictures,
        resolution=resolution,
        states=tables.states(history, newest, zone),
        tops=tables.tops(newest) if newest else [],
        quality=_quality(history, newest, zone),
        limits=limits.words,
        made=_moment(made_wall, zone),
    )


def render(page: Page) -> str:
    """The page as HTML; what comes from the host is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = _uri
    return environment.get_template("report.html").render(page=page, style=_style())


def _printable(value: object) -> object:
    return _UNPRINTABLE.sub("\ufffd", value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _uri(png: bytes) -> Markup:
    return Markup("data:image/png;base64," + base64.b64encode(png).decode())  # noqa: S704 - no markup is in base64


def _style() -> Markup:
    """The style sheet, with the pictures' colours as custom properties."""
    with open(os.path.join(TEMPLATES, "style.css"), encoding="utf-8") as file:
        sheet = file.read()
    light, dark = (
        "".join(f"--{role.replace('_', '-')}:{pair[theme]};" for role, pair in COLOURS.items()) for theme in (0, 1)
    )
    colours = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return Markup(colours + "\n" + sheet)  # noqa: S704 - the program's own files


def _moment(wall: float, zone: tzinfo) -> Moment:
    return Moment(words.full_stamp(wall, zone), words.machine_stamp(wall, zone))


def _span(since: float, until: float, zone: tzinfo) -> Span:
    return Span(_moment(since, zone), _moment(until, zone), words.duration(until - since))


def _attention(finding: Finding) -> Attention:
    return Attention(SEVERITIES[finding.severity], *advice.render(finding))


def _nothing_seen(history: History) -> str:
    if history.values[list(COUNTERS)].notna().any(axis=None):
        return "Nothing went over a limit in this period."
    levels_only = "No level was over its limit; overflows and errors show in rates, which there are none of"
    return f"{levels_only} yet." if len(history.values) == 1 else f"{levels_only}."


def _lacking(history: History, loaded: Loaded, zone: tzinfo) -> Iterator[str]:
    number = len(history.values)
    if loaded.begins_late:
        yield "Nothing older is stored: the period begins with the first sample, not at the time that was asked for."
    if history.rollups_until is not None:
        until = words.full_stamp(history.rollups_until, zone)
        yield (
            f"Single samples are no longer kept up to {until}: from there back each number is the mean or the "
            "highest of a quarter of an hour, and what was over a limit counts with whole quarters."
        )
    elif number == 1:
        yield "There is one sample so far: rates and courses over time need at least two."
    elif number < FEW_POINTS:
        yield f"There are only {number} samples so far: means and maxima say little yet."


def _pictures(history: History, loaded: Loaded, zone: tzinfo, limits: Limits) -> tuple[list[charts.Picture], str]:
    """The pictures, and how to read them all."""
    simulated = loaded.source.simulated
    if loaded.newest and len(history.values) == 1:
        moment = charts.states_now(loaded.newest, simulated)
        return ([moment], "") if moment else ([], "There was no connection at that moment: nothing to draw.")
    every = charts.Charts(history, frames.blocks(history), zone, simulated, limits, _now(loaded))
    gaps = " Where there were no samples the picture is grey and empty." if history.gaps else ""
    return every.all(), every.resolution + gaps


def _now(loaded: Loaded) -> str:
    """What the last numbers of a period are: the newest that there are, or not."""
    return "now" if loaded.newest else "at the end"


def _quality(history: History, newest: Sample | None, zone: tzinfo) -> Quality:
    longest = sorted(history.gaps, key=lambda gap: -gap.seconds)[:GAPS_SHOWN]
    covered = None if history.coverage is None else 100 * history.coverage
    return Quality(
        samples=_samples(history),
        coverage="a single moment" if covered is None else f"{words.percent(covered)} of the period",
        covered_percent=covered,
        gaps=[_span(gap.since, gap.until, zone) for gap in sorted(longest, key=lambda gap: gap.since)],
        more_gaps=len(history.gaps) - len(longest),
        restarts=[(_moment(restart.wall_seconds, zone), RESTARTS[restart.kind]) for restart in history.restarts],
        looked=list(_looked(newest)) if newest else [],
        unseen=list(newest.origin.unseen) if newest else [],
        never=list(history.never),
    )


def _samples(history: History) -> str:
    """`1,440, usually 1 min apart`."""
    walls = np.sort(history.begins[history.begins == history.ends])
    quarters = len(history.begins) - len(walls)
    told = f"{len(walls):,}"
    if len(walls) > 1:
        usual = words.duration(float(np.median(np.diff(walls))))
        told += f", {'usually ' * (len(walls) > 2)}{usual} apart"
    if not quarters:
        return told
    rolled = f"{words.counted(quarters, 'quarter')} of an hour"
    return f"{told}; before them {rolled}" if len(walls) else rolled


def _looked(sample: Sample) -> Iterator[str]:
    origin = sample.origin
    yield {
        "sock_diag": "the kernel's own socket table (sock_diag)",
        "psutil": "psutil and /proc/net/tcp, the slower way with less detail: sock_diag could not be had",
    }.get(origin.method, origin.method)
    yield "with the privilege to name the processes of all users" if origin.privileged else "without privileges"
    yield f"{words.duration(origin.dump_seconds)} for the walk"
