"""`tcptide` as cron and people run it: real processes, whole lines."""

import contextlib
import fcntl
import os
import pty
import re
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tcptide.store import Reader

from . import worlds

STORED = re.compile(
    r"(\S+): \d+ connections?, looked at through sock_diag \d+\.\d s ago in \d+\.\d ms, stored in (\S+)\n"
)


class Ran(NamedTuple):
    status: int
    output: str
    errors: str


Tcptide = Callable[..., Ran]


@pytest.fixture
def tcptide(script: Callable[[str], str]) -> Tcptide:
    def run(*arguments: str, **options: Any) -> Ran:
        done = worlds.run([script("tcptide"), *arguments], timeout_seconds=60, **options)
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def rows(directory: str, source: str = "host") -> int:
    with Reader(directory) as reader:
        return len(reader.recent(source, 1000))


def sql(directory: str, statement: str) -> None:
    import sqlite3

    with contextlib.closing(sqlite3.connect(os.path.join(directory, "tcptide.db"))) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_sample_is_silent_and_stored(tcptide: Tcptide, state_dir: str) -> None:
    assert tcptide("sample", "--state-dir", state_dir, "--source", "here") == (0, "", "")
    assert rows(state_dir, "here") == 1


def test_verbose_says_what_is_stored(tcptide: Tcptide, state_dir: str) -> None:
    ran = tcptide("sample", "--state-dir", state_dir, "--source", "here", "-v")
    line = STORED.fullmatch(ran.output)
    assert line, ran
    assert (ran.status, ran.errors, line[1], line[2]) == (0, "", "here", state_dir)


def test_on_a_terminal_it_says_so_unasked(script: Callable[[str], str], state_dir: str) -> None:
    ours, theirs = pty.openpty()
    argv = [script("tcptide"), "sample", "--state-dir", state_dir, "--source", "here"]
    with subprocess.Popen(argv, stdout=theirs, env={}, cwd="/") as process:
        os.close(theirs)
        assert STORED.fullmatch(os.read(ours, 4096).decode().replace("\r", ""))
    os.close(ours)
    assert process.returncode == 0


def test_a_sample_that_is_fresh_serves_again(tcptide: Tcptide, state_dir: str) -> None:
    arguments = ("sample", "--state-dir", state_dir, "--source", "here", "-v")
    dumped = [tcptide(*arguments).output.partition(" in ")[2] for _ in range(2)]
    assert dumped[0] == dumped[1] != ""


def test_with_tcp_info(tcptide: Tcptide, state_dir: str) -> None:
    """A fresh sample without it doesn't do; one with it does for those who don't ask."""
    held = []
    for asked in ([], ["--tcp-info"], []):
        assert tcptide("sample", "--state-dir", state_dir, "--source", "here", *asked) == (0, "", "")
        with Reader(state_dir) as reader:
            sample, (row,) = reader.latest("here"), reader.recent("here", 10)
        assert sample is not None
        held.append((sample.tcp_info is not None, row.values["unacked"] is not None))
    assert held == [(False, False), (True, True), (True, True)]


def test_eight_at_once_are_one_look(script: Callable[[str], str], state_dir: str) -> None:
    argv = [script("tcptide"), "sample", "--state-dir", state_dir, "--source", "here"]
    started = [subprocess.Popen(argv, env={}, cwd="/", stderr=subprocess.PIPE) for _ in range(8)]
    said = [(process.communicate()[1], process.returncode) for process in started]
    assert said == [(b"", 0)] * 8
    assert rows(state_dir, "here") == 1


