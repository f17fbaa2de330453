"""How many connections there are, in which states, and whose."""

from argparse import Namespace
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

from tcptide import advice, saying, usage
from tcptide.model import NOT_CONNECTIONS, STATES, Forecast, Holder, Look, Point, Rates, Sample
from tcptide.outlook import Outlook, ahead
from tcptide.privacy import shown_remotes
from tcptide.series import total_connections
from tcptide.text import number, percent, plural

from . import filters, spec
from .frame import Context, filtered, run, sampled
from .output import Answer
from .spec import CheckSpec, Judged, Metric, Phrase

LISTED = 5
CONNECTIONS = tuple(state for state in STATES if state not in NOT_CONNECTIONS)

SPEC = CheckSpec(
    name="check_tcp_connections",
    summary="How many connections there are, in which states, and whose. With a filter only those that match are "
    "counted, at once, with a look of its own.",
    metrics=(
        Metric("total", "", "connections in all states but LISTEN and bound-idle"),
        *(Metric(state.lower(), "", f"sockets in {state}") for state in STATES if state != "BOUND"),
        Metric("bound", "", "sockets bound to a port, neither connected nor listening"),
        Metric("opened_per_second", "", "connections opened by either side, per second; not with a filter"),
        spec.percent("conntrack_usage", "entries of net.netfilter.nf_conntrack_max; not with a filter"),
    ),
    options=filters.OPTIONS,
    needs=("sample", "rates", "outlook"),
)


def judge(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
    """Nothing but the conntrack table has a limit of its own; what is much for the rest, the host's owner knows."""
    sample, wanted = look.sample, filters.of(options)
    total, opened = total_connections(sample), usage.opened_per_second(rates)
    conntrack = None if wanted else usage.conntrack(sample)
    share = conntrack.percent if conntrack else None
    forecast = ahead(outlook, "conntrack", conntrack.whole if conntrack else None, point.wall_seconds)
    states = {state: sum(pair) for state, pair in sample.states.items()}
    named = states if wanted and wanted.states else {state: states[state] for state in states if state in CONNECTIONS}
    most = [f"{count} {state}" for state, count in _largest(named)]
    return Judged(
        summary=Phrase(plural(total, "connection"), "".join(f", {text}" for text in most[:2])),
        values={
            "total": total,
            **{state.lower(): count for state, count in states.items()},
            "opened_per_second": opened,
            "conntrack_usage": share,
        },
        phrases={
            "total": Phrase(plural(total, "connection"), who=_who(sample, CONNECTIONS)),
            **{
                state.lower(): Phrase(f"{count} {state}", who=_who(sample, (state,))) for state, count in states.items()
            },
            "opened_per_second": Phrase(f"{number(opened)} connections/s opened"),
            "conntrack_usage": Phrase(
                f"conntrack table {percent(share)} full",
                f" ({conntrack.part}/{conntrack.whole})" if conntrack else "",
                ahead=spec.ahead(forecast),
            ),
        },
        details=(*_lists(sample, look.shown), *_conntrack(forecast)),
        find=partial(advice.find, sample, rates, () if wanted else ("conntrack",), forecasts=(forecast,)),
    )


def _who(sample: Sample, states: Collection[str]) -> str:
    """The unit that holds most of them, else the user."""
    for kind in ("unit", "user"):
        held = {one.name: _held(one, states) for one in sample.holders if one.kind == kind}
        for name, count in _largest(held)[:1]:
            return f", {count} by {name}"
    return ""


def _held(holder: Holder, states: Collection[str]) -> int:
    return sum(count for state, count in holder.states.items() if state in states)


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The counts above zero, most first."""
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: -item[1])


def _lists(sample: Sample, shown: Callable[[str], str]) -> Iterator[str]:
    states = {state: sum(pair) for state, pair in sample.states.items()}
    yield from _list("states", [(state, count) for state, count in _largest(states)], len(states))
    for kind in ("unit", "user", "process"):
        held = {one.name: _held(one, CONNECTIONS) for one in sample.holders if one.kind == kind}
        yield from _list(f"by {kind}", _largest(held))
    yield from _list("incoming by local port", [(f":{port}", count) for port, count in sample.local_ports])
    yield from _list("incoming by remote address", shown_remotes(sample.remotes, shown))
    if sample.not_accepted:
        yield f"not accepted yet: {sample.not_accepted}"


def _conntrack(forecast: Forecast) -> Iterator[str]:
    """Most hosts have no conntrack worth a word: it gets one when it fills."""
    if forecast.seconds is not None:
        yield saying.sentence(forecast, saying.limit(forecast.resource))


def _list(title: str, counts: Sequence[tuple[str, int]], listed: int = LISTED) -> Iterator[str]:
    if counts:
        rest = f", {len(counts) - listed} more" if len(counts) > listed else ""
        yield f"{title}: {', '.join(f'{name} {count}' for name, count in counts[:listed])}{rest}"


def _ask(context: Context, max_age_seconds: float) -> Answer:
    wanted = filters.of(context.options)
    return filtered(context, judge, wanted) if wanted else sampled(judge)(context, max_age_seconds)


def main() -> NoReturn:
    """The executable."""
    run(SPEC, _ask)
