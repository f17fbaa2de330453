"""What all tests share: the `root` marker, installed scripts, a state directory that other users can be given.

With `CI=true` a skipped test is a failed one, so that nothing goes untested unnoticed.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator

import pytest

from .building import Built, build
from .checking import Check, answer
from .forking import Forking, forking

NEEDS_ROOT = "needs root: network namespaces"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"root: {NEEDS_ROOT}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = _lacking()
    for item in items:
        if lacking and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason=lacking))


def _lacking() -> str | None:
    """What keeps this run from making worlds of sockets; None: nothing does."""
    if os.geteuid() != 0:
        return NEEDS_ROOT
    if shutil.which("ip") is None:
        return "needs ip: apt install iproute2"
    probe = subprocess.run(["unshare", "--net", "--mount", "true"], check=False, capture_output=True)
    return "root may not make network namespaces here (a container?)" if probe.returncode else None


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where CI=true; an expected failure (xfail) is no skip."""
    if os.environ.get("CI") == "true" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, and CI=true allows no skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture(scope="module", autouse=True)
def ahead_of_others(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of real sockets live in real time: what they start, and they, go before the other tests' work."""
    live = request.module.__name__.rpartition(".")[2].startswith("test_live_") and os.geteuid() == 0
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    if live:
        os.setpriority(os.PRIO_PROCESS, 0, usual - 10)
    yield
    if live:
        os.setpriority(os.PRIO_PROCESS, 0, usual)


@pytest.fixture(scope="session")
def script() -> Callable[[str], str]:
    """The path of an installed console script: script("check_tcp_connections")."""

    def path(name: str) -> str:
        found = os.path.join(os.path.dirname(sys.executable), name)
        assert os.access(found, os.X_OK), f"{found} is missing: pip install -e '.[test]' makes it"
        return found

    return path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist of the tree, and the wheel that is built from the sdist."""
    return build(str(tmp_path_factory.mktemp("built")))


@pytest.fixture(scope="session")
def forked(script: Callable[[str], str]) -> Iterator[Forking]:
    """Runs tcptide-report without loading its libraries each time."""
    with forking(script("tcptide-report")) as running:
        yield running


@pytest.fixture
def state_dir() -> Iterator[str]:
    """An empty directory whose path every user can reach (tmp_path is only its owner's); chown it as needed."""
    parent = tempfile.mkdtemp(prefix="tcptide-test-", dir="/tmp")
    os.chmod(parent, 0o755)
    directory = os.path.join(parent, "state")
    os.mkdir(directory, 0o750)
    yield directory
    shutil.rmtree(parent)


@pytest.fixture
def check(script: Callable[[str], str], state_dir: str) -> Check:
    """Runs a check with the state in state_dir: name and arguments in, exit status and lines out."""

    def run(name: str, *arguments: str) -> tuple[int, list[str]]:
        return answer(script(name), "--state-dir", state_dir, *arguments)

    return run


@pytest.fixture
def agents_state_dir(state_dir: str) -> str:
    """The same, owned by the user nobody, who stands for the monitoring agent's. Needs root."""
    agent = pwd.getpwnam("nobody")
    os.chown(state_dir, agent.pw_uid, agent.pw_gid)
    return state_dir


#: What goes wrong in the fortnight's second week, which begins on day 7, and still does at its end.
INCIDENTS = (
    *("flood@8d3h+40m", "accept-queue@9d13h+25m", "port-exhaustion@10d8h+3h", "leak@11d20h+18h", "gap@13d4h+3h"),
    "port-exhaustion@-25m+2h",
)


@pytest.fixture(scope="session")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The state of a simulated host with two weeks up to Monday, 1 December 2025 UTC; each incident is in the second.

    It takes a while to make: it is made once for all processes that run tests, and only read.
    """
    base = tmp_path_factory.getbasetemp()
    folder = str(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
    directory = f"{folder}/fortnight"
    with open(f"{folder}/fortnight.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(directory):
            command = [os.path.join(os.path.dirname(sys.executable), "tcptide"), "simulate"]
            command += [
                "--state-dir",
                f"{directory}.new",
                "--days",
                "14",
                "--seed",
                "3",
                "--until",
                "2025-12-01T00:00Z",
            ]
            command += [f"--incident={incident}" for incident in INCIDENTS]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
            os.rename(f"{directory}.new", directory)
    return directory
