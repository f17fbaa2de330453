"""The benchmark of reports: what it concludes from figures, and that it runs; never how fast anything was."""

import shutil
import subprocess
import sys

import pytest

from bench import report
from bench.measure import Result, Run
from tests.worlds import TREE


def took(milliseconds: float, peak_mib: float = 200) -> Result:
    return Result((Run(milliseconds / 1e3, milliseconds / 1e3, peak_mib, 0, ""),))


@pytest.mark.parametrize(
    ("week", "year", "broken"),
    [
        (took(1600), took(3000), []),
        (took(2100), took(3000), ["a week / python, imports alone"]),
        (took(1600), took(3300), ["a year / a week"]),
        (took(1600), took(3000, 500), ["peak memory of a report"]),
    ],
    ids=["holds", "slow-week", "slow-year", "memory"],
)
def test_a_broken_budget_is_named(week: Result, year: Result, broken: list[str]) -> None:
    found = {report.BASELINE: took(800), report.WEEK: week, report.ALL: week, report.YEAR: year}
    assert [budget.what for budget in report.budgets(found) if not budget.holds] == broken
    assert report.rows(found)[2] == "| python, imports alone | 800 | 800 | 1.00 | 1.00 | 200 |"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.report", "--days", "0.2", "--rollup-days", "21", "--rounds", "1"],
        cwd=TREE,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[2:6] == [report.BASELINE, report.WEEK, report.ALL, report.YEAR]
