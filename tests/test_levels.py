"""The default thresholds, held against the checks that use them."""

import pytest

from checks import (
    check_tcp_connections,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
    check_tcp_port_exhaustion,
    check_tcp_quality,
    check_tcp_time_wait,
    check_tcptide,
)
from checks.options import COMMON
from checks.spec import CheckSpec
from tcptide import levels
from tcptide.levels import Levels

CHECKS = (
    check_tcp_connections,
    check_tcp_time_wait,
    check_tcp_port_exhaustion,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
    check_tcp_quality,
    check_tcptide,
)
SPECS = [check.SPEC for check in CHECKS]
each_spec = pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])


def test_every_default_belongs_to_a_metric() -> None:
    metrics = {(spec.key, metric.label) for spec in SPECS for metric in spec.metrics}
    assert set(levels.DEFAULTS) <= metrics


def test_metric_without_default() -> None:
    assert levels.of("tcp_connections", "total") == Levels(None, None)
    assert levels.of("tcp_errors", "retransmit_percent") == Levels(3, 10)


@pytest.mark.parametrize(
    ("interval_seconds", "expected"), [(1, Levels(180, 600)), (60, Levels(180, 600)), (300, Levels(900, 3000))]
)
def test_the_age_of_a_sample_is_judged_by_the_interval(interval_seconds: float, expected: Levels) -> None:
    assert levels.of("tcptide", "sample_age_seconds", interval_seconds) == expected
    assert levels.of("tcp_errors", "retransmit_percent", interval_seconds) == Levels(3, 10)


@pytest.mark.parametrize(
    ("check", "metric", "value", "severity"),
    [
        ("tcp_errors", "retransmit_percent", None, 0),
        ("tcp_errors", "retransmit_percent", 3.0, 0),
        ("tcp_errors", "retransmit_percent", 3.1, 1),
        ("tcp_errors", "retransmit_percent", 10.1, 2),
        ("tcp_time_wait", "bucket_usage", 100.0, 1),
        ("tcp_connections", "total", 1e9, 0),
    ],
)
def test_severity(check: str, metric: str, value: float | None, severity: int) -> None:
    assert levels.severity(check, metric, value) == severity


def test_critical_is_worse_than_warning() -> None:
    for warning, critical in levels.DEFAULTS.values():
        assert critical is None or (warning is not None and warning < critical)


@each_spec
def test_labels_are_perfdata_labels(spec: CheckSpec) -> None:
    """No quoting needed, and told apart by their first 19 characters, which is all that some graphers keep."""
    labels = [metric.label for metric in spec.metrics]
    assert all(label.isascii() and label.isidentifier() and label == label.lower() for label in labels)
    assert len({label[:19] for label in labels}) == len(labels)


@each_spec
def test_units_are_perfdata_units(spec: CheckSpec) -> None:
    for metric in spec.metrics:
        assert metric.unit in ("", "%", "s", "ms", "B")
        assert (metric.unit == "%") == (metric.maximum == 100)
        assert (metric.unit == "s") == metric.label.endswith("_seconds")


@each_spec
def test_options_leave_the_guidelines_letters_alone(spec: CheckSpec) -> None:
    flags = [flag for option in (*spec.options, *COMMON) for flag in option.flags]
    assert len(set(flags)) == len(flags)
    assert {flag for flag in flags if len(flag) == 2} == {"-w", "-c", "-t"}
    assert not {"--help", "--version", "--verbose", "-H", "--hostname"} & set(flags)


@each_spec
def test_module_is_named_like_the_executable(spec: CheckSpec) -> None:
    (module,) = [check for check in CHECKS if spec is check.SPEC]
    assert module.__name__ == f"checks.{spec.name}"
    assert module.__doc__
    assert all(text and not text.endswith(".") for text in (metric.help for metric in spec.metrics))
