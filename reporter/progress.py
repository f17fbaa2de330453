"""What a run is doing, for who waits at a terminal; elsewhere nothing is said, and nothing loaded for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def shown(stream: TextIO | None) -> Iterator[Callable[[str], None]]:
    """A function that is told what comes next; it shows that for as long as the context lasts."""
    if stream is None or not stream.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(file=stream).status("") as status:
        yield lambda text: status.update(f"{text} ...")
