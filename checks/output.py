"""What a check prints: one line with all perfdata, long output after it; or one JSON object."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from tcptide import advice
from tcptide.model import Sample
from tcptide.record import NamedTuple

from .nagios import Performance
from .ranges import STATES, UNKNOWN, Breach, Outcome, Thresholds, digits, written
from .spec import CheckSpec, Judged, Phrase

LINE_CHARACTERS = 120  # of line 1 without perfdata: what a text message carries
LINE_BYTES = 1000  # of all of it: NRPE before version 3 cuts at 1,023
LONG_LINES = 12
LONG_BYTES = 4096
FINDING_LINES = 2  # what it is and the evidence; the next step
SHORT_NAME = 24  # the least that is left of a unit's name
SHORT_PATH = 12  # and of a path

_UNPRINTABLE = dict.fromkeys([*range(0x20), 0x7F, ord("|")], "?")


class Answer(NamedTuple):
    """All that there is to print."""

    judged: Judged
    sample: Sample | None = None  # what was judged, or the newest that the state holds
    age_seconds: float | None = None  # of what was judged; None: the state was
    notices: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()  # what line 1 must also say: how it was looked, and at what


def put(text: str) -> None:
    """Write to stdout; a reader that went away or a full disk changes nothing about the exit status."""
    if sys.stdout is None:  # closed before the start
        return
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except OSError:
        pass


def clean(text: str) -> str:
    """Without what would end a line or begin perfdata."""
    return text.translate(_UNPRINTABLE)


def plain(spec: CheckSpec, answer: Answer, outcome: Outcome, thresholds: Mapping[str, Thresholds], verbose: int) -> str:
    """Line 1 with its perfdata, then the long output."""
    line, left_out = first_line(spec, answer, outcome)
    parts = [[clean(text) for text in part] for part in _long_output(answer, outcome, left_out, verbose)]
    long_lines = [text for part in parts for text in part] if verbose else shorten(*parts)
    return "\n".join([_with_perfdata(line, spec, answer.judged, thresholds), *long_lines, ""])


def first_line(spec: CheckSpec, answer: Answer, outcome: Outcome) -> tuple[str, list[str]]:
    """At most 120 characters, and whole what had to be shortened for that: the numbers go first, the name last.

    One notice has what room there is: no number and no owner of an alarm is cut for it.
    """
    judged, breaches = answer.judged, outcome.breaches
    summary = Phrase(judged.unknown) if outcome.state == UNKNOWN and judged.unknown else judged.summary
    phrase = breaches[0].phrase if breaches else summary
    more = f" (+{len(breaches) - 1} more)" if len(breaches) > 1 else ""
    head = f"{spec.service} {STATES[outcome.state]} - "
    marks = "".join(f" ({mark})" for mark in answer.marks)

    def line() -> str:
        return clean(f"{head}{phrase}{more}{marks}")

    def room() -> int:
        return LINE_CHARACTERS - len(line())

    whole = phrase
    for part in ("detail", "ahead"):
        if room() < 0:
            phrase = phrase._replace(**{part: ""})
    if room() < 0:
        phrase = phrase._replace(who=_without_middle(phrase.who, max(SHORT_NAME, len(phrase.who) + room())))
    if room() < 0:
        phrase = phrase._replace(who="")
    if room() < 0:
        phrase = phrase._replace(what=_without_middle(phrase.what, max(SHORT_NAME, len(phrase.what) + room())))
    notice = ""
    for first in answer.notices[:1]:
        if not breaches and len(first) + 3 > room():
            phrase = phrase._replace(detail="")
        notice = _noticed(first, room())
        for part in ("detail", "ahead"):
            if not notice:
                phrase = phrase._replace(**{part: ""})
                notice = _noticed(first, room())
    left_out = [] if phrase == whole else [str(whole)]
    left_out += [each for place, each in enumerate(answer.notices) if place or notice != f" ({each})"]
    return f"{line()[:LINE_CHARACTERS]}{clean(notice)}", left_out


def _noticed(notice: str, room: int) -> str:
    """` (no history: PATH: REASON)`, as much of it as there is room for, without half a word."""
    what, _, rest = notice.partition(": ")
    path, _, reason = rest.rpartition(": ")
    shortened = _without_middle(path, max(SHORT_PATH, room - len(f" ({what}: : {reason})")))
    for said in (notice, f"{what}: {shortened}: {reason}" if path else notice, f"{what}: {reason}", what):
        if len(said) + 3 <= room:
            return f" ({said})"
    return ""


def _without_middle(text: str, length: int) -> str:
    """At most `length` characters: both ends say more than the middle of a path or a name."""
    if len(text) <= length:
        return text
    tail = (length - 3) * 2 // 3
    return f"{text[: length - 3 - tail]}...{text[-tail:]}"


def shorten(heads: Sequence[str], details: Sequence[str], findings: Sequence[str]) -> list[str]:
    """At most 12 lines and 4 KB, cut at a line's end: details first, then the lesser findings, and never the worst."""
    worst, others = findings[:FINDING_LINES], findings[FINDING_LINES:]
    parts = (worst, heads, others, details)
    size = 0
    kept = []
    lines = LONG_LINES if sum(map(len, parts)) <= LONG_LINES else LONG_LINES - 1
    for part in parts:
        fitting = 0
        for line in part[:lines]:
            more = len(line.encode("utf-8", "replace")) + 1
            if size + more > LONG_BYTES - 32:  # room for the last line
                break
            size, fitting = size + more, fitting + 1
        if part is others:
            fitting -= fitting % FINDING_LINES
        kept.append(fitting)
        lines -= fitting
    left = sum(map(len, parts)) - sum(kept)
    shown = [*heads[: kept[1]], *details[: kept[3]], *worst[: kept[0]], *others[: kept[2]]]
    return [*shown, f"... {left} more (-v)"] if left else shown


