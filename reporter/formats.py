"""A page as the files that were asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import document, encoding, page
from .files import File
from .overview import overview
from .page import Page


def make(formats: Sequence[str], built: Page, *, into_one_file: bool = False) -> Iterator[File]:
    """The files of each format, in order; of a format with several only the one that says most, if there is one."""
    for name in formats:
        files = _MAKERS[name](built)
        yield from [*files][-1:] if into_one_file else files


def _html(built: Page) -> Iterator[File]:
    yield File(".html", page.render(built).encode())


def _png(built: Page) -> Iterator[File]:
    for picture in built.pictures:
        yield File(f"-{picture.name}.png", (picture.wide or picture.narrow).light)
    yield File("-overview.png", overview(document.document(built)))  # the last: it says most


def _json(built: Page) -> Iterator[File]:
    yield File(".json", encoding.written(document.document(built)))


_MAKERS: dict[str, Callable[[Page], Iterator[File]]] = {"html": _html, "png": _png, "json": _json}


def of_saved(data: Mapping[str, Any]) -> Iterator[File]:
    """The picture of a report that was saved as JSON."""
    yield File("-overview.png", overview(data))
