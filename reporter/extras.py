"""What is wrong with the libraries of the extra tcptide[report], where a report failed for it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata

from tcptide.text import one_line

EXTRA = "tcptide[report]"
#: Modules that come with the extra's distributions, or with what those need.
MODULES = ("jinja2", "markupsafe", "matplotlib", "numpy", "pandas", "PIL", "css_inline", "rich")

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+); extra == ['\"]report['\"]")
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def problem(error: BaseException) -> str | None:
    """What of the extra the error comes from; None for an error of another kind.

    A library that is too old fails in any way: with an ImportError or, once it is used, an AttributeError.
    """
    if isinstance(error, ImportError | AttributeError | TypeError | ValueError):
        for name, found, needed in _too_old():
            return f"{name} {found} is too old, {needed} or newer is needed: pip install '{EXTRA}'"
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in MODULES:
        why = "is missing" if isinstance(error, ModuleNotFoundError) else f"can't be loaded: {one_line(str(error))}"
        return f"{error.name} {why}: pip install '{EXTRA}'"
    return None


def _too_old() -> Iterator[tuple[str, str, str]]:
    """Each library that is older than tcptide's own requirement: its name, its version and the one that is needed.

    Nothing where that can't be told, as in a tree that was not installed.
    """
    try:
        requirements = metadata.requires("tcptide") or []
    except metadata.PackageNotFoundError:
        return
    for requirement in requirements:
        if of_extra := _REQUIREMENT.fullmatch(requirement):
            name, needed = of_extra.groups()
            with suppress(metadata.PackageNotFoundError):
                found = metadata.version(name)
                if _numbers(found) < _numbers(needed):
                    yield name, found, needed


def _numbers(version: str) -> tuple[int, ...]:
    numbers = _NUMBERS.match(version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()
