"""Templates: where they are, and how what comes from a host is made harmless in them."""

import os
import re
from functools import cache

import jinja2
from markupsafe import Markup

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates")

#: What no terminal, browser or mail program shall act on: control characters, those that turn the direction of text,
#: and the lone surrogates that undecodable bytes become.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@cache
def environment(*, escape: bool = True) -> jinja2.Environment:
    """For HTML, or without escaping for plain text."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=escape,  # noqa: S701 - there is no markup in plain text
        undefined=jinja2.StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def printable(value: object) -> object:
    """Text without what would be acted on."""
    return _UNPRINTABLE.sub("\ufffd", value) if isinstance(value, str) and not isinstance(value, Markup) else value


def own_file(name: str) -> str:
    """The text of a file beside the templates."""
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()
