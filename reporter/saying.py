"""What a run prints: never what ends it, and never before its files and its mail are where they belong."""

import os
import sys
from contextlib import suppress

from tcptide.errors import TcptideError


class OutputError(TcptideError):
    """Not all that was to be said could be."""


class Output:
    """Standard output. The first failure ends the saying, not the run."""

    def __init__(self) -> None:
        self._failed = ""
        self._open = sys.stdout is not None  # it was closed by who called
        if self._open and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")  # of a path that is no text

    def terminal(self) -> bool:
        """Whether somebody is watching."""
        return self._open and sys.stdout.isatty()

    def say(self, line: str) -> None:
        """Print a line as long as that can be done."""
        if not self._open:
            return
        try:
            print(line, flush=True)
        except OSError as error:
            self._open = False
            if not isinstance(error, BrokenPipeError):  # who reads no further wanted no more
                self._failed = error.strerror or str(error)
            with suppress(OSError):  # nor shall the end of the interpreter try again
                os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())

    def demand_said(self) -> None:
        """Raises OutputError if something could not be printed."""
        if self._failed:
            raise OutputError(f"standard output: {self._failed}")


def complain(line: str) -> None:
    """Print a line to standard error, if it is there and takes it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
