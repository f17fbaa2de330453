"""How full the kernel's TIME_WAIT table is, and how fast it turns over."""

from argparse import Namespace
from functools import partial
from typing import NoReturn

from tcptide import advice, saying, usage
from tcptide.model import Look, Point, Rates
from tcptide.outlook import Outlook, ahead
from tcptide.text import number, percent

from . import spec
from .frame import run, sampled
from .spec import CheckSpec, Judged, Metric, Phrase

SPEC = CheckSpec(
    name="check_tcp_time_wait",
    summary="How full the kernel's TIME_WAIT table is, and how fast it turns over.",
    metrics=(
        spec.percent("bucket_usage", "TIME_WAIT sockets of net.ipv4.tcp_max_tw_buckets; above it they are cut short"),
        Metric("time_wait", "", "sockets in TIME_WAIT"),
        Metric("created_per_second", "", "sockets that entered TIME_WAIT, per second"),
        Metric("overflows_per_second", "", "TIME_WAIT sockets cut short by the limit, per second"),
        Metric("exhaustion_seconds", "s", "time until the limit is reached, where a forecast is known"),
    ),
    needs=("sample", "rates", "outlook"),
)


def judge(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
    """TIME_WAIT is harmless until its table is full, or it takes the ports that connect() needs."""
    sample, created = look.sample, rates.per_second.get("time_wait_created")
    overflows = rates.per_second.get("time_wait_overflows")
    time_wait, used = usage.in_state(sample, "TIME_WAIT"), usage.time_wait(sample)
    full = used.percent if used else None
    limit = sample.limits.tcp_max_tw_buckets
    forecast = ahead(outlook, "time_wait", limit, point.wall_seconds)
    speed = "" if created is None else f", {number(created)}/s created"
    return Judged(
        summary=Phrase(f"{time_wait} TIME_WAIT", f", {percent(full)} of {limit}{speed}", ahead=spec.ahead(forecast)),
        values={
            "bucket_usage": full,
            "time_wait": time_wait,
            "created_per_second": created,
            "overflows_per_second": overflows,
            "exhaustion_seconds": spec.seconds(forecast),
        },
        phrases={
            "bucket_usage": Phrase(
                f"TIME_WAIT table {percent(full)} full", f" ({time_wait}/{limit})", ahead=spec.ahead(forecast)
            ),
            "time_wait": Phrase(f"{time_wait} TIME_WAIT"),
            "created_per_second": Phrase(f"{number(created)} TIME_WAIT/s created"),
            "overflows_per_second": Phrase(f"{number(overflows)} TIME_WAIT/s cut short by the limit"),
            "exhaustion_seconds": spec.exhaustion(forecast),
        },
        maxima={"time_wait": limit},
        details=(saying.sentence(forecast),),
        find=partial(advice.find, sample, rates, ("time_wait",), forecasts=(forecast,)),
        unknown=None if used else "net.ipv4.tcp_max_tw_buckets cannot be read",
    )


def main() -> NoReturn:
    """The executable."""
    run(SPEC, sampled(judge))
