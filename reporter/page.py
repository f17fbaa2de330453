"""The page: plain data from history and sample, and its HTML by the template."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from markupsafe import Markup

from tcptide import __version__, advice, findings, trends
from tcptide.history_findings import of_outlook
from tcptide.model import Finding, Sample, Verdict
from tcptide.series import COUNTERS

from . import ahead, charts, compare, events, figures, forecasts, frames, lane, patterns, rendering, seen, tables, words
from .frames import History
from .limits import Limits
from .load import Loaded
from .palette import COLOURS
from .picture import Picture
from .quality import Moment, Quality, Span, moment, quality, span

SEVERITIES = ("note", "warning", "critical")
FEW_POINTS = 15
ENOUGH = 0.95  # of a calendar period, that samples cover


@dataclass(frozen=True)
class Attention:
    """A finding in words."""

    severity: str
    what: str
    evidence: str
    next_step: str = ""
    code: str = ""  # for programs, with what follows
    subject: str = ""
    values: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """The numbers behind a page."""

    loaded: Loaded
    history: History
    before: compare.Before | None  # what it is compared with
    marked: list[patterns.Marked]
    limits: Limits
    zone: tzinfo
    made_wall: float


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
    judged_by_history: bool  # too, not only by the newest sample
    seen: list[Attention]
    nothing_seen: str  # what that nothing was seen means
    lacking: list[str]  # what a report over such samples can't say
    pattern: patterns.Now | None  # None: nothing was ever said of one
    forecasts: tables.Table | None  # None: there is no newest sample in the period to look ahead from
    patterns: list[tuple[str, str, str]]  # name, when, what grew; in the order of their numbers in the picture
    more_patterns: int  # that are too short for the list
    events: tables.Table
    figures: list[figures.Figure]
    compared: str  # what their changes are against, or why there are none
    pictures: list[Picture]
    resolution: str  # how to read the pictures
    states: tables.Table
    tops: list[tables.Table]
    quality: Quality
    limits: str  # where they come from
    made: Moment
    data: Data
    version: str = __version__
    title: str = "TCP connections"  # what it is headed with


def build(loaded: Loaded, interval_seconds: float, zone: tzinfo, made_wall: float, limits: Limits) -> Page:
    """The page's data. `made_wall`: when it is made, wall clock seconds."""
    history = frames.history(
        loaded.points, loaded.since, loaded.until, interval_seconds, loaded.rollups, loaded.verdicts
    )
    newest = loaded.newest
    before, compared = compare.before(loaded, history, interval_seconds)
    marked = patterns.marked(history, loaded.points, loaded.verdicts, loaded.events)
    listed = [one for one in marked if one.number]
    pictures, resolution = _pictures(history, loaded, zone, limits, marked)
    age = made_wall - history.ends[-1]
    over = seen.seen(history, loaded, zone, limits)
    single = history.since == history.until
    return Page(
        hostname=loaded.source.hostname,
        source=loaded.source.name,
        simulated=loaded.source.simulated,
        period=span(history.since, history.until, zone),
        length="a single sample" if single else words.duration(history.until - history.since),
        zone=str(zone),
        stale=words.duration(age) if newest and age > trends.GAP_INTERVALS * history.spacing_seconds else "",
        now=[_attention(finding) for finding in _findings(loaded, newest, limits)] if newest else None,
        newest=moment(newest.origin.wall_seconds, zone) if newest else None,
        judged_by_history=loaded.outlook is not None,
        seen=[
            Attention(SEVERITIES[one.severity], one.what, one.evidence, code=one.code, values=one.values)
            for one in over
        ],
        nothing_seen=_nothing_seen(history),
        lacking=list(_lacking(history, loaded, zone)),
        pattern=patterns.now(loaded.outlook, _last_verdict(loaded), marked, zone),
        forecasts=forecasts.table(loaded.ahead, newest.origin.wall_seconds, zone) if newest else None,
        patterns=[(one.name, patterns.between(one.since, one.until, zone), one.what) for one in listed],
        more_patterns=len(marked) - len(listed),
        events=events.table(loaded.events, zone),
        figures=figures.Figures(history, loaded, zone, limits, _now(loaded), before).all(),
        compared=compared,
        pictures=pictures,
        resolution=resolution,
        states=tables.states(history, newest, zone),
        tops=tables.tops(newest) if newest else [],
        quality=quality(history, newest, zone),
        limits=limits.words,
        made=moment(made_wall, zone),
        data=Data(loaded, history, before, marked, limits, zone, made_wall),
    )


