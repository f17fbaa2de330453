"""The benchmark: what it concludes from figures, and that it runs; never how fast anything was."""

import shutil
import subprocess
import sys

import pytest

from bench import judging, table
from bench.measure import Result, Run
from tests.worlds import TREE

LOOK, KEPT = table.check_row("check_x", table.LOOKING), table.check_row("check_x", table.FRESH)


def took(milliseconds: float, peak_mib: float = 20) -> Result:
    return Result((Run(milliseconds / 1e3, milliseconds / 1e3, peak_mib, 0, ""),))


def measured(looking_ms: float = 150, fresh_ms: float = 50, peak_mib: float = 20) -> table.Measured:
    small = {
        table.BASELINE: took(40),
        LOOK: took(55),
        KEPT: took(50),
        table.TAKE_SAMPLE: took(3),
        table.LINGERING: took(3),
        table.TCP_INFO: took(4),
        table.FLOOR: took(1),
        table.SS: took(3),
        table.TCPCOUNT: took(4),
    }
    large = {
        table.BASELINE: took(40),
        LOOK: took(looking_ms, peak_mib),
        KEPT: took(fresh_ms),
        table.TAKE_SAMPLE: took(110),
        table.LINGERING: took(112),
        table.TCP_INFO: took(160),
        table.FLOOR: took(70),
        table.SS: took(200),
        table.TCPCOUNT: took(250),
    }
    return table.Measured(100_000, small, large, {})


def broken(found: table.Measured) -> list[str]:
    return [budget.what for budget in table.budgets(found) if not budget.holds]


def test_budgets_hold() -> None:
    assert broken(measured()) == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (measured(looking_ms=195), "a check that looks, 100,000 sockets / ss -tan"),
        (measured(fresh_ms=60), "a check with a fresh sample, 100,000 sockets / 100 sockets"),
        (measured(peak_mib=41), "peak memory of a check"),
    ],
    ids=["slow-look", "fresh-sample-grows", "memory"],
)
def test_a_broken_budget_is_named(found: table.Measured, what: str) -> None:
    assert broken(found) == [what]


def test_a_missing_peer_is_named_and_breaks_its_budget() -> None:
    found = measured()
    large = {name: result for name, result in found.large.items() if name != table.TCPCOUNT}
    found = found._replace(large=large, missing={table.TCPCOUNT: "apt install monitoring-plugins-contrib"})
    assert broken(found) == ["a check that looks, 100,000 sockets / check_tcpcount"]
    assert table.results_table(found)[-1].startswith(
        "| check_tcpcount (missing: apt install monitoring-plugins-contrib) |"
    )
    assert "| not measured |" in table.budgets_table(table.budgets(found))[4]


def test_columns_line_up() -> None:
    lines = table.results_table(measured())
    assert {len(line) for line in lines} == {len(lines[0])}
    assert lines[3].replace(" ", "") == f"|{LOOK}|55.0|1.38|150.0|150.0|2.14|0.60|0.75|20.0|".replace(" ", "")


@pytest.mark.root
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--sockets", "2000", "--rounds", "1"],
        cwd=TREE,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rows = [
        line.split("|")[1].partition("(missing")[0].strip() for line in done.stdout.splitlines() if line.startswith("|")
    ]
    alone = {table.TAKE_SAMPLE, table.LINGERING, table.TCP_INFO}
    assert {table.FLOOR, table.SS, table.TCPCOUNT, table.PSUTIL, *alone} <= set(rows)


def test_what_the_judgement_adds_is_the_difference() -> None:
    one = table.Added(LOOK, took(47.5), took(41))
    assert one.milliseconds == pytest.approx(6.5)
    rounds = [(50, 43), (90, 84), (60, 50), (48, 42), (80, 90)]  # the machine is slow now and then
    whole, left_out = (Result(tuple(took(each[i]).runs[0] for each in rounds)) for i in range(2))
    assert table.Added(LOOK, whole, left_out).milliseconds == pytest.approx(6)
    assert table.added_table([one])[2].replace(" ", "") == f"|{LOOK}|47.5|41.0|6.5|6.5|".replace(" ", "")


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_judging_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.judging", "--days", "0.1", "--rounds", "1"],
        cwd=TREE,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| check_")]
    assert rows == [
        *(table.check_row(check, table.LOOKING) for check in judging.LOOKERS),
        *(table.check_row(check, table.FRESH) for check in judging.AHEAD),
    ]
