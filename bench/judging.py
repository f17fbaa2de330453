"""`python -m bench.judging`: what the judgement of the history adds to a check, with a week of history in the state.

Every check runs as it is, and with the judgement left out: nothing is judged when a row is added, and nothing is read
of what was judged. All of them run in turn, round after round; the figures are medians, and what the judgement adds is
the median of the differences within a round.
"""

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence

from tcptide import history
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.kernel import netns
from tcptide.kernel.procfs import ProcFs
from tcptide.simulation.host import DAY_SECONDS, Host
from tcptide.simulation.roles import ROLES, profile
from tcptide.writer import Writer

from . import table
from .measure import HERE, Native, measure, run_once

AHEAD = ("check_tcp_connections", "check_tcp_time_wait", "check_tcp_port_exhaustion")  # read what was judged
LOOKERS = (*AHEAD, "check_tcp_errors", "check_tcp_listen_queue")
HOW = ("judged", "left out")
INTERVAL_SECONDS = 60.0
AT_MOST_MS = 10.0


class Week:
    """A simulated machine's history in a state, as if taken here; it ends an interval ago."""

    def __init__(self, directory: str, role: str, days: float) -> None:
        self.directory, self.rows = directory, 0
        self._next = SYSTEM.wall() - days * DAY_SECONDS
        self._host = Host(1, self._next - 30 * DAY_SECONDS, (), profile(role, 1))
        proc = ProcFs()
        self._source, self._boot_id, self._netns_cookie = netns.source_name(proc), proc.boot_id(), netns.cookie()
        os.mkdir(directory)

    def go_on(self) -> None:
        """Add what is missing by now."""
        booted, judged = SYSTEM.wall() - SYSTEM.boottime(), history.judged(Config())
        added = []
        while self._next < SYSTEM.wall() - INTERVAL_SECONDS:
            if sample := self._host.look(self._next, INTERVAL_SECONDS):
                origin = sample.origin._replace(
                    source=self._source,
                    boot_id=self._boot_id,
                    netns_cookie=self._netns_cookie,
                    boottime_seconds=sample.origin.wall_seconds - booted,
                    simulated=False,  # a real look is added to it
                )
                added.append(sample._replace(origin=origin))
            self._next += INTERVAL_SECONDS
        with Writer(self.directory) as writer:
            self.rows += history.extend(writer, added, advance=judged)

    def sizes(self) -> tuple[int, int]:
        """Bytes of what the judgement goes on from, and of what it says."""
        with sqlite3.connect(os.path.join(self.directory, "tcptide.db")) as database:
            query = "SELECT length(state), length(outlook) FROM detector"
            state, outlook = database.execute(query).fetchone()
        return state, outlook


def command(check: str, how: str, state_dir: str, max_age: str) -> list[str]:
    """A check with the judgement, or with it left out."""
    script = os.path.join(HERE, "run_check.py")
    return [sys.executable, script, check, how, "--state-dir", state_dir, "--max-age", max_age]


def added(week: Week, folder: str, rounds: int) -> list[table.Added]:
    """Measure all. A check that looks finds the week and adds a row to it; what others find is fresh."""
    names = [(check, table.LOOKING, how) for check in LOOKERS for how in HOW]
    names += [(check, table.FRESH, how) for check in AHEAD for how in HOW]
    states = {name: os.path.join(folder, table.FRESH if table.FRESH in name else " ".join(name)) for name in names}
    programs = {
        " ".join(name): command(name[0], name[2], states[name], "0" if table.LOOKING in name else "600")
        for name in names
    }

    with Native() as native:

        def restore() -> None:
            week.go_on()
            for state in {*states.values()}:
                shutil.rmtree(state, ignore_errors=True)
                shutil.copytree(week.directory, state)
            run_once(native.stopwatch, command(LOOKERS[0], HOW[0], os.path.join(folder, table.FRESH), "0"))

        results = measure(native.stopwatch, programs, rounds, restore, to_and_fro=True)
    for name, result in results.items():
        if result.status == 3 or "(no history: " in result.outputs[-1]:  # UNKNOWN, or nothing was added
            raise SystemExit(f"{name}: {result.outputs[-1]}")
    pairs = zip(names[::2], names[1::2], strict=True)
    return [
        table.Added(table.check_row(*one[:2]), results[" ".join(one)], results[" ".join(other)]) for one, other in pairs
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.judging", description=__doc__, allow_abbrev=False)
    parser.add_argument("--days", type=float, default=7, help="of history (default: %(default)s)")
    parser.add_argument("--role", choices=list(ROLES), default="proxy", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=41, help="default: %(default)s")
    parser.add_argument("--assert", dest="hold", action="store_true", help="exit 1 when the budget is broken")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tcptide-bench-") as folder:
        week = Week(os.path.join(folder, "week"), options.role, options.days)
        week.go_on()
        print(f"{week.rows:,} rows are there", file=sys.stderr)
        found = added(week, folder, options.rounds)
        state, outlook = week.sizes()
    kept = [
        table.Budget(
            f"added to a check, {how}", max(one.milliseconds for one in found if how in one.what), AT_MOST_MS, "ms"
        )
        for how in (table.LOOKING, table.FRESH)
    ]
    print(
        f"{week.rows:,} rows of a {options.role}; state {state:,} B, outlook {outlook:,} B;"
        f" medians of {options.rounds} interleaved rounds\n",
        *table.added_table(found),
        "",
        *table.budgets_table(kept),
        sep="\n",
    )
    return int(options.hold and not all(budget.holds for budget in kept))


if __name__ == "__main__":
    sys.exit(main())
