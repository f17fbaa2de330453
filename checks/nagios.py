"""nagiosplugin's values, without its runtime.

`import nagiosplugin` runs the whole package: logging, tempfile and json take nearly half of a check's cold start and
are for a runtime that no check uses. So its modules of values are loaded from where the package is, on their own.
"""

import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any


def _load() -> tuple[Any, Any]:
    whole = sys.modules.get("nagiosplugin")
    if whole is None:
        found = PathFinder.find_spec("nagiosplugin")
        if found is None or found.submodule_search_locations is None:
            raise ImportError("nagiosplugin is not installed", name="nagiosplugin")
        empty = ModuleType("nagiosplugin")
        empty.__path__ = found.submodule_search_locations
        sys.modules["nagiosplugin"] = empty
    try:
        from nagiosplugin.performance import Performance
        from nagiosplugin.range import Range
    finally:
        if whole is None:  # whoever else imports it gets the package
            del sys.modules["nagiosplugin"]
    return Range, Performance


Range, Performance = _load()
