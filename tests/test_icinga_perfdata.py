"""Every metric of every check in every state, as Icinga's own parser reads it; and the length of the lines."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from checks.output import LINE_CHARACTERS
from checks.spec import CheckSpec, Judged, Metric, Phrase
from contrib.generate import checks

from . import judging
from .icinga import read_perfdata

#: Icinga's word for each unit, and what a number of it is multiplied by.
UNITS = {"": ("", 1.0), "%": ("percent", 1.0), "s": ("seconds", 1.0), "ms": ("seconds", 0.001), "B": ("bytes", 1.0)}
STATES = {"OK": 3, "WARNING": 71, "CRITICAL": 99}
#: Far more than any host has.
LARGE = 123_456_789.0


@pytest.fixture(scope="module", autouse=True)
def parser() -> None:
    if shutil.which("icinga2", path="/usr/sbin") is None:
        pytest.skip("needs Icinga 2: apt install icinga2-bin")


def line(spec: CheckSpec, value: float, *arguments: str, unknown: str | None = None) -> str:
    """What the check prints when all of its metrics have a value."""
    values = {metric.label: scaled(metric, value) for metric in spec.metrics}
    whole = Phrase("x" * LINE_CHARACTERS)
    phrases = dict.fromkeys(values, whole)
    return judging.lines(spec, Judged(whole, values, phrases, unknown=unknown), *arguments)[0]


def scaled(metric: Metric, value: float) -> float:
    """0 to 100 of what the metric can be."""
    return value * (metric.maximum or 1000.0) / 100


def thresholds(spec: CheckSpec) -> Iterator[str]:
    for metric in spec.metrics:
        yield from ("-w", f"{metric.label}={scaled(metric, 50):g}{metric.unit if metric.unit == '%' else ''}")
        yield from ("-c", f"{metric.label}={scaled(metric, 90):g}{metric.unit if metric.unit == '%' else ''}")


@pytest.mark.parametrize("state", [*STATES, "UNKNOWN"])
def test_values_units_and_bounds_survive_when(state: str) -> None:
    found: list[str] = []
    expected: list[list[Any]] = []
    for spec in checks():
        value = STATES.get(state, 3)
        said = line(spec, value, *thresholds(spec), unknown="no samples yet" if state == "UNKNOWN" else None)
        assert said.startswith(f"{spec.service} {state} - ")
        found += judging.perfdata(said)
        for metric in spec.metrics:
            unit, factor = UNITS[metric.unit]
            numbers = [scaled(metric, value), scaled(metric, 50), scaled(metric, 90), metric.minimum, metric.maximum]
            wanted = [None if number is None else pytest.approx(number * factor) for number in numbers]
            expected.append([metric.label, wanted[0], unit, *wanted[1:]])
    assert read_perfdata(found) == expected


@pytest.mark.parametrize(
    ("written", "as_read"),
    [
        ("80", 80),
        ("0:80", 80),
        ("80.5", 80.5),
        ("10:", None),
        ("10:80", None),
        ("~:80", None),
        ("@10:80", None),
    ],
    ids=[
        "plain-80",
        "plain-0-to-80",
        "plain-fraction",
        "null-from-10",
        "null-10-to-80",
        "null-any-to-80",
        "null-inside",
    ],
)
def test_a_threshold_is_read_as_a_number_only_where_it_is_a_plain_upper_bound(written: str, as_read: Any) -> None:
    (spec,) = (spec for spec in checks() if spec.key == "tcp_connections")
    said = line(spec, 50, "-w", f"total={written}", "-c", f"total={written}")
    (read,) = read_perfdata(judging.perfdata(said)[:1])
    assert read == ["total", 500, "", as_read, as_read, 0, None]


def test_a_negative_value_survives() -> None:
    (spec,) = (spec for spec in checks() if spec.key == "tcp_pattern")
    item = next(each for each in judging.perfdata(line(spec, -3)) if each.startswith("deviation="))
    assert read_perfdata([item]) == [["deviation", -30, "", None, None, None, None]]


@pytest.mark.parametrize("spec", checks(), ids=lambda spec: spec.key)
def test_line_1_of_a_busy_host_stays_under_1_kb(spec: CheckSpec) -> None:
    """With all metrics and the numbers of a very large host, and each with thresholds of its own."""
    largest = {metric.label: LARGE if metric.maximum is None else metric.maximum - 0.01 for metric in spec.metrics}
    units = {metric.label: "%" if metric.unit == "%" else "" for metric in spec.metrics}
    arguments = [text for label, most in largest.items() for text in ("-w", f"{label}={most:.2f}{units[label]}")]
    said = judging.lines(spec, Judged(Phrase("x" * LINE_CHARACTERS), largest), *arguments)[0]
    assert len(re.findall(r"(\w+)=", said)) == len(spec.metrics)
    assert len(said.encode()) < 1024


@pytest.mark.parametrize("spec", checks(), ids=lambda spec: spec.key)
def test_line_1_stays_under_1_kb_with_the_longest_thresholds_in_any_script(spec: CheckSpec) -> None:
    """Thresholds go then, and no value."""
    most = "@1234567890123456.5:12345678901234567.5"
    largest = {metric.label: LARGE if metric.maximum is None else metric.maximum - 0.01 for metric in spec.metrics}
    arguments = [text for label in largest for text in ("-w", f"{label}={most}", "-c", f"{label}={most}")]
    said = judging.lines(spec, Judged(Phrase("\N{GRINNING FACE}" * LINE_CHARACTERS), largest), *arguments)[0]
    assert len(re.findall(r"(\w+)=\d", said)) == len(spec.metrics)
    assert len(said.encode()) <= 1000
