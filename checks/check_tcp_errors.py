"""Which share of the opens and of the segments goes wrong, and whether TCP runs into a limit of the machine."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

from tcptide import advice, levels, trends, usage
from tcptide.model import Look, Point, Rates, Sample
from tcptide.outlook import Outlook
from tcptide.text import number, percent
from tcptide.usage import Share

from . import spec
from .frame import run, sampled
from .spec import CheckSpec, Judged, Metric, Phrase

SPEC = CheckSpec(
    name="check_tcp_errors",
    summary="Which share of the opens and of the segments goes wrong, and whether TCP runs into a limit of the "
    "machine. The first run has no rates; they come with the second, 30 seconds later or more.",
    metrics=(
        spec.percent(
            "failed_open_percent",
            f"opens that were refused, timed out or broke off; judged from {levels.MINIMUM_OPENS} opens on",
        ),
        spec.percent(
            "retransmit_percent",
            f"segments sent again, of those sent; judged from {levels.MINIMUM_SEGMENTS} segments on",
        ),
        Metric("resets_per_second", "", "established connections that ended by reset, per second"),
        Metric("listen_overflows_per_second", "", "connections dropped because an accept queue was full, per second"),
        Metric("syncookies_per_second", "", "SYN cookies sent because a SYN queue was full, per second"),
        spec.percent("orphan_usage", "sockets without a process, of net.ipv4.tcp_max_orphans"),
        spec.percent("memory_usage", "memory of all TCP sockets of the machine, of net.ipv4.tcp_mem"),
    ),
    needs=("sample", "rates"),
)

NO_RATES = {
    "first": f"no rates yet: no sample {trends.MIN_SECONDS:g} s older",
    "reset": "no rates: the counters began anew",
    "gap": f"no rates: no sample of the last {trends.MAX_SECONDS / 60:g} min",
}


def judge(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
    """A share of few opens or segments says nothing: it is shown and raises no state."""
    sample, per_second = look.sample, rates.per_second
    failed, again = usage.failed_opens(rates), usage.retransmits(rates)
    orphans, memory = usage.orphans(sample), usage.memory(sample)
    enough = {
        "failed_open_percent": usage.enough(failed, rates, levels.MINIMUM_OPENS),
        "retransmit_percent": usage.enough(again, rates, levels.MINIMUM_SEGMENTS),
    }
    overflows, cookies = per_second.get("listen_overflows"), per_second.get("syncookies_sent")
    resets = per_second.get("estab_resets")
    return Judged(
        summary=_summary(failed, again, rates),
        values={
            "failed_open_percent": _percent(failed),
            "retransmit_percent": _percent(again),
            "resets_per_second": resets,
            "listen_overflows_per_second": overflows,
            "syncookies_per_second": cookies,
            "orphan_usage": _percent(orphans),
            "memory_usage": _percent(memory),
        },
        phrases={
            "failed_open_percent": Phrase(f"{percent(_percent(failed))} of opens failed{_counts(failed, rates)}"),
            "retransmit_percent": _again(sample, again, rates),
            "resets_per_second": Phrase(f"{number(resets)} resets/s"),
            "listen_overflows_per_second": _overflowing(overflows),
            "syncookies_per_second": Phrase(f"a SYN queue is full, {number(cookies)} SYN cookies/s"),
            "orphan_usage": Phrase(f"{percent(_percent(orphans))} of the allowed orphaned sockets"),
            "memory_usage": Phrase(f"TCP memory {percent(_percent(memory))} used"),
        },
        at_least={
            "failed_open_percent": usage.at_least(failed, rates),
            "retransmit_percent": usage.at_least(again, rates, levels.SEGMENTS_TOGETHER),
        },
        too_few=[label for label, judged in enough.items() if not judged],
        details=tuple(_details(rates)),
        find=partial(advice.find, sample, rates, ("errors", "accept_queues", "syn_flood", "host_limits")),
    )


def _percent(share: Share | None) -> float | None:
    return share.percent if share else None


def _counts(share: Share | None, rates: Rates) -> str:
    return f", {share.part * rates.seconds:.0f} of {share.whole * rates.seconds:.0f}" if share else ""


def _overflowing(overflows: float | None) -> Phrase:
    return Phrase(f"accept queues overflow, {number(overflows)} connections/s dropped")


def _again(sample: Sample, again: Share | None, rates: Rates) -> Phrase:
    """SYNs that are sent again are no loss on the way: what keeps them from being answered is the news."""
    share = percent(_percent(again))
    if not usage.mostly_syns(rates):
        return Phrase(f"{share} of segments retransmitted{_counts(again, rates)}")
    syns, overflows = f", {share} of segments are SYNs sent again", rates.per_second.get("listen_overflows")
    if overflows:
        return _overflowing(overflows)._replace(detail=syns)
    for flood in advice.find(sample, rates, ("syn_flood",)):
        return Phrase(advice.render(flood).what, syns)
    return Phrase(f"{share} of segments are SYNs sent again{_counts(again, rates)}")


def _summary(failed: Share | None, again: Share | None, rates: Rates) -> Phrase:
    if rates.missing:
        return Phrase(NO_RATES[rates.missing])
    opens = f"{percent(failed.percent)} of opens failed" if failed else "no opens"
    return Phrase(opens, f", {percent(again.percent)} of segments retransmitted" if again else ", no segments sent")


def _details(rates: Rates) -> Iterator[str]:
    """What the two shares are made of."""
    opens = [
        f"{rate * rates.seconds:.0f} {what}"
        for name, what in (
            ("active_opens", "by this side"),
            ("passive_opens", "by others"),
            ("attempt_fails", "failed"),
        )
        if (rate := rates.per_second.get(name)) is not None
    ]
    if opens:
        yield f"opens in {rates.seconds:.0f} s: {', '.join(opens)}"
    data = usage.retransmitted_data(rates)
    if data:
        yield f"retransmitted without SYNs: {percent(data.percent)} of the segments with data"


def main() -> NoReturn:
    """The executable."""
    run(SPEC, sampled(judge))
