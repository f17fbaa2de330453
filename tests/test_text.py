"""Numbers, addresses and times as people read them."""

import pytest

from tcptide import text


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("10.0.0.5", 5432, "10.0.0.5:5432"),
        ("2001:db8::1", 443, "[2001:db8::1]:443"),
        ("0.0.0.0", 80, ":80"),
        ("::", 80, ":80"),
        ("::1", 80, "[::1]:80"),
    ],
)
def test_endpoint(address: str, port: int, expected: str) -> None:
    assert text.endpoint(address, port) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0%"),
        (0.05, "0.05%"),
        (0.149, "0.14%"),
        (0.0099, "under 0.01%"),
        (3.46, "3.4%"),
        (5.04, "5%"),
        (0.3, "0.3%"),
        (9.99, "9.9%"),
        (10, "10%"),
        (99.99, "99%"),
        (99.9999999, "99%"),
        (100, "100%"),
        (None, "?"),
    ],
)
def test_percent_is_cut(value: float | None, expected: str) -> None:
    assert text.percent(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (7, "7"),
        (1204, "1204"),
        (3.456, "3.5"),
        (1 / 60, "0.017"),
        (1 / 900, "0.0011"),
        (9.96, "10"),
        (42.4, "42"),
        (123456.7, "123457"),
        (None, "?"),
    ],
)
def test_number(value: float | None, expected: str) -> None:
    assert text.number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (119, "119 s"),
        (120, "2 min"),
        (480, "8 min"),
        (7200, "2 h"),
        (111_600, "31 h"),
        (172_800, "2 days"),
        (260_000, "3 days"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert text.duration(seconds) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (480, 1200, "8-20 min"),
        (3600, 10_800, "1-3 h"),
        (10, 90, "10-90 s"),
        (1190, 1210, "20 min"),
        (0, 300, "0-5 min"),
        (0.4, 300, "0-5 min"),
        (50, 300, "50 s to 5 min"),
        (7100, 200_000, "118 min to 2 days"),
        (90_000, 200_000, "1-2 days"),
        (0.9, 2.3, "1-2 s"),
    ],
)
def test_interval(low: float, high: float, expected: str) -> None:
    assert text.interval(low, high) == expected


def test_plural() -> None:
    assert [text.plural(count, "connection") for count in (0, 1, 2)] == [
        "0 connections",
        "1 connection",
        "2 connections",
    ]
