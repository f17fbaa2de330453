"""contrib/ansible as its users have it: the collection is built and installed, and ansible-playbook runs the role.

Controller and host are one host of its own. The newest Ansible of this environment and Debian's own take turns.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from .building import run, tree_copy
from .hosts import Host
from .worlds import TREE, World

COLLECTION = f"{TREE}/contrib/ansible"
NEWEST, DEBIANS = os.path.dirname(sys.executable), "/usr/bin"
ROLLOUT, WHEELS, SOURCES, PLAYBOOK = "/srv/rollout", "/srv/wheels", "/srv/rollout-sources", "/srv/play.yml"
TIMEOUT_SECONDS = 600.0

PLAY = [{"hosts": "all", "gather_facts": False, "roles": ["tcptide.monitoring.tcptide"]}]
OFFLINE = {"tcptide_pip_environment": {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS}}


class Run(NamedTuple):
    """What a run of ansible-playbook came to."""

    output: str
    changed: tuple[str, ...]  # the names of the tasks that changed something, in order
    failed: str  # why it failed; empty if it did not

    @property
    def recap(self) -> str:
        return " ".join(re.findall(r"(?:changed|unreachable|failed|rescued)=\d+", self.output.rpartition("RECAP")[2]))


def versioned(sources: str, version: str) -> None:
    """Give a copy of the sources another version."""
    path = f"{sources}/tcptide/__init__.py"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"', text))


def pip(*arguments: str) -> None:
    """pip of this environment, with the index of this run."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = run(sys.executable, "-m", "pip", "--quiet", *arguments, PATH="/usr/bin:/bin", **settings)
    assert done.returncode == 0, done.stderr


class Controller:
    """A host that rolls out to itself."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.rolled_out = False  # by a test

    def run(self, command: str, bin_folder: str = DEBIANS) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{bin_folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ANSIBLE_TRANSPORT": "local",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }
        return self.host.run(command, environ=environment, cwd=TREE, timeout_seconds=TIMEOUT_SECONDS)

    def play(self, *arguments: str, bin_folder: str = NEWEST, **variables: Any) -> Run:
        """Apply the role with these variables."""
        self.host.write("/srv/variables.json", json.dumps({**OFFLINE, **variables}))
        done = self.run(
            f"ansible-playbook -i web1, -e @/srv/variables.json {' '.join(arguments)} {PLAYBOOK}", bin_folder
        )
        return outcome(done.stdout + done.stderr)


def outcome(output: str) -> Run:
    tasks = re.split(r"^(?:TASK|RUNNING HANDLER) \[", output, flags=re.MULTILINE)[1:]
    changed = [
        task.partition("]")[0].rpartition(" : ")[2] for task in tasks if re.search(r"^changed: ", task, re.MULTILINE)
    ]
    failed = re.search(r'^fatal: .*"msg": "(.*?)(?<!\\)"', output, re.MULTILINE)
    return Run(output, tuple(changed), failed[1] if failed else "")


@contextmanager
def controller(wheels: str) -> Iterator[Controller]:
    """With wheels and a copy of the sources, and a listener on port 8080 that one connection was made to."""
    with World() as world, Host() as host:
        world.pair(world.listen("127.0.0.1", 8080))
        for folder in (WHEELS, f"{ROLLOUT}/dist"):
            shutil.copytree(wheels, host.path(folder))
        tree_copy(host.path(SOURCES))
        host.write(PLAYBOOK, json.dumps(PLAY))
        yield Controller(host)


def files(host: Host, *places: str) -> Mapping[str, str]:
    """Kind, owner, group and mode of everything below these places, by path."""
    found = host.run(f"find {' '.join(places)} -printf '%p %y %u:%g %m\\n'").stdout
    return dict(line.split(" ", 1) for line in sorted(found.splitlines()))
