"""Which value is bad: thresholds from options, configuration file and defaults, in this order, per metric."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tcptide.config import Config, check_range
from tcptide.errors import ConfigError

from .nagios import Range
from .options import UsageError
from .spec import CheckSpec, Judged, Metric, Phrase

OK, WARNING, CRITICAL, UNKNOWN = range(4)  # the exit codes
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


class Thresholds(NamedTuple):
    """nagiosplugin Ranges that hold the good values; None: no such threshold."""

    warning: Any
    critical: Any

    def state(self, value: float) -> int:
        """OK, WARNING or CRITICAL."""
        if self.critical is not None and not self.critical.match(value):
            return CRITICAL
        return WARNING if self.warning is not None and not self.warning.match(value) else OK


class Breach(NamedTuple):
    """A metric outside of its range."""

    metric: Metric
    state: int
    phrase: Phrase


class Outcome(NamedTuple):
    """The state of a check and what it comes from, the worst first."""

    state: int
    breaches: tuple[Breach, ...]


def resolve(
    spec: CheckSpec, warnings: Iterable[str], criticals: Iterable[str], config: Config
) -> dict[str, Thresholds]:
    """The thresholds of each metric, by label: an option beats the file, the file beats the default.

    `warnings` and `criticals` are what -w and -c were given, `[METRIC=]RANGE`. Raises UsageError that names option and
    value, ConfigError that names file, key and value.
    """
    levels = []
    for level, flag, given in ((0, "-w", warnings), (1, "-c", criticals)):
        texts = _defaults(spec, level) | _filed(spec, level, config) | _given(spec, flag, given)
        levels.append({label: Range(text.replace("%", "")) for label, text in texts.items() if text})
    warning, critical = levels
    return {metric.label: Thresholds(warning.get(metric.label), critical.get(metric.label)) for metric in spec.metrics}


def _defaults(spec: CheckSpec, level: int) -> dict[str, str]:
    bounds = {metric.label: spec.levels(metric.label)[level] for metric in spec.metrics}
    return {label: f"{bound:g}" for label, bound in bounds.items() if bound is not None}


def _filed(spec: CheckSpec, level: int, config: Config) -> dict[str, str]:
    texts = {}
    for (check, label), levels in config.thresholds.items():
        text = levels[level]
        if check == spec.key and text is not None:
            problem = _problem(spec, label, text)
            if problem:
                key = f"checks.{check}.{('warning', 'critical')[level]}.{label}"
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
            raise UsageError(f"{flag} {argument}: {problem}")
        texts[label] = text
    return texts


def _problem(spec: CheckSpec, label: str, text: str) -> str | None:
    """What is wrong with a range for a metric; an empty one clears the default."""
    units = {metric.label: metric.unit for metric in spec.metrics}
    if label not in units:
        return f"{label!r} is no metric of {spec.name}; known: {', '.join(units)}"
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
        if state != OK:
            phrase = judged.phrases.get(
                metric.label, Phrase(f"{metric.label} {digits(value, metric.unit)}{metric.unit}")
            )
            if not phrase.detail:
                phrase = phrase._replace(detail=f" ({_limit(thresholds[metric.label][state - 1], metric.unit)})")
            breaches.append(Breach(metric, state, phrase))
    breaches.sort(key=lambda breach: -breach.state)
    if breaches:
        return Outcome(breaches[0].state, tuple(breaches))
    return Outcome(OK if judged.unknown is None else UNKNOWN, ())


def _limit(threshold: Any, unit: str) -> str:
    text = str(threshold)
    plain = not threshold.invert and threshold.start == 0
    return f"limit {text}{unit}" if plain else f"allowed {text}"


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
