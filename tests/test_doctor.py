"""Each other item of `tcptide doctor`, as a line; and the whole as a process."""

import json
import os
import re
import shlex
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest

from tcptide import doctor, doctor_report, ledger
from tcptide.clock import SYSTEM
from tcptide.config import Config, Privacy
from tcptide.config import Report as ReportSettings
from tcptide.doctor_item import Item
from tcptide.kernel.procfs import ProcFs
from tcptide.mail import Mail
from tcptide.model import Report
from tcptide.values import Address

from . import worlds
from .doctoring import lines, me, patient, store

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
    readable = f" that {me()} may read" if os.geteuid() else ""
    none = Item("note", "schedule", f"no cron line or timer{readable}: samples are taken when checks run", fix)
    assert doctor._schedule(found) == none
    crontab.write_text(f"{CRON} -v\n")
    assert doctor._schedule(found) == Item("ok", "schedule", f"{crontab}: {CRON} -v")
    (timers / "tcptide-sample.timer").write_text("")
    assert doctor._schedule(found) == Item("ok", "schedule", str(timers / "tcptide-sample.timer"))
    (cron / "tcptide").write_text(f"MAILTO=root\n{CRON}\n")
    assert doctor._schedule(found) == Item("ok", "schedule", f"{cron / 'tcptide'}: {CRON}")


def test_what_the_report_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(doctor._report()) == "ok      report      has css_inline, jinja2, matplotlib, pandas, rich"
    monkeypatch.setattr(doctor, "_REPORT_MODULES", ("jinja2", "not_there_one", "not_there_two"))
    said = "note    report      tcptide-report lacks not_there_one, not_there_two"
    assert str(doctor._report()) == f"{said} -> install the extra tcptide[report] on the machine that reports"


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
    "mail",
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
    keys = "state_dir, interval_seconds, max_age_seconds, timeout_seconds"
    known = f"{keys}, retention, privacy, pattern, report, mail, checks"
    line = f"problem config      {path}: interval: unknown (its value is 5); known here: {known}"
    assert (status, said[0]) == (1, f"{line} -> what follows holds for the defaults")
    assert len(said) >= len(SUBJECTS)


@pytest.mark.root
def test_as_a_user_who_may_not_write(
    ran: Callable[..., tuple[int, list[str]]], script: Callable[[str], str], state_dir: str
) -> None:
    os.chmod(state_dir, 0o755)
    status, said = ran("--state-dir", state_dir, user="nobody")
    assert status == 1
    where = f"{state_dir} (by --state-dir), root's, mode 0755: nobody cannot write there"
    assert f"problem state       {where} -> chown -R nobody: {state_dir}" in said
    fix = f"echo '* * * * * nobody {script('tcptide')} sample --state-dir {state_dir}' > /etc/cron.d/tcptide"
    none = "no cron line or timer that nobody may read: samples are taken when checks run"
    assert f"note    schedule    {none} -> {fix}" in said
    own = "only names of nobody's own processes are seen; users and units need no privilege"
    assert f"note    processes   {own}" in said


@pytest.mark.root
def test_in_a_namespace(ran: Callable[..., tuple[int, list[str]]], state_dir: str) -> None:
    with worlds.World():
        inode = os.stat("/proc/thread-self/ns/net").st_ino
        said = ran("--state-dir", state_dir)[1]
    assert f"note    namespace   netns-{inode}, which is not the host's" in said


