"""What check_tcptide says of the reports that were made, and of their mail: pure, from the ledger's rows."""

from collections.abc import Iterator, Sequence

from tcptide.findings import Severity
from tcptide.model import Finding, Report
from tcptide.record import NamedTuple
from tcptide.text import duration, one_line, plural

from .spec import Metric, Phrase

SENDING_SECONDS = 3600.0  # no run sends for longer
WHY_CHARACTERS = 52  # so that line 1 has room for it; all of it is in the finding

METRICS = (
    Metric(
        "report_age_seconds",
        "s",
        "time since a report of a calendar period, or one to be mailed, was last written, once there is one",
    ),
    Metric(
        "mail_age_seconds",
        "s",
        "time since a report was last mailed, or else since the first that was to be mailed",
    ),
    Metric(
        "unsent_reports",
        "",
        "reports that could not be made, or not be sent to all, since a mail last went to all; the first line says why",
    ),
)


class Reported(NamedTuple):
    """The ledger at one moment; None where no report was ever made, or none was to be mailed."""

    values: dict[str, float | None]
    phrases: dict[str, Phrase]
    details: tuple[str, ...]
    unsent: tuple[Report, ...]  # the newest last

    def find(self, severity: Severity) -> Iterator[Finding]:
        """What is wrong, by the thresholds in force."""
        levels = {
            label: 0 if value is None else severity("tcptide", label, value) for label, value in self.values.items()
        }
        if self.unsent and (level := max(levels["unsent_reports"], levels["mail_age_seconds"])):
            last = self.unsent[-1]
            if last.mail is None:
                yield Finding("report_failed", level, one_line(last.label), {"why": _why(last)})
                return
            values = {"why": _why(last), "message": one_line(last.mail)}
            yield Finding("report_unsent", level, one_line(last.label), values)
        elif level := max(levels["report_age_seconds"], levels["mail_age_seconds"]):
            ages = {label: age for label, age in self.values.items() if label.endswith("_seconds") and age is not None}
            yield Finding("report_overdue", level, "host", ages)


def reported(reports: Sequence[Report], wall_seconds: float) -> Reported:
    """`reports`: in the order in which they were made."""
    written = [one for one in reports if one.path]
    mail = [one for one in reports if one.mail is not None or one.failure]  # it failed before a mail was made
    sent = [one.mailed_seconds for one in mail if one.mailed_seconds is not None]
    to_all = max((one.made_seconds for one in mail if one.mailed_seconds is not None and not one.failure), default=0.0)
    unsent = tuple(one for one in mail if one.made_seconds > to_all and _failed(one, wall_seconds))
    report_age = max(0.0, wall_seconds - written[-1].made_seconds) if written else None
    mail_age = max(0.0, wall_seconds - max(sent, default=mail[0].made_seconds)) if mail else None
    phrases = {}
    if report_age is not None:
        phrases["report_age_seconds"] = Phrase(f"no report for {duration(report_age)}")
    if mail_age is not None:
        phrases["mail_age_seconds"] = Phrase(f"no report mailed for {duration(mail_age)}")
    if unsent:
        label, why = one_line(unsent[-1].label), _why(unsent[-1])
        others = f" and {plural(len(unsent) - 1, 'report')} before it" if len(unsent) > 1 else ""
        short = why if len(why) <= WHY_CHARACTERS else f"{why[: WHY_CHARACTERS - 3].rstrip()}..."
        phrases["unsent_reports"] = Phrase(f"report {label}{others} not mailed", f": {short}")
    values = {
        "report_age_seconds": report_age,
        "mail_age_seconds": mail_age,
        "unsent_reports": len(unsent) if mail else None,
    }
    details = (_last(written[-1], wall_seconds),) if written else ()
    return Reported(values, phrases, details, unsent)


def _failed(report: Report, wall_seconds: float) -> bool:
    """A mail that is on its way has no failure yet."""
    return bool(report.failure or (report.pending and wall_seconds - report.made_seconds > SENDING_SECONDS))


def _why(report: Report) -> str:
    """A server's words may be anything."""
    return one_line(report.failure or "the run that sent it was cut short")


def _last(report: Report, wall_seconds: float) -> str:
    mailed = report.mailed_seconds
    sent = f", mailed {_ago(mailed, wall_seconds)}" if mailed is not None else ", not mailed" if report.mail else ""
    return f"report {one_line(report.label)}: written {_ago(report.made_seconds, wall_seconds)}{sent}"


def _ago(then: float, now: float) -> str:
    return f"{duration(max(0.0, now - then))} ago"
