"""The page: plain data from history and sample, and its HTML by the template."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from markupsafe import Markup, escape

from tcptide import __version__, findings, trends
from tcptide.codec import Top
from tcptide.history_findings import of_outlook
from tcptide.model import Finding, Sample, Verdict

from . import ahead, alerts, compare, drawn, events, figures, forecasts, frames, patterns, rendering, tables, words
from .attention import Attention, Summary, attention, marked, summary
from .columns import COUNTERS
from .frames import History
from .incidents import incidents
from .later import later
from .limits import Limits
from .load import Loaded
from .palette import COLOURS
from .peak import Peaks
from .picture import Picture
from .quality import Moment, Quality, Span, moment, quality, span
from .recorded import with_alerts
from .symptoms import symptoms

FEW_POINTS = 15
ENOUGH = 0.95  # of a calendar period, that samples cover

_OPTION = re.compile(r"(?<= )-[A-Za-z]+(?= )")


@dataclass(frozen=True)
class Data:
    """The numbers behind a page."""

    loaded: Loaded
    history: History
    before: compare.Before | None  # what it is compared with
    marked: list[patterns.Marked]
    alerts: list[alerts.Alert]
    limits: Limits
    zone: tzinfo
    made_wall: float
    last: Sample | Top | None  # the newest sample, or what is stored of the lists of the period's last row


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
    newest: Moment | None  # None: the newest sample is not of the period, and is not judged
    summary: Summary
    attention: list[Attention]  # the worst first
    judged: str  # what was judged, and what was not
    lacking: list[str]  # what a report over such samples can't say
    pattern: patterns.Now | None  # None: nothing was ever said of one
    forecasts: tables.Table | None  # None: there is no newest sample in the period to look ahead from
    foretold: tables.Table  # what was recorded of forecasts in the period
    patterns: list[tuple[str, str, str]]  # name, when, what grew; the longest in their order
    more_patterns: int  # that are too short for the list
    levels: tables.Table  # alerts by level
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
    means: str = ""  # of what those of `tops` are, where it is not of all samples


def build(loaded: Loaded, interval_seconds: float, zone: tzinfo, made_wall: float, limits: Limits) -> Page:
    """The page's data. `made_wall`: when it is made, wall clock seconds."""
    history = frames.history(
        loaded.points, loaded.since, loaded.until, interval_seconds, loaded.rollups, loaded.verdicts, loaded.first
    )
    newest = loaded.newest
    before, compared = compare.before(loaded, history, interval_seconds)
    every = patterns.marked(history, loaded.points, loaded.verdicts, loaded.events)
    listed = [one for one in every if one.number]
    out_of_order = with_alerts(symptoms(history, limits, every), loaded.events, history, loaded.standing)
    found = incidents(out_of_order)
    loaded = _with_rows(loaded, {one.peak for one in out_of_order})
    peaks = Peaks(history, loaded.rows, loaded.host, limits)
    age = made_wall - history.ends[-1]
    stale = age > trends.GAP_INTERVALS * history.spacing_seconds
    live = _findings(loaded, newest, limits) if newest else ()
    after = later(loaded, limits, interval_seconds, made_wall)
    told, marks = attention(found, live, peaks, history, zone, fresh=newest is not None and not stale, later=after)
    alerted = alerts.alerts(loaded.events, history.since, history.until, loaded.standing)
    marking = drawn.Marking(marks, marked(told))
    pictures, resolution = drawn.pictures(history, loaded, before, zone, limits, marking, alerted)
    single = history.since == history.until
    return Page(
        hostname=loaded.source.hostname,
        source=loaded.source.name,
        simulated=loaded.source.simulated,
        period=span(history.since, history.until, zone),
        length="a single sample" if single else words.duration(history.until - history.since),
        zone=str(zone),
        stale=words.duration(age) if newest and stale else "",
        newest=moment(newest.origin.wall_seconds, zone) if newest else None,
        summary=summary(told, _period_name(loaded, zone)),
        attention=told,
        judged=_judged(history, loaded, zone),
        lacking=list(_lacking(history, loaded, zone)),
        pattern=patterns.now(loaded.outlook, _last_verdict(loaded), every, zone),
        forecasts=forecasts.table(loaded.ahead, newest.origin.wall_seconds, zone, len(history.values))
        if newest
        else None,
        foretold=forecasts.recorded(alerted, history.until, zone),
        patterns=[(one.name, patterns.between(one.since, one.until, zone), one.what) for one in listed],
        more_patterns=len(every) - len(listed),
        levels=alerts.table(alerted),
        events=events.table(loaded.events, zone),
        figures=figures.Figures(history, loaded, zone, limits, drawn.now(loaded), before).all(),
        compared=compared,
        pictures=pictures,
        resolution=resolution,
        states=tables.states(history, newest, zone),
        tops=tables.tops(loaded.rows, newest, zone),
        quality=quality(history, loaded.looks, newest, zone),
        limits=limits.words,
        made=moment(made_wall, zone),
        means=tables.means(loaded.rows, len(history.values)),
        data=Data(loaded, history, before, every, alerted, limits, zone, made_wall, newest or _last_lists(loaded)),
    )


