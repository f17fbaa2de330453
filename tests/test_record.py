"""The project's NamedTuple does what the standard library's does."""

import copy
import json
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest

from tcptide.record import NamedTuple


class Ours(NamedTuple):
    """What is used of a limit."""

    used: int
    limit: float
    name: str = "none"

    @property
    def share(self) -> float:
        """Of the limit."""
        return self.used / self.limit


class Theirs(typing.NamedTuple):
    """What is used of a limit."""

    used: int
    limit: float
    name: str = "none"

    @property
    def share(self) -> float:
        """Of the limit."""
        return self.used / self.limit


MADE: dict[str, Callable[[Any], Any]] = {
    "by-place": lambda kind: kind(3, 4.0, "ports"),
    "by-name": lambda kind: kind(name="ports", limit=4.0, used=3),
    "with-default": lambda kind: kind(3, 4.0),
    "mixed-with-default": lambda kind: kind(3, limit=4.0),
    "replaced": lambda kind: kind(3, 4.0)._replace(limit=8.0, name="ports"),
    "copied": lambda kind: copy.deepcopy(kind(3, 4.0)),
    "pickled": lambda kind: pickle.loads(pickle.dumps(kind(3, 4.0))),
}


@pytest.mark.parametrize("make", MADE.values(), ids=list(MADE))
def test_same_values_however_made(make: Callable[[Any], Any]) -> None:
    ours, theirs = make(Ours), make(Theirs)
    assert type(ours) is Ours
    assert (*ours,) == (*theirs,)
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert ours.share == theirs.share
    assert (ours.used, ours.limit, ours.name) == (theirs.used, theirs.limit, theirs.name)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert ours._asdict() == theirs._asdict()
    assert json.dumps(ours) == json.dumps(theirs)


def test_same_description() -> None:
    assert Ours._fields == Theirs._fields
    assert Ours._field_defaults == Theirs._field_defaults
    assert Ours.__doc__ == Theirs.__doc__
    match Ours(3, 4.0):
        case Ours(used, limit):
            assert (used, limit) == (3, 4.0)


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "too-few": (lambda kind: kind(3), "Ours: no limit"),
    "too-many": (lambda kind: kind(3, 4.0, "ports", 5), "Ours: too many values"),
    "unknown": (lambda kind: kind(3, 4.0, unit="s"), "Ours: another unit"),
    "twice": (lambda kind: kind(3, 4.0, used=5), "Ours: another used"),
}


@pytest.mark.parametrize(("make", "said"), WRONG.values(), ids=list(WRONG))
def test_wrong_values_are_refused(make: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(TypeError):
        make(Theirs)
    with pytest.raises(TypeError) as refused:
        make(Ours)
    assert str(refused.value) == said


def test_wrong_replacement_is_refused() -> None:
    one: Any = Ours(3, 4.0)
    with pytest.raises(ValueError, match=r"^Ours has no unit$"):
        one._replace(unit="s")


def test_a_subclass_keeps_the_fields() -> None:
    class Narrower(Ours):
        def left(self) -> float:
            return self.limit - self.used

    one = Narrower(3, limit=4.0)
    assert (one.left(), one._replace(used=1).left(), one) == (1.0, 3.0, (3, 4.0, "none"))


def test_nothing_else_can_be_set() -> None:
    with pytest.raises(AttributeError):
        setattr(Ours(3, 4.0), "unit", "s")  # noqa: B010 (mypy knows that it can't be)


def test_a_default_before_none_is_refused() -> None:
    kind: Any = type(Ours)
    with pytest.raises(TypeError) as refused:
        kind("Odd", (Ours,), {"__annotations__": {"used": int, "limit": int}, "used": 3})
    assert str(refused.value) == "Odd: a field without a default follows one with a default"
