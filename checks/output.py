"""What a check prints: one line with all perfdata, long output after it; or one JSON object."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tcptide import advice
from tcptide.model import Sample

from .nagios import Performance
from .ranges import STATES, UNKNOWN, Breach, Outcome, Thresholds, digits, written
from .spec import CheckSpec, Judged, Phrase

LINE_CHARACTERS = 120  # of line 1 without perfdata: what a text message carries
LONG_LINES = 12
LONG_BYTES = 4096
SHORT_NAME = 24  # the least that is left of a unit's name
SHORT_NOTICE = 42  # 'no history: ', both ends of a path, and the reason

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
    long_lines = [clean(text) for text in (*left_out, *_long_output(answer, outcome, verbose))]
    perfdata = " ".join(_perfdata(spec, answer.judged, thresholds))
    lines = [f"{line} | {perfdata}" if perfdata else line, *(long_lines if verbose else shorten(long_lines))]
    return "\n".join(lines) + "\n"


def first_line(spec: CheckSpec, answer: Answer, outcome: Outcome) -> tuple[str, list[str]]:
    """At most 120 characters, and whole what had to be shortened for that: the numbers go first, the name last."""
    judged, breaches = answer.judged, outcome.breaches
    summary = Phrase(judged.unknown) if outcome.state == UNKNOWN and judged.unknown else judged.summary
    phrase = breaches[0].phrase if breaches else summary
    more = f" (+{len(breaches) - 1} more)" if len(breaches) > 1 else ""
    notices = [*answer.marks, *answer.notices]
    head = f"{spec.service} {STATES[outcome.state]} - "

    def line() -> str:
        return clean(f"{head}{phrase}{more}{''.join(f' ({notice})' for notice in notices)}")

    def too_long() -> int:
        return max(0, len(line()) - LINE_CHARACTERS)

    whole, whole_notices = phrase, list(notices)
    if too_long():
        phrase = phrase._replace(detail="")
    for place, notice in enumerate(notices):
        notices[place] = _without_middle(notice, max(SHORT_NOTICE, len(notice) - too_long()))
    if too_long():
        phrase = phrase._replace(ahead="")
    if too_long():
        phrase = phrase._replace(who=_without_middle(phrase.who, max(SHORT_NAME, len(phrase.who) - too_long())))
    if too_long():
        phrase = phrase._replace(who="")
    if too_long():
        phrase = phrase._replace(what=_without_middle(phrase.what, max(SHORT_NAME, len(phrase.what) - too_long())))
    left_out = [] if phrase == whole else [str(whole)]
    left_out += [now for now, then in zip(whole_notices, notices, strict=True) if now != then]
    return line()[:LINE_CHARACTERS], left_out


def _without_middle(text: str, length: int) -> str:
    """At most `length` characters: both ends say more than the middle of a path or a name."""
    if len(text) <= length:
        return text
    tail = (length - 3) * 2 // 3
    return f"{text[: length - 3 - tail]}...{text[-tail:]}"


def shorten(lines: Sequence[str]) -> list[str]:
    """At most 12 lines and 4 KB, cut at a line's end."""
    kept = size = 0
    for line in lines:
        size += len(line.encode("utf-8", "replace")) + 1
        if size > LONG_BYTES - 32:  # room for the last line
            break
        kept += 1
    if kept == len(lines) <= LONG_LINES:
        return list(lines)
    kept = min(kept, LONG_LINES - 1)
    return [*lines[:kept], f"... {len(lines) - kept} more (-v)"]


def _long_output(answer: Answer, outcome: Outcome, verbose: int) -> Iterable[str]:
    for breach in outcome.breaches[1:]:
        yield f"{STATES[breach.state]}: {breach.phrase}"
    yield from answer.judged.details
    for finding in outcome.findings:
        words = advice.render(finding)
        yield f"{words.what}: {words.evidence}"
        yield f"-> {words.next_step}"
    if verbose > 1 and answer.sample is not None:
        origin = answer.sample.origin
        age = "" if answer.age_seconds is None else f"{answer.age_seconds:.1f} s old, "
        yield f"sample: {age}source {origin.source}, by {origin.method} in {origin.dump_seconds * 1000:.0f} ms"
        yield from (f"not seen: {what}" for what in origin.unseen)


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
FAILURE_CHARACTERS = 400


def failure(spec: CheckSpec, message: str, output: str = "text") -> str:
    """UNKNOWN without anything judged."""
    line = clean(f"{spec.service} {STATES[UNKNOWN]} - {message}")[:FAILURE_CHARACTERS]
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
