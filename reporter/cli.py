"""`tcptide-report`: a page about the TCP connections of this host, from its stored samples.

Exit status: 0 written, 1 failed or no samples, 2 called wrongly or configured wrongly. An error is one line on stderr.
"""

import argparse
import dataclasses
import gc
import os
import signal
import sys
from collections.abc import Callable
from datetime import tzinfo
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from tcptide import __version__, config
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.errors import ConfigError, TcptideError
from tcptide.statefiles import state_directory

from . import attempt, files, mailoptions, period, saying, spread
from .files import File

if TYPE_CHECKING:  # they load the extras
    from .load import Loaded
    from .page import Page

PROGRAM = "tcptide-report"
HELP_COLUMNS = 79
#: Options that have to do with stored samples, or with mail.
OF_STORED = ("period", "since", "until", "source", "timezone", "spread", "email", "mail_when", "send", "resend")


class Parser(argparse.ArgumentParser):
    """Strict, and one line for an error."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = Parser(
        prog=PROGRAM,
        description="Write a report about the TCP connections of this host, from its stored samples: what needs "
        "attention, key figures, pictures of the states over time, who holds them, and how much was seen. "
        "As HTML it is one file that loads nothing.",
        epilog="Times are ISO 8601, such as 2025-11-18 or 2025-11-18T14:00; without an offset they are in --timezone.",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=HELP_COLUMNS),
    )
    options.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {__version__}")
    options.add_argument("-v", "--verbose", action="store_true", help="say what was read and written, to any stdout")
    options.add_argument("--state-dir", metavar="DIR", help="directory of the state")
    options.add_argument("--config", metavar="FILE", help="configuration file")
    options.add_argument("--source", metavar="NAME", help="the host or a network namespace (default: host)")
    period = "newest complete day, week or month, or the one named, such as 2025-W47"
    options.add_argument("--period", metavar="PERIOD", help=period)
    options.add_argument("--since", metavar="TIME", help="begin of the period (default: 24 hours before its end)")
    options.add_argument("--until", metavar="TIME", help="end of the period (default: the newest sample)")
    saved = "sum up a report that was saved as JSON, and draw its picture"
    options.add_argument("--from", metavar="FILE", dest="saved", help=saved)
    options.add_argument(
        "--timezone", metavar="NAME", help="zone, e.g. Europe/Berlin (default: configured, else local)"
    )
    output = "the file to write, or a directory for them (default: of the configuration, else the current one)"
    options.add_argument("--output", metavar="PATH", help=output)
    listed = "which of html, png, json and eml, with commas between (default: html, or what PATH ends with)"
    options.add_argument("--format", metavar="LIST", help=listed)
    spread_help = "wait at first, up to SECONDS, on each host its own time: not all shall mail at once"
    options.add_argument("--spread", metavar="SECONDS", help=spread_help)
    mailoptions.add_options(options)
    return options


def main() -> int:
    """The executable."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = parser().parse_args()
    output = saying.Output()
    gc.disable()  # all that is read stays until the end: looking for what does not takes a tenth of a run
    try:
        if given.saved is not None:
            for line in _of_saved(given):
                output.say(line)
        else:
            report(given, output.say if given.verbose or output.terminal() else lambda line: None)
        output.demand_said()
    except (KeyboardInterrupt, Exception) as error:
        said = _said(error)
        if said is None:
            raise
        return _failed(*said)
    gc.freeze()  # nor need the end look for it
    return 0


def _said(error: BaseException) -> tuple[str, int] | None:
    """What is said of an error, and the exit status; None for one that nobody thought of."""
    match error:
        case KeyboardInterrupt():
            return "interrupted", 1
        case ConfigError():
            return str(error), 2
        case TcptideError():
            return str(error), 1
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else str(error), 1
    from . import extras  # loads what no run needs that is well

    wrong = extras.problem(error)
    return (wrong, 1) if wrong else None


def _failed(why: str, status: int) -> int:
    saying.complain(f"{PROGRAM}: {why}")
    return status


