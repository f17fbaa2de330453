import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tcptide import config, mail
from tcptide.config import Config, Pattern, Privacy, Retention, check_range, load, parse
from tcptide.errors import ConfigError
from tcptide.mail import Mail
from tcptide.values import Address

from .worlds import TREE, run


def written(directory: Any, text: str | bytes) -> str:
    path = str(directory / "tcptide.toml")
    with open(path, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    return path


def problem(path: str | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return str(caught.value)


def default(name: str) -> Any:
    value: Any = Config()
    for part in name.split("."):
        value = getattr(value, "from_" if part == "from" else part)
    return value


WHOLE = """
state_dir = "/srv/tcptide"
interval_seconds = 30
max_age_seconds = 0
timeout_seconds = 9.5
[retention]
raw_days = 7
rollup_days = 800
event_days = 100
[privacy]
remote_addresses = "masked"
processes = false
[pattern]
sensitivity = "eager"
[report]
timezone = "Europe/Berlin"
title = "TCP \u2013 edge"
output_dir = "/srv/reports"
[mail]
to = ["ops@example.org", "J\u00fcrgen M\u00fcller, Netz <jm@xn--mller-kva.example>"]
cc = "\\"A \\\\\\"B\\\\\\" C\\" <abc@example.org>"
bcc = ["boss@example.org", "ops@EXAMPLE.org"]
from = "tcptide <tcptide@example.org>"
envelope_sender = "bounces@example.org"
when = "attention"
remote_addresses = "none"
via = "smtp"
sendmail = "/usr/lib/sendmail"
smtp_host = "mail.example.org"
smtp_port = 2525
smtp_security = "tls"
smtp_user = "report"
smtp_password_file = "/etc/tcptide/password"
smtp_ca_file = "/etc/ssl/ca.pem"
retry_seconds = 0
[checks.tcp_port_exhaustion]
warning = {worst_destination = "60", worst_bind = "0.5%"}
critical = {worst_destination = ""}
[checks.tcp_connections]
critical = {total = 5000}
"""


def test_a_whole_file_is_read(tmp_path: Any) -> None:
    path = written(tmp_path, WHOLE)
    assert load(path, {}) == Config(
        path=path,
        state_dir="/srv/tcptide",
        interval_seconds=30.0,
        max_age_seconds=0.0,
        timeout_seconds=9.5,
        retention=Retention(7, 800, 100),
        privacy=Privacy("masked", False),
        pattern=Pattern("eager"),
        report=config.Report("Europe/Berlin", "TCP \u2013 edge", "/srv/reports"),
        mail=Mail(
            to=(Address("", "ops@example.org"), Address("J\u00fcrgen M\u00fcller, Netz", "jm@xn--mller-kva.example")),
            cc=(Address('A "B" C', "abc@example.org"),),
            bcc=(Address("", "boss@example.org"), Address("", "ops@EXAMPLE.org")),
            from_=Address("tcptide", "tcptide@example.org"),
            envelope_sender="bounces@example.org",
            when="attention",
            remote_addresses="none",
            via="smtp",
            sendmail="/usr/lib/sendmail",
            smtp_host="mail.example.org",
            smtp_port=2525,
            smtp_security="tls",
            smtp_user="report",
            smtp_password_file="/etc/tcptide/password",
            smtp_ca_file="/etc/ssl/ca.pem",
            retry_seconds=0,
        ),
        thresholds={
            ("tcp_port_exhaustion", "worst_destination"): ("60", ""),
            ("tcp_port_exhaustion", "worst_bind"): ("0.5%", None),
            ("tcp_connections", "total"): (None, "5000"),
        },
    )


@pytest.mark.parametrize(
    ("thresholds", "limit"),
    [
        ("", None),
        ("warning = {total = 2000}", 2000.0),
        ("warning = {total = 2000}\ncritical = {total = '10:3000'}", 3000.0),
        ("warning = {total = 2000}\ncritical = {total = ''}", 2000.0),
        ("critical = {total = '10:'}", None),
        ("critical = {total = '@10:20'}", None),
        ("critical = {established = 2000}", None),
    ],
)
def test_how_many_connections_are_too_many(thresholds: str, limit: float | None) -> None:
    assert parse(f"[checks.tcp_connections]\n{thresholds}".encode(), "t").connection_limit == limit


def test_an_empty_file_gives_the_defaults(tmp_path: Any) -> None:
    path = written(tmp_path, "")
    assert load(path, {}) == Config(path=path)


def test_the_option_beats_the_environment_and_that_beats_the_default(tmp_path: Any) -> None:
    path = written(tmp_path, "interval_seconds = 30")
    other = str(tmp_path / "missing.toml")
    assert load(path, {"TCPTIDE_CONFIG": other}).interval_seconds == 30
    assert load(None, {"TCPTIDE_CONFIG": path}).path == path


def test_the_default_file_is_read_where_it_exists(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", str(tmp_path / "tcptide.toml"))
    assert load(None, {}) == Config()
    assert load(None, {"TCPTIDE_CONFIG": ""}) == Config()
    path = written(tmp_path, "timeout_seconds = 20")
    assert load(None, {}) == Config(path=path, timeout_seconds=20.0)


def test_a_missing_file_names_who_named_it(tmp_path: Any) -> None:
    path = str(tmp_path / "none.toml")
    assert problem(path) == f"{path}: No such file or directory (named by --config)"
    assert problem(None, {"TCPTIDE_CONFIG": path}) == f"{path}: No such file or directory (named by $TCPTIDE_CONFIG)"
    below = written(tmp_path, "") + "/x"
    assert problem(below) == f"{below}: Not a directory (named by --config)"


def test_what_is_no_file_is_an_error(tmp_path: Any) -> None:
    assert problem(str(tmp_path)) == f"{tmp_path}: Is a directory"


@pytest.mark.root
def test_an_unreadable_file_is_an_error_and_not_the_defaults(state_dir: str) -> None:
    path = os.path.join(state_dir, "tcptide.toml")
    with open(path, "w") as file:
        file.write("timeout_seconds = 20")
    os.chmod(state_dir, 0o755)
    os.chmod(path, 0o600)
    code = "import sys; from tcptide import config; config.DEFAULT_PATH = sys.argv[1]; config.load(None, {})"
    ran = run([sys.executable, "-B", "-c", code, path], user="nobody", environ={"PYTHONPATH": TREE})
    assert ran.stderr.splitlines()[-1] == f"tcptide.errors.ConfigError: {path}: Permission denied"


KNOWN = (
    "state_dir, interval_seconds, max_age_seconds, timeout_seconds, retention, privacy, pattern, report, mail, checks"
)
MAIL = ", ".join(name for name, _, _ in mail.KEYS)
MAILED = "[mail]\nto = 'a@b.c'\nenvelope_sender = 'a@b.c'\n"
ADDRESS = "is not an address such as report@example.org"
RANGE = "is not a range such as 80, 10:, ~:80, 10:80 or @10:80"


@pytest.mark.parametrize(
    "text, said",
    [
        pytest.param("a =", ":1: Invalid value", id="no-value"),
        pytest.param(
            "[retention]\nraw_days = 1 2\n", ":2: Expected newline or end of document after a statement", id="two"
        ),
        pytest.param("[privacy]\n[privacy]\n", ":2: Cannot declare ('privacy',) twice", id="section-twice"),
        pytest.param("# a\nstate_dir = '/a", ':2: Expected "\'"', id="open-quote-at-the-end"),
        pytest.param(b"# a\nstate_dir = '\xff'", ":2: not UTF-8 text", id="latin-1"),
        pytest.param("interval = 60", f": interval: unknown (its value is 60); known here: {KNOWN}", id="unknown-key"),
        pytest.param(
            "[retentoin]\nraw_days = 1",
            f": retentoin: unknown (its value is {{'raw_days': 1}}); known here: {KNOWN}",
            id="unknown-section",
        ),
        pytest.param(
            "[retention]\nraw = 1",
            ": retention.raw: unknown (its value is 1); known here: raw_days, rollup_days, event_days",
            id="unknown-key-of-a-section",
        ),
        pytest.param(
            '"retention.raw_days" = 1',
            f": 'retention.raw_days': unknown (its value is 1); known here: {KNOWN}",
            id="dot-within-a-key",
        ),
        pytest.param(
            '"a\\nb" = 1', f": 'a\\nb': unknown (its value is 1); known here: {KNOWN}", id="line-end-in-a-key"
        ),
        pytest.param("retention = 14", ": retention: 14 is not a section", id="no-section"),
        pytest.param("[[privacy]]", ": privacy: [{}] is not a section", id="list-of-sections"),
        pytest.param("checks = ''", ": checks: '' is not a section", id="checks-no-section"),
        pytest.param("state_dir = 'var'", ": state_dir: 'var' is not an absolute path", id="relative-path"),
        pytest.param("state_dir = 1", ": state_dir: 1 is not an absolute path", id="number-for-a-path"),
        pytest.param(
            "interval_seconds = '60'", ": interval_seconds: '60' is not a number from 1 to 300", id="text-for-a-number"
        ),
        pytest.param("timeout_seconds = 0", ": timeout_seconds: 0 is not a number from 1 to 300", id="under-the-range"),
        pytest.param("max_age_seconds = nan", ": max_age_seconds: nan is not a number from 0 to 900", id="nan"),
        pytest.param("max_age_seconds = true", ": max_age_seconds: True is not a number from 0 to 900", id="boolean"),
        pytest.param(
            "[retention]\nraw_days = 14.0",
            ": retention.raw_days: 14.0 is not a whole number from 1 to 400",
            id="fraction-of-a-day",
        ),
        pytest.param(
            "[retention]\nevent_days = 4001",
            ": retention.event_days: 4001 is not a whole number from 1 to 4000",
            id="above-the-range",
        ),
        pytest.param(
            "[privacy]\nremote_addresses = 'some'",
            ": privacy.remote_addresses: 'some' is none of full, masked, none",
            id="no-choice",
        ),
        pytest.param(
            "[pattern]\nsensitivity = 'loud'",
            ": pattern.sensitivity: 'loud' is none of quiet, normal, eager",
            id="no-sensitivity",
        ),
        pytest.param(
            "[mail]\nsubject = 'x'", f": mail.subject: unknown (its value is 'x'); known here: {MAIL}", id="mail"
        ),
        pytest.param(
            "[report]\nzone = 'UTC'",
            ": report.zone: unknown (its value is 'UTC'); known here: timezone, title, output_dir",
            id="report",
        ),
        pytest.param("[report]\ntitle = ''", ": report.title: '' is not one line of text", id="report-title"),
        pytest.param(
            '[report]\ntitle = "a\\nb"', ": report.title: 'a\\nb' is not one line of text", id="report-title-lines"
        ),
        pytest.param("[report]\noutput_dir = 'x'", ": report.output_dir: 'x' is not an absolute path", id="report-dir"),
        pytest.param("[mail]\nto = []", ": mail.to: is missing: mail needs a recipient", id="mail-to-nobody"),
        pytest.param(
            "[mail]\nto = 'a@b.c'",
            ": mail.envelope_sender: is missing: mail that can't be delivered comes back to it",
            id="mail-of-nobody",
        ),
        pytest.param("[mail]\nto = 1", f": mail.to: 1 {ADDRESS}", id="mail-to-a-number"),
        pytest.param("[mail]\nto = ['a@b.c', 'root']", f": mail.to: ['a@b.c', 'root'] {ADDRESS}", id="mail-no-domain"),
        pytest.param("[mail]\nto = '-oQ/tmp@b.c'", f": mail.to: '-oQ/tmp@b.c' {ADDRESS}", id="mail-option"),
        pytest.param("[mail]\nto = 'a b@c.d'", f": mail.to: 'a b@c.d' {ADDRESS}", id="mail-space"),
        pytest.param("[mail]\nto = 'a..b@c.d'", f": mail.to: 'a..b@c.d' {ADDRESS}", id="mail-dots"),
        pytest.param("[mail]\nto = 'a@b.c, d@e.f'", f": mail.to: 'a@b.c, d@e.f' {ADDRESS}", id="mail-two-in-one"),
        pytest.param('[mail]\nto = "a@b.c\\n"', f": mail.to: 'a@b.c\\n' {ADDRESS}", id="mail-line-end"),
        pytest.param(
            '[mail]\nto = "x\\r\\nBcc: e@f.g <a@b.c>"',
            ": mail.to: 'x\\r\\nBcc: e@f.g <a@b.c>' has a name that is not one line of text, of at most 100 characters",
            id="mail-injection",
        ),
        pytest.param(
            "[mail]\nto = 'a@m\u00fcller.example'",
            ": mail.to: 'a@m\u00fcller.example' is not ASCII; a domain is written in its ASCII form (xn--...)",
            id="mail-domain-beyond-ascii",
        ),
        pytest.param(
            f"{MAILED}via = 'smtp'", ": mail.smtp_host: is missing: via = 'smtp' needs a server", id="mail-no-server"
        ),
        pytest.param(
            f"{MAILED}smtp_host = 'mx'", ": mail.smtp_host: is not used unless via = 'smtp'", id="mail-unused-server"
        ),
        pytest.param(
            f"{MAILED}via = 'smtp'\nsmtp_host = 'mx'\nsmtp_security = 'none'\nsmtp_user = 'me'",
            ": mail.smtp_user: needs smtp_security = 'starttls' or 'tls': no password goes over an open connection",
            id="mail-open-login",
        ),
        pytest.param(
            f"{MAILED}via = 'smtp'\nsmtp_host = 'mx'\nsmtp_password_file = '/p'",
            ": mail.smtp_password_file: needs smtp_user",
            id="mail-password-of-nobody",
        ),
        pytest.param(
            f"{MAILED}smtp_host = '-x'",
            ": mail.smtp_host: '-x' is not the name or the address of a host",
            id="mail-host",
        ),
        pytest.param(f"{MAILED}smtp_user = ' '", ": mail.smtp_user: ' ' is not one line of text", id="mail-user"),
        pytest.param(
            "[privacy]\nprocesses = 'on'", ": privacy.processes: 'on' is neither true nor false", id="on-is-text"
        ),
        pytest.param(
            "[checks.check_tcp_errors]\nwarning = {}",
            ": checks.check_tcp_errors: unknown (its value is {'warning': {}}); known here: "
            "tcp_connections, tcp_errors, tcp_listen_queue, tcp_pattern, tcp_port_exhaustion, tcp_quality, "
            "tcp_time_wait, tcptide",
            id="unknown-check",
        ),
        pytest.param(
            "[checks.tcp_errors]\nwarn = {}",
            ": checks.tcp_errors.warn: unknown (its value is {}); known here: warning, critical",
            id="unknown-level",
        ),
        pytest.param(
            "[checks.tcp_errors]\nwarning = '5'", ": checks.tcp_errors.warning: '5' is not a section", id="no-metric"
        ),
        pytest.param(
            "[checks.tcp_errors]\ncritical = {failed_open_percent = '5%%'}",
            f": checks.tcp_errors.critical.failed_open_percent: '5%%' {RANGE}",
            id="no-range",
        ),
        pytest.param(
            "[checks.tcp_errors]\ncritical = {failed_open_percent = false}",
            f": checks.tcp_errors.critical.failed_open_percent: False {RANGE}",
            id="boolean-for-a-range",
        ),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode() if isinstance(text, str) else text, "/etc/t.toml")
    assert str(caught.value) == f"/etc/t.toml{said}"


@pytest.mark.parametrize(
    "text", ["80", "0", "10:", "~:80", "10:80", "@10:80", "@80", ":80", "-5:5", "1.5:2.5", "-10:-5", "80:80"]
)
def test_ok_range(text: str) -> None:
    assert check_range(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "7 ",
        "1_000",
        "1e3",
        "~",
        ":",
        "~:",
        "@",
        "a",
        "10:~",
        "10::20",
        "+5",
        ".5",
        "5.",
        "\u0663",
        "80\n",
        "nan",
    ],
)
def test_what_is_no_range(text: str) -> None:
    assert check_range(text) == RANGE


@pytest.mark.parametrize(
    "text, percent, said",
    [
        pytest.param("20:10", False, "has its start above its end", id="crossed"),
        pytest.param("-5", False, "has its start above its end", id="end-under-zero"),
        pytest.param("5%", False, "has a % for a metric that is no percentage", id="percent-of-a-count"),
        pytest.param("0.05", True, "has a limit under 1 %; write 0.05% if that is meant", id="ratio"),
        pytest.param("0.05:20", True, "has a limit under 1 %; write 0.05% if that is meant", id="ratio-at-the-start"),
        pytest.param("0.05%", True, None, id="ok-with-percent"),
        pytest.param("0.05", False, None, id="ok-no-percentage"),
        pytest.param("0", True, None, id="ok-zero"),
        pytest.param("5%:80%", True, None, id="ok-both-with-percent"),
    ],
)
def test_ranges_by_kind_of_metric(text: str, percent: bool, said: str | None) -> None:
    assert check_range(text, percent) == said


def test_the_page_names_every_key_with_its_default() -> None:
    with open(os.path.join(TREE, "docs/configuration.md")) as file:
        rows = re.findall(r"^\| `([a-z_.]+)` \| (\S+) \|", file.read(), re.MULTILINE)
    shown = {None: "none", (): "none", True: "true", 60.0: "60", 55.0: "55", 8.0: "8"}
    expected = [(key.name, shown.get(default(key.name), str(default(key.name)))) for key in config.KEYS]
    expected[0] = ("state_dir", "found")
    assert rows == expected


def test_the_example_file_is_every_key_with_its_default() -> None:
    with open(os.path.join(TREE, "contrib/tcptide.toml")) as file:
        text = file.read()
    assert parse(text.encode(), "example") == Config(path="example")
    uncommented = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    said = parse(uncommented.replace('via = "sendmail"', 'via = "smtp"').encode(), "example")  # else no smtp_host
    assert said._replace(state_dir=None, thresholds={}, report=config.Report(), mail=Mail()) == Config(path="example")
    for name, value in Mail()._asdict().items():
        assert value in (None, ()) or getattr(said.mail._replace(via="sendmail"), name) == value, name
    for key in config.KEYS:
        assert re.search(rf"^{key.name.rpartition('.')[2]} = ", uncommented, re.MULTILINE), key.name


def test_no_toml_parser_without_a_file(tmp_path: Any) -> None:
    code = "import sys; from tcptide import config; config.DEFAULT_PATH = sys.argv[1]; config.load(None, {})"
    code += "; print({'tomllib', 'dataclasses', 'pathlib', 'datetime', 'logging'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path / "none")], cwd=TREE, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"
