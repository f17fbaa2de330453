"""The checks as one file: by each name and way of calling it, without psutil, with an interpreter that is too old."""

import ast
import glob
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable

import pytest

import tcptide

from .building import run
from .test_layers import TREE, source_files
from .test_packaging import FOLDERS, SCRIPTS

CHECKS = [name for name in SCRIPTS if name.startswith("check_tcp_")]
COMMANDS = [*CHECKS, "check_tcptide", "tcptide"]
#: The interpreter alone: nothing of .venv or the system's packages, so no psutil.
BARE = (os.path.realpath(sys.executable), "-I", "-S")
HIDDEN = "for newer in /usr/bin/python3.1?; do mount --bind /dev/null $newer; done; "


def built(folder: str, **environ: str) -> str:
    path = os.path.join(folder, "tcptide-checks.pyz")
    done = run(sys.executable, f"{TREE}/contrib/pyz/build.py", path, **environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(str(tmp_path_factory.mktemp("pyz")))


def linked(pyz: str, name: str, folder: str) -> str:
    path = os.path.join(folder, name)
    os.symlink(pyz, path)
    return path


def test_same_sources_give_the_same_bytes(pyz: str, tmp_path: str) -> None:
    again = built(str(tmp_path), PYTHONHASHSEED="7", TZ="Asia/Kathmandu")
    with open(pyz, "rb") as one, open(again, "rb") as other:
        assert one.read() == other.read()


def test_holds_the_sources_of_checks_and_core_and_the_licenses(pyz: str) -> None:
    with zipfile.ZipFile(pyz) as archive:
        names = {name for name in archive.namelist() if not name.endswith(".pyc")}
    sources = source_files("tcptide", "checks")
    ours = {FOLDERS[file.partition("/")[0]] + file[file.index("/") :] for file in sources}
    assert {name for name in names if not name.startswith("nagiosplugin/")} == {*ours, "__main__.py", "LICENSE"}
    assert {"nagiosplugin/range.py", "nagiosplugin/LICENSE.txt"} <= names


@pytest.mark.parametrize("name", COMMANDS)
def test_link_with_its_name_is_the_check(name: str, pyz: str, tmp_path: str, script: Callable[[str], str]) -> None:
    done, installed = run(*BARE, linked(pyz, name, str(tmp_path)), "--help"), run(script(name), "--help")
    assert f"usage: {name} " in done.stdout
    assert (done.stdout, done.stderr, done.returncode) == (installed.stdout, "", installed.returncode)


@pytest.mark.parametrize("name", CHECKS)
def test_check_that_is_named_first_judges_this_host(name: str, pyz: str, tmp_path: str) -> None:
    done = run(*BARE, pyz, name, "--state-dir", str(tmp_path), "--max-age", "0")
    assert re.match(rf"{name.removeprefix('check_').upper()} (OK|WARNING|CRITICAL) - ", done.stdout)
    assert (done.stderr, done.returncode < 3) == ("", True)


def test_copy_runs_by_itself_as_a_plugin(pyz: str, tmp_path: str) -> None:
    plugin = shutil.copy(pyz, os.path.join(tmp_path, "check_tcp_errors"))
    done = run(plugin, "--state-dir", str(tmp_path), "-w", "retransmit_percent=x")
    assert done.stdout.startswith("TCP_ERRORS UNKNOWN - usage: ")
    assert (done.stderr, done.returncode) == ("", 3)


def test_without_psutil_it_says_what_it_does_not_see(pyz: str, tmp_path: str) -> None:
    state = str(tmp_path)
    done = run(*BARE, pyz, "tcptide", "sample", "--state-dir", state)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    doctor = run(*BARE, pyz, "tcptide", "doctor", "--state-dir", state).stdout.splitlines()
    assert "note    unseen      processes (psutil: No module named 'psutil')" in doctor
    (processes,) = [line for line in doctor if line.split()[1] == "processes"]
    assert processes == (
        "note    processes   no names of processes -> install psutil, or set privacy.processes = false"
    )
    (schedule,) = [line for line in doctor if line.split()[1] == "schedule"]
    if " -> " in schedule:  # this machine has no cron line of tcptide's
        assert f" {pyz} tcptide sample --state-dir {state}' > " in schedule
    verbose = run(*BARE, pyz, "check_tcp_connections", "--state-dir", state, "-vv").stdout.splitlines()
    assert "not seen: processes (psutil: No module named 'psutil')" in verbose


@pytest.mark.parametrize(
    "called, service",
    [
        (["tcptide-checks.pyz"], "TCPTIDE"),
        (["tcptide-checks.pyz", "--help"], "TCPTIDE"),
        (["tcptide-checks.pyz", "tcptide-report"], "TCPTIDE"),
        (["tcptide-checks.pyz", "check_tcp_nothing"], "TCP_NOTHING"),
        (["check_tcp_nothing"], "TCP_NOTHING"),
    ],
)
def test_unknown_name_is_unknown(called: list[str], service: str, pyz: str, tmp_path: str) -> None:
    done = run(*BARE, linked(pyz, called[0], str(tmp_path)), *called[1:])
    said = f"{service} UNKNOWN - name a check or tcptide: {called[0]} check_tcp_connections --help\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 3)


@pytest.fixture(scope="module")
def older() -> str:
    """PyPy of Debian 12 is a Python 3.9."""
    found = shutil.which("pypy3", path="/usr/bin")
    if found is None:
        pytest.skip("needs an older interpreter: apt install pypy3")
    return found


@pytest.mark.root
@pytest.mark.parametrize(
    "arguments, service", [(["check_tcp_errors", "-w", "5"], "TCP_ERRORS"), (["tcptide", "doctor"], "TCPTIDE")]
)
def test_older_interpreter_gets_one_unknown_line(arguments: list[str], service: str, pyz: str, older: str) -> None:
    alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{HIDDEN} exec "$@"', "sh"]
    done = run(*alone, older, pyz, *arguments)
    assert re.fullmatch(rf"{service} UNKNOWN - Python 3\.11 or newer is needed, this is 3\.\d+\n", done.stdout)
    assert (done.stderr, done.returncode) == ("", 3)


@pytest.mark.skipif(not glob.glob("/usr/bin/python3.1?"), reason="needs a Python 3.11 or newer in /usr/bin")
def test_older_interpreter_hands_over_to_a_newer_one_beside_it(pyz: str, older: str) -> None:
    done = run(older, pyz, "check_tcp_errors", "--version")
    assert (done.stdout, done.stderr) == (f"check_tcp_errors {tcptide.__version__}\n", "")


def test_first_file_has_no_syntax_that_is_younger_than_python_2() -> None:
    """An approximation, since Debian 12 has no Python 2: no annotation, f-string or keyword-only argument."""
    with open(f"{TREE}/contrib/pyz/__main__.py", encoding="ascii") as file:
        tree = ast.parse(file.read(), feature_version=(3, 4))
    younger = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Starred, ast.Nonlocal, ast.AsyncFunctionDef)
    assert [node for node in ast.walk(tree) if isinstance(node, younger)] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert [argument for argument in node.args.args if argument.annotation] == []
