"""What is released: the sdist, and the wheel that is built from it."""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import tcptide

from .test_layers import TREE

NOT_SOURCE = (".git", ".venv", ".state", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")


class Built(NamedTuple):
    """Paths."""

    wheel: str
    sdist: str


def run(*command: str, cwd: str = "/", **environ: str) -> subprocess.CompletedProcess[str]:
    """A command with an empty environment, as a scheduler starts it."""
    return subprocess.run(command, check=False, cwd=cwd, env=environ, capture_output=True, text=True, timeout=300)


def tree_copy(folder: str) -> str:
    """The sources as a clone has them, in a folder that is made."""
    return str(shutil.copytree(TREE, folder, ignore=shutil.ignore_patterns(*NOT_SOURCE)))


def build(folder: str) -> Built:
    """Builds both in a copy, without network."""
    copy = tree_copy(f"{folder}/tree")
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", f"{folder}/out", cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    name = os.path.join(folder, "out", f"tcptide-{tcptide.__version__}")
    return Built(f"{name}-py3-none-any.whl", f"{name}.tar.gz")
