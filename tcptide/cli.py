"""`tcptide`: take a sample, say what works here, migrate the state, simulate a history.

Exit status: 0 done, 1 failed, 2 called or configured wrongly. An error is one line on stderr.
"""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from tcptide import __version__, alarm, config, statefiles
from tcptide.clock import SYSTEM, Clock
from tcptide.config import Config
from tcptide.errors import ConfigError, StoreError
from tcptide.record import NamedTuple
from tcptide.text import one_line

if TYPE_CHECKING:
    from tcptide.simulation.events import Wanted

#: Of `tcptide sample`; a scheduler starts the next one after 60.
TIMEOUT_SECONDS = 30.0

_HELP_COLUMNS = 79


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            **options,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, width=_HELP_COLUMNS),
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


class Context(NamedTuple):
    """What a command works with."""

    options: argparse.Namespace
    config: Config
    directory: str  # of the state
    clock: Clock


def main() -> int:
    """The executable."""
    options = parser().parse_args()
    try:
        status = _run(options)
        print(end="", flush=True)
    except (Exception, KeyboardInterrupt, alarm.Timeout) as error:
        alarm.stop()
        if isinstance(
            error, OSError
        ):  # of stdout, others have become a TcptideError: what is buffered would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            print(f"tcptide {options.command}: {one_line(alarm.reason(error))}", file=sys.stderr)
        if options.verbose > 2:
            import traceback

            traceback.print_exception(error)
        return 2 if isinstance(error, ConfigError) else 1
    return status


def _run(options: argparse.Namespace) -> int:
    if options.command == "sample":
        alarm.ring_after(TIMEOUT_SECONDS, f"no sample within {TIMEOUT_SECONDS:g} s")
    if options.command == "doctor":
        from tcptide import doctor

        return doctor.run(options)
    settings = config.load(options.config, os.environ)
    directory = statefiles.state_directory(options.state_dir, os.environ, settings.state_dir)
    context = Context(options, settings, directory, SYSTEM)
    return {"sample": sample, "migrate": migrate, "simulate": simulate}[options.command](context)


def sample(context: Context) -> int:
    """Take a sample and store it, unless a check has just done so."""
    from tcptide import history, series, snapshot
    from tcptide.kernel import netns
    from tcptide.kernel.procfs import ProcFs
    from tcptide.model import Sample
    from tcptide.sampler import take_sample

    settings, proc, tcp_info = context.config, ProcFs(), context.options.tcp_info
    source = context.options.source or netns.source_name(proc)

    def take() -> Sample:
        return take_sample(
            proc,
            context.clock,
            source=source,
            want_processes=settings.privacy.processes,
            tcp_info=tcp_info,
            linger_seconds=settings.interval_seconds,
        )

    look = snapshot.look(
        context.directory,
        source,
        take,
        context.clock,
        boot_id=proc.boot_id(),
        netns_cookie=netns.cookie(),
        max_age_seconds=min(settings.max_age_seconds, settings.interval_seconds),
        timeout_seconds=TIMEOUT_SECONDS,
        wants=(lambda found: found.tcp_info is not None) if tcp_info else None,
        interval_seconds=settings.interval_seconds,
        retention=settings.retention,
        advance=history.judged(settings),
        migrate=True,
    )
    alarm.stop()
    for notice in look.notices:
        print(f"tcptide sample: {one_line(notice)}", file=sys.stderr)
    if not look.stored:
        return 1
    if context.options.verbose or (sys.stdout and sys.stdout.isatty()):
        age = snapshot.age_seconds(look.sample, context.clock)
        origin = look.sample.origin
        print(
            f"{origin.source}: {series.total_connections(look.sample)} connections, looked at through {origin.method}"
            f" {age:.1f} s ago in {1000 * origin.dump_seconds:.1f} ms, stored in {context.directory}"
        )
    return 0


def migrate(context: Context) -> int:
    """Bring an older state up to date."""
    from tcptide import history, schema
    from tcptide.store import OlderSchemaError, Reader

    try:
        with Reader(context.directory):
            print(f"{context.directory}: schema {schema.VERSION}, nothing to do")
    except OlderSchemaError as error:
        history.migrate(context.directory, context.clock)
        older = error.reason.partition(",")[0]  # 'older schema 1'
        print(f"{context.directory}: {older}, migrated to {schema.VERSION}")
    return 0


