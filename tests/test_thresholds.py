"""Thresholds of a check: what -w and -c take, who beats whom, and what is a breach."""

import pytest

from checks import ranges
from checks.nagios import Range
from checks.options import UsageError
from checks.ranges import CRITICAL, OK, UNKNOWN, WARNING
from checks.spec import CheckSpec, Judged, Metric, Phrase, percent
from tcptide.config import Config
from tcptide.errors import ConfigError

SPEC = CheckSpec(
    name="check_tcp_errors",
    summary="For tests.",
    metrics=(
        percent("failed_open_percent", "its defaults are 5 and 20"),
        Metric("resets_per_second", "", "has no defaults"),
        Metric("listen_overflows_per_second", "", "its default is 0"),
    ),
)
NONE = Config()


def resolved(*, w: tuple[str, ...] = (), c: tuple[str, ...] = (), config: Config = NONE) -> dict[str, list[str | None]]:
    thresholds = ranges.resolve(SPEC, w, c, config)
    return {
        label: [None if level is None else str(level) for level in levels]
        for label, levels in thresholds.items()
        if levels != (None, None)
    }


def test_defaults() -> None:
    assert resolved() == {"failed_open_percent": ["5", "20"], "listen_overflows_per_second": ["0", None]}


@pytest.mark.parametrize(
    ("w", "c", "failed", "resets"),
    [
        (("7",), (), ["7", "20"], None),
        (("failed_open_percent=7",), ("failed_open_percent=9",), ["7", "9"], None),
        (("resets_per_second=100",), (), ["5", "20"], ["100", None]),
        (("resets_per_second=100", "6"), ("resets_per_second=200",), ["6", "20"], ["100", "200"]),
        (("failed_open_percent=",), (), [None, "20"], None),
        (("7", "8"), (), ["8", "20"], None),
        (("7%",), ("10%:20%",), ["7", "10:20"], None),
        (("0.5%",), ("1",), ["0.5", "1"], None),
        (("0",), ("@0:5",), ["0", "@5"], None),
        (("~:5",), ("5:",), ["~:5", "5:"], None),
    ],
    ids=[
        "headline",
        "by-name",
        "other-metric-keeps-the-headline's",
        "repeated",
        "cleared",
        "last-one-counts",
        "percent-sign",
        "under-one-percent",
        "zero-and-inside",
        "open-ends",
    ],
)
def test_options(
    w: tuple[str, ...], c: tuple[str, ...], failed: list[str | None], resets: list[str | None] | None
) -> None:
    levels = resolved(w=w, c=c)
    assert levels["failed_open_percent"] == failed
    assert levels.get("resets_per_second") == resets


