"""The pages say what the executables do: their alarms are theirs, and every command shown is run.

`python -m tests.test_docs` writes the alarms into the pages; tables of options and metrics are `make contrib`'s.
"""

import importlib
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping

import pytest

from checks.spec import CheckSpec

from . import (
    test_check_tcp_errors,
    test_check_tcp_listen_queue,
    test_check_tcp_pattern,
    test_check_tcp_port_exhaustion,
    test_check_tcp_quality,
    test_check_tcp_time_wait,
    test_check_tcptide,
)
from .samples import SSH, destination, listener, rates, states
from .test_layers import TREE

PAGES = ["README.md", *(f"docs/{name}" for name in sorted(os.listdir(f"{TREE}/docs")) if name.endswith(".md"))]
FIRST_LINE = re.compile(r"(?P<service>[A-Z_]+) (?P<state>OK|WARNING|CRITICAL|UNKNOWN) - [^|]*(\| (?P<perfdata>.+))?")

#: What the alarm of a page is made of.
ALARMS: Mapping[str, Callable[[], list[str]]] = {
    "check_tcp_errors": lambda: test_check_tcp_errors.said(test_check_tcp_errors.traffic(9, 2)),
    "check_tcp_listen_queue": lambda: test_check_tcp_listen_queue.said(
        listener(129, unit="app.service"), SSH, per_second=rates(listen_overflows=42.0)
    ),
    "check_tcp_pattern": test_check_tcp_pattern.alarm,
    "check_tcp_port_exhaustion": lambda: test_check_tcp_port_exhaustion.said(
        history=test_check_tcp_port_exhaustion.FILLING,
        worst=(destination(25_974, time_wait=24_310),),
        bind=(("10.0.0.1", 92.0),),
    ),
    "check_tcp_quality": lambda: test_check_tcp_quality.worse(test_check_tcp_quality.SLOW),
    "check_tcp_time_wait": lambda: test_check_tcp_time_wait.said(
        history=test_check_tcp_time_wait.FILLING,
        states=states(TIME_WAIT=60_960),
        per_second=rates(time_wait_created=1016.0),
    ),
    "check_tcptide": lambda: test_check_tcptide.said(test_check_tcptide.EVERY_MINUTE[:-14]),
}


def page(name: str) -> str:
    with open(f"{TREE}/{name}", encoding="utf-8") as file:
        return file.read()


def examples(name: str) -> Iterator[tuple[str, str]]:
    """Commands of indented blocks, `$ command`, each with the first line of what it is shown to print."""
    lines = page(name).split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("    $ "):
            shown = following.strip()
            yield line.removeprefix("    $ "), "" if shown.startswith("$ ") else shown


def check_spec(name: str) -> CheckSpec:
    found: CheckSpec = importlib.import_module(f"checks.{name}").SPEC
    return found


def alarm_block(name: str) -> str:
    return "\n".join(f"    {line}" for line in ALARMS[name]())


def shown_alarm(name: str) -> str:
    return page(f"docs/{name}.md").partition("\nAn alarm:\n\n")[2].partition("\n\n")[0]


@pytest.mark.parametrize("name", ALARMS)
def test_page_shows_an_alarm_as_it_is(name: str) -> None:
    assert shown_alarm(name) == alarm_block(name)


@pytest.mark.parametrize("name", PAGES)
def test_shown_commands_run(name: str, state_dir: str, script: Callable[[str], str]) -> None:
    environment = {"PATH": f"{os.path.dirname(script('tcptide'))}:/usr/bin:/bin", "TCPTIDE_STATE_DIR": state_dir}

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            shlex.split(command),
            cwd=os.path.dirname(state_dir),
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    run("tcptide sample")
    for command, shown in examples(name):
        done = run(command)
        assert done.stderr == "", command
        printed, documented = FIRST_LINE.match(done.stdout), FIRST_LINE.match(shown)
        if command.startswith("check_") and "json" not in command:
            assert printed, command
            assert printed["state"] != "UNKNOWN", f"{command}: {done.stdout}"
            assert documented is None or printed["service"] == documented["service"], command
        else:
            assert done.returncode == 0, f"{command}: {done.stdout}"


@pytest.mark.parametrize("name", PAGES)
def test_shown_lines_are_possible(name: str) -> None:
    """The first lines of checks on a page, examples of alarms too: their labels, and the length that a text carries."""
    for line in page(name).split("\n"):
        found = FIRST_LINE.fullmatch(line.strip())
        if found:
            spec = check_spec(f"check_{found['service'].lower()}")
            labels = re.findall(r"(\w+)=", found["perfdata"] or "")
            assert labels == [metric.label for metric in spec.metrics if metric.label in labels], line
            assert len(line.strip().partition(" | ")[0]) <= 120, line


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page(name)):
        assert os.path.exists(os.path.join(TREE, os.path.dirname(name), target)), target


def _refresh() -> None:
    for name in ALARMS:
        text = page(f"docs/{name}.md").replace(shown_alarm(name), alarm_block(name))
        with open(f"{TREE}/docs/{name}.md", "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    _refresh()
