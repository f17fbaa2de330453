"""The part of `tcptide doctor` that looks at reports: where they are written, and whether all were mailed."""

import os
import shlex
from collections.abc import Iterator

from tcptide.doctor_item import OK, PROBLEM, Item, Patient
from tcptide.errors import StoreError
from tcptide.kernel import processes
from tcptide.store import Reader
from tcptide.text import one_line, plural


def examine(patient: Patient) -> Iterator[Item]:
    """The directory of the configuration, and the mails that wait; nothing where there is neither."""
    if patient.config.report.output_dir:
        yield _directory(patient.config.report.output_dir)
    yield from _unsent(patient)


def _directory(path: str) -> Item:
    named, quoted = f"{path} (by report.output_dir)", shlex.quote(path)
    if not os.path.isdir(path):
        what = "is not a directory" if os.path.lexists(path) else "is not there"
        return Item(PROBLEM, "reports", f"{named} {what}", f"install -d -m 0750 {quoted}, as who reports")
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        user = processes.user_name(os.geteuid())
        return Item(
            PROBLEM, "reports", f"{named}: {user} cannot write there", f"run it as who reports, or chown {quoted}"
        )
    return Item(OK, "reports", f"are written to {named}")


def _unsent(patient: Patient) -> Iterator[Item]:
    try:
        with Reader(patient.directory) as reader:
            reports = reader.reports(patient.source)
    except StoreError:
        return  # what is wrong with the state is said already
    mailed = [one.made_seconds for one in reports if one.mailed_seconds is not None and not one.failure]
    waiting = [one for one in reports if one.made_seconds > max(mailed, default=0.0) and (one.failure or one.pending)]
    if waiting:
        last = waiting[-1]
        why = one_line(last.failure or "the run that sent it goes on, or was cut short")
        fix = f"tcptide-report --send {shlex.quote(last.mail)}" if last.mail else "mend that, then run what cron runs"
        text = f"{plural(len(waiting), 'report')} not mailed, the last is {one_line(last.label)}: {why}"
        yield Item(PROBLEM, "unsent", text, fix)
