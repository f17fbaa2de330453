"""contrib/icinga/tcptide-evidence: what it writes, and when it doesn't. test_icinga.py has Icinga start it."""

import os
import time
from subprocess import CompletedProcess

import pytest

from .test_layers import TREE
from .worlds import run, start

CHECK = '#!/bin/sh\necho "${0##*/} $*"; exit 2\n'


@pytest.fixture
def plugins(tmp_path: str) -> str:
    """A plugin directory with one check, which prints its options, and something else."""
    os.mkdir(f"{tmp_path}/plugins")
    for name in ("check_tcp_errors", "check_disk"):
        with open(f"{tmp_path}/plugins/{name}", "w", encoding="utf-8") as file:
            file.write(CHECK)
        os.chmod(file.name, 0o755)
    return f"{tmp_path}/plugins"


def evidence(plugins: str, state: str = "CRITICAL", service: str = "tcp_errors") -> CompletedProcess[str]:
    options = ["--service", service, "--state", state, "--plugins", plugins, "--directory", f"{plugins}/../evidence"]
    return run([f"{TREE}/contrib/icinga/tcptide-evidence", *options])


def written(plugins: str) -> list[str]:
    folder = f"{plugins}/../evidence"
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def read_only(plugins: str) -> str:
    """The only file's text."""
    (name,) = written(plugins)
    with open(f"{plugins}/../evidence/{name}", encoding="utf-8") as file:
        return file.read()


def test_each_check_says_all_that_it_sees(plugins: str) -> None:
    done = evidence(plugins, service="a/b c")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (name,) = written(plugins)
    assert name[17:] == "a_b_c-CRITICAL.txt"
    with open(f"{plugins}/../evidence/{name}", encoding="utf-8") as file:
        assert file.read() == (
            f"$ {plugins}/check_tcp_errors -vv --max-age 0 --timeout 6\n"
            "check_tcp_errors -vv --max-age 0 --timeout 6\n"
            "(exit status 2)\n\n"
        )
    assert os.stat(file.name).st_mode & 0o777 == 0o640


@pytest.mark.parametrize("state", ["OK", "UNKNOWN"])
def test_nothing_is_written_when_there_is_nothing_to_see(state: str, plugins: str) -> None:
    assert evidence(plugins, state=state).returncode == 0
    assert written(plugins) == []


def test_one_file_in_five_minutes(plugins: str) -> None:
    for _ in range(2):
        assert evidence(plugins).returncode == 0
    (name,) = written(plugins)
    old = time.time() - 301
    os.utime(f"{plugins}/../evidence/{name}", (old, old))
    os.rename(f"{plugins}/../evidence/{name}", f"{plugins}/../evidence/earlier")
    assert evidence(plugins).returncode == 0
    assert len(written(plugins)) == 2


def test_a_name_that_is_too_long_for_a_file_is_cut(plugins: str) -> None:
    assert evidence(plugins, service="ä" + "x" * 254).returncode == 0
    (name,) = written(plugins)
    assert name[17:] == f"_{'x' * 199}-CRITICAL.txt"


def test_a_file_of_a_clock_that_was_ahead_keeps_nothing_from_being_written(plugins: str) -> None:
    assert evidence(plugins).returncode == 0
    (name,) = written(plugins)
    ahead = time.time() + 86400
    os.utime(f"{plugins}/../evidence/{name}", (ahead, ahead))
    os.rename(f"{plugins}/../evidence/{name}", f"{plugins}/../evidence/ahead")
    assert evidence(plugins).returncode == 0
    assert len(written(plugins)) == 2


def test_a_check_that_can_not_be_run_keeps_no_other_from_it(plugins: str) -> None:
    with open(f"{plugins}/check_tcp_broken", "w", encoding="utf-8"):
        pass
    assert evidence(plugins).returncode == 0
    text = read_only(plugins)
    assert text.startswith(f"$ {plugins}/check_tcp_broken -vv --max-age 0 --timeout 6\n(Permission denied)\n\n")
    assert text.endswith("(exit status 2)\n\n")


def test_endless_lists_are_cut(plugins: str) -> None:
    with open(f"{plugins}/check_tcp_errors", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nhead -c 60000 /dev/zero | tr '\\0' x\n")
    assert evidence(plugins).returncode == 0
    assert read_only(plugins).endswith(f"\n{'x' * 50000}\n... 10000 characters more\n(exit status 0)\n\n")


def test_no_symlink_is_followed(plugins: str, tmp_path: str) -> None:
    os.mkdir(f"{tmp_path}/elsewhere")
    os.symlink(f"{tmp_path}/elsewhere", f"{plugins}/../evidence")
    done = evidence(plugins)
    assert (done.returncode, done.stderr) == (1, f"tcptide-evidence: {plugins}/../evidence: Not a directory\n")
    assert os.listdir(f"{tmp_path}/elsewhere") == []


def test_of_many_services_that_fail_at_once_one_has_it(plugins: str) -> None:
    options = ["--state", "CRITICAL", "--plugins", plugins, "--directory", f"{plugins}/../evidence", "--service"]
    script = f"{TREE}/contrib/icinga/tcptide-evidence"
    started = [start([script, *options, f"tcp_{number}"]) for number in range(8)]
    for each in started:
        assert (*each.communicate(timeout=30), each.returncode) == ("", "", 0)
    assert len(written(plugins)) == 1


def test_it_stops_at_200_files_and_removes_none(plugins: str) -> None:
    os.mkdir(f"{plugins}/../evidence")
    for number in range(200):
        with open(f"{plugins}/../evidence/{number}", "w", encoding="utf-8"):
            os.utime(f"{plugins}/../evidence/{number}", (0, 0))
    done = evidence(plugins)
    assert done.returncode == 1
    assert done.stderr == f"tcptide-evidence: {plugins}/../evidence has 200 files: remove some\n"
    assert len(written(plugins)) == 200


def test_a_directory_that_can_not_be_made_is_told_in_one_line(plugins: str) -> None:
    with open(f"{plugins}/../evidence", "w", encoding="utf-8"):
        pass
    done = evidence(plugins)
    assert (done.returncode, done.stderr) == (1, f"tcptide-evidence: {plugins}/../evidence: File exists\n")
