"""The files that a run leaves: their names, and that they come all at once or not at all."""

import contextlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from tcptide.errors import ConfigError

MODE = 0o640  # addresses and user names are in them
FORMATS = ("html", "png", "json", "eml")
ENDINGS = {"htm": "html"}  # other names for them
NAME = "tcptide-report"
MAX_NAME = 120  # characters before the suffix: a host's name may be as long as it likes

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class File:
    """What is to be written; the suffix tells the files of a run apart."""

    suffix: str  # '.html', '-overview.png'
    content: bytes


@dataclass(frozen=True)
class Target:
    """Where to: a file for the one that is made, or a directory for all."""

    directory: str
    name: str | None = None  # None: each file has its own
    named_by: str = "--output"

    def paths(self, files: Sequence[File], stem: str) -> list[str]:
        """The path of each file. Raises ConfigError where one is there that is no regular file."""
        paths = [os.path.join(self.directory, self.name or stem + file.suffix) for file in files]
        for path in paths:
            _demand_regular(path, self.named_by)
        return paths


def target(output: str, formats: Sequence[str], named_by: str = "--output") -> Target:
    """What --output names. Raises ConfigError where nothing of that kind can be written."""
    path = os.path.abspath(output)
    if output.endswith("/") or os.path.isdir(path):
        if not os.path.isdir(path):
            raise ConfigError(f"{named_by}: there is no directory {path}")
        return Target(path, None, named_by)
    _demand_regular(path, named_by)
    directory, name = os.path.split(path)
    if not os.path.isdir(directory):
        raise ConfigError(f"{named_by}: there is no directory {directory}")
    if len(formats) > 1:
        raise ConfigError(f"{named_by}: {path} is no directory, which several formats need")
    demand_ending(output, formats)
    return Target(directory, name, named_by)


def formats(given: str | None, output: str) -> tuple[str, ...]:
    """What --format lists, each once; without it what --output's ending says, else html. Raises ConfigError."""
    if given is None:
        ending = "" if output.endswith("/") or os.path.isdir(output) else os.path.splitext(output)[1][1:].lower()
        if ending and ending not in (*FORMATS, *ENDINGS):
            raise ConfigError(f"--output: {output!r} ends with none of {', '.join(FORMATS)}; --format says which it is")
        return (ENDINGS.get(ending, ending) or "html",)
    named = tuple(dict.fromkeys(given.split(",")))
    for one in named:
        if one not in FORMATS:
            raise ConfigError(f"--format: {one!r} is none of {', '.join(FORMATS)}")
    return named


def demand_ending(output: str, wanted: Sequence[str]) -> None:
    """Raises ConfigError if a file's name says that it is of another format."""
    ending = os.path.splitext(output)[1][1:].lower()
    if (ending := ENDINGS.get(ending, ending)) in FORMATS and ending not in wanted:
        raise ConfigError(f"--output: {output!r} is to be a {', '.join(wanted)}")


def stem(hostname: str, source: str, label: str) -> str:
    """What the names of a run's files begin with: `tcptide-report-web1-2026-W47`, without a label `tcptide-report`."""
    if not label:
        return NAME
    whose = hostname if source == "host" else f"{hostname}-{source}"
    room = MAX_NAME - len(NAME) - len(label) - 2
    return f"{NAME}-{_UNSAFE.sub('_', whose)[:room]}-{label}"


def whole(paths: Sequence[str], files: Sequence[File]) -> str:
    """The path of the page, else of the report as data: who is told of a picture has not got the report."""
    by_suffix = {file.suffix: path for path, file in zip(paths, files, strict=True)}
    return by_suffix.get(".html") or by_suffix.get(".json") or ""


def write(paths: Sequence[str], files: Sequence[File]) -> None:
    """Put the files into their places, each in one step, once all of them are written.

    Whoever reads one meanwhile sees the old or the new one. A new file can be read by its owner and group at most. One
    that is replaced keeps its mode, owner and group as far as that is allowed, unless others may write to the
    directory, as to /tmp: then anybody may have put it there.
    """
    written: list[tuple[str, str]] = []
    path = ""
    try:
        for path, file in zip(paths, files, strict=True):
            directory, name = os.path.split(path)
            temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
            written.append((temporary, path))
            with open(descriptor, "wb") as stream:
                stream.write(file.content)
                _take_over(descriptor, path, directory)
        while written:
            temporary, path = written[0]
            os.rename(temporary, path)
            written.pop(0)
    except BaseException as error:
        for temporary, _ in written:
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, path) from None
        raise


def _take_over(descriptor: int, path: str, directory: str) -> None:
    """Mode, owner and group of the file that is replaced."""
    if os.path.lexists(path) and not os.stat(directory).st_mode & stat.S_IWOTH:
        before = os.lstat(path)
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, before.st_uid if os.geteuid() == 0 else -1, before.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _demand_regular(path: str, named_by: str) -> None:
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise ConfigError(f"{named_by}: {path} is there and is no regular file")
