"""`python -m bench.report`: what a report costs, against the imports that it can't do without. Needs a C compiler.

Every round runs every program once; the figures are medians over the rounds.
"""

import argparse
import os
import sys
import tempfile
import time

from tcptide import simulate
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.schema import QUARTER_SECONDS, STATISTICS
from tcptide.simulation.host import DAY_SECONDS, INCIDENTS, place
from tcptide.store import Reader
from tcptide.writer import Writer

from . import table
from .measure import Native, Result, measure

SCRIPTS = os.path.dirname(sys.executable)
YEAR_DAYS = 365
IMPORTS = "import pandas, jinja2, matplotlib.figure"
BASELINE = "python, imports alone"
WEEK, ALL, YEAR = "a week", "a week, as html, png and json", "a year"


def make_state(directory: str, days: float, rollup_days: int, until: float) -> None:
    """A simulated history with samples of its last days; of the time before there are rollups, the same ones again."""
    since = until - days * DAY_SECONDS
    incidents = place(list(INCIDENTS), since, until, 1)
    simulate.simulate(directory, SYSTEM, since=since, until=until, seed=1, incidents=incidents, settings=Config())
    with Reader(directory) as reader:
        (source,) = reader.sources()
        there = {statistic: reader.rollups(source.name, statistic, 0, until) for statistic in STATISTICS}
    first, last = there["mean"][0].quarter, there["mean"][-1].quarter
    wanted = rollup_days * DAY_SECONDS // QUARTER_SECONDS
    with Writer(directory) as writer:
        for shift in range(last - first + 1, wanted, last - first + 1):
            with writer.transaction():
                for rollups in there.values():
                    writer.put_rollups(1, [rollup._replace(quarter=rollup.quarter - shift) for rollup in rollups])


def programs(state: str, output: str, until: float) -> dict[str, list[str]]:
    """Row -> command."""
    report = [os.path.join(SCRIPTS, "tcptide-report"), "--state-dir", state, "--timezone", "UTC", "--output", output]
    begin = time.strftime("%Y-%m-%d", time.gmtime(until - YEAR_DAYS * DAY_SECONDS))
    return {
        BASELINE: [sys.executable, "-c", IMPORTS],
        WEEK: [*report, "--period", "week"],
        ALL: [*report, "--period", "week", "--format", "html,png,json"],
        YEAR: [*report, "--since", begin],
    }


def budgets(found: dict[str, Result]) -> list[table.Budget]:
    """By CPU time: the machine may have other work."""
    baseline, week, year = (found[name].cpu_seconds for name in (BASELINE, WEEK, YEAR))
    return [
        table.Budget(f"{WEEK} / {BASELINE}", week / baseline, 2.5, "x"),
        table.Budget(f"{YEAR} / {WEEK}", year / week, 2.0, "x"),
        table.Budget("peak memory of a report", max(found[WEEK].peak_mib, found[YEAR].peak_mib), 400, "MiB"),
    ]


def rows(found: dict[str, Result]) -> list[str]:
    """The results, as Markdown."""
    baseline = found[BASELINE]
    lines = [
        "| report | ms | CPU ms | / imports | / imports, CPU | peak MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, result in found.items():
        lines.append(
            f"| {name} | {result.seconds * 1e3:.0f} | {result.cpu_seconds * 1e3:.0f} |"
            f" {result.seconds / baseline.seconds:.2f} | {result.cpu_seconds / baseline.cpu_seconds:.2f} |"
            f" {result.peak_mib:.0f} |"
        )
    return lines


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("--days", type=float, default=14, help="of samples (default: %(default)s)")
    parser.add_argument("--rollup-days", type=int, default=400, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(default: %(default)s)")
    parser.add_argument("--assert", dest="hold", action="store_true", help="exit 1 when a budget is broken")
    options = parser.parse_args()
    until = time.time() // 60 * 60
    with tempfile.TemporaryDirectory(prefix="tcptide-bench-") as folder, Native() as native:
        state, output = f"{folder}/state", f"{folder}/made"
        os.mkdir(output)
        make_state(state, options.days, options.rollup_days, until)
        found = measure(native.stopwatch, programs(state, output, until), options.rounds, lambda: None)
    for name, result in found.items():
        if result.status:
            raise SystemExit(f"{name}: exit status {result.status}: {result.outputs[-1].strip()[-300:]}")
    kept = budgets(found)
    print(*rows(found), "", *table.budgets_table(kept), sep="\n")
    return int(options.hold and not all(budget.holds for budget in kept))


if __name__ == "__main__":
    sys.exit(main())
