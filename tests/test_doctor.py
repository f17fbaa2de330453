"""Each item of `tcptide doctor`, as a line; and the whole as a process."""

import json
import os
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from tcptide import doctor, doctor_state, history, statefiles
from tcptide.clock import SystemClock
from tcptide.config import Config, Privacy
from tcptide.doctor_item import Item, Patient
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Sample
from tcptide.simulated_host import Host
from tcptide.writer import Writer

from . import worlds

BOOT = "11111111-2222-3333-4444-555555555555"


class StoppedClock:
    def __init__(self, wall: float) -> None:
        self._wall = wall

    def wall(self) -> float:
        return self._wall

    def boottime(self) -> float:
        return self._wall - 1_700_000_000

    def sleep(self, seconds: float) -> None:
        self._wall += seconds


NOW = 1_800_000_000.0
CLOCK = StoppedClock(NOW)


def patient(directory: str, **changes: Any) -> Patient:
    whole = Patient(ProcFs(), CLOCK, {}, directory, Config(), "host", "/usr/bin/tcptide", ())
    return whole._replace(**changes)


def lines(items: Any) -> list[str]:
    return [str(item) for item in items]


def real(sample: Sample, age_seconds: float, boot_id: str) -> Sample:
    """A simulated sample passed off as one of this host."""
    wall = CLOCK.wall() - age_seconds
    origin = sample.origin._replace(
        simulated=False, wall_seconds=wall, boottime_seconds=wall - 1_700_000_000, boot_id=boot_id
    )
    return sample._replace(origin=origin)


def store(directory: str, *ages_seconds: float, boot_id: str | None = None) -> None:
    """Samples of these ages, the oldest first."""
    sample = Host(1, 0).look(NOW, 60)
    assert sample is not None
    boot = boot_id or ProcFs().boot_id()
    with statefiles.lock(directory, SystemClock(), 1), Writer(directory) as writer:
        for age in ages_seconds:
            history.append(writer, real(sample, age, boot))


def state(directory: str, **changes: Any) -> list[str]:
    """The lines on the state, but the one on the disk's free space."""
    found = lines(doctor_state.examine(patient(directory, **changes)))
    return [line for line in found if not re.fullmatch(r"ok      disk        \d+ MB free", line)]


def me() -> str:
    return statefiles.user_name(os.geteuid())


def test_a_state_in_use(state_dir: str) -> None:
    store(state_dir, 120, 60, 5)
    said = state(state_dir)
    assert said[0] == f"ok      state       {state_dir} (by --state-dir), {me()}'s, mode 0750"
    assert re.fullmatch(r"ok      database    schema 1, 0\.\d MB", said[1])
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
    store(state_dir, 90_000, 9000, 8940, 5000, 4880, 4820, 60, 1)
    assert state(state_dir)[-1] == "note    history     7 rows in the last 24 h, 2 gaps, the longest 79 min"


def test_samples_of_another_source_only(state_dir: str) -> None:
    store(state_dir, 5)
    said = "problem samples     none of netns-7, only of host -> see --source"
    assert state(state_dir, source="netns-7")[-1] == said


def test_a_simulated_history_says_so(state_dir: str) -> None:
    sample = Host(1, 0).look(NOW, 60)
    assert sample is not None
    with statefiles.lock(state_dir, SystemClock(), 1), Writer(state_dir) as writer:
        history.append(writer, sample)
    said = "note    samples     a SIMULATED history -> samples of this host need a directory of their own"
    assert state(state_dir)[-1] == said


INSTALL = "install -d -m 0750 -o nagios -g nagios /var/lib/tcptide, with the user who runs the checks"


def test_no_directory_yet(state_dir: str) -> None:
    path = os.path.join(state_dir, "new")
    said = f"note    state       {path} (by --state-dir) does not exist, the first sample makes it -> {INSTALL}"
    assert state(path) == [said]
    far = "/nowhere/at/all"
    assert state(far) == [f"problem state       {far} (by --state-dir) does not exist -> {INSTALL}"]


def test_no_samples_yet(state_dir: str) -> None:
    assert state(state_dir)[1:] == ["note    database    no samples yet -> tcptide sample takes the first"]


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
    said = r"problem database    schema 1, 0\.\d MB, belongs to nobody, unlike its directory -> " + re.escape(fix)
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
        pytest.param(0, "older schema 0, run tcptide migrate", id="older"),
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


CRON = "* * * * * nagios /usr/bin/tcptide sample"


def test_a_schedule_is_found(tmp_path: Any) -> None:
    cron, timers, crontab = tmp_path / "cron.d", tmp_path / "wants", tmp_path / "crontab"
    places = (str(tmp_path / "none"), str(cron), str(timers), str(crontab))
    cron.mkdir()
    timers.mkdir()
    (cron / "other").write_bytes(b"* * * * * root \xff\n")
    (cron / "tcptide").write_text(f"# {CRON}\n* * * * * nagios /usr/bin/tcptide doctor\n")
    found = patient(str(tmp_path), schedules=places)
    fix = f"echo '* * * * * {me()} /usr/bin/tcptide sample' > /etc/cron.d/tcptide"
    none = Item("note", "schedule", "no cron line, no timer: samples are taken when checks run", fix)
    assert doctor._schedule(found) == none
    crontab.write_text(f"{CRON} -v\n")
    assert doctor._schedule(found) == Item("ok", "schedule", f"{crontab}: {CRON} -v")
    (timers / "tcptide-sample.timer").write_text("")
    assert doctor._schedule(found) == Item("ok", "schedule", str(timers / "tcptide-sample.timer"))
    (cron / "tcptide").write_text(f"MAILTO=root\n{CRON}\n")
    assert doctor._schedule(found) == Item("ok", "schedule", f"{cron / 'tcptide'}: {CRON}")


