"""Where the state is, and what is made there."""

import os
import pwd
import subprocess
import sys

import pytest

from tcptide import statefiles
from tcptide.clock import SYSTEM
from tcptide.statefiles import LOCK, SYSTEM_DIRECTORY, state_directory
from tests.storing import (
    TREE,
    in_child,
    put,
    refusal,
)

STRANGER = 54321


@pytest.fixture
def no_system_directory(monkeypatch: pytest.MonkeyPatch, state_dir: str) -> str:
    """A path for /var/lib/tcptide at which there is nothing, whatever is installed here."""
    path = os.path.join(state_dir, "system")
    monkeypatch.setattr(statefiles, "SYSTEM_DIRECTORY", path)
    return path


HOME = {"HOME": "/home/nagios"}
OWN_HOME_STATE = os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".local/state/tcptide")


@pytest.mark.parametrize(
    ("option", "environ", "config", "expected"),
    [
        pytest.param("/srv/a", {"TCPTIDE_STATE_DIR": "/srv/b"}, "/srv/c", "/srv/a", id="the-option-first"),
        pytest.param(None, {"TCPTIDE_STATE_DIR": "/srv/b"}, "/srv/c", "/srv/b", id="then-the-environment"),
        pytest.param(None, HOME, "/srv/c", "/srv/c", id="then-the-configuration"),
        pytest.param("/tmp/x/../y", {}, None, "/tmp/y", id="a-named-one-may-be-temporary"),
        pytest.param(None, {"TCPTIDE_STATE_DIR": "/tmp/x"}, None, "/tmp/x", id="so-may-the-environments"),
        pytest.param(None, {}, "/tmp/x", "/tmp/x", id="and-the-configurations"),
    ],
)
def test_a_named_directory(option: str | None, environ: dict[str, str], config: str | None, expected: str) -> None:
    assert state_directory(option, environ, config) == expected


@pytest.mark.usefixtures("no_system_directory")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(HOME, "/home/nagios/.local/state/tcptide", id="home"),
        pytest.param({**HOME, "XDG_STATE_HOME": "/srv/state"}, "/srv/state/tcptide", id="xdg"),
        pytest.param(
            {**HOME, "XDG_STATE_HOME": "state"}, "/home/nagios/.local/state/tcptide", id="relative-xdg-counts-not"
        ),
        pytest.param(
            {**HOME, "XDG_STATE_HOME": "/tmp/x"}, "/home/nagios/.local/state/tcptide", id="temporary-xdg-neither"
        ),
        pytest.param({**HOME, "XDG_STATE_HOME": "/dev/shm"}, "/home/nagios/.local/state/tcptide", id="nor-in-memory"),
        pytest.param({}, OWN_HOME_STATE, id="empty-environment"),
        pytest.param({"HOME": "/tmp"}, OWN_HOME_STATE, id="temporary-home"),
        pytest.param({"HOME": "/var/tmp/x"}, OWN_HOME_STATE, id="var-tmp-home"),
    ],
)
def test_the_default_directory(environ: dict[str, str], expected: str) -> None:
    assert state_directory(None, environ, None) == expected


@pytest.mark.root
def test_without_any_home_it_is_the_system_directory(no_system_directory: str) -> None:
    assert in_child(lambda: state_directory(None, {"HOME": "/tmp"}, None), uid=STRANGER) == no_system_directory


@pytest.mark.usefixtures("no_system_directory")
def test_a_link_to_a_temporary_directory_is_temporary(state_dir: str) -> None:
    link = f"/var/tmp/tcptide-test-{os.getpid()}"
    os.symlink(state_dir, link)
    try:
        assert not state_directory(None, {**HOME, "XDG_STATE_HOME": link}, None).startswith(link)
    finally:
        os.unlink(link)


@pytest.mark.root
def test_the_system_directory_is_used_if_it_exists_usable_or_not() -> None:
    script = (
        f"mkdir -p {SYSTEM_DIRECTORY}; chmod 0 {SYSTEM_DIRECTORY};"
        f" exec setpriv --reuid {STRANGER} --clear-groups {sys.executable} -c"
        """ 'from tcptide.statefiles import state_directory as d; print(d(None, {"HOME": "/home/x"}, None))'"""
    )
    # A file system of our own over /var/lib, which only these processes see.
    inside = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f"mount -t tmpfs tmpfs /var/lib; {script}"]
    done = subprocess.run(inside, check=False, capture_output=True, text=True, cwd=TREE)
    assert (done.stdout, done.stderr) == (f"{SYSTEM_DIRECTORY}\n", "")


def test_parents_are_made_for_the_default_only(state_dir: str) -> None:
    default = os.path.join(state_dir, ".local/state/tcptide")
    statefiles.make_directory(default)
    parents = [os.path.dirname(os.path.dirname(default)), os.path.dirname(default)]
    modes = [oct(os.stat(path).st_mode & 0o7777) for path in (*parents, default)]
    assert modes == ["0o700", "0o700", "0o750"]
    statefiles.make_directory(default)  # again: nothing happens
    named = os.path.join(state_dir, "a/b")
    assert refusal(lambda: statefiles.make_directory(named)) == f"{named}: No such file or directory"


def test_the_system_directory_is_never_made(no_system_directory: str) -> None:
    path = no_system_directory
    assert refusal(lambda: statefiles.make_directory(path)) == f"{path}: No such file or directory"
    assert not os.path.exists(path)


def test_a_file_or_a_dangling_link_is_no_directory(state_dir: str) -> None:
    file = put(state_dir, "file")
    assert refusal(lambda: statefiles.make_directory(file)) == f"{file}: not a directory"
    link = os.path.join(state_dir, "link")
    os.symlink("nowhere", link)
    assert refusal(lambda: statefiles.make_directory(link)) == f"{link}: not a directory"


def test_a_link_to_a_directory_may_be_the_directory(state_dir: str) -> None:
    link = state_dir + "-link"
    os.symlink(state_dir, link)
    with statefiles.lock(link, SYSTEM, 1):
        assert os.listdir(state_dir) == [LOCK]
