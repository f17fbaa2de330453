"""The files that people copy: what Icinga makes of them, and that cron's line runs as its user."""

import grp
import importlib
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from checks import options
from checks.spec import CheckSpec

from .test_layers import TREE
from .test_packaging import SCRIPTS

CHECKS = [name for name in SCRIPTS if name.startswith("check_")]

ICINGA = """\
const NodeName = "here"
const ZoneName = NodeName
const PluginContribDir = "/usr/lib/nagios/plugins"
include <itl>
object Endpoint NodeName { }
object Zone ZoneName { endpoints = [ NodeName ] }
object Host "web1" { check_command = "dummy", vars.os = "Linux" }
"""


def icinga_snippet() -> str:
    """The service of the README."""
    with open(f"{TREE}/README.md", encoding="utf-8") as file:
        text = file.read()
    found = re.search(r"^    apply Service.*?^    }$", text, re.MULTILINE | re.DOTALL)
    assert found, "README.md shows no Icinga service"
    return found[0]


@pytest.fixture(scope="module")
def icinga_objects() -> Iterator[dict[tuple[str, str], dict[str, Any]]]:
    """What Icinga 2 makes of contrib/icinga and the README's service: (type, name) -> properties."""
    icinga = shutil.which("icinga2", path="/usr/sbin:/usr/bin")
    if icinga is None:
        pytest.skip("needs Icinga 2: apt install icinga2-bin icinga2-common")
    with tempfile.TemporaryDirectory(prefix="tcptide-icinga-", dir="/tmp") as folder:
        shutil.copy(f"{TREE}/contrib/icinga/commands.conf", folder)
        with open(f"{folder}/icinga2.conf", "w") as file:
            file.write(f'{ICINGA}include "commands.conf"\n{icinga_snippet()}\n')
        command = [icinga, "daemon", "--validate", "--config", f"{folder}/icinga2.conf"]
        for name in ("ConfigDir", "DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir"):
            os.makedirs(f"{folder}/{name}")
            command += ["--define", f"{name}={folder}/{name}"]
        user = pwd.getpwuid(os.geteuid())  # else Icinga becomes nagios, who cannot read the folder
        command += [
            "--define",
            f"RunAsUser={user.pw_name}",
            "--define",
            f"RunAsGroup={grp.getgrgid(user.pw_gid).gr_name}",
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        with open(f"{folder}/CacheDir/icinga2.debug", "rb") as cache:
            objects = [json.loads(text) for text in netstrings(cache.read())]
    yield {(each["type"], each["name"]): each["properties"] for each in objects}


def netstrings(data: bytes) -> Iterator[bytes]:
    while data:
        length, _, rest = data.partition(b":")
        yield rest[: int(length)]
        data = rest[int(length) + 1 :]


@pytest.mark.parametrize("name", CHECKS)
def test_icinga_command_takes_the_options_of(name: str, icinga_objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    spec: CheckSpec = importlib.import_module(f"checks.{name}").SPEC
    command = icinga_objects["CheckCommand", spec.key]
    assert command["command"] == [f"/usr/lib/nagios/plugins/{name}"]
    assert command["arguments"] == {
        option.flags[-1]: {
            "value" if option.metavar else "set_if": f"${spec.key}_{option.flags[-1][2:].replace('-', '_')}$",
            "description": option.help,
            **({"repeat_key": True} if option.repeatable else {}),
        }
        for option in options.of(spec)
        if option.flags[-1] != "--output"  # Icinga reads text
    }


def test_icinga_makes_the_services_of_the_readme(icinga_objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    commands = {properties["check_command"] for (kind, _), properties in icinga_objects.items() if kind == "Service"}
    assert commands == {name.removeprefix("check_") for name in CHECKS}
