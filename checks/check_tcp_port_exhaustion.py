"""How close connect() and bind() are to failing for lack of an ephemeral port."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from typing import NoReturn

from tcptide import advice, saying
from tcptide.model import Destination, Forecast, Look, Point, Ports, Rates
from tcptide.outlook import Outlook, ahead, ports_resource
from tcptide.text import endpoint, percent

from . import spec
from .frame import run, sampled
from .spec import CheckSpec, Judged, Metric, Phrase

LISTED = 5

SPEC = CheckSpec(
    name="check_tcp_port_exhaustion",
    summary="How close connect() and bind() are to failing for lack of an ephemeral port. Ports run out for one "
    "destination at a time (local address, remote address, remote port): 100 % is when connect() to it fails.",
    metrics=(
        spec.percent("worst_destination", "ephemeral ports used towards the fullest destination"),
        spec.percent("worst_bind", "ephemeral ports that bind(address, 0) finds taken, fullest local address"),
        Metric("worst_destination_ports", "", "ports used towards the fullest destination"),
        Metric("capacity", "", "ports that connect() can use towards one destination"),
        Metric("barred_ports", "", "ephemeral ports that listeners and explicit bind() keep from connect()"),
        Metric("exhaustion_seconds", "s", "time until the fullest destination has no port left, where known"),
    ),
    needs=("sample", "outlook"),
)


def judge(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
    """The fullest destination, and the fullest local address for programs that bind() first."""
    sample, ports = look.sample, look.sample.ports
    if ports is None:
        return Judged(Phrase(""), {}, unknown=f"ports in use cannot be seen by {sample.origin.method}")
    worst = ports.worst[0] if ports.worst else None
    address, bound = ports.bind[0] if ports.bind else ("any address", 0.0)
    forecast = _forecast(worst, ports, outlook, point)
    name = _name(worst, look.shown)
    fullest = _fullest(worst, name, ports)._replace(ahead=spec.ahead(forecast))
    used = worst.ports_used if worst else 0
    return Judged(
        summary=fullest,
        values={
            "worst_destination": ports.worst_percent,
            "worst_bind": None if ports.bind is None else bound,
            "worst_destination_ports": used,
            "capacity": ports.capacity,
            "barred_ports": ports.barred,
            "exhaustion_seconds": spec.seconds(forecast),
        },
        phrases={
            "worst_destination": fullest,
            "worst_bind": Phrase(f"{percent(bound)} of ports taken for bind() to {address}"),
            "worst_destination_ports": fullest._replace(what=f"{used} ports to {name} used", detail=""),
            "capacity": Phrase(f"connect() can use {ports.capacity} ports towards one destination"),
            "barred_ports": Phrase(f"{ports.barred} ephemeral ports barred by listeners and bind()"),
            "exhaustion_seconds": spec.exhaustion(forecast, look.shown, fullest.who),
        },
        maxima={"worst_destination_ports": ports.capacity, "capacity": ports.size, "barred_ports": ports.size},
        details=(*_lists(ports, look.shown), saying.sentence(forecast)),
        find=partial(advice.find, sample, rates, ("ports",), forecasts=(forecast,), shown=look.shown),
    )


def _fullest(worst: Destination | None, name: str, ports: Ports) -> Phrase:
    if worst is None and ports.capacity:
        if 2 * ports.barred > ports.size:
            return Phrase(f"{ports.barred} of {ports.size} ports barred, none of the rest in use")
        return Phrase("no ephemeral port in use", f" (0/{ports.capacity})")
    if worst is None:
        return Phrase("no port left for connect()", f": all {ports.size} barred by listeners and bind()")
    return Phrase(
        f"{percent(worst.utilisation_percent)} of ports to {name} used",
        f" ({worst.ports_used}/{ports.capacity})",
        f" by {worst.holder}" if worst.holder else "",
    )


def _forecast(worst: Destination | None, ports: Ports, outlook: Outlook | None, point: Point) -> Forecast:
    if worst is None:
        return Forecast("ports", None, None, None, "no port in use")
    return ahead(outlook, ports_resource(worst), ports.capacity, point.wall_seconds)


def _name(destination: Destination | None, shown: Callable[[str], str]) -> str:
    return endpoint(shown(destination.remote), destination.remote_port) if destination else "any destination"


def _lists(ports: Ports, shown: Callable[[str], str]) -> Iterator[str]:
    for one in ports.worst[:LISTED]:
        reusable = f", {one.reusable} more to be taken over" if one.reusable else ""
        holder = f", {one.holder}" if one.holder else ""
        used = f"{percent(one.utilisation_percent)}, {one.ports_used} ports"
        yield f"to {_name(one, shown)} from {one.local}: {used}{reusable}{holder}"
    if ports.bind:
        yield "bind: " + ", ".join(f"{address} {percent(used)}" for address, used in ports.bind[:LISTED])


def main() -> NoReturn:
    """The executable."""
    run(SPEC, sampled(judge))
