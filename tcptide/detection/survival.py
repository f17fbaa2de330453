"""Leaks by survival: sockets that a program forgot to close stay for ever, and they become more.

What a program closes late looks the same for a while: both have sockets that grow old. So it is judged from whether the
old ones end. A look says how old an owner's sockets are (Lingering.ages_seconds), the next ones which of them are still
there. Where some have ended, the age that they reached is this owner's lifetime, and only sockets that are clearly
older are left over. They are a leak when they become more, again and again.

No socket is remembered, only ages. Time is counted in rows, so the interval between two may be any.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Self

from tcptide.lingering import ranks
from tcptide.model import Leak, Lingering
from tcptide.record import NamedTuple

#: So many must have come while this was watching. An idle connection may be wanted, so more of those.
MINIMUM_SOCKETS = {"CLOSE_WAIT": 5, "ESTABLISHED": 10}

#: So many rows must have shown an owner's sockets. With a row a minute that is longer than the five minutes after which
#: many programs close what is idle; with any interval it leaves time to name a leak by its tenth row.
MINIMUM_ROWS = 7

#: By so much of those that have come they have become more: hardly any has ended. And by so many times as much as
#: chance would have it, if as many came as ended: a difference of two counts wavers by the root of their sum.
_GROWTH, _CHANCE = 0.75, 2.4

#: They have come again and again: over so many rows, with the middle one well apart from the first and the last.
_SPAN_ROWS, _APART = 3, 0.1

#: A leak that none has joined for so many rows, and for so many times as long as it took on average, is over.
_STILL_ROWS, _STILL_GAPS = 10, 4

#: Left over is what is so many times as old as this owner's sockets become otherwise.
_BEYOND_LIFETIME = 1.5

#: A lifetime that isn't seen again is forgotten, and none counts as longer than half a day: when some of the left-over
#: sockets end with the worker process that had them, that is no lifetime.
_FORGET_SECONDS, _LIFETIME_AT_MOST = 2 * 86_400.0, 43_200.0
_SAME_LIFETIME = 0.7  # of the one that is known: what is shorter doesn't confirm it

#: Of an owner's oldest sockets this many, and this share, must be there still, or they have reached their lifetime.
_RANK_JUDGED, _SURVIVORS = 4, 2 / 3

#: Ages and the time between rows are taken by different clocks, at slightly different moments.
_TOLERANCE_SECONDS, _TOLERANCE = 0.3, 0.05

#: How far back looks are compared with the newest one.
_COMPARE_SECONDS = 3 * 86_400.0

#: Owners that are known at most: those seen last.
_OWNERS = 50

#: History rows keep the heads of their lists: who isn't in a full one may still be there.
_FULL_LIST = 5


class _Ages(NamedTuple):
    """How old an owner's sockets were once; `ages` are those of ranks(sockets)."""

    row: int
    seconds: float
    sockets: int
    ages: tuple[float, ...]

    def older_than(self, age: float) -> int:
        """How many are at least that old; about so many, for more than four."""
        index = sum(each >= age for each in self.ages)
        kept = ranks(self.sockets)
        if index == 0 or index == len(kept):
            return kept[index - 1] if index else 0
        share = (self.ages[index - 1] - age) / (self.ages[index - 1] - self.ages[index])
        return kept[index - 1] + int(share * (kept[index] - kept[index - 1]))

    def age_of(self, rank: int) -> float:
        """How old the so-many-th oldest is; about so old, beyond the fourth."""
        kept = ranks(self.sockets)
        index = sum(each < rank for each in kept)
        if kept[index] == rank:
            return self.ages[index]
        share = (rank - kept[index - 1]) / (kept[index] - kept[index - 1])
        return self.ages[index - 1] + share * (self.ages[index] - self.ages[index - 1])

    def left_in(self, now: "_Ages", index: int) -> int:
        """How many of the sockets that were at least as old as ages[index] are still there."""
        passed = now.seconds - self.seconds
        return now.older_than(self.ages[index] + passed - _TOLERANCE_SECONDS - _TOLERANCE * passed)

    def lifetime(self, now: "_Ages") -> float:
        """The age at which the sockets of then have ended; 0 if most are still there, or none is."""
        if self.left_in(now, len(self.ages) - 1):
            for index, rank in enumerate(ranks(self.sockets)):
                if rank >= _RANK_JUDGED and self.left_in(now, index) < _SURVIVORS * rank:
                    return self.ages[index]
        return 0.0

    def lasts(self, now: "_Ages") -> bool:
        """Whether some of the sockets of then are there still; of less than four, most."""
        needed = 1 if self.sockets >= _RANK_JUDGED else _SURVIVORS * self.sockets
        return self.left_in(now, len(self.ages) - 1) >= needed


