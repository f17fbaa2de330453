"""Each item of `tcptide doctor` on the state, as a line; what it prints as a remedy is run."""

import grp
import os
import pwd
import re
import subprocess
from typing import Any

import pytest

from tcptide import doctor_state, history, statefiles
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.simulation.host import Host
from tcptide.writer import Writer

from .doctoring import CLOCK, NOW, SAMPLER, lines, me, patient, store
from .storing import in_child

NOBODY = pwd.getpwnam("nobody")
GROUP = grp.getgrgid(NOBODY.pw_gid).gr_name
NO_SAMPLES = f"note    database    no samples yet -> {SAMPLER}"
BOOT = "11111111-2222-3333-4444-555555555555"


def state(directory: str, **changes: Any) -> list[str]:
    """The lines on the state, but the one on the disk's free space."""
    found = lines(doctor_state.examine(patient(directory, **changes)))
    return [line for line in found if not re.fullmatch(r"ok      disk        \d+ MB free", line)]


def test_a_state_in_use(state_dir: str) -> None:
    store(state_dir, 120, 60, 5)
    said = state(state_dir)
    assert said[0] == f"ok      state       {state_dir} (by --state-dir), {me()}'s, mode 0750"
    assert re.fullmatch(r"ok      database    schema 5, 0\.\d MB", said[1])
    assert said[2:] == ["ok      samples     last of host 5 s ago", "ok      history     3 rows in the last 24 h"]


@pytest.mark.parametrize(
    "age, line",
    [
        pytest.param(170, "ok      samples     last of host 3 min ago", id="ok-3-min"),
        pytest.param(
            400,
            "note    samples     last of host 7 min ago -> `tcptide sample` should run every minute",
            id="note-7-min",
        ),
        pytest.param(
            7200,
            "problem samples     last of host 2 h ago -> `tcptide sample` should run every minute",
            id="problem-2-h",
        ),
    ],
)
@pytest.mark.parametrize("boot_id", [None, BOOT], ids=["this-boot", "another-boot"])
def test_the_age_of_the_last_sample(state_dir: str, age: float, line: str, boot_id: str | None) -> None:
    store(state_dir, age, boot_id=boot_id)
    assert state(state_dir)[2] == line


def test_gaps_are_counted(state_dir: str) -> None:
    store(state_dir, 9000, 8940, 5000, 4880, 4820, 60, 1)
    assert state(state_dir)[-1] == "note    history     7 rows in the last 24 h, 2 gaps, the longest 79 min"


def test_a_gap_may_begin_before_the_day_and_last_until_now(state_dir: str) -> None:
    store(state_dir, 100_000, 99_940, *range(3600, 0, -60))
    assert state(state_dir)[-1] == "note    history     60 rows in the last 24 h, 1 gap, the longest 27 h"
    store(state_dir, 1)
    CLOCK.sleep(7200)
    try:
        assert state(state_dir)[-1] == "note    history     61 rows in the last 24 h, 2 gaps, the longest 27 h"
    finally:
        CLOCK.sleep(-7200)


def test_samples_of_another_source_only(state_dir: str) -> None:
    store(state_dir, 5)
    said = "problem samples     none of netns-7, only of host -> see --source"
    assert state(state_dir, source="netns-7")[-1] == said


def test_a_simulated_history_says_so(state_dir: str) -> None:
    sample = Host(1, 0).look(NOW, 60)
    assert sample is not None
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.append(writer, sample)
    said = "note    samples     a SIMULATED history -> samples of this host need a directory of their own"
    assert state(state_dir)[-1] == said


def test_what_is_no_directory_is_all_there_is_to_say(state_dir: str) -> None:
    path = os.path.join(state_dir, "file")
    with open(path, "w"):
        pass
    assert state(path) == [f"problem state       {path} (by --state-dir) is not a directory -> name another place"]


def obey(remedy: str) -> None:
    """Run the command that a line ends with."""
    subprocess.run(remedy.partition(" -> ")[2], shell=True, check=True)


