"""How well connections fare: round-trip times, retransmissions and limits, against what is usual on this host."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

from tcptide import levels, quality
from tcptide.errors import StoreError
from tcptide.history_findings import of_degradation
from tcptide.model import Look, Point, Rates, TcpInfo
from tcptide.outlook import Outlook
from tcptide.quality import Degradation, Quality
from tcptide.series import point_of
from tcptide.store import Reader
from tcptide.text import number, percent, plural

from . import spec
from .frame import NO_RATES, Context, answer, newest, run
from .output import Answer
from .spec import CheckSpec, Judged, Metric, Phrase

SPEC = CheckSpec(
    name="check_tcp_quality",
    summary="How well connections fare: round-trip times, retransmissions and limits of the connections to other hosts "
    "that have sent data in the last five minutes. WARNING on a clear degradation against what is usual on this host.",
    metrics=(
        spec.percent(
            "retransmitting_percent",
            "connections that have sent something again that isn't acknowledged yet; judged from "
            f"{levels.MINIMUM_MEASURED} connections on",
        ),
        Metric(
            "degraded",
            "",
            "how many of round-trip time and retransmissions are clearly worse than usual; not known before "
            f"{quality.MINIMUM_QUARTERS // 4} hours of history, nor of under {levels.MINIMUM_MEASURED} connections",
            0,
            2,
        ),
        Metric("rtt_p50", "ms", "median of the kernel's smoothed round-trip times"),
        Metric("rtt_p95", "ms", "round-trip time that 95 % of the connections are within"),
        Metric("rtt_p99", "ms", "round-trip time that 99 % of the connections are within"),
        spec.percent("rwnd_limited", "part of the time with data to send in which the receiver's window was full"),
        spec.percent("sndbuf_limited", "part of the time with data to send in which the send buffer was full"),
        Metric("unacked", "", "segments sent and not acknowledged"),
        Metric("connections", "", "connections that all of this is of"),
    ),
    needs=("sample", "tcp_info", "quality"),
)


def judge(look: Look, compared: Quality, options: Namespace) -> Judged:
    """What is usual differs from host to host by three orders of magnitude: only the host's own history tells."""
    info = look.sample.tcp_info
    if info is None:
        return Judged(Phrase(""), {}, unknown=f"round-trip times cannot be seen by {look.sample.origin.method}")
    p50, p95, p99 = info.rtt_ms or (None, None, None)
    worse = {one.kind: one for one in compared.degradations}
    return Judged(
        summary=_summary(info),
        values={
            "retransmitting_percent": info.retransmitting_percent,
            "degraded": None if compared.missing else len(compared.degradations),
            "rtt_p50": p50,
            "rtt_p95": p95,
            "rtt_p99": p99,
            "rwnd_limited": info.rwnd_limited_percent,
            "sndbuf_limited": info.sndbuf_limited_percent,
            "unacked": info.unacked,
            "connections": info.connections,
        },
        phrases={
            "retransmitting_percent": Phrase(f"{percent(info.retransmitting_percent)} of connections retransmitting"),
            "degraded": Phrase(
                "; ".join(_worse(one) for one in compared.degradations), _detail(worse.get("rtt"), info)
            ),
            "rtt_p50": Phrase(f"median rtt {number(p50)} ms"),
            "rtt_p95": Phrase(f"rtt of 95% within {number(p95)} ms"),
            "rtt_p99": Phrase(f"rtt of 99% within {number(p99)} ms"),
            "rwnd_limited": Phrase(f"receivers' windows full {percent(info.rwnd_limited_percent)} of the time"),
            "sndbuf_limited": Phrase(f"send buffers full {percent(info.sndbuf_limited_percent)} of the time"),
            "unacked": Phrase(f"{info.unacked} segments not acknowledged"),
            "connections": Phrase(plural(info.connections, "connection")),
        },
        too_few=("retransmitting_percent",) if info.connections < levels.MINIMUM_MEASURED else (),
        details=tuple(_details(info, compared)),
        find=lambda severity: map(partial(of_degradation, connections=info.connections), compared.degradations),
    )


def _summary(info: TcpInfo) -> Phrase:
    if info.rtt_ms is None or info.retransmitting_percent is None:
        return Phrase("no connection to another host has sent data in the last five minutes")
    return Phrase(
        f"rtt {number(info.rtt_ms[0])} ms, {percent(info.retransmitting_percent)} retransmitting",
        f", {plural(info.connections, 'connection')}",
    )


def _worse(one: Degradation) -> str:
    name, say = ("rtt_p50_ms", _ms) if one.kind == "rtt" else ("retransmitting_percent", percent)
    what = "median rtt" if one.kind == "rtt" else "retransmitting"
    return f"{what} {say(one.now[name])}, usually {say(one.usual[name])}"


def _detail(rtt: Degradation | None, info: TcpInfo) -> str:
    if rtt is None:
        return f" ({plural(info.connections, 'connection')})"
    return f" (95% within {_ms(rtt.now['rtt_p95_ms'])}, usually {_ms(rtt.usual['rtt_p95_ms'])})"


def _ms(value: float) -> str:
    return f"{number(value)} ms"


def _details(info: TcpInfo, compared: Quality) -> Iterator[str]:
    if info.rtt_ms:
        yield "rtt: " + ", ".join(
            f"{share} within {_ms(value)}" for share, value in zip(("50%", "95%", "99%"), info.rtt_ms, strict=True)
        )
    usual = compared.usual
    said = [f"rtt {_ms(usual['rtt_p50_ms'])}"] if "rtt_p50_ms" in usual else []
    if "rtt_p95_ms" in usual:
        said.append(f"95% within {_ms(usual['rtt_p95_ms'])}")
    if "retransmitting_percent" in usual:
        said.append(f"{percent(usual['retransmitting_percent'])} retransmitting")
    if said:
        yield f"usual here: {', '.join(said)}"
    if compared.missing == "connections":
        yield f"not compared: under {levels.MINIMUM_MEASURED} connections"
    elif compared.missing:
        yield f"not compared: under {quality.MINIMUM_QUARTERS // 4} h of history with it (tcptide sample --tcp-info)"


def _ask(context: Context, max_age_seconds: float) -> Answer:
    look = newest(context, max_age_seconds, tcp_info=True)
    point = point_of(look.sample)
    compared = _compared(context, point)

    def judged(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
        return judge(look, compared, options)

    return answer(context, judged, look, point, NO_RATES, None)


def _compared(context: Context, point: Point) -> Quality:
    """An unreadable state is no news: the look has said so."""
    rows = int(quality.CONFIRMED_SECONDS / context.config.interval_seconds) + 1
    since = point.wall_seconds - quality.HISTORY_SECONDS
    try:
        with Reader(context.directory) as reader:
            means, maxima = (
                reader.rollups(context.source, statistic, since, point.wall_seconds, quality.NAMES)
                for statistic in ("mean", "max")
            )
            usual = quality.usual_at(point.wall_seconds, means, maxima)
            return quality.compare(point, reader.recent(context.source, rows), usual)
    except StoreError:
        return quality.UNKNOWN


def main() -> NoReturn:
    """The executable."""
    run(SPEC, _ask)