class _Owner:
    """What is known of one owner's sockets."""

    def __init__(self) -> None:
        self.lifetime, self.lifetime_seen = 0.0, 0.0
        self.found: Leak | None = None  # at the last look
        self.looks: list[_Ages] = []  # those since when most are there, oldest first, fewer the farther back

    def see(self, now: _Ages) -> None:
        """Take in a row that shows some."""
        if now.seconds - self.lifetime_seen > _FORGET_SECONDS:
            self.lifetime = 0.0
        for before in self.looks:
            lifetime = min(before.lifetime(now), _LIFETIME_AT_MOST)
            if lifetime and lifetime >= _SAME_LIFETIME * self.lifetime:
                self.lifetime, self.lifetime_seen = max(lifetime, self.lifetime), now.seconds
        self.looks = _thinned([*(before for before in self.looks if before.lasts(now)), now])

    def gone(self) -> None:
        """Those that were there are not any more: the program has ended, or closed them all."""
        self.looks, self.found = [], None

    def leak(self, minimum: int) -> tuple[int, float] | None:
        """How many sockets are left over, and how many become so in a second; None when that is no leak."""
        then, now, beyond = self.looks[0], self.looks[-1], _BEYOND_LIFETIME * self.lifetime
        rows, watched = now.row - then.row, now.seconds - then.seconds
        if rows + 1 < MINIMUM_ROWS:
            return None
        left_over = now.older_than(beyond)
        joined, more = left_over - now.older_than(beyond + watched), left_over - then.older_than(beyond)
        ended = max(joined - more, 0)
        if min(joined, more) < max(minimum, _GROWTH * joined, _CHANCE * sqrt(joined + ended)):
            return None
        oldest, middle, youngest = map(now.age_of, (left_over - joined + 1, left_over - joined // 2, left_over))
        span, row = oldest - youngest, watched / rows
        if span < _SPAN_ROWS * row or not _APART * span < oldest - middle < span - _APART * span:
            return None
        if youngest - max(beyond, row) > max(_STILL_ROWS * row, _STILL_GAPS * span / (joined - 1)):
            return None
        return left_over, (joined - 1) / span

    def dump(self) -> list[Any]:
        """What load() takes."""
        return [self.lifetime, self.lifetime_seen, self.found, self.looks]

    @classmethod
    def load(cls, lifetime: float, lifetime_seen: float, found: Sequence[Any] | None, looks: Sequence[Any]) -> Self:
        """The owner that was dumped."""
        owner = cls()
        owner.lifetime, owner.lifetime_seen = lifetime, lifetime_seen
        owner.found = None if found is None else Leak(*found)
        owner.looks = [_Ages(row, seconds, sockets, tuple(ages)) for row, seconds, sockets, ages in looks]
        return owner


def _thinned(looks: Sequence[_Ages]) -> list[_Ages]:
    """At most about two looks of each of the last 1, 2, 4, 8, ... rows."""
    newest = looks[-1]
    kept = [newest]
    for index in range(len(looks) - 2, -1, -1):
        ago = newest.seconds - looks[index].seconds
        farther = newest.seconds - looks[index - 1].seconds if index else None
        if ago > _COMPARE_SECONDS:
            break
        if farther is None or farther > 2 * (newest.seconds - kept[-1].seconds):
            kept.append(looks[index])
    return kept[::-1]


class Survivors:
    """The owners whose sockets linger in CLOSE_WAIT, or idle in ESTABLISHED where rows show that, row by row."""

    def __init__(self) -> None:
        self._wall: float | None = None
        self._rows = dict.fromkeys(MINIMUM_SOCKETS, 0)  # that have shown a state
        self._seconds = 0.0  # since the first one
        self._owners: dict[tuple[str, str, str], _Owner] = {}

    def update(
        self,
        wall_seconds: float,
        lingering: Sequence[Lingering],
        *,
        elapsed_seconds: float | None = None,
        restarted: bool = False,
        idle_seen: bool = False,
    ) -> tuple[Leak, ...]:
        """Take in the next row, and say what leaks as of now, fastest first.

        elapsed_seconds: since the row before by CLOCK_BOOTTIME; without it the wall clock is believed. restarted: this
        is another boot or namespace than in the row before, so no socket of then is there. idle_seen: the row shows
        idle connections too; meanwhile what is known of those stands.
        """
        elapsed = wall_seconds - (self._wall or wall_seconds) if elapsed_seconds is None else elapsed_seconds
        self._wall, self._seconds = wall_seconds, self._seconds + max(elapsed, 0.0)
        states = ("CLOSE_WAIT", "ESTABLISHED") if idle_seen else ("CLOSE_WAIT",)
        for state in states:
            self._rows[state] += 1
        shown = {one[:3]: one for one in lingering if one.state in states}
        all_gone, seen_all = restarted or elapsed <= 0, len(lingering) < _FULL_LIST
        for key in [key for key in self._owners if all_gone or (seen_all and key[2] in states and key not in shown)]:
            self._owners[key].gone()
            if not self._owners[key].lifetime:
                del self._owners[key]
        for key, one in shown.items():
            if len(one.ages_seconds) != len(ranks(one.sockets)):
                continue
            owner = self._owners.pop(key) if key in self._owners else _Owner()
            self._owners[key] = owner  # the last now
            owner.see(_Ages(self._rows[one.state], self._seconds, one.sockets, one.ages_seconds))
            owner.found = None
            if found := owner.leak(MINIMUM_SOCKETS[one.state]):
                sockets, per_second = found
                since = wall_seconds - one.oldest_seconds
                owner.found = Leak(*key, sockets, one.oldest_seconds, 3600 * per_second, since)
        for key in [*self._owners][:-_OWNERS]:
            del self._owners[key]
        told = (owner.found for key, owner in self._owners.items() if key in shown or key[2] not in states)
        return tuple(sorted(filter(None, told), key=lambda leak: -leak.per_hour))

    def dump(self) -> dict[str, Any]:
        """What load() goes on from, JSON-ready."""
        owners = [[*key, owner.dump()] for key, owner in self._owners.items()]
        return {"wall": self._wall, "rows": self._rows, "seconds": self._seconds, "owners": owners}

    @classmethod
    def load(cls, dumped: Any) -> Self:
        """The one that was dumped, in JSON or not. Raises ValueError for what isn't a dump."""
        survivors = cls()
        try:
            survivors._wall, survivors._seconds = dumped["wall"], dumped["seconds"]
            survivors._rows = {state: int(dumped["rows"][state]) for state in MINIMUM_SOCKETS}
            for kind, holder, state, owner in dumped["owners"]:
                survivors._owners[kind, holder, state] = _Owner.load(*owner)
        except (TypeError, ValueError, LookupError) as error:
            raise ValueError(f"no state of leaks: {error}") from None
        return survivors