@pytest.mark.parametrize(
    "named, environ, words",
    [
        pytest.param({}, {}, [], id="nothing"),
        pytest.param({"state_dir": "a b"}, {}, ["--state-dir", f"{os.getcwd()}/a b"], id="relative-directory"),
        pytest.param(
            {"config": "/c", "source": "web"}, {}, ["--config", "/c", "--source", "web"], id="file-and-source"
        ),
        pytest.param(
            {},
            {"TCPTIDE_STATE_DIR": "/s", "TCPTIDE_CONFIG": "/c"},
            ["--state-dir", "/s", "--config", "/c"],
            id="environment",
        ),
    ],
)
def test_the_sampler_is_called_with_what_was_named(
    named: dict[str, str], environ: dict[str, str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/tcptide", "doctor"])
    options = Namespace(**{"state_dir": None, "config": None, "source": None, **named})
    assert shlex.split(doctor.sampler_command(options, environ)) == ["/usr/bin/tcptide", "sample", *words]


def test_the_cron_line_it_proposes_works(state_dir: str, script: Callable[[str], str]) -> None:
    directory = os.path.join(state_dir, "5 % of \\ 'it'")
    sampler = shlex.join([script("tcptide"), "sample", "--state-dir", directory])
    fix = doctor._schedule(patient(state_dir, sampler=sampler)).fix
    words, target = fix.split(" > ")
    assert target == "/etc/cron.d/tcptide"
    line = worlds.run(["sh", "-c", words]).stdout
    entry = re.fullmatch(rf"\* \* \* \* \* {me()} (.*)\n", line)
    assert entry
    command = re.sub(r"\\%", "%", entry[1])  # as cron does it
    done = worlds.run(["sh", "-c", command])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "tcptide.db" in os.listdir(directory)


MAILED = Mail(to=(Address("Ops", "ops@example.org"),), envelope_sender="tcptide@example.org")
SMTP = MAILED._replace(via="smtp", smtp_host="mx.example.org")


@pytest.mark.parametrize(
    "mail, said",
    [
        pytest.param(
            Mail(), "ok      mail        reports are not mailed (no [mail] in the configuration)", id="ok-none"
        ),
        pytest.param(
            MAILED._replace(sendmail="/bin/true"),
            "ok      mail        to ops@example.org through /bin/true",
            id="ok-program",
        ),
        pytest.param(
            MAILED._replace(sendmail="/none", cc=tuple(Address("", f"{n}@b.c") for n in range(4))),
            "problem mail        /none can't be run -> install a mail program, or set via = 'smtp'",
            id="problem-no-program",
        ),
        pytest.param(
            SMTP._replace(cc=tuple(Address("", f"{n}@b.c") for n in range(4))),
            "ok      mail        to ops@example.org, 0@b.c, 1@b.c and 2 more through mx.example.org:587 (starttls), "
            "without a login",
            id="ok-server",
        ),
        pytest.param(
            SMTP._replace(smtp_user="me"),
            "problem mail        mail.smtp_user: needs a password: mail.smtp_password_file or $TCPTIDE_SMTP_PASSWORD",
            id="problem-no-password",
        ),
        pytest.param(
            SMTP._replace(smtp_user="me", smtp_security="tls", smtp_password_file="{0}/strict"),
            "ok      mail        to ops@example.org through mx.example.org:465 (tls) as me",
            id="ok-password",
        ),
        pytest.param(
            SMTP._replace(smtp_user="me", smtp_password_file="{0}/open"),
            "problem mail        {0}/open: has mode 0644, others can read or change it: chmod 0640 {0}/open",
            id="problem-password-for-all",
        ),
        pytest.param(
            SMTP._replace(smtp_user="me", smtp_password_file="{0}/none"),
            "problem mail        {0}/none: No such file or directory (named by mail.smtp_password_file)",
            id="problem-password-gone",
        ),
        pytest.param(
            SMTP._replace(smtp_user="me", smtp_password_file="{0}/empty"),
            "problem mail        {0}/empty: its first line is no password",
            id="problem-password-empty",
        ),
        pytest.param(
            SMTP._replace(smtp_user="me", smtp_password_file="{0}"),
            "problem mail        {0}: Is a directory (named by mail.smtp_password_file)",
            id="problem-password-directory",
        ),
    ],
)
def test_where_mail_goes(tmp_path: Any, mail: Mail, said: str) -> None:
    for name, mode, content in (("strict", 0o640, "s3cret\n"), ("open", 0o644, "s3cret\n"), ("empty", 0o600, "\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    if mail.smtp_password_file:
        mail = mail._replace(smtp_password_file=mail.smtp_password_file.format(tmp_path))
    found = patient(str(tmp_path), config=Config(mail=mail))
    assert str(doctor._mail(found)) == said.format(tmp_path)


def test_reports_that_were_not_mailed(tmp_path: Any) -> None:
    directory, config = f"{tmp_path}/state", Config(report=ReportSettings(output_dir=f"{tmp_path}/reports"))
    store(directory, 60)

    def said() -> list[str]:
        return lines(doctor_report.examine(patient(directory, config=config)))

    here = f"{tmp_path}/reports"
    fix = f"install -d -m 0750 {here}, as who reports"
    assert said() == [f"problem reports     {here} (by report.output_dir) is not there -> {fix}"]
    os.mkdir(here)
    written = f"ok      reports     are written to {here} (by report.output_dir)"
    assert said() == [written]
    week = Report("2026-W47", 1.0, 2.0, 3.0, "", failure="no samples")
    ledger.failed(directory, SYSTEM, "host", week)
    why = "problem unsent      1 report not mailed, the last is 2026-W47: no samples"
    assert said() == [written, f"{why} -> mend that, then run what cron runs"]
    refused = week._replace(label="2026-W48", made_seconds=4.0, mail="/a b.eml", pending=("a@b.c",), failure="451 No")
    ledger.keep(directory, SYSTEM, "host", refused)
    why = "problem unsent      2 reports not mailed, the last is 2026-W48: 451 No"
    assert said() == [written, f"{why} -> tcptide-report --send '/a b.eml'"]
    ledger.keep(directory, SYSTEM, "host", refused._replace(pending=(), failure=None, mailed_seconds=5.0))
    assert said() == [written]