def test_who_waits_too_long_for_another_gives_up(tcptide: Tcptide, state_dir: str) -> None:
    with open(os.path.join(state_dir, "sampling.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = tcptide("sample", "--state-dir", state_dir)
    assert ran == (1, "", f"tcptide sample: no history: {state_dir}: sampling.lock was held for 3.0 s\n")


def test_the_state_of_the_environment_and_the_file(tcptide: Tcptide, state_dir: str, tmp_path: Any) -> None:
    environ = {"TCPTIDE_STATE_DIR": os.path.join(state_dir, "environment")}
    assert tcptide("sample", "--source", "here", environ=environ) == (0, "", "")
    assert rows(environ["TCPTIDE_STATE_DIR"], "here") == 1
    file = str(tmp_path / "tcptide.toml")
    filed = os.path.join(state_dir, "file")
    with open(file, "w") as opened:
        opened.write(f'state_dir = "{filed}"\n')
    assert tcptide("sample", "--source", "here", "--config", file) == (0, "", "")
    assert rows(filed, "here") == 1


def test_process_names_are_stored_unless_forbidden(tcptide: Tcptide, state_dir: str, tmp_path: Any) -> None:
    import socket

    file = str(tmp_path / "tcptide.toml")
    kinds = []
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
    ):
        for number, allowed in enumerate(("true", "false")):
            with open(file, "w") as opened:
                opened.write(f"[privacy]\nprocesses = {allowed}\n")
            source = f"here{number}"
            assert tcptide("sample", "--state-dir", state_dir, "--source", source, "--config", file) == (0, "", "")
            with Reader(state_dir) as reader:
                sample = reader.latest(source)
            assert sample is not None
            kinds.append("process" in {holder.kind for holder in sample.holders})
    assert kinds == [True, False]


@pytest.mark.root
def test_as_the_monitoring_user_with_nothing_in_the_environment(tcptide: Tcptide, state_dir: str) -> None:
    import pwd

    user = pwd.getpwnam("nobody")
    os.chown(state_dir, user.pw_uid, user.pw_gid)
    assert tcptide("sample", "--state-dir", state_dir, user="nobody") == (0, "", "")
    assert rows(state_dir) == 1


@pytest.mark.root
def test_who_may_not_write_says_so(tcptide: Tcptide, state_dir: str) -> None:
    said = f"tcptide sample: no history: {state_dir}: Permission denied\n"
    assert tcptide("sample", "--state-dir", state_dir, user="nobody") == (1, "", said)


@pytest.mark.root
def test_a_namespace_is_a_source_of_its_own(tcptide: Tcptide, state_dir: str) -> None:
    with worlds.World():
        inode = os.stat("/proc/thread-self/ns/net").st_ino
        ran = tcptide("sample", "--state-dir", state_dir, "-v")
    line = STORED.fullmatch(ran.output)
    assert line and line[1] == f"netns-{inode}", ran


def test_a_damaged_state_is_set_aside_and_named(tcptide: Tcptide, state_dir: str) -> None:
    with open(os.path.join(state_dir, "tcptide.db"), "wb") as file:
        file.write(b"damaged" * 1000)
    ran = tcptide("sample", "--state-dir", state_dir, "--source", "here")
    kept = [name for name in os.listdir(state_dir) if "damaged" in name]
    assert ran == (0, "", f"tcptide sample: no history: {state_dir}: was damaged, kept as {kept[0]}\n")
    assert rows(state_dir, "here") == 1


def test_migrate_says_from_and_to(tcptide: Tcptide, state_dir: str) -> None:
    migrate = ("migrate", "--state-dir", state_dir)
    assert tcptide(*migrate) == (1, "", f"tcptide migrate: {state_dir}: no samples yet\n")
    assert tcptide("sample", "--state-dir", state_dir).status == 0
    assert tcptide(*migrate) == (0, f"{state_dir}: schema 5, nothing to do\n", "")
    sql(state_dir, "PRAGMA user_version = 0")
    assert tcptide(*migrate) == (0, f"{state_dir}: older schema 0, migrated to 5\n", "")
    assert tcptide(*migrate) == (0, f"{state_dir}: schema 5, nothing to do\n", "")
    sql(state_dir, "PRAGMA user_version = 99")
    assert tcptide(*migrate) == (1, "", f"tcptide migrate: {state_dir}: schema 99 of a newer tcptide\n")


def test_a_sample_migrates(tcptide: Tcptide, state_dir: str) -> None:
    assert tcptide("sample", "--state-dir", state_dir, "--source", "one").status == 0
    sql(state_dir, "PRAGMA user_version = 0")
    assert tcptide("sample", "--state-dir", state_dir, "--source", "two") == (0, "", "")
    assert tcptide("migrate", "--state-dir", state_dir).output == f"{state_dir}: schema 5, nothing to do\n"


def test_a_file_in_place_of_the_state(tcptide: Tcptide, tmp_path: Any) -> None:
    path = str(tmp_path / "file")
    with open(path, "w"):
        pass
    said = f"tcptide sample: no history: {path}: not a directory\n"
    assert tcptide("sample", "--state-dir", path) == (1, "", said)


def test_a_path_cannot_break_the_line(tcptide: Tcptide) -> None:
    ran = tcptide("sample", "--state-dir", "/nowhere/a\nb\x1b[2J\udce4")
    assert ran == (1, "", "tcptide sample: no history: /nowhere/a?b?[2J?: No such file or directory\n")


def test_a_configuration_that_cannot_be_used(tcptide: Tcptide, tmp_path: Any) -> None:
    path = str(tmp_path / "tcptide.toml")
    for command in (("sample",), ("migrate",), ("simulate", "--days", "1", "--seed", "1")):
        said = f"tcptide {command[0]}: {path}: No such file or directory (named by --config)\n"
        assert tcptide(*command, "--config", path) == (2, "", said)
    with open(path, "w") as file:
        file.write("[retention]\nraw_days = 0\n")
    said = f"tcptide sample: {path}: retention.raw_days: 0 is not a whole number from 1 to 400\n"
    assert tcptide("sample", environ={"TCPTIDE_CONFIG": path}) == (2, "", said)


COMMANDS = "(choose from 'sample', 'doctor', 'migrate', 'simulate')"


@pytest.mark.parametrize(
    "arguments, said",
    [
        pytest.param("", "tcptide: the following arguments are required: COMMAND", id="nothing"),
        pytest.param("frob", f"tcptide: argument COMMAND: invalid choice: 'frob' {COMMANDS}", id="no-command"),
        pytest.param("sample --verbos", "tcptide: unrecognized arguments: --verbos", id="abbreviated"),
        pytest.param("sample 5", "tcptide: unrecognized arguments: 5", id="a-word-too-many"),
        pytest.param("sample --config", "tcptide sample: argument --config: expected one argument", id="no-value"),
        pytest.param(
            "simulate --days 1", "tcptide simulate: the following arguments are required: --seed", id="no-seed"
        ),
        pytest.param(
            "simulate --days 0 --seed 1",
            "tcptide simulate: argument --days: '0' is not a whole number from 1 to 4000",
            id="no-days",
        ),
        pytest.param(
            "simulate --days 1 --seed x",
            "tcptide simulate: argument --seed: invalid int value: 'x'",
            id="seed-no-number",
        ),
        pytest.param(
            "simulate --days 1 --seed 1 --until then",
            "tcptide simulate: argument --until: 'then' is not a time",
            id="no-time",
        ),
        pytest.param(
            "simulate --days 1 --seed 1 --until 99999999999999999999",
            "tcptide simulate: argument --until: '99999999999999999999' is not a time",
            id="beyond-all-calendars",
        ),
        pytest.param(
            "simulate --days 1 --seed 1 --incidents leak,fire",
            "tcptide simulate: argument --incidents: 'fire' is none of leak, flood, port-exhaustion, accept-queue, gap",
            id="no-incident",
        ),
        pytest.param(
            "simulate --days 1 --seed 1 --incident fire@2h",
            "tcptide simulate: argument --incident: 'fire@2h' is no KIND@OFFSET[+LENGTH], such as leak@9d6h+15h or "
            "flood@-40m",
            id="no-such-incident",
        ),
    ],
)
def test_called_wrongly(tcptide: Tcptide, arguments: str, said: str) -> None:
    assert tcptide(*arguments.split()) == (2, "", f"{said}; see {said.partition(':')[0]} --help\n")


def test_incident_outside_of_the_history_is_refused(tcptide: Tcptide) -> None:
    said = "tcptide simulate: --incident: leak would begin outside of the history\n"
    for offset in ("1d", "-25h"):
        assert tcptide(*f"simulate --days 1 --seed 1 --incident leak@{offset}".split()) == (2, "", said)


@pytest.mark.parametrize("command", ["", "sample", "doctor", "migrate", "simulate"])
def test_help_fits_80_columns(tcptide: Tcptide, command: str) -> None:
    ran = tcptide(*command.split(), "--help", environ={"COLUMNS": "200"})
    assert (ran.status, ran.errors) == (0, "")
    assert ran.output.startswith(f"usage: tcptide {command}".rstrip())
    assert max(map(len, ran.output.split("\n"))) <= 80


def test_a_traceback_only_when_asked(tcptide: Tcptide) -> None:
    line = "tcptide sample: /nowhere: No such file or directory (named by --config)"
    ran = tcptide("sample", "--config", "/nowhere", "-vvv")
    assert ran.errors.startswith(f"{line}\nTraceback (most recent call last):\n")
    assert tcptide("sample", "--config", "/nowhere", "-vv").errors == f"{line}\n"


def test_a_full_disk_below_stdout_is_an_error(script: Callable[[str], str], state_dir: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [script("tcptide"), "doctor", "--state-dir", state_dir],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env={},
        )
    said = b"tcptide doctor: OSError: [Errno 28] No space left on device (-vvv shows where)\n"
    assert (done.returncode, done.stderr) == (1, said)
