"""The benchmark of the detector: its series are what their labels say, its figures follow; files of one's own."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bench.csvfile import BadFileError, episodes, read
from bench.detection import Found, Guess, Judged, alarms_table, forecast_lines, incidents_table, judge
from bench.series import RIGHT, ROLES, Series, series
from tests.worlds import TREE


def total(one: Series, number: int) -> int:
    return sum(one.samples[number][1].values())


@pytest.mark.parametrize("role", ROLES)
def test_the_same_seed_makes_the_same_series(role: str) -> None:
    assert series(3, role) == series(3, role) != series(4, role)


def test_incidents_are_in_the_series_in_order_and_kind() -> None:
    for seed in range(4):
        one = series(seed, "incidents")
        assert {incident.kind for incident in one.incidents} <= {*RIGHT, ""}
        assert "leak" in {incident.kind for incident in one.incidents}
        for incident in one.incidents:
            assert 0 <= incident.start <= incident.until <= incident.over <= len(one.samples)


def test_an_outage_is_one_and_a_flood_is_one() -> None:
    for seed in range(6):
        one = series(seed, "incidents")
        for incident in one.incidents:
            before, during = total(one, incident.start - 1), total(one, min(incident.until, len(one.samples)) - 1)
            assert incident.kind != "outage" or during < 0.4 * before + 5
            assert incident.kind != "flood" or during > 2 * before


def test_the_limit_is_reached_where_it_is_said_to_be() -> None:
    found = [one for one in (series(seed, "filling") for seed in range(6)) if one.reached is not None]
    assert found
    for one in found:
        assert one.limit is not None
        assert one.reached is not None
        assert one.reached == len(one.samples) - 1 or total(one, one.reached) < one.limit  # a gap hid the very moment
        assert max(total(one, number) for number in range(one.onset)) < one.limit


def test_gaps_and_set_clocks_are_there() -> None:
    one = series(0, "usual")
    assert max(after[0] - before[0] for before, after in pairwise(one.samples)) > 3 * one.interval_seconds


def test_judged_series() -> None:
    one = judge(series(1, "incidents"), "quiet")
    assert {found.kind for found in one.found} <= set(RIGHT)
    assert any(found.name == RIGHT[found.kind] for found in one.found)
    assert one.guesses == []
    assert 0 < one.sample_seconds < 1


def judged(role: str, found: list[Found], guesses: list[Guess], false_alarms: int = 0) -> Judged:
    return Judged(role, found, Counter({"spike": false_alarms}), 2 * 7 * 86400, 0.0, guesses, 0.0, 1e-5)


def test_figures() -> None:
    of = [
        judged("incidents", [Found("flood", "rapid_increase", 60.0), Found("flood", None, None)], []),
        judged("incidents", [Found("flood", "spike", 180.0), Found("leak", "slow_leak", 7200.0)], []),
        judged("usual", [], [], false_alarms=3),
        judged("filling", [], [Guess(0.5, 1000.0, 1200.0, 900.0, None), Guess(0.75, 500.0, None, None, None)]),
    ]
    assert incidents_table(of)[2:] == [
        "| flood | 3 | 67 % | 33 % | 2 |",
        "| outage | 0 | - | - | - |",
        "| shift | 0 | - | - | - |",
        "| spike | 0 | - | - | - |",
        "| leak | 1 | 100 % | 100 % | 120 |",
    ]
    assert alarms_table({"quiet": of, "eager": of})[3] == "| usual | 1.50 | 1.50 | spike |"
    assert forecast_lines(of) == [
        "50% of the way, 1 series: error 0.20, claimed 100 %, covered 100 %",
        "75% of the way, 1 series: error 1.00, claimed 0 %, covered -",
        "false claims: 0.000 % of samples",
    ]


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    return str(file)


def minutes(counts: list[int]) -> str:
    return "".join(
        f"2026-01-01T{number // 60:02d}:{number % 60:02d}:00Z,{count}\n" for number, count in enumerate(counts)
    )


def test_episodes_of_a_file(tmp_path: Path) -> None:
    text = "time,count\n" + minutes([100] * 120 + [900] * 20 + [100] * 100)
    assert episodes(read(written(tmp_path, text)), "quiet") == [
        "2026-01-01T02:00:00Z to 2026-01-01T02:20:00Z: rapid_increase: 100 -> 900",
        "240 samples, 60 s apart: 1 episodes, 219 samples without alarm",
    ]


def test_states_of_a_file(tmp_path: Path) -> None:
    text = "host, time ,TIME_WAIT,ESTABLISHED,LISTEN\nweb,1767225600,1,2.0,9\n\nweb,1767225660,3,4,9\n"
    assert read(written(tmp_path, text)) == [
        (1767225600.0, {"TIME_WAIT": 1.0, "ESTABLISHED": 2.0}),
        (1767225660.0, {"TIME_WAIT": 3.0, "ESTABLISHED": 4.0}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the header needs `time`, and `count` or states"),
        ("time,sockets\n1,2\n", ":1: the header needs `time`, and `count` or states"),
        ("time,count,count\n1,2,3\n", ":1: the header needs `time`, and `count` or states"),
        ("time,count\n1,2\n2,many\n", ":3: count: not a count: 'many'"),
        ("time,count\n1,2\n2,-1\n", ":3: count: not a count: '-1'"),
        ("time,count\n1,2\n2,nan\n", ":3: count: not a count: 'nan'"),
        ("time,count\nnoon,2\n", ":2: time: neither seconds since 1970 nor ISO 8601: 'noon'"),
        ("time,count\ninf,2\n", ":2: time: neither seconds since 1970 nor ISO 8601: 'inf'"),
        ("time,count\n1,2,3\n", ":2: 3 values under 2 columns: '1,2,3'"),
        ("time,count\n1,2\n", ": 1 samples; at least 2 are needed"),
        ("time,count\n2,2\n1,2\n", ": time does not go forward"),
        ('time,count\n1,"2\n', ":2: unexpected end of data"),
    ],
    ids=[
        "empty",
        "no-count",
        "a-column-twice",
        "text",
        "negative",
        "nan",
        "no-time",
        "infinite-time",
        "too-many-values",
        "one-sample",
        "backwards",
        "open-quote",
    ],
)
def test_a_bad_file_is_told_by_line_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadFileError) as caught:
        read(path)
    assert str(caught.value).startswith(path + message)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.detection", *words]
    return subprocess.run(command, cwd=TREE, check=False, capture_output=True, text=True, timeout=120)


def test_the_command_says_which_file_is_missing() -> None:
    done = run("--csv", "/nonexistent.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bench.detection: /nonexistent.csv: No such file or directory\n"


def test_the_command_prints_its_figures() -> None:
    done = run("--series", "1", "--seed", "5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Detector ")
    assert "| role | quiet | normal | eager | most often |" in lines
    assert lines[-1].endswith(" microseconds a sample")