def _with_rows(loaded: Loaded, peaks: set[float]) -> Loaded:
    """With the top lists of the moments at which something was worst."""
    wanted = peaks - {row.wall_seconds for row in loaded.rows}
    ids = [one.id for one in loaded.points if one.id is not None and one.wall_seconds in wanted]
    rows = [*loaded.rows, *(loaded.rows_of(ids) if ids else ())]
    return replace(loaded, rows=sorted(rows, key=lambda row: row.wall_seconds))


def _findings(loaded: Loaded, newest: Sample, limits: Limits) -> list[Finding]:
    """Of the newest sample and of what the history says, the worst first."""
    forecasts = ahead.told(loaded.ahead, newest)
    found = findings.find(newest, loaded.rates, severity=limits.severity, forecasts=forecasts)
    by_history = of_outlook(loaded.outlook, newest) if loaded.outlook else ()
    known = {finding.code for finding in found}  # a SYN flood may be seen both ways: rates say more of it
    by_history = tuple(finding for finding in by_history if finding.code not in known)
    return sorted([*found, *by_history], key=lambda finding: -finding.severity)


def _last_lists(loaded: Loaded) -> Top | None:
    last = loaded.points[-1].id if loaded.points else None
    rows = loaded.rows_of([last]) if last is not None else ()
    return rows[0].top if rows else None


def _last_verdict(loaded: Loaded) -> Verdict | None:
    last = loaded.points[-1].id if loaded.points else None
    return loaded.verdicts.get(last or 0)


def render(page: Page) -> str:
    """The page as HTML; what comes from the host is escaped."""
    environment = rendering.environment()
    environment.filters["uri"] = _uri
    environment.filters["unbroken"] = _unbroken
    return environment.get_template("report.html").render(page=page, style=_style())


def _unbroken(text: str) -> Markup:
    """With options of commands, such as -w, that no line ends within."""
    return Markup(_OPTION.sub(r'<span class="unbroken">\g<0></span>', str(escape(rendering.printable(text)))))  # noqa: S704


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


def _period_name(loaded: Loaded, zone: tzinfo) -> str:
    """As a sentence on it ends: `in week 47`, `on Tue 18 Nov`, `in November 2026`, else `in this period`."""
    if loaded.calendar is None:
        return "in this period"
    first = datetime.fromtimestamp(loaded.calendar.since, zone)
    names = {
        "week": f"in week {first:%V}",
        "day": f"on {first:%a} {first.day} {first:%b}",
        "month": f"in {first:%B %Y}",
    }
    return names[loaded.calendar.kind]


def _judged(history: History, loaded: Loaded, zone: tzinfo) -> str:
    """What it was that was judged, and what was not."""
    said = []
    if not history.values[list(COUNTERS)].notna().any(axis=None):
        yet = " yet" if len(history.values) == 1 else ""
        said.append(f"Only levels were judged: overflows and errors show in rates, which there are none of{yet}.")
    if loaded.newest is None:
        said.append("The newest sample is not of this period: how the host is now is not judged.")
    elif loaded.outlook is None:
        said.append("The history says nothing of the newest sample yet.")
    return " ".join(said)


def _lacking(history: History, loaded: Loaded, zone: tzinfo) -> Iterator[str]:
    number = len(history.values)
    if loaded.begins_late:
        yield "Nothing older is stored: the period begins with the first sample, not at the time that was asked for."
    if loaded.calendar and compare.seen_share(history) < ENOUGH:
        yield f"Samples cover {compare.covered(history)}."
    if len(history.outages) < len(history.gaps):
        first = words.full_stamp(history.begins[0], zone)
        yield f"The first sample of all is of {first}: before it nothing was watched."
    if history.rollups_until is not None:
        until = words.full_stamp(history.rollups_until, zone)
        yield (
            f"Single samples are no longer kept up to {until}: from there back each number is the mean or the "
            "highest of a quarter of an hour, what was over a limit counts with whole quarters, and who it was is "
            "known only of what was recorded."
        )
    elif number == 1:
        yield "There is one sample so far: rates and courses over time need at least two."
    elif number < FEW_POINTS:
        yield f"There are only {number} samples so far: means and maxima say little yet."
