"""The checks against their peers on 100,000 real sockets, side by side, as Markdown. Needs root and a C compiler.

Every round runs every program once; the figures are medians over the rounds.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping

import psutil

import tcptide

from . import table
from .load import Load
from .measure import HERE, Native, Result, Run, measure
from .table import FRESH, LOOKING, check_row

SCRIPTS = os.path.dirname(sys.executable)
LOOKERS = (
    "check_tcp_connections",
    "check_tcp_time_wait",
    "check_tcp_port_exhaustion",
    "check_tcp_errors",
    "check_tcp_listen_queue",
    "check_tcp_pattern",
)
PEERS = {
    table.SS: (["/usr/bin/ss", "-tan"], "apt install iproute2"),
    table.TCPCOUNT: (["/usr/lib/nagios/plugins/check_tcpcount"], "apt install monitoring-plugins-contrib"),
}
UNKNOWN = 3


def programs(native: Native, state_dir: str, sockets: int) -> dict[str, list[str]]:
    """Row -> command. The checks that look come first, so that the sample is fresh for the others."""
    found = {table.BASELINE: [sys.executable, "-c", "import argparse, nagiosplugin, sqlite3"]}
    for how, max_age, checks in ((LOOKING, "0", LOOKERS), (FRESH, "600", (*LOOKERS, "check_tcptide"))):
        for check in checks:
            command = [os.path.join(SCRIPTS, check), "--state-dir", state_dir]
            found[check_row(check, how)] = command if check == "check_tcptide" else [*command, "--max-age", max_age]
    found[table.TAKE_SAMPLE] = [sys.executable, os.path.join(HERE, "sampling.py")]
    found[table.LINGERING] = [*found[table.TAKE_SAMPLE], str(sockets // 100)]
    found[table.TCP_INFO] = [*found[table.TAKE_SAMPLE], "tcp_info"]
    found[table.FLOOR] = [native.floor]
    found.update({name: command for name, (command, _) in PEERS.items() if os.path.exists(command[0])})
    found[table.PSUTIL] = [sys.executable, os.path.join(HERE, "psutil_plugin.py")]
    return found


def at(sockets: int, native: Native, rounds: int) -> dict[str, Result]:
    """Measure with so many sockets. Raises SystemExit when a program could not do its work."""
    with tempfile.TemporaryDirectory(prefix="tcptide-bench-") as state_dir, Load(sockets) as load:
        print(f"{sockets:,} sockets are there", file=sys.stderr)
        results = measure(native.stopwatch, programs(native, state_dir, sockets), rounds, load.refresh)
    for name, result in results.items():
        if result.status >= UNKNOWN or (result.status and "check" not in name):
            raise SystemExit(f"{name}: exit status {result.status}: {result.outputs[-1].strip()[-300:]}")
    for name in (table.TAKE_SAMPLE, table.LINGERING, table.TCP_INFO):
        results[name] = Result(tuple(_timed_inside(run) for run in results[name].runs))
    return results


def _timed_inside(run: Run) -> Run:
    """The run with the times that its program took and printed itself."""
    seconds, cpu_seconds = map(float, run.output.split())
    return run._replace(seconds=seconds, cpu_seconds=cpu_seconds)


def description(found: table.Measured, rounds: int) -> str:
    """What the figures were measured with."""
    own = f"tcptide {tcptide.__version__}, Python {platform.python_version()}, psutil {psutil.__version__}"
    kernel = f"Linux {platform.release().split('-')[0]}, {platform.machine()}, {os.cpu_count()} processors"
    return (
        f"{own} (the psutil plugin runs on the same Python); {kernel}; medians of {rounds} interleaved rounds;"
        f" {found.sockets:,} sockets are 80 % ESTABLISHED and 20 % TIME_WAIT, IPv4."
    )


def missing_peers() -> Mapping[str, str]:
    """Peers that aren't installed, and what installs them."""
    return {name: remedy for name, (command, remedy) in PEERS.items() if not os.path.exists(command[0])}


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--sockets", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--assert", dest="hold", action="store_true", help="exit 1 when a budget is broken")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("bench: needs root: network namespaces")
    with Native() as native:
        small = at(table.SMALL_SOCKETS, native, options.rounds)
        large = at(options.sockets, native, options.rounds)
    found = table.Measured(options.sockets, small, large, missing_peers())
    kept = table.budgets(found)
    print(description(found, options.rounds), "", *table.results_table(found), "", *table.budgets_table(kept), sep="\n")
    return int(options.hold and not all(budget.holds for budget in kept))


if __name__ == "__main__":
    sys.exit(main())
