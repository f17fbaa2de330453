"""Who is behind a change in the number of connections: what holders, destinations and local ports have as a rule."""

from collections.abc import Mapping
from typing import Any

from tcptide.codec import Top

#: What is usual follows what is seen over about so many rows; it stands still while something is the matter.
ROWS = 60

#: Who is named has at least this share of the change.
SHARE = 2 / 3

_LITTLE = 0.5  # what is usual for less than this is forgotten

#: ('state', STATE, ''), ('unit' or 'user', name, STATE), ('to', remote address, port) or ('on', '', local port).
Key = tuple[str, str, str | int]


class Usual:
    """How many sockets there are as a rule, by state, holder, destination and local port; and what differs from it."""

    def __init__(self) -> None:
        self._rows = 0
        self._usual: dict[Key, float] = {}
        self._now: dict[Key, float] = {}

    def see(self, states: Mapping[str, float], top: Top) -> None:
        """Take in a row."""
        now: dict[Key, float] = {("state", state, ""): count for state, count in states.items()}
        for holder in top.holders:
            if holder.kind in ("unit", "user"):
                now.update(((holder.kind, holder.name, state), count) for state, count in holder.states.items())
        now.update((("to", one.remote, one.remote_port), one.ports_used) for one in top.destinations)
        now.update((("on", "", port), count) for port, count in top.local_ports)
        self._now = now

    def settle(self) -> None:
        """What was seen last is nothing unusual: let what is usual follow it."""
        self._rows = min(ROWS, self._rows + 1)
        followed = {}
        for key in self._usual | self._now:
            old = self._usual.get(key, 0.0)
            count = old + (self._now.get(key, 0.0) - old) / self._rows
            if count >= _LITTLE:
                followed[key] = count
        self._usual = followed

    def change(self, state: str) -> float:
        """Sockets in a state beyond what is usual; negative: fewer."""
        return self._change(("state", state, ""))

    def state(self, change: float) -> str | None:
        """The state that most of a change of so many connections is in."""
        found = self._most("state", change)
        return found and found[1]

    def holder(self, state: str) -> str | None:
        """The unit, else the user, that most of the change in a state is in."""
        change = self.change(state)
        found = self._most("unit", change, state) or self._most("user", change, state)
        return found and found[1]

    def destination(self, change: float) -> tuple[str, int] | None:
        """The remote address and port that most of a change of so many connections is towards."""
        found = self._most("to", change)
        return found and (found[1], int(found[2]))

    def local_port(self, change: float) -> int | None:
        """The local port at which most of a change of so many connections came in."""
        found = self._most("on", change)
        return found and int(found[2])

    def dump(self) -> list[Any]:
        """What load() goes on from, JSON-ready; between two rows."""
        return [self._rows, [[*key, count] for key, count in self._usual.items()]]

    @classmethod
    def load(cls, dumped: Any) -> "Usual":
        """Raises ValueError or TypeError for what isn't a dump."""
        usual = cls()
        usual._rows, entries = dumped
        usual._usual = {(kind, name, of): count for kind, name, of, count in entries}
        return usual

    def _change(self, key: Key) -> float:
        return self._now.get(key, 0.0) - self._usual.get(key, 0.0)

    def _most(self, kind: str, change: float, of: str | None = None) -> Key | None:
        """The key of a kind (of a state) that changed most in the direction of `change`, if that is most of it."""
        sign = 1 if change > 0 else -1
        changes = (
            (sign * self._change(key), key)
            for key in self._usual | self._now
            if key[0] == kind and (of is None or key[2] == of)
        )
        most, key = max(changes, key=lambda item: item[0], default=(0.0, None))
        return key if most > 0 and most >= SHARE * abs(change) else None