@pytest.mark.root
def test_a_directory_that_the_first_sample_makes(state_dir: str) -> None:
    os.chown(state_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    path = os.path.join(state_dir, "new one")
    (said,) = in_child(lambda: state(path), uid=NOBODY.pw_uid)
    fix = f"install -d -m 0750 -o nobody -g {GROUP} '{path}'"
    assert said == f"note    state       {path} (by --state-dir) does not exist, the first sample makes it -> {fix}"
    obey(said)
    good = f"ok      state       {path} (by --state-dir), nobody's, mode 0750"
    assert in_child(lambda: state(path), uid=NOBODY.pw_uid) == [good, NO_SAMPLES]


@pytest.mark.root
@pytest.mark.parametrize("place", ["--state-dir", "the default"])
def test_a_directory_that_no_sample_can_make(state_dir: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statefiles, "SYSTEM_DIRECTORY", os.path.join(state_dir, "system"))
    os.chmod(state_dir, 0o755)

    def found() -> list[str]:
        if place == "--state-dir":
            return state(os.path.join(state_dir, "far/away"))
        return state("", environ={"HOME": "/nonexist"})

    (said,) = in_child(found, uid=NOBODY.pw_uid)
    path, made = f"{state_dir}/far/away", f"{state_dir}/far/away"
    if place == "the default":
        path, made = "/nonexist/.local/state/tcptide", f"{state_dir}/system"
    fix = f"install -d -m 0750 -o nobody -g {GROUP} {made}"
    assert said == f"problem state       {path} (by {place}) does not exist -> {fix}"
    obey(said)
    good = f"ok      state       {made} (by {place}), nobody's, mode 0750"
    assert in_child(found, uid=NOBODY.pw_uid) == [good, NO_SAMPLES]


@pytest.mark.root
def test_a_directory_that_root_made_for_itself(state_dir: str) -> None:
    store(state_dir, 5)
    said = in_child(lambda: state(state_dir), uid=NOBODY.pw_uid)
    where = f"{state_dir} (by --state-dir)"
    denied = (
        f"problem state       {where}, root's, mode 0750: nobody cannot write there -> chown -R nobody: {state_dir}"
    )
    assert said == [denied]
    obey(said[0])
    said = in_child(lambda: state(state_dir), uid=NOBODY.pw_uid)
    assert said[0] == f"ok      state       {where}, nobody's, mode 0750"
    assert [line for line in said if line.startswith("problem")] == []


@pytest.mark.root
def test_a_directory_of_another_user(state_dir: str) -> None:
    os.chown(state_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    said = f"problem state       {state_dir} (by --state-dir), nobody's, mode 0750: daemon cannot write there"
    found = in_child(lambda: state(state_dir), uid=pwd.getpwnam("daemon").pw_uid)
    assert found == [f"{said} -> run checks and sampler as nobody"]


def test_a_directory_that_is_closed_to_its_owner(state_dir: str) -> None:
    if os.geteuid() == 0:
        os.chown(state_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    os.chmod(state_dir, 0o550)
    uid = os.stat(state_dir).st_uid
    owner = pwd.getpwuid(uid).pw_name
    found = in_child(lambda: state(state_dir), uid=NOBODY.pw_uid if os.geteuid() == 0 else None)
    said = f"problem state       {state_dir} (by --state-dir), {owner}'s, mode 0550: {owner} cannot write there"
    assert found == [f"{said} -> chmod 0750 {state_dir}", NO_SAMPLES]


def test_no_samples_yet(state_dir: str) -> None:
    assert state(state_dir)[1:] == [NO_SAMPLES]


@pytest.mark.parametrize(
    "option, environ, filed, named_by",
    [
        pytest.param(True, True, True, "--state-dir", id="option"),
        pytest.param(False, True, True, "$TCPTIDE_STATE_DIR", id="environment"),
        pytest.param(False, False, True, "the configuration file", id="file"),
    ],
)
def test_it_says_what_named_the_directory(
    state_dir: str, option: bool, environ: bool, filed: bool, named_by: str
) -> None:
    said = state(
        state_dir,
        state_option=state_dir if option else None,
        environ={"TCPTIDE_STATE_DIR": state_dir} if environ else {},
        config=Config(state_dir=state_dir if filed else None),
    )
    assert said[0] == f"ok      state       {state_dir} (by {named_by}), {me()}'s, mode 0750"


def test_a_directory_open_to_everybody(state_dir: str) -> None:
    os.chmod(state_dir, 0o777)
    said = f"problem state       {state_dir} (by --state-dir), {me()}'s, mode 0777: everybody may write there"
    assert state(state_dir)[0] == f"{said} -> chmod 0750 {state_dir}"


@pytest.mark.root
def test_a_database_of_another_owner(state_dir: str) -> None:
    store(state_dir, 5)
    os.chown(os.path.join(state_dir, "tcptide.db"), 65534, -1)
    fix = f"chown --reference={state_dir} {state_dir}/*"
    said = r"problem database    schema 5, 0\.\d MB, belongs to nobody, unlike its directory -> " + re.escape(fix)
    assert re.fullmatch(said, state(state_dir)[1])


def test_a_damaged_database(state_dir: str) -> None:
    with open(os.path.join(state_dir, "tcptide.db"), "wb") as file:
        file.write(b"damaged" * 1000)
    fix = "the next tcptide sample sets it aside and begins a new one"
    assert state(state_dir)[1:] == [f"problem database    {state_dir}: tcptide.db is damaged -> {fix}"]
    kept = statefiles.set_aside(state_dir, NOW)
    said = f"note    damage      1 database set aside as damaged: {kept}"
    assert state(state_dir)[1] == f"{said} -> check the disk; delete them when nothing is to be saved"


@pytest.mark.parametrize(
    "version, said",
    [
        pytest.param(0, f"older schema 0, run tcptide migrate -> {SAMPLER}", id="older"),
        pytest.param(99, "schema 99 of a newer tcptide -> install that version of tcptide", id="newer"),
    ],
)
def test_a_schema_of_another_version(state_dir: str, version: int, said: str) -> None:
    import sqlite3

    store(state_dir, 5)
    connection = sqlite3.connect(os.path.join(state_dir, "tcptide.db"))
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    assert state(state_dir)[1:] == [f"problem database    {state_dir}: {said}"]
