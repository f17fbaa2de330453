"""What a check prints for a sample, without looking: the pure part of it, from the judge to the lines."""

import os
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from checks import options, output, ranges
from checks.output import Answer
from checks.spec import CheckSpec, Judged
from tcptide.config import Config
from tcptide.model import Sample


def chosen(spec: CheckSpec, *arguments: str) -> Namespace:
    """The options that a command line gives."""
    return options.read(spec, arguments)


def lines(
    spec: CheckSpec,
    judged: Judged,
    *arguments: str,
    sample: Sample | None = None,
    notices: Sequence[str] = (),
    marks: Sequence[str] = (),
    config: Config = Config(),  # noqa: B008 (immutable)
) -> list[str]:
    """Everything that the check prints with these arguments, by line."""
    asked = chosen(spec, *arguments)
    thresholds = ranges.resolve(spec, asked.warning, asked.critical, config)
    answer = Answer(judged, sample, 3.0, tuple(notices), tuple(marks))
    outcome = ranges.evaluate(spec, judged, thresholds)
    return output.plain(spec, answer, outcome, thresholds, asked.verbose).splitlines()


def text(line: str) -> str:
    """Line 1 without its perfdata."""
    return line.partition(" | ")[0]


def perfdata(line: str) -> list[str]:
    """The perfdata of line 1."""
    return line.partition(" | ")[2].split(" ")


@contextmanager
def utc() -> Iterator[None]:
    """For what is said in the machine's own time: it is UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
