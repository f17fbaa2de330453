"""What `make run` shows: each command that it prints does the same when it is pasted into a shell."""

import os
import shutil
import subprocess
from collections.abc import Callable

from .test_layers import TREE
from .test_packaging import SCRIPTS


def run(command: str, folder: str, **environ: str) -> str:
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == "", command
    assert done.returncode < 3, command  # a check may find something
    return done.stdout


def test_commands_can_be_pasted(tmp_path: str, script: Callable[[str], str]) -> None:
    folder = os.path.join(tmp_path, 'it\'s "here"')
    os.makedirs(f"{folder}/.venv")
    os.symlink(os.path.dirname(script("tcptide")), f"{folder}/.venv/bin")
    shutil.copytree(f"{TREE}/.ci", f"{folder}/.ci")
    shown = run(".ci/tour", folder, TCPTIDE_STATE_DIR="/nonexist")
    commands = list(dict.fromkeys(line.removeprefix("$ ") for line in shown.splitlines() if line.startswith("$ ")))
    assert {os.path.basename(command.split()[0]) for command in commands} == set(SCRIPTS)
    for command in commands:
        said = run(command.replace("--days 7", "--days 1"), folder)
        if "/check_" in command:
            assert f"\n{said.partition(' ')[0]} " in shown, command
    assert f"\n{folder}/.state/tcptide-report.html\n" in shown
