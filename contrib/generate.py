"""Writes the files that are made of the executables' options, so that no option is written down twice.

    .venv/bin/python contrib/generate.py           writes what differs, and names it
    .venv/bin/python contrib/generate.py --check   writes nothing; exit status 1 if something differs

A target is a module of contrib/generators with `files(checks)`: paths in the tree, and what they are to hold.
"""

import argparse
import configparser
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if sys.path[0] == os.path.dirname(os.path.abspath(__file__)):  # started as a script
    sys.path[0] = TREE

from checks.spec import CheckSpec  # noqa: E402
from contrib.generators import director, docs, icinga, man, nagios, nrpe  # noqa: E402

TARGETS: tuple[Callable[[Sequence[CheckSpec]], Mapping[str, str]], ...] = (
    icinga.files,
    director.files,
    nagios.files,
    nrpe.files,
    docs.files,
    man.files,
)


def checks() -> tuple[CheckSpec, ...]:
    """What each installed check says of itself, in the order of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(os.path.join(TREE, "setup.cfg"), encoding="utf-8")
    scripts = setup["options.entry_points"]["console_scripts"].split()
    names = [name for name in scripts if name.startswith("check_")]
    return tuple(importlib.import_module(f"checks.{name}").SPEC for name in names)


def differing() -> dict[str, str]:
    """The files that are not as they are to be, with what they are to hold. Raises ValueError for a page's marks."""
    specs = checks()
    wanted = {path: text for files in TARGETS for path, text in files(specs).items()}
    return {path: text for path, text in wanted.items() if text != read(path)}


def read(path: str) -> str | None:
    """A file of the tree; None if it is not there."""
    try:
        with open(os.path.join(TREE, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def main() -> int:
    """The script: writes, or with --check compares."""
    parser = argparse.ArgumentParser(description="Writes the files that are made of the executables' options.")
    parser.add_argument("--check", action="store_true", help="only say which files differ, one a line")
    only_check = parser.parse_args().check
    try:
        found = differing()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path, text in found.items():
        if only_check:
            print(f"{path}: not what the options say now; `make contrib` writes it")
            continue
        os.makedirs(os.path.dirname(os.path.join(TREE, path)), exist_ok=True)
        with open(os.path.join(TREE, path), "w", encoding="utf-8") as file:
            file.write(text)
        print(path)
    return 1 if only_check and found else 0


if __name__ == "__main__":
    sys.exit(main())
