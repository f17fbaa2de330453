"""Sockets that stay: from their ages, by owner, to what a sample says of them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import takewhile
from typing import TypeVar

from tcptide.model import Lingering
from tcptide.seen import TOP

_STEPS = (1, *(step << power for power in range(30) for step in (2, 3)))

_Owner = TypeVar("_Owner")


@cache
def ranks(sockets: int) -> tuple[int, ...]:
    """Which of so many sockets, the oldest being 1, have their ages kept: fewer the farther from both ends.

    That is enough to see whether those of before are still there, and how many have come. All of up to eight are kept,
    24 of 144, 60 of 100,000.
    """
    steps = tuple(takewhile(lambda step: 2 * step <= sockets + 1, _STEPS))
    return tuple(sorted({*steps, *(sockets + 1 - step for step in steps)}))


def lingering(
    ages_ms: Mapping[tuple[str, _Owner], Sequence[int]], name: Callable[[_Owner], tuple[str, str | None]]
) -> tuple[Lingering, ...]:
    """Who has sockets that stay: CLOSE_WAIT first, and first those whose sockets have stayed longest taken together.

    `ages_ms` is by state and owner, `name` gives an owner's kind and name; an owner without a name is left out.
    """
    by_holder: dict[tuple[str, str, str], list[int]] = {}
    for (state, owner), ages in ages_ms.items():
        kind, holder = name(owner)
        if holder is not None:
            by_holder.setdefault((kind, holder, state), []).extend(ages)
    ordered = sorted(by_holder.items(), key=lambda item: (item[0][2] != "CLOSE_WAIT", -sum(item[1]), item[0]))
    return tuple(of_ages(*who, [age / 1000 for age in sorted(ages, reverse=True)]) for who, ages in ordered[:TOP])


def of_ages(kind: str, holder: str, state: str, ages_seconds: Sequence[float]) -> Lingering:
    """One owner's sockets, by their ages, the oldest first."""
    kept = tuple(round(ages_seconds[rank - 1], 1) for rank in ranks(len(ages_seconds)))
    return Lingering(kind, holder, state, len(ages_seconds), kept[0], kept)