def _findings(loaded: Loaded, newest: Sample, limits: Limits) -> list[Finding]:
    """Of the newest sample and of what the history says, the worst first."""
    forecasts = ahead.told(loaded.ahead, newest)
    found = findings.find(newest, loaded.rates, severity=limits.severity, forecasts=forecasts)
    by_history = of_outlook(loaded.outlook, newest) if loaded.outlook else ()
    known = {finding.code for finding in found}  # a SYN flood may be seen both ways: rates say more of it
    by_history = tuple(finding for finding in by_history if finding.code not in known)
    return sorted([*found, *by_history], key=lambda finding: -finding.severity)


def _last_verdict(loaded: Loaded) -> Verdict | None:
    last = loaded.points[-1].id if loaded.points else None
    return loaded.verdicts.get(last or 0)


def render(page: Page) -> str:
    """The page as HTML; what comes from the host is escaped."""
    environment = rendering.environment()
    environment.filters["uri"] = _uri
    return environment.get_template("report.html").render(page=page, style=_style())


def _uri(png: bytes) -> Markup:
    return Markup("data:image/png;base64," + base64.b64encode(png).decode())  # noqa: S704 - no markup is in base64


def _style() -> Markup:
    """The style sheet, with the pictures' colours as custom properties."""
    sheet = rendering.own_file("style.css")
    light, dark = (
        "".join(f"--{role.replace('_', '-')}:{pair[theme]};" for role, pair in COLOURS.items()) for theme in (0, 1)
    )
    colours = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return Markup(colours + "\n" + sheet)  # noqa: S704 - the program's own files


def _attention(finding: Finding) -> Attention:
    return Attention(
        SEVERITIES[finding.severity],
        *advice.render(finding),
        code=finding.code,
        subject=finding.subject,
        values=finding.values,
    )


def _nothing_seen(history: History) -> str:
    if history.values[list(COUNTERS)].notna().any(axis=None):
        return "Nothing went over a limit in this period."
    levels_only = "No level was over its limit; overflows and errors show in rates, which there are none of"
    return f"{levels_only} yet." if len(history.values) == 1 else f"{levels_only}."


def _lacking(history: History, loaded: Loaded, zone: tzinfo) -> Iterator[str]:
    number = len(history.values)
    if loaded.begins_late:
        yield "Nothing older is stored: the period begins with the first sample, not at the time that was asked for."
    if loaded.calendar and history.coverage is not None and history.coverage < ENOUGH:
        yield f"Samples cover {compare.covered(history)}."
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


def _pictures(
    history: History, loaded: Loaded, zone: tzinfo, limits: Limits, marked: list[patterns.Marked]
) -> tuple[list[Picture], str]:
    """The pictures, and how to read them all."""
    simulated = loaded.source.simulated
    if loaded.newest and len(history.values) == 1:
        drawing = charts.states_now(loaded.newest, simulated)
        return ([drawing], "") if drawing else ([], "There was no connection at that moment: nothing to draw.")
    fullest = next((one for one in loaded.ahead if one.cone), None)
    near = None if fullest is None else lane.near(fullest.cone, history)
    drawn = fullest if fullest is None or near is None else replace(fullest, cone=())
    blocks = frames.blocks(history)
    every = charts.Charts(history, blocks, zone, simulated, limits, _now(loaded), marked, drawn)
    pictures = every.all()
    if fullest and near is not None:
        close = frames.history(
            [point for point in loaded.points if point.wall_seconds >= near],
            *(near, history.until, history.spacing_seconds),
        )
        pictures.insert(
            [one.name for one in pictures].index("ports") + 1,
            replace(every, history=close, blocks=frames.blocks(close), ahead=fullest).way_to_limit(),
        )
    gaps = " Where there were no samples the picture is grey and empty." if history.gaps else ""
    return pictures, every.resolution + gaps


def _now(loaded: Loaded) -> str:
    """What the last numbers of a period are: the newest that there are, or not."""
    return "now" if loaded.newest else "at the end"