def report(given: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Write, and mail, what was asked for. `say` is told what was read, and each path as soon as its file is there.

    Raises TcptideError, OSError, and ImportError where an extra is not installed, or is of another time.
    """
    settings = config.load(given.config, os.environ)
    directory = state_directory(given.state_dir, os.environ, settings.state_dir)
    if not given.email:
        _report(given, settings, directory, say)
        return
    asked = attempt.of(given, settings, directory)
    try:
        _report(given, settings, directory, say, asked)
    except (KeyboardInterrupt, Exception) as error:
        why, _ = _said(error) or (f"{type(error).__name__}: {error}", 1)
        asked.failed(error, why)
        raise


def _report(
    given: argparse.Namespace,
    settings: Config,
    directory: str,
    say: Callable[[str], None],
    asked: attempt.Attempt | None = None,
) -> None:
    mailoptions.demand_alone(given)
    wanted, target = _target(given, settings)
    mailoptions.demand_mail(given, wanted, settings)
    if given.send is not None:
        for note in mailoptions.send(given, settings, directory):
            say(note)
        return
    zone = attempt.zone(given, settings)
    spread_seconds = spread.seconds(given.spread)
    if asked and not given.resend and (known := asked.mailed()):
        source, waiting = known
        notes = [attempt.mailed_before(asked.report)]
        if waiting:
            spread.wait(SYSTEM, spread_seconds)
            notes = [*mailoptions.catch_up(settings, directory, source), *notes]
        for note in notes if given.verbose else ():
            say(note)
        return
    spread.wait(SYSTEM, spread_seconds)  # while little is loaded
    page = _page_module()
    from . import formats, limits, load, mailing, progress

    now = SYSTEM.wall()
    since, until = _moments(given, zone)
    calendar = period.calendar(given.period, zone, now) if given.period is not None else None

    def read(settings: Config) -> "Loaded":
        return load.load(directory, given.source, since, until, settings, now, zone, calendar)

    def draw(loaded: "Loaded") -> "Page":
        built: Page = page.build(loaded, settings.interval_seconds, zone, now, limits.Limits(settings.thresholds))
        return dataclasses.replace(built, title=settings.report.title or built.title)

    with progress.shown(sys.stderr) as tell:
        tell("reading")
        loaded = read(settings)
        tell("drawing")
        built = draw(loaded)
        tell("writing")
        drawn = [one for one in wanted if one != "eml"]
        made = list(formats.make(drawn, built, into_one_file=target.name is not None))
        stem = files.stem(loaded.source.hostname, loaded.source.name, calendar.label if calendar else "")
        paths = target.paths(made, stem)
        mail = mailing.Mailing(
            settings,
            directory,
            loaded,
            built,
            lambda other: draw(read(other)),
            paths[0] if paths else "",
            files.whole(paths, made),
        )
        if "eml" in wanted:
            made.append(File(".eml", mail.letter.content))
            paths = target.paths(made, stem)
        files.write(paths, made)
    if given.verbose:
        rolled = f" and {len(loaded.rollups)} rollups" if loaded.rollups else ""
        say(f"{len(loaded.points)} samples{rolled} of {loaded.source.name!r} in {directory}")
    for path in paths:
        say(path)
    if not given.email:
        if calendar:
            mail.remember(with_mail="eml" in wanted)
        return
    with progress.shown(sys.stderr) as tell:
        tell("mailing")
        notes = mail.post(given, target.directory)
    for note in notes if given.verbose else ():
        say(note)


def _target(given: argparse.Namespace, settings: config.Config) -> tuple[tuple[str, ...], files.Target]:
    """The formats, and where they go."""
    folder = settings.report.output_dir
    if given.output is None and folder:
        named_by = f"{settings.path}: report.output_dir"
        return (found := files.formats(given.format, "")), files.target(f"{folder}/", found, named_by)
    output = "." if given.output is None else given.output
    return (found := files.formats(given.format, output)), files.target(output, found)


def _moments(given: argparse.Namespace, zone: tzinfo) -> tuple[float | None, float | None]:
    """--since and --until."""
    if given.period is not None and not given.since is given.until is None:
        raise ConfigError("--period: not together with --since or --until")
    from . import times

    since, until = (
        None if text is None else times.moment(text, option, zone)
        for text, option in ((given.since, "--since"), (given.until, "--until"))
    )
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"--until: {given.until!r} is not after --since {given.since!r}")
    return since, until


def _of_saved(given: argparse.Namespace) -> list[str]:
    """Draw the picture of a saved report; returns its summary and the path."""
    from . import saved

    mailoptions.demand_without(given, "--from", OF_STORED)
    mailoptions.demand_alone(given)
    wanted = ("png",) if given.format is None else files.formats(given.format, "")
    if wanted != ("png",):
        raise ConfigError("--from: its picture is a png, of no other --format")
    settings = config.load(given.config, os.environ)
    if given.output is not None and not (given.output.endswith("/") or os.path.isdir(given.output)):
        files.demand_ending(given.output, wanted)
    _, target = _target(given, settings)
    data = saved.read(given.saved)
    of = saved.saved(data)
    _page_module()
    from . import formats

    made = list(formats.of_saved(data))
    paths = target.paths(made, files.stem(of.hostname, of.source, of.label) if of.label else files.NAME)
    files.write(paths, made)
    return [*saved.lines(of), *paths]


def _page_module() -> ModuleType:
    """The module that needs the extras.

    matplotlib shall not warn under cron of a home that it can't write to, nor take a backend from $MPLBACKEND (which
    terminals inside of Jupyter set to one that isn't installed) or looks from somebody's matplotlibrc.
    """
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib

    matplotlib.rcdefaults()
    from . import page

    return page
