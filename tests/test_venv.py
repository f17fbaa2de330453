"""What `make` says when it cannot make .venv: what is missing, in a line, and no traceback."""

import os
import subprocess
import sys

import pytest

from .building import tree_copy

NOWHERE = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": ""}


@pytest.fixture
def clone(tmp_path: str) -> str:
    return tree_copy(os.path.join(tmp_path, "clone"))


def make(clone: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=clone,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": clone, **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_interpreter_that_is_missing(clone: str) -> None:
    done = make(clone, "run", "PYTHON=/opt/no/python3")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "PYTHON=/opt/no/python3 is not Python 3.11 or newer"
    assert not os.path.exists(f"{clone}/.venv")


def test_no_network(clone: str) -> None:
    done = make(clone, "run", f"PYTHON={sys.executable}", **NOWHERE)
    assert done.returncode == 2
    assert done.stderr.splitlines()[:-1] == [
        f"pip could not fetch the packages: is there a network? (its words are in {clone}/.venv/install.log)"
    ]