def _long_output(answer: Answer, outcome: Outcome, left_out: list[str], verbose: int) -> tuple[list[str], ...]:
    """What line 1 has not, the lists that explain the numbers, and the findings, FINDING_LINES each."""
    heads = [*left_out, *(f"{STATES[breach.state]}: {breach.phrase}" for breach in outcome.breaches[1:])]
    findings = []
    for finding in outcome.findings:
        words = advice.render(finding)
        findings += [f"{words.what}: {words.evidence}", f"-> {words.next_step}"]
    if verbose > 1 and answer.sample is not None:
        origin = answer.sample.origin
        age = "" if answer.age_seconds is None else f"{answer.age_seconds:.1f} s old, "
        findings.append(
            f"sample: {age}source {origin.source}, by {origin.method} in {origin.dump_seconds * 1000:.0f} ms"
        )
        findings += [f"not seen: {what}" for what in origin.unseen]
    return heads, list(answer.judged.details), findings


def _with_perfdata(line: str, spec: CheckSpec, judged: Judged, thresholds: Mapping[str, Thresholds]) -> str:
    """Line 1, without the thresholds where they would have an old NRPE cut values."""
    for known in (thresholds, dict.fromkeys(thresholds, Thresholds(None, None))):
        perfdata = " ".join(_perfdata(spec, judged, known))
        whole = f"{line} | {perfdata}" if perfdata else line
        if len(whole.encode("utf-8", "replace")) <= LINE_BYTES:
            break
    return whole


def _perfdata(spec: CheckSpec, judged: Judged, thresholds: Mapping[str, Thresholds]) -> Iterable[str]:
    for metric in spec.metrics:
        value = judged.values.get(metric.label)
        if value is not None:
            maximum = judged.maxima.get(metric.label, metric.maximum)
            bounds = ("" if bound is None else digits(bound) for bound in (metric.minimum, maximum))
            limits = ("" if limit is None else written(limit) for limit in thresholds[metric.label])
            yield str(Performance(metric.label, digits(value, metric.unit), metric.unit, *limits, *bounds))


def as_json(spec: CheckSpec, answer: Answer, outcome: Outcome, thresholds: Mapping[str, Thresholds]) -> str:
    """The judgement as one object on one line; what isn't known is null or missing."""
    import json

    judged, sample = answer.judged, answer.sample
    line = first_line(spec, answer, outcome)[0]
    metrics = {}
    for metric in spec.metrics:
        value = judged.values.get(metric.label)
        if value is not None:
            warning, critical = thresholds[metric.label]
            metrics[metric.label] = {
                "value": float(digits(value, metric.unit)) if isinstance(value, float) else value,
                "unit": metric.unit,
                "warn": None if warning is None else written(warning),
                "crit": None if critical is None else written(critical),
                "min": metric.minimum,
                "max": judged.maxima.get(metric.label, metric.maximum),
            }
    judgement = {
        **_verdict(spec, outcome.state, line),
        "breaches": [_breach(breach) for breach in outcome.breaches],
        "metrics": metrics,
        "details": list(judged.details),
        "findings": [{**finding._asdict(), **advice.render(finding)._asdict()} for finding in outcome.findings],
        "notices": [*answer.marks, *answer.notices],
        "sample": None
        if sample is None
        else {
            "age_seconds": answer.age_seconds,
            **{
                name: value
                for name, value in sample.origin._asdict().items()
                if name in ("source", "hostname", "wall_seconds", "dump_seconds", "method", "unseen", "simulated")
            },
        },
    }
    return json.dumps(judgement) + "\n"


#: What went wrong may need more words than a judgement, yet no file's line of any length.
FAILURE_BYTES = 400


def failure(spec: CheckSpec, message: str, output: str = "text") -> str:
    """UNKNOWN without anything judged."""
    whole = clean(f"{spec.service} {STATES[UNKNOWN]} - {message}")
    line = whole.encode("utf-8", "replace")[:FAILURE_BYTES].decode("utf-8", "ignore")
    if output != "json":
        return f"{line}\n"
    import json

    empty: dict[str, object] = {
        "breaches": [],
        "metrics": {},
        "details": [],
        "findings": [],
        "notices": [],
        "sample": None,
    }
    return json.dumps({**_verdict(spec, UNKNOWN, line), **empty}) + "\n"


def _verdict(spec: CheckSpec, state: int, line: str) -> dict[str, object]:
    return {"check": spec.name, "state": STATES[state], "exit_code": state, "text": line}


def _breach(breach: Breach) -> dict[str, str]:
    return {"metric": breach.metric.label, "state": STATES[breach.state], "text": str(breach.phrase)}
