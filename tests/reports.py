"""tcptide-report as a process, with a state that it reads; for tests that import the fixtures."""

import os
import re
import stat
import subprocess
from collections.abc import Callable, Mapping

import pytest

from .forking import Forking
from .reporting import minute, stored

Script = Callable[[str], str]
Report = Callable[..., subprocess.CompletedProcess[str]]
NAME = "tcptide-report.html"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An hour of a host, and a namespace beside it."""
    directory = stored(str(tmp_path_factory.mktemp("report") / "state"), [minute(number) for number in range(61)])
    return stored(directory, [minute(number, source="blue") for number in range(3)])


@pytest.fixture
def report(script: Script, forked: Forking, state: str, tmp_path: str) -> Report:
    """Runs it in an empty directory, with that state and no environment unless told otherwise.

    As the program itself where the environment or what is done before it starts may matter.
    """

    def run(
        *arguments: str,
        state_dir: str = state,
        umask: int = 0o022,
        environ: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        command = ("--state-dir", state_dir, *arguments)
        if environ is None and before is None:
            return forked.run(*command, cwd=tmp_path, environ={}, umask=umask)
        return subprocess.run(
            [script("tcptide-report"), *command],
            check=False,
            cwd=tmp_path,
            env=environ or {},
            umask=umask,
            preexec_fn=before,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def text_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        html = re.sub(r'"data:[^"]*"', "", file.read())
    return " ".join(re.sub("<[^>]+>", " ", html.partition("</style>")[2]).split())


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)