def test_what_the_report_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(doctor._report()) == "ok      report      has jinja2, matplotlib, pandas"
    monkeypatch.setattr(doctor, "_REPORT_MODULES", ("jinja2", "not_there_one", "not_there_two"))
    said = "note    report      tcptide-report lacks not_there_one, not_there_two"
    assert str(doctor._report()) == f"{said} -> pip install 'tcptide[report]' on the machine that reports"


@pytest.mark.parametrize(
    "context, said",
    [
        pytest.param(
            b"system_u:system_r:nagios_t:s0\0",
            "note    confinement runs in system_u:system_r:nagios_t:s0",
            id="selinux",
        ),
        pytest.param(
            b"unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0",
            "ok      confinement runs in unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
            id="ok-selinux-unconfined",
        ),
        pytest.param(
            b"docker-default (enforce)\n", "note    confinement runs in docker-default (enforce)", id="apparmor"
        ),
        pytest.param(b"unconfined\n", "ok      confinement runs in unconfined", id="ok-apparmor-unconfined"),
        pytest.param(b"", "ok      confinement no SELinux, no AppArmor", id="ok-empty"),
        pytest.param(None, "ok      confinement no SELinux, no AppArmor", id="ok-absent"),
    ],
)
def test_confinement(tmp_path: Any, context: bytes | None, said: str) -> None:
    if context is not None:
        (tmp_path / "self/attr").mkdir(parents=True)
        (tmp_path / "self/attr/current").write_bytes(context)
    assert str(doctor._confinement(ProcFs(str(tmp_path)), str(tmp_path))) == said


def test_a_host_without_proc(tmp_path: Any) -> None:
    said = lines(doctor._look(patient(str(tmp_path), proc=ProcFs(str(tmp_path)))))
    missing = f"{tmp_path}/sys/net/ipv4/ip_local_port_range: No such file or directory"
    assert said == [f"problem source      {missing} -> neither sock_diag nor /proc/net/tcp can be read here"]


def test_process_names_switched_off(tmp_path: Any) -> None:
    said = lines(doctor._look(patient(str(tmp_path), config=Config(privacy=Privacy(processes=False)))))
    assert re.fullmatch(r"ok      source      sock_diag shows \d+ sockets? in \d+\.\d ms", said[0])
    assert said[-1] == "ok      processes   not looked up (privacy.processes = false)"


@pytest.fixture
def ran(script: Callable[[str], str]) -> Callable[..., tuple[int, list[str]]]:
    def run(*arguments: str, **options: Any) -> tuple[int, list[str]]:
        done = worlds.run([script("tcptide"), "doctor", *arguments], **options)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    return run


SUBJECTS = [
    "config",
    "program",
    "source",
    "processes",
    "namespace",
    "units",
    "confinement",
    "state",
    "disk",
    "database",
    "schedule",
    "report",
]


def test_the_whole_on_an_empty_state(ran: Callable[..., tuple[int, list[str]]], state_dir: str) -> None:
    status, said = ran("--state-dir", state_dir)
    subjects = [line.split()[1] for line in said]
    assert [subject for subject in subjects if subject not in ("kernel", "unseen")] == SUBJECTS
    assert status == int(any(line.startswith("problem") for line in said))
    assert [line for line in said if not re.match(r"(ok     |note   |problem) \w+ +\S", line)] == []


def test_json_says_the_same(ran: Callable[..., tuple[int, list[str]]], state_dir: str) -> None:
    status, said = ran("--state-dir", state_dir, "--json")
    items = [Item(**item) for item in json.loads("\n".join(said))]
    assert [item.subject for item in items if item.subject not in ("kernel", "unseen")] == SUBJECTS
    assert status == int(any(item.state == "problem" for item in items))


def test_a_bad_configuration_is_a_problem_among_others(
    ran: Callable[..., tuple[int, list[str]]], state_dir: str, tmp_path: Any
) -> None:
    path = str(tmp_path / "tcptide.toml")
    with open(path, "w") as file:
        file.write("interval = 5\n")
    status, said = ran("--state-dir", state_dir, "--config", path)
    known = "state_dir, interval_seconds, max_age_seconds, timeout_seconds, retention, privacy, checks"
    line = f"problem config      {path}: interval: unknown (its value is 5); known here: {known}"
    assert (status, said[0]) == (1, f"{line} -> what follows holds for the defaults")
    assert len(said) >= len(SUBJECTS)


@pytest.mark.root
def test_as_a_user_who_may_not_write(ran: Callable[..., tuple[int, list[str]]], state_dir: str) -> None:
    os.chmod(state_dir, 0o755)
    status, said = ran("--state-dir", state_dir, user="nobody")
    assert status == 1
    where = f"{state_dir} (by --state-dir), root's, mode 0755: nobody cannot write there"
    assert f"problem state       {where} -> run checks and sampler as root" in said
    own = "only names of nobody's own processes are seen; users and units need no privilege"
    assert f"note    processes   {own}" in said


@pytest.mark.root
def test_in_a_namespace(ran: Callable[..., tuple[int, list[str]]], state_dir: str) -> None:
    with worlds.World():
        inode = os.stat("/proc/thread-self/ns/net").st_ino
        said = ran("--state-dir", state_dir)[1]
    assert f"note    namespace   netns-{inode}, which is not the host's" in said


def test_the_cron_line_it_proposes_works(state_dir: str, script: Callable[[str], str]) -> None:
    fix = doctor._schedule(patient(state_dir, program=script("tcptide"))).fix
    words = shlex.split(fix)[1].split()
    assert words[:6] == [*"*****", me()]
    done = worlds.run([*words[6:], "--state-dir", state_dir])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "tcptide.db" in os.listdir(state_dir)
