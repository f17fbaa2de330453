"""What a page tells a newcomer to do as root, in order: lines to run, files to write, and what comes of it.

In a page's indented blocks `# COMMAND` is a line to run; lines below it are among what it prints. A block below a line
that ends with a path and a colon (`/etc/x.cfg`:) is the content of that file.
"""

import itertools
import re
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .hosts import Host
from .worlds import TREE

#: The host has it already: these are the commands of docs/install.md, and tried with that page.
INSTALLING = ("make install", "make uninstall")
PACKAGES = "apt install "
PATIENCE_SECONDS = 10.0
INDENT = "    "
_PATH = re.compile(r"`(?P<path>/[^`]+)`[^`]*:$")


class Step(NamedTuple):
    """One thing to do."""

    section: str
    command: str  # empty: write the file
    path: str  # of the file; empty: run the command
    lines: tuple[str, ...]  # printed by the command, or of the file


def steps(name: str) -> list[Step]:
    """All that a page of the tree tells to do, in order."""
    with open(f"{TREE}/{name}", encoding="utf-8") as file:
        return parsed(file.read())


def parsed(text: str) -> list[Step]:
    """The same of a page's text."""
    return list(_steps(text.split("\n")))


def _steps(lines: Sequence[str]) -> Iterator[Step]:
    section = above = ""
    for indented, group in itertools.groupby(_joined(lines), lambda line: line.startswith(INDENT)):
        if indented:
            yield from _block(section, above, [line.removeprefix(INDENT) for line in group])
            continue
        for line in filter(None, group):
            above = line
            if line.startswith("## "):
                section = line.removeprefix("## ")


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """The lines; empty ones between lines of a block as lines of it."""
    inside = False
    for number, line in enumerate(lines):
        following = next(filter(None, lines[number:]), "")
        inside = following.startswith(INDENT) and (inside or bool(line))
        yield line or (INDENT if inside else "")


def _block(section: str, above: str, lines: list[str]) -> Iterator[Step]:
    if lines[0].startswith("$ "):  # as an ordinary user: not told to root
        return
    if not lines[0].startswith("# "):
        if any(line.startswith("# ") and not before for before, line in itertools.pairwise(lines)):
            raise ValueError(f"{section}: a file and commands in one block: put a word between them")
        if found := _PATH.search(above):
            yield Step(section, "", found["path"], tuple(lines))
        return
    while lines:
        command = lines.pop(0).removeprefix("# ")
        while command.endswith("\\"):
            command = f"{command}\n{lines.pop(0)}"
        shown = []
        while lines and not lines[0].startswith("# "):
            shown.append(lines.pop(0))
        yield Step(section, command, "", tuple(shown))


def follow(step: Step, host: Host) -> str:
    """Do it on a host that is `hosts.installed()`, as root in a clone; what it prints, which is what is shown."""
    if step.path:
        host.write(step.path, "\n".join([*step.lines, ""]))
        return ""
    if step.command.startswith(INSTALLING):
        return ""
    line = step.command
    if line.startswith(PACKAGES):
        line = f"dpkg-query --show {line.removeprefix(PACKAGES)}"  # no network there: they must be in .ci/run
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = host.run(f"({line}) 2>&1", cwd=TREE)
        if done.returncode == 0 or "refused" not in done.stdout or time.monotonic() > until:
            break
        time.sleep(0.1)  # a daemon that was just started
    assert done.returncode == 0, f"{step.command}: {done.stdout}"
    missing = [line for line in step.lines if line not in done.stdout.splitlines()]
    assert missing == [], done.stdout
    return done.stdout
