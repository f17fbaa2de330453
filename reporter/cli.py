"""`tcptide-report`: a page about the TCP connections of this host, from its stored samples.

Exit status: 0 written, 1 failed or no samples, 2 called wrongly or configured wrongly. An error is one line on stderr.
"""

import argparse
import contextlib
import gc
import os
import signal
import stat
import sys
from types import ModuleType
from typing import NoReturn

from tcptide import __version__, config
from tcptide.clock import SYSTEM
from tcptide.errors import ConfigError, TcptideError
from tcptide.statefiles import state_directory

PROGRAM = "tcptide-report"
HELP_COLUMNS = 79
FILE_NAME = "tcptide-report.html"
FILE_MODE = 0o640  # addresses and user names are in it
EXTRAS = ("jinja2", "markupsafe", "matplotlib", "numpy", "pandas", "PIL")


class Parser(argparse.ArgumentParser):
    """Strict, and one line for an error."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = Parser(
        prog=PROGRAM,
        description="Write a page about the TCP connections of this host, from its stored samples: what needs "
        "attention, key figures, pictures of the states over time, who holds them, and how much was seen. "
        "It is one HTML file that loads nothing.",
        epilog="Times are ISO 8601, such as 2025-11-18 or 2025-11-18T14:00; without an offset they are in --timezone.",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=HELP_COLUMNS),
    )
    options.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {__version__}")
    options.add_argument("-v", "--verbose", action="store_true", help="say on stderr what was read")
    options.add_argument("--state-dir", metavar="DIR", help="directory of the state")
    options.add_argument("--config", metavar="FILE", help="configuration file")
    options.add_argument("--source", metavar="NAME", help="the host or a network namespace (default: host)")
    options.add_argument("--since", metavar="TIME", help="begin of the period (default: 24 hours before its end)")
    options.add_argument("--until", metavar="TIME", help="end of the period (default: the newest sample)")
    options.add_argument("--timezone", metavar="NAME", help="zone of all times, e.g. Europe/Berlin (default: local)")
    output = "the file to write, or a directory for it (default: the current one)"
    options.add_argument("--output", metavar="PATH", default=".", help=output)
    return options


def main() -> int:
    """The executable."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = parser().parse_args()
    gc.disable()  # all that is read stays until the end: looking for what does not takes a tenth of a run
    try:
        print(report(given))
    except KeyboardInterrupt:
        return _failed("interrupted", 1)
    except ConfigError as error:
        return _failed(str(error), 2)
    except TcptideError as error:
        return _failed(str(error), 1)
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}", 1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS:
            raise
        return _failed(f"{error.name} is missing: pip install 'tcptide[report]'", 1)
    return 0


def _failed(why: str, status: int) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return status


def report(given: argparse.Namespace) -> str:
    """Write what was asked for; returns its path.

    Raises TcptideError, OSError, and ModuleNotFoundError where an extra is not installed.
    """
    target = _target(given.output)
    page = _page_module()
    from . import limits, load, times

    settings = config.load(given.config, os.environ)
    zone = times.zone(given.timezone, os.environ)
    since, until = (
        None if text is None else times.moment(text, option, zone)
        for text, option in ((given.since, "--since"), (given.until, "--until"))
    )
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"--until: {given.until!r} is not after --since {given.since!r}")
    directory = state_directory(given.state_dir, os.environ, settings.state_dir)
    now = SYSTEM.wall()
    loaded = load.load(directory, given.source, since, until, settings, now)
    if given.verbose:
        rolled = f" and {len(loaded.rollups)} rollups" if loaded.rollups else ""
        print(f"{len(loaded.points)} samples{rolled} of {loaded.source.name!r} in {directory}", file=sys.stderr)
    built = page.build(loaded, settings.interval_seconds, zone, now, limits.Limits(settings.thresholds))
    return _write(target, page.render(built).encode())


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


def _target(output: str) -> str:
    """The file to write, which may replace a regular file but nothing else."""
    path = os.path.abspath(os.path.join(output, FILE_NAME) if output.endswith("/") or os.path.isdir(output) else output)
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise ConfigError(f"--output: {path} is there and is no regular file")
    if not os.path.isdir(os.path.dirname(path)):
        raise ConfigError(f"--output: there is no directory {os.path.dirname(path)}")
    return path


def _write(path: str, content: bytes) -> str:
    """Put the file into its place in one step, so that whoever reads it meanwhile sees the old or the new one.

    A new file can be read by its owner and group at most. One that is replaced keeps its mode, owner and group as far
    as that is allowed, unless others may write to the directory, as to /tmp: then anybody may have put it there.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(temporary, flags, FILE_MODE)
    try:
        with open(file, "wb") as stream:
            stream.write(content)
            if os.path.lexists(path) and not os.stat(directory).st_mode & stat.S_IWOTH:
                before = os.lstat(path)
                with contextlib.suppress(PermissionError):
                    os.fchown(file, before.st_uid if os.geteuid() == 0 else -1, before.st_gid)
                os.fchmod(file, stat.S_IMODE(before.st_mode))
        os.rename(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, path) from None
        raise
    return path