def simulate(context: Context) -> int:
    """Write a simulated history into an empty state."""
    import json

    from tcptide import simulate as simulation
    from tcptide.simulation import host, roles

    options, settings = context.options, context.config
    until = (context.clock.wall() if options.until is None else options.until) // 60 * 60
    since = until - options.days * host.DAY_SECONDS
    profile = roles.profile(options.role, options.seed)
    kinds = options.incidents
    if kinds is None:
        kinds = [] if options.incident else list(host.INCIDENTS)
    incidents = host.place(kinds, since, until, options.seed, profile)
    try:
        incidents += tuple(one.at(since, until, profile) for one in options.incident)
    except ValueError as error:
        raise ConfigError(f"--incident: {error}") from None
    if options.labels:
        labels = {
            "seed": options.seed,
            "role": options.role,
            "since": since,
            "until": until,
            "incidents": [one._asdict() for one in incidents],
        }
        try:
            with open(options.labels, "w") as file:
                json.dump(labels, file, indent=1)
        except OSError as error:
            raise StoreError(f"--labels {options.labels}: {error.strerror}") from None
    rows = simulation.simulate(
        context.directory,
        context.clock,
        since=since,
        until=until,
        seed=options.seed,
        incidents=incidents,
        settings=settings,
        profile=profile,
    )
    print(f"SIMULATED: {rows} samples of {options.days} days, {len(incidents)} incidents, in {context.directory}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = _Parser(add_help=False)
    _add_version(common)
    common.add_argument("-v", "--verbose", action="count", default=0, help="say what was done; -vvv: show tracebacks")
    common.add_argument(
        "--config", metavar="FILE", help=f"configuration file (default {config.DEFAULT_PATH} if it exists)"
    )
    common.add_argument(
        "--state-dir",
        metavar="DIR",
        help=f"directory of the state (default {statefiles.SYSTEM_DIRECTORY} if it exists)",
    )
    source = _Parser(add_help=False)
    source.add_argument(
        "--source", metavar="NAME", help="name of this host or network namespace in the state (default: found)"
    )
    made = _Parser(prog="tcptide", description="Watches the TCP connections of this host.")
    _add_version(made)
    commands = made.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )

    def add(name: str, help: str, *parents: _Parser) -> _Parser:
        return commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", parents=parents)

    sampled = add("sample", "take a sample and store it; for cron, silent while all is well", common, source)
    sampled.add_argument(
        "--tcp-info",
        action="store_true",
        help="with round-trip times, retransmits and limited times of the ESTABLISHED connections",
    )
    doctor = add("doctor", "say what works here and what doesn't", common, source)
    doctor.add_argument("--json", action="store_true", help="print the items as JSON")
    add("migrate", "bring the state of an older version up to date", common)
    simulated = add("simulate", "write a simulated history into an empty state", common)
    simulated.add_argument("--days", type=_days, required=True, metavar="N", help="length of the history")
    simulated.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed gives the same history")
    simulated.add_argument(
        "--until", type=_time, metavar="TIME", help="its end, 2026-01-31T12:00Z or seconds since 1970 (default: now)"
    )
    simulated.add_argument(
        "--incidents",
        type=_incidents,
        metavar="LIST",
        help="all, none, or a list of leak, flood, port-exhaustion, accept-queue, gap; each comes once a fortnight "
        "(default: all, or none with --incident)",
    )
    simulated.add_argument(
        "--incident",
        type=_incident,
        action="append",
        default=[],
        metavar="KIND@OFFSET[+LENGTH]",
        help="one at a time of its own, after the begin or, with a minus, before the end: leak@9d6h+15h, flood@-40m; "
        "repeatable; it may go on at the end",
    )
    simulated.add_argument(
        "--role",
        type=_role,
        metavar="NAME",
        help="another machine, of a size that the seed draws: web, api, database, proxy, batch, quiet or mail "
        "(default: web, of medium size)",
    )
    simulated.add_argument("--labels", metavar="FILE", help="write there what happened when, as JSON")
    return made


def _add_version(parser: _Parser) -> None:
    parser.add_argument("-V", "--version", action="version", version=f"tcptide {__version__}")


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 4000")
    return int(text)


def _time(text: str) -> float:
    from datetime import UTC, datetime

    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC).timestamp()
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):  # the last two: beyond the year 9999
        raise argparse.ArgumentTypeError(f"{text!r} is not a time") from None


def _role(text: str) -> str:
    from tcptide.simulation.roles import ROLES

    if text not in ROLES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ROLES)}")
    return text


def _incident(text: str) -> "Wanted":
    from tcptide.simulation import events

    try:
        return events.wanted(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _incidents(text: str) -> list[str]:
    from tcptide.simulation.host import INCIDENTS

    kinds = list(INCIDENTS) if text == "all" else [] if text == "none" else text.split(",")
    for kind in kinds:
        if kind not in INCIDENTS:
            raise argparse.ArgumentTypeError(f"{kind!r} is none of {', '.join(INCIDENTS)}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