def test_option_beats_file_beats_default_for_each_level() -> None:
    filed = Config(
        path="/etc/tcptide/tcptide.toml",
        thresholds={
            ("tcp_errors", "failed_open_percent"): ("8", ""),
            ("tcp_errors", "resets_per_second"): (None, "50"),
            ("tcp_time_wait", "time_wait"): ("1", "1"),
        },
    )
    assert resolved(config=filed) == {
        "failed_open_percent": ["8", None],
        "resets_per_second": [None, "50"],
        "listen_overflows_per_second": ["0", None],
    }
    assert resolved(w=("9",), c=("resets_per_second=",), config=filed) == {
        "failed_open_percent": ["9", None],
        "listen_overflows_per_second": ["0", None],
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not a range"),
        ("5 0", "'5 0' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        (" 5", "' 5' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("1_000", "'1_000' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("1e3", "'1e3' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("+5", "'+5' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("@", "'@' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("9" * 41, "has over 40 characters"),
        ("nan", "'nan' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("\u0665", "'\u0665' is not a range such as 80, 10:, ~:80, 10:80 or @10:80"),
        ("20:10", "'20:10' has its start above its end"),
        ("0.05", "'0.05' has a limit under 1 %; write 0.05% if that is meant"),
        ("0:0.5", "'0:0.5' has a limit under 1 %; write 0.5% if that is meant"),
        ("resets_per_second=5%", "'5%' has a % for a metric that is no percentage"),
        (
            "restes=5",
            "'restes' is no metric of check_tcp_errors; known: failed_open_percent, resets_per_second,"
            " listen_overflows_per_second",
        ),
        (
            "=5",
            "'' is no metric of check_tcp_errors; known: failed_open_percent, resets_per_second,"
            " listen_overflows_per_second",
        ),
    ],
)
def test_bad_option_is_named(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        ranges.resolve(SPEC, (), (text,), NONE)
    assert str(error.value) == f"-c {text}: {problem}"


@pytest.mark.parametrize(
    ("metric", "levels", "problem"),
    [
        ("restes", ("5", None), "warning.restes: 'restes' is no metric of check_tcp_errors; known: "),
        ("failed_open_percent", (None, "0.2"), "critical.failed_open_percent: '0.2' has a limit under 1 %; write 0.2%"),
    ],
)
def test_bad_key_of_the_file_is_named(metric: str, levels: tuple[str | None, str | None], problem: str) -> None:
    filed = Config(path="/etc/tcptide/tcptide.toml", thresholds={("tcp_errors", metric): levels})
    with pytest.raises(ConfigError) as error:
        ranges.resolve(SPEC, (), (), filed)
    assert str(error.value).startswith(f"/etc/tcptide/tcptide.toml: checks.tcp_errors.{problem}")
    assert not isinstance(error.value, UsageError)


@pytest.mark.parametrize(
    ("level", "value", "bad"),
    [
        ("10", 10, False),
        ("10", 10.001, True),
        ("10", -1, True),
        ("10:", 9.9, True),
        ("10:", 10, False),
        ("~:10", -5, False),
        ("~:10", 11, True),
        ("10:20", 15, False),
        ("10:20", 21, True),
        ("@10:20", 10, True),
        ("@10:20", 20, True),
        ("@10:20", 21, False),
        ("0", 0, False),
        ("0", 0.001, True),
    ],
)
def test_range(level: str, value: float, bad: bool) -> None:
    thresholds = ranges.resolve(SPEC, (), (f"resets_per_second={level}",), NONE)
    judged = Judged(Phrase("fine"), {"resets_per_second": value})
    assert ranges.evaluate(SPEC, judged, thresholds).state == (CRITICAL if bad else OK)


@pytest.mark.parametrize(
    ("values", "unknown", "too_few", "state", "labels"),
    [
        ({"failed_open_percent": 1.0}, None, (), OK, []),
        ({"failed_open_percent": None}, None, (), OK, []),
        ({"failed_open_percent": 6.0}, None, (), WARNING, ["failed_open_percent"]),
        ({"failed_open_percent": 6.0}, None, ("failed_open_percent",), OK, []),
        ({"failed_open_percent": 21.0}, None, (), CRITICAL, ["failed_open_percent"]),
        ({}, "not seen", (), UNKNOWN, []),
        ({"listen_overflows_per_second": 1.0}, "not seen", (), WARNING, ["listen_overflows_per_second"]),
        (
            {"failed_open_percent": 6.0, "listen_overflows_per_second": 1.0},
            None,
            (),
            WARNING,
            ["failed_open_percent", "listen_overflows_per_second"],
        ),
        (
            {"failed_open_percent": 6.0, "resets_per_second": 10.0, "listen_overflows_per_second": 1.0},
            None,
            (),
            CRITICAL,
            ["resets_per_second", "failed_open_percent", "listen_overflows_per_second"],
        ),
    ],
    ids=[
        "ok",
        "ok-not-known",
        "warn",
        "ok-too-few",
        "crit",
        "unknown",
        "warn-outranks-unknown",
        "warn-in-the-order-of-the-metrics",
        "crit-first",
    ],
)
def test_worst_first(
    values: dict[str, float | None], unknown: str | None, too_few: tuple[str, ...], state: int, labels: list[str]
) -> None:
    thresholds = ranges.resolve(SPEC, (), ("resets_per_second=9",), NONE)
    outcome = ranges.evaluate(SPEC, Judged(Phrase("fine"), values, unknown=unknown, too_few=too_few), thresholds)
    assert outcome.state == state
    assert [breach.metric.label for breach in outcome.breaches] == labels


@pytest.mark.parametrize(
    ("value", "unit", "digits"),
    [
        (0, "", "0"),
        (1204, "", "1204"),
        (10**15, "", "1000000000000000"),
        (0.0, "%", "0"),
        (92.00524, "%", "92"),
        (99.9999, "%", "99.99"),
        (100.0, "%", "100"),
        (0.29, "%", "0.29"),
        (1 / 900, "", "0.001"),
        (1e-9, "", "0"),
        (-0.0001, "", "0"),
        (12.3456, "s", "12.346"),
        (1e15, "B", "1000000000000000"),
    ],
)
def test_digits_minus_and_dot(value: float, unit: str, digits: str) -> None:
    assert ranges.digits(value, unit) == digits


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("0:", "0:"),
        ("@0:", "@0:"),
        ("5", "5"),
        ("0:5", "5"),
        ("@0:5", "@5"),
        ("~:5", "~:5"),
        ("0.00001", "0.00001"),
        ("@-0.00002:30000000000000000.0", "@-0.00002:30000000000000000"),
    ],
)
def test_a_range_is_shown_as_an_option_takes_it(given: str, shown: str) -> None:
    assert ranges.written(Range(given)) == shown


def test_a_breach_of_a_small_limit_names_it_without_an_exponent() -> None:
    thresholds = ranges.resolve(SPEC, ("resets_per_second=0.00001",), (), NONE)
    outcome = ranges.evaluate(SPEC, Judged(Phrase("fine"), {"resets_per_second": 2.0}), thresholds)
    assert str(outcome.breaches[0].phrase) == "resets_per_second 2 (limit 0.00001)"
