"""`tcptide doctor`: what works here and what doesn't, one line an item, with the remedy."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec

from tcptide import __version__, config, doctor_confinement, doctor_report, doctor_state, secret
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.doctor_item import NOTE, OK, PROBLEM, Item, Patient
from tcptide.errors import ConfigError, TcptideError
from tcptide.kernel import netns, processes
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Sample
from tcptide.sampler import take_sample
from tcptide.text import endpoint, one_line, plural

#: Where a scheduler's entries are; those of other users' crontabs only root can read.
SCHEDULES = (
    "/etc/crontab",
    "/etc/cron.d",
    "/var/spool/cron/crontabs",
    "/var/spool/cron",
    "/etc/systemd/system/timers.target.wants",
    "/usr/lib/systemd/system/timers.target.wants",
)
_REPORT_MODULES = ("css_inline", "jinja2", "matplotlib", "pandas", "rich")


def run(options: argparse.Namespace) -> int:
    """Print the items; 1 if there is a problem."""
    proc = ProcFs()
    settings, first = _configuration(options.config)
    source = options.source or netns.source_name(proc)
    sampler = sampler_command(options, os.environ)
    patient = Patient(proc, SYSTEM, os.environ, options.state_dir, settings, source, sampler, SCHEDULES)
    items = [*first, *examine(patient)]
    if options.json:
        import json

        print(json.dumps([item._asdict() for item in items], indent=1))
    else:
        for item in items:
            print(one_line(str(item)))
    return int(any(item.state == PROBLEM for item in items))


def sampler_command(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """`tcptide sample` with what was named for this run, in whatever directory and environment it will be run."""
    called = os.path.abspath(sys.argv[0])
    words = [called, "tcptide", "sample"] if called.endswith(".pyz") else [called, "sample"]  # by contrib/pyz
    state_dir = options.state_dir or environ.get("TCPTIDE_STATE_DIR")
    file = options.config or environ.get(config.ENVIRONMENT_VARIABLE)
    for option, value in (("--state-dir", state_dir), ("--config", file)):
        words += [option, os.path.abspath(value)] if value else []
    words += ["--source", options.source] if options.source else []
    return shlex.join(words)


def examine(patient: Patient) -> Iterator[Item]:
    """All items but the configuration file."""
    uname = os.uname()
    version = ".".join(map(str, sys.version_info[:3]))
    user = processes.user_name(os.geteuid())
    yield Item(OK, "program", f"tcptide {__version__}, Python {version}, Linux {uname.release}, run by {user}")
    yield from _look(patient)
    yield _namespace(patient.proc)
    yield _cgroups(patient.proc)
    yield from doctor_confinement.examine(patient)
    yield from doctor_state.examine(patient)
    yield _schedule(patient)
    yield _report()
    yield _mail(patient)
    yield from doctor_report.examine(patient)


def _configuration(path: str | None) -> tuple[Config, list[Item]]:
    try:
        settings = config.load(path, os.environ)
    except ConfigError as error:
        return Config(), [Item(PROBLEM, "config", str(error), "what follows holds for the defaults")]
    return settings, [
        Item(OK, "config", settings.path or f"no file, the defaults ({config.DEFAULT_PATH} is not there)")
    ]


def _look(patient: Patient) -> Iterator[Item]:
    """A look as `tcptide sample` takes it; not stored."""
    wanted = patient.config.privacy.processes
    try:
        sample = take_sample(patient.proc, patient.clock, source=patient.source, want_processes=wanted)
    except TcptideError as error:
        yield Item(PROBLEM, "source", str(error), "neither sock_diag nor /proc/net/tcp can be read here")
        return
    origin, sockets = sample.origin, sum(map(sum, sample.states.values()))
    seen = f"{origin.method} shows {plural(sockets, 'socket')} in {1000 * origin.dump_seconds:.1f} ms"
    if origin.method == "sock_diag":
        yield Item(OK, "source", seen)
    else:
        yield Item(NOTE, "source", seen, "load the kernel modules tcp_diag and inet_diag, or allow netlink sockets")
    yield from (Item(NOTE, "unseen", unseen) for unseen in origin.unseen)
    yield from _kernel(sample)
    if not wanted:
        yield Item(OK, "processes", "not looked up (privacy.processes = false)")
    elif any(unseen.startswith("processes ") for unseen in origin.unseen):
        yield Item(NOTE, "processes", "no names of processes", "install psutil, or set privacy.processes = false")
    elif origin.privileged:
        yield Item(OK, "processes", "the names of all processes are seen")
    else:
        who = processes.user_name(os.geteuid())
        yield Item(
            NOTE, "processes", f"only names of {who}'s own processes are seen; users and units need no privilege"
        )


def _kernel(sample: Sample) -> Iterator[Item]:
    """Features that are younger than some kernels; found by trying."""
    if sample.origin.netns_cookie is None:
        yield Item(NOTE, "kernel", "no SO_NETNS_COOKIE (Linux 5.14): a namespace made anew passes for the old one")
    if sample.limits.tcp_tw_reuse_delay_ms is None:
        yield Item(OK, "kernel", "no tcp_tw_reuse_delay (Linux 6.14): it is 1000 ms then")
    if sample.limits.nf_conntrack_max is None:
        yield Item(OK, "kernel", "conntrack is not loaded, or not shown in this namespace")


def _namespace(proc: ProcFs) -> Item:
    if not proc.is_host_netns():
        return Item(NOTE, "namespace", f"{netns.source_name(proc)}, which is not the host's")
    if proc.has_veth():
        return Item(NOTE, "namespace", "host namespace only: containers (veth) have their own, which are not looked at")
    return Item(OK, "namespace", "the host's, no containers with one of their own")


def _cgroups(proc: ProcFs) -> Item:
    mount = proc.cgroup2_mount()
    if mount is None:
        return Item(NOTE, "units", "no cgroup v2 mount: sockets are attributed to users alone")
    return Item(OK, "units", f"cgroup v2 at {mount}")


def _schedule(patient: Patient) -> Item:
    for path in _files(patient.schedules):
        if os.path.basename(path).startswith("tcptide") and path.endswith(".timer"):
            return Item(OK, "schedule", path)
        try:
            with open(path, errors="replace") as file:
                lines = [line.strip() for line in file]
        except OSError:  # another user's crontab
            continue
        for line in lines:
            if "tcptide sample" in line and not line.startswith("#"):
                return Item(OK, "schedule", f"{path}: {line}")
    caller = os.geteuid()
    seen = f" that {processes.user_name(caller)} may read" if caller else ""
    text = f"no cron line or timer{seen}: samples are taken when checks run"
    if patient.agent is None:
        return Item(NOTE, "schedule", text)
    command = patient.sampler.replace("%", r"\%")  # to cron a % ends the command
    entry = f"* * * * * {patient.agent.pw_name} {command}"
    return Item(NOTE, "schedule", text, f"echo {shlex.quote(entry)} > /etc/cron.d/tcptide")


def _files(places: Iterable[str]) -> Iterator[str]:
    for place in places:
        try:
            yield from sorted(entry.path for entry in os.scandir(place) if entry.is_file())
        except NotADirectoryError:
            yield place
        except OSError:
            continue


def _report() -> Item:
    missing = [name for name in _REPORT_MODULES if find_spec(name) is None]
    if missing:
        fix = "install the extra tcptide[report] on the machine that reports"
        return Item(NOTE, "report", f"tcptide-report lacks {', '.join(missing)}", fix)
    return Item(OK, "report", f"has {', '.join(_REPORT_MODULES)}")


def _mail(patient: Patient) -> Item:
    """Where reports are mailed to, and whether what that needs is there."""
    mail = patient.config.mail
    if not mail.to:
        return Item(OK, "mail", "reports are not mailed (no [mail] in the configuration)")
    who = ", ".join(mail.recipients[:3]) + (f" and {len(mail.recipients) - 3} more" if mail.recipients[3:] else "")
    if mail.via == "sendmail":
        if not os.access(mail.sendmail, os.X_OK):
            return Item(PROBLEM, "mail", f"{mail.sendmail} can't be run", "install a mail program, or set via = 'smtp'")
        return Item(OK, "mail", f"to {who} through {mail.sendmail}")
    server = f"to {who} through {endpoint(mail.smtp_host or '', mail.port)} ({mail.smtp_security})"
    if mail.smtp_user is None:
        return Item(OK, "mail", f"{server}, without a login")
    try:
        secret.password(mail, patient.environ)
    except ConfigError as error:
        return Item(PROBLEM, "mail", str(error))
    return Item(OK, "mail", f"{server} as {mail.smtp_user}")
