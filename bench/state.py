"""`python -m bench.state`: what keeping a sample costs when 14 days of points and 400 of rollups are there."""

import argparse
import os
import statistics
import sys
import tempfile
import time

from tcptide import history, schema, trends
from tcptide.clock import SystemClock
from tcptide.config import Config
from tcptide.model import Sample
from tcptide.simulation.host import DAY_SECONDS, Host
from tcptide.statefiles import lock, size_bytes
from tcptide.writer import Writer

from . import table

INTERVAL_SECONDS = 60
CLOCK = SystemClock()
JUDGED = history.judged(Config())


def samples(host: Host, since: float, number: int) -> list[Sample]:
    """So many samples of a simulated machine, a minute apart."""
    looks = (host.look(since + minute * INTERVAL_SECONDS, INTERVAL_SECONDS) for minute in range(number))
    return [sample for sample in looks if sample is not None]


def add_rollups(writer: Writer, days: float) -> None:
    """Rollups for so many days before the oldest that is there: one real quarter, again and again."""
    (source,) = writer.sources()
    quarter = min(rollup.quarter for rollup in writer.rollups(source.name, "mean", 0, time.time()))
    one = trends.roll_up(quarter, writer.points(source.name, 0, (quarter + 1) * schema.QUARTER_SECONDS))
    quarters = int(days * DAY_SECONDS / schema.QUARTER_SECONDS)
    for first in range(1, quarters + 1, 100):
        with writer.transaction():
            for earlier in range(first, min(first + 100, quarters + 1)):
                writer.put_rollups(1, [rollup._replace(quarter=quarter - earlier) for rollup in one])


def append(directory: str, sample: Sample) -> float:
    """What a check does with a look: lock, open, append, close. Seconds."""
    began = time.perf_counter()
    with lock(directory, CLOCK, 1.0):
        history.write(directory, CLOCK, lambda writer: history.append(writer, sample, advance=JUDGED))
    return time.perf_counter() - began


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.state", description=__doc__, allow_abbrev=False)
    parser.add_argument("--days", type=int, default=14, help="of points (default: %(default)s)")
    parser.add_argument("--rollup-days", type=int, default=400, help="(default: %(default)s)")
    parser.add_argument("--appends", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument(
        "--dir", help="make the state below this directory: the disk counts (default: where temporary files go)"
    )
    parser.add_argument("--assert", dest="hold", action="store_true", help="exit 1 when a budget is broken")
    options = parser.parse_args()
    points = options.days * DAY_SECONDS // INTERVAL_SECONDS
    booted = time.time() - options.days * DAY_SECONDS - DAY_SECONDS
    host = Host(1, booted)
    with tempfile.TemporaryDirectory(prefix="tcptide-bench-", dir=options.dir) as directory:
        with Writer(directory) as writer:
            rows = history.extend(writer, samples(host, booted + 60, points), advance=JUDGED)
            bytes_a_point = size_bytes(directory) / rows
            add_rollups(writer, options.rollup_days - options.days)
        more = samples(host, booted + 60 + points * INTERVAL_SECONDS, options.appends)
        took = sorted(append(directory, sample) for sample in more)
        megabytes = os.path.getsize(os.path.join(directory, "tcptide.db")) / 1e6
    p99 = took[int(len(took) * 0.99)] * 1e3
    print(
        f"{rows:,} points and {options.rollup_days} days of rollups ({megabytes:.0f} MB), {len(took)} appends:"
        f" p50 {statistics.median(took) * 1e3:.2f} ms, p99 {p99:.2f} ms\n"
    )
    kept = [
        table.Budget("bytes a point, its rollups included", bytes_a_point, 1500, "B"),
        table.Budget("lock, open, append and close, p99", p99, 20, "ms"),
    ]
    print(*table.budgets_table(kept), sep="\n")
    return int(options.hold and not all(budget.holds for budget in kept))


if __name__ == "__main__":
    sys.exit(main())
