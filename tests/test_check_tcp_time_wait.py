"""check_tcp_time_wait: from a sample to its lines."""

from argparse import Namespace
from typing import Any

import pytest

from checks.check_tcp_time_wait import SPEC, judge
from tcptide.model import Rates
from tcptide.outlook import Outlook
from tests.judging import lines, text
from tests.samples import look, no_rates, outlook, point, rates, states, trend

QUIET = rates(time_wait_created=12.3)
STEADY = outlook()
FILLING = outlook("normal", trend("time_wait", 60_000, 2500, 0.25))


def said(*arguments: str, per_second: Rates = QUIET, history: Outlook | None = STEADY, **changes: Any) -> list[str]:
    return lines(SPEC, judge(look(**changes), per_second, point(), history, Namespace()), *arguments)


@pytest.mark.parametrize(
    ("expected", "per_second", "changes", "arguments"),
    [
        pytest.param("OK - 61 TIME_WAIT, 0.09% of 65536, 12/s created", QUIET, {}, (), id="ok-quiet"),
        pytest.param("OK - 61 TIME_WAIT, 0.09% of 65536", no_rates(), {}, (), id="ok-first-run"),
        pytest.param("OK - 61 TIME_WAIT, 0.09% of 65536", no_rates("reset"), {}, (), id="ok-reset"),
        pytest.param(
            "OK - 58982 TIME_WAIT, 89% of 65536, 12/s created",
            QUIET,
            {"states": states(TIME_WAIT=58982)},
            (),
            id="ok-below-warn",
        ),
        pytest.param(
            "WARNING - TIME_WAIT table 90% full (58983/65536)",
            QUIET,
            {"states": states(TIME_WAIT=58983)},
            (),
            id="warn-above-warn",
        ),
        pytest.param(
            "CRITICAL - TIME_WAIT table 98% full (64500/65536, 98.41%, limit 98%)",
            QUIET,
            {"states": states(TIME_WAIT=64500)},
            ("-c", "98"),
            id="crit-above-crit",
        ),
        pytest.param("WARNING - 61 TIME_WAIT (limit 60)", QUIET, {}, ("-w", "time_wait=60"), id="warn-count"),
        pytest.param(
            "CRITICAL - 3.5 TIME_WAIT/s cut short by the limit (limit 0)",
            rates(time_wait_overflows=3.5),
            {},
            ("-c", "overflows_per_second=0"),
            id="crit-overflows",
        ),
        pytest.param(
            "OK - 61 TIME_WAIT, 0.09% of 65536",
            no_rates(),
            {},
            ("-c", "overflows_per_second=0"),
            id="ok-no-rate-no-alarm",
        ),
        pytest.param(
            "UNKNOWN - net.ipv4.tcp_max_tw_buckets cannot be read",
            QUIET,
            {"tcp_max_tw_buckets": None},
            (),
            id="unknown-no-limit",
        ),
        pytest.param(
            "WARNING - 61 TIME_WAIT (limit 60)",
            QUIET,
            {"tcp_max_tw_buckets": None},
            ("-w", "time_wait=60"),
            id="warn-outranks-unknown",
        ),
    ],
)
def test_first_line(expected: str, per_second: Rates, changes: dict[str, Any], arguments: tuple[str, ...]) -> None:
    assert text(said(*arguments, per_second=per_second, **changes)[0]) == f"TCP_TIME_WAIT {expected}"


def test_forecast_and_perfdata() -> None:
    first, second, *_ = said(history=FILLING, states=states(TIME_WAIT=60_000))
    assert second == "forecast: full in 2-3 h, most likely in 2 h"
    assert first == (
        "TCP_TIME_WAIT WARNING - TIME_WAIT table 91% full (60000/65536), full in 2-3 h | bucket_usage=91.55%;90;;0;100"
        " time_wait=60000;;;0;65536 created_per_second=12.3;;;0 overflows_per_second=0;;;0 exhaustion_seconds=7972s;;;0"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert said(per_second=no_rates()) == [
        "TCP_TIME_WAIT OK - 61 TIME_WAIT, 0.09% of 65536 | bucket_usage=0.09%;90;;0;100 time_wait=61;;;0;65536",
        "no forecast: no growth",
    ]
    assert said(history=None)[-1] == "no forecast: no history"


def test_long_output_names_a_safe_step() -> None:
    assert said(states=states(TIME_WAIT=65536), per_second=rates(time_wait_created=900.0, time_wait_overflows=40.0))[
        1:
    ] == [
        "no forecast: no growth",
        "TIME_WAIT fills 100% of its limit: 65536 of 65536; 900/s created; 40/s cut short",
        "-> sysctl -w net.ipv4.tcp_max_tw_buckets=131072 (side effect: up to 20 MB more kernel memory); lasting cure:"
        " keep-alive, so that this side closes fewer connections",
    ]


def test_less_time_than_asked_for_is_said_with_its_limit_and_what_to_do() -> None:
    first, *rest = said("-c", "exhaustion_seconds=10800:", history=FILLING, states=states(TIME_WAIT=50_000))
    assert text(first) == "TCP_TIME_WAIT CRITICAL - TIME_WAIT table full in 2-3 h (limit 3 h)"
    assert rest[1].startswith("TIME_WAIT fills 76% of its limit: 50000 of 65536; 12/s created; 0/s cut short; ")
    assert rest[2].startswith("-> sysctl -w net.ipv4.tcp_max_tw_buckets=131072 (side effect: ")
    assert len(said(history=FILLING, states=states(TIME_WAIT=50_000))) == 2
