"""What is made of the options is as they are: `make contrib` has nothing to write."""

import os
import shutil
import subprocess
import sys

import pytest

from contrib import generate

from .test_layers import TREE

COPIED = ("setup.cfg", "checks", "contrib", "docs", "reporter", "tcptide")

#: What has the words of an option of check_tcp_connections.
FILES = [
    "contrib/icinga/commands.conf",
    "contrib/icinga/director-basket.json",
    "contrib/icinga/director-basket-1.10.json",
    "contrib/nagios/commands.cfg",
    "docs/check_tcp_connections.md",
    "contrib/man/check_tcp_connections.1",
]


def test_no_file_differs_from_what_the_options_say() -> None:
    assert list(generate.differing()) == []


@pytest.fixture
def tree(tmp_path: str) -> str:
    """A copy of what `make contrib` reads and writes."""
    for name in COPIED:
        copy = shutil.copytree if os.path.isdir(f"{TREE}/{name}") else shutil.copy
        copy(f"{TREE}/{name}", f"{tmp_path}/{name}")
    return str(tmp_path)


def run(tree: str, *arguments: str) -> tuple[int, list[str]]:
    """Exit status, and the lines of both streams."""
    command = [sys.executable, f"{tree}/contrib/generate.py", *arguments]
    done = subprocess.run(command, check=False, env={}, capture_output=True, text=True, timeout=60)
    return done.returncode, [*done.stdout.splitlines(), *done.stderr.splitlines()]


def test_a_new_word_of_help_is_told_by_file_and_then_written_to_each(tree: str) -> None:
    with open(f"{tree}/checks/filters.py", encoding="utf-8") as file:
        filters = file.read()
    with open(f"{tree}/checks/filters.py", "w", encoding="utf-8") as file:
        file.write(filters.replace("count this user's sockets", 'count \\"their\\" sockets | all'))
    told = run(tree, "--check")
    files = [line.partition(":")[0] for line in told[1]]
    assert told == (1, [f"{name}: not what the options say now; `make contrib` writes it" for name in files])
    assert files == FILES
    assert run(tree) == (0, files)
    with open(f"{tree}/contrib/icinga/commands.conf", encoding="utf-8") as file:
        assert '      description = "count \\"their\\" sockets | all"\n' in file.read()
    with open(f"{tree}/docs/check_tcp_connections.md", encoding="utf-8") as file:
        row = '| `--user` `NAME` | `tcp_connections_user` | count "their" sockets \\| all; repeatable |\n'
        assert row in file.read()
    assert run(tree, "--check") == (0, [])


def test_a_new_option_is_told_by_the_files_that_lack_it(tree: str) -> None:
    with open(f"{tree}/checks/filters.py", "a", encoding="utf-8") as file:
        file.write('OPTIONS += (Option(("--mark",), "count the sockets with this mark", "MARK"),)\n')
    status, told = run(tree, "--check")
    assert (status, [line.partition(":")[0] for line in told]) == (1, FILES)


def test_a_file_that_is_missing_is_made_anew(tree: str) -> None:
    os.remove(f"{tree}/contrib/icinga/commands.conf")
    assert run(tree) == (0, ["contrib/icinga/commands.conf"])
    assert run(tree, "--check") == (0, [])


def test_a_page_without_its_marks_is_named(tree: str) -> None:
    with open(f"{tree}/docs/check_tcp_errors.md", "r+", encoding="utf-8") as file:
        text = file.read().replace("contrib`: options", "contrib`: choices")
        file.seek(0)
        file.write(text)
    assert run(tree) == (2, ["docs/check_tcp_errors.md: marks metrics, choices, not metrics, options"])
