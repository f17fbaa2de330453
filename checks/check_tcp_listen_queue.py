"""Whether programs accept their connections as fast as they come."""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from tcptide import advice, levels, usage
from tcptide.model import Listener, Look, Point, Rates
from tcptide.outlook import Outlook
from tcptide.text import endpoint, number, percent, plural

from . import spec
from .frame import run, sampled
from .spec import CheckSpec, Judged, Metric, Phrase

SPEC = CheckSpec(
    name="check_tcp_listen_queue",
    summary="Whether programs accept their connections as fast as they come: the fill of each listener's accept "
    f"queue, judged from {levels.MINIMUM_WAITING} waiting connections on, or once the kernel counted an overflow.",
    metrics=(
        spec.percent("worst_listener", "fill of the fullest accept queue, 100 % at backlog + 1"),
        Metric("overflows_per_second", "", "connections dropped because an accept queue was full, per second"),
    ),
    needs=("sample", "rates"),
)


def judge(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
    """The fullest queue among those long enough to mean something; overflows are the host's, not a listener's."""
    sample, overflows = look.sample, rates.per_second.get("listen_overflows")
    if sample.origin.method != "sock_diag":
        reason = f"accept queues cannot be seen by {sample.origin.method}"
        return Judged(
            Phrase(""),
            {"overflows_per_second": overflows},
            {"overflows_per_second": _overflows(overflows)},
            unknown=reason,
        )
    judged = usage.long_queues(sample, rates)
    fullest = sorted(judged or sample.listeners, key=lambda one: -one.utilisation_percent)
    worst = fullest[0] if fullest else None
    return Judged(
        summary=_summary(sample.listeners, worst),
        values={"worst_listener": worst.utilisation_percent if worst else 0.0, "overflows_per_second": overflows},
        phrases={
            "worst_listener": _queue(worst, overflows) if worst else Phrase("no listeners"),
            "overflows_per_second": _overflows(overflows),
        },
        too_few=() if judged else ("worst_listener",),
        details=tuple(_line(one) for one in sorted(sample.listeners, key=lambda one: -one.utilisation_percent)),
        find=partial(advice.find, sample, rates, ("accept_queues",)),
    )


def _summary(listeners: Sequence[Listener], worst: Listener | None) -> Phrase:
    detail = f", fullest {_name(worst)} {worst.queue}/{worst.backlog}" if worst and worst.queue else ""
    return Phrase(plural(len(listeners), "listener"), detail or (", no one waits" if listeners else ""))


def _queue(worst: Listener, overflows: float | None) -> Phrase:
    return Phrase(
        f"{_name(worst)} accept queue {worst.queue}/{worst.backlog}",
        f", {number(overflows)} overflows/s" if overflows else f" ({percent(worst.utilisation_percent)})",
        f", {worst.unit}" if worst.unit else "",
    )


def _overflows(overflows: float | None) -> Phrase:
    return Phrase(f"accept queues overflow, {number(overflows)} connections/s dropped")


def _line(one: Listener) -> str:
    owner = one.holder
    return f"{_name(one)} {one.queue}/{one.backlog} ({percent(one.utilisation_percent)}), {owner}"


def _name(listener: Listener) -> str:
    return endpoint(listener.address, listener.port)


def main() -> NoReturn:
    """The executable."""
    run(SPEC, sampled(judge))
