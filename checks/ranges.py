"""Which value is bad: thresholds from options, configuration file and defaults, in this order, per metric."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tcptide import levels
from tcptide.config import Config, check_range
from tcptide.errors import ConfigError
from tcptide.findings import EXPLAINS
from tcptide.model import Finding
from tcptide.record import NamedTuple
from tcptide.text import duration, number, percent

from .nagios import Range
from .options import UsageError
from .spec import CheckSpec, Judged, Metric, Phrase

OK, WARNING, CRITICAL, UNKNOWN = range(4)  # the exit codes
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
LESS_IS_WORSE = ("exhaustion_seconds",)  # of all others a finding is about too much
RANGE_CHARACTERS = 40  # int() refuses thousands of digits
_EXPONENT = re.compile(r"[0-9.]+e[-+][0-9]+")


class Thresholds(NamedTuple):
    """nagiosplugin Ranges that hold the good values; None: no such threshold."""

    warning: Any
    critical: Any

    def state(self, value: float) -> int:
        """OK, WARNING or CRITICAL."""
        if self.critical is not None and not self.critical.match(value):
            return CRITICAL
        return WARNING if self.warning is not None and not self.warning.match(value) else OK

    def excess(self, value: float) -> int:
        """The same where it is too much; what is too little is OK."""
        upper = (None if each is None or (not each.invert and value < each.start) else each for each in self)
        return Thresholds(*upper).state(value)


class Breach(NamedTuple):
    """A metric outside of its range."""

    metric: Metric
    state: int
    phrase: Phrase


class Outcome(NamedTuple):
    """The state of a check and what it comes from, the worst first."""

    state: int
    breaches: tuple[Breach, ...]
    findings: tuple[Finding, ...] = ()  # those that explain the breaches in their order, then notes

    @property
    def cause(self) -> Finding | None:
        """What explains the worst breach."""
        if not self.breaches or not self.findings:
            return None
        return self.findings[0] if self.breaches[0].metric.label in EXPLAINS[self.findings[0].code] else None


def resolve(
    spec: CheckSpec, warnings: Iterable[str], criticals: Iterable[str], config: Config
) -> dict[str, Thresholds]:
    """The thresholds of each metric, by label: an option beats the file, the file beats the default.

    `warnings` and `criticals` are what -w and -c were given, `[METRIC=]RANGE`. Raises UsageError that names option and
    value, ConfigError that names file, key and value.
    """
    ranges = []
    for level, flag, given in ((0, "-w", warnings), (1, "-c", criticals)):
        texts = _defaults(spec, level, config) | _filed(spec, level, config) | _given(spec, flag, given)
        ranges.append({label: Range(text.replace("%", "")) for label, text in texts.items() if text})
    warning, critical = ranges
    return {metric.label: Thresholds(warning.get(metric.label), critical.get(metric.label)) for metric in spec.metrics}


def _defaults(spec: CheckSpec, level: int, config: Config) -> dict[str, str]:
    bounds = {metric.label: spec.levels(metric.label, config.interval_seconds)[level] for metric in spec.metrics}
    return {label: f"{bound:g}" for label, bound in bounds.items() if bound is not None}


def _filed(spec: CheckSpec, level: int, config: Config) -> dict[str, str]:
    texts = {}
    for (check, label), given in config.thresholds.items():
        text = given[level]
        if check == spec.key and text is not None:
            problem = _problem(spec, label, text)
            if problem:
                key = f"checks.{check}.{('warning', 'critical')[level]}.{label:.60}"
                raise ConfigError(f"{config.path}: {key}: {problem}")
            texts[label] = text
    return texts


def _given(spec: CheckSpec, flag: str, given: Iterable[str]) -> dict[str, str]:
    texts = {}
    for argument in given:
        label, named, text = argument.rpartition("=")
        label = label if named else spec.metrics[0].label
        problem = _problem(spec, label, text) if text or named else "'' is not a range"
        if problem:
            raise UsageError(f"{flag} {argument:.60}: {problem}")
        texts[label] = text
    return texts


def _problem(spec: CheckSpec, label: str, text: str) -> str | None:
    """What is wrong with a range for a metric; an empty one clears the default."""
    units = {metric.label: metric.unit for metric in spec.metrics}
    if label not in units:
        return f"{label!r:.60} is no metric of {spec.name}; known: {', '.join(units)}"
    if len(text) > RANGE_CHARACTERS:
        return f"has over {RANGE_CHARACTERS} characters"
    wrong = check_range(text, percent=units[label] == "%") if text else None
    return f"{text!r} {wrong}" if wrong else None


def evaluate(spec: CheckSpec, judged: Judged, thresholds: Mapping[str, Thresholds]) -> Outcome:
    """Hold what was seen against the thresholds. Worst first: CRITICAL, WARNING, UNKNOWN, OK."""
    breaches = []
    for metric in spec.metrics:
        value = judged.values.get(metric.label)
        if value is None or metric.label in judged.too_few:
            continue
        state = thresholds[metric.label].state(value)
        sure = judged.at_least.get(metric.label)
        if sure is not None:
            state = min(state, thresholds[metric.label].state(sure))
        if state != OK:
            words = f"{metric.label} {digits(value, metric.unit)}{metric.unit}"
            phrase = judged.phrases.get(metric.label, Phrase(words))
            limit = thresholds[metric.label][state - 1]
            if not phrase.detail or limit != (False, 0, spec.levels(metric.label)[state - 1]):
                phrase = phrase._replace(detail=_with_limit(phrase.detail, value, limit, metric.unit))
            breaches.append(Breach(metric, state, phrase))
    breaches.sort(key=lambda breach: -breach.state)
    state = breaches[0].state if breaches else OK if judged.unknown is None else UNKNOWN
    return Outcome(state, tuple(breaches), _findings(spec, judged, thresholds, breaches))


def _findings(
    spec: CheckSpec, judged: Judged, thresholds: Mapping[str, Thresholds], breaches: Sequence[Breach]
) -> tuple[Finding, ...]:
    """What is wrong by the thresholds in force: as severe as the worst breach that it explains, else a note."""

    def severity(check: str, label: str, value: float) -> int:
        if check != spec.key:
            return levels.severity(check, label, value)
        return thresholds[label].state(value) if label in LESS_IS_WORSE else thresholds[label].excess(value)

    def explained(finding: Finding) -> int:
        places = (place for place, breach in enumerate(breaches) if breach.metric.label in EXPLAINS[finding.code])
        return next(places, len(breaches))

    found = sorted(judged.find(severity), key=explained)
    states = [*(breach.state for breach in breaches), OK]
    return tuple(finding._replace(severity=states[explained(finding)]) for finding in found)


def _with_limit(detail: str, value: float, threshold: Any, unit: str) -> str:
    """The detail with the limit; with the exact value too where both would read the same."""
    say = {"%": percent, "s": duration}.get(unit, number)
    if threshold.invert:
        inside = written(threshold)[1:]
        limit = f"not allowed {inside if ':' in inside else f'0:{inside}'}"
    elif unit == "s" and value < threshold.start:
        limit = f"limit {say(threshold.start)}"
    elif threshold.start != 0 or value < 0:
        limit = f"allowed {written(threshold)}"
    elif say(value) == say(threshold.end):
        limit = f"{digits(value, unit)}{unit}, limit {written(threshold)}{unit}"
    else:
        limit = f"limit {duration(threshold.end) if unit == 's' else f'{written(threshold)}{unit}'}"
    return f"{detail[:-1]}, {limit})" if detail.endswith(")") else f"{detail} ({limit})"


def written(threshold: Any) -> str:
    """A Range as the options take it; nagiosplugin writes `0:` and `@0:` without their ends, and 0.00001 as 1e-05."""
    text = _EXPONENT.sub(lambda found: f"{float(found[0]):.20f}".rstrip("0").rstrip("."), str(threshold))
    return f"{text}0:" if text in ("", "@") else text


def digits(value: float, unit: str = "") -> str:
    """A value as perfdata has it: digits, minus and dot.

    A percentage is cut to two decimals, never rounded up: it is 100 only when it is reached.
    """
    if isinstance(value, int):
        return str(value)
    if unit == "%":
        value = int(round(value * 100, 6)) / 100
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
