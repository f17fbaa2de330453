"""Readers of the configuration file's values: each gives the value, or a ValueError that says what it should be."""

import re
from collections.abc import Callable
from typing import Any

from tcptide.record import NamedTuple


class Address(NamedTuple):
    """Whom mail is from or for."""

    name: str  # as mail programs show it; may be empty
    mailbox: str  # ASCII: local part, @ and domain

    def __str__(self) -> str:
        return f"{self.name} <{self.mailbox}>" if self.name else self.mailbox


def whole_number(low: int, high: int) -> Callable[[Any], int]:
    """A whole number of that range."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return value

    return read


def number(low: float, high: float) -> Callable[[Any], float]:
    """A number of that range."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"is not a number from {low:g} to {high:g}")
        return float(value)

    return read


def one_of(*choices: str) -> Callable[[Any], str]:
    """One of these words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return str(value)

    return read


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def absolute_path(value: Any) -> str:
    """A path from the root."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError("is not an absolute path")
    return value


def text(value: Any) -> str:
    """One line of text, not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("is not one line of text")
    return value


def host(value: Any) -> str:
    """A host's name or address."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}|::1", value):
        raise ValueError("is not the name or the address of a host")
    return value


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = rf"(?!-)(?=[^@]{{1,64}}@)(?=.{{3,254}}$){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"


def mailbox(value: Any) -> str:
    """A bare address, `report@example.org`.

    Only ASCII: a domain's ASCII form leaves no doubt which one is meant (there are two standards for the other form),
    and a local part beyond ASCII is refused by most servers on the way. None begins with `-`, as an option does.
    """
    if isinstance(value, str) and not value.isascii():
        raise ValueError("is not ASCII; a domain is written in its ASCII form (xn--...)")
    if not isinstance(value, str) or not re.fullmatch(_MAILBOX, value):
        raise ValueError("is not an address such as report@example.org")
    return value


def address(value: Any) -> Address:
    """An address, with or without a name: `report@example.org` or `Jane Doe <jane@example.org>`."""
    found = re.fullmatch(r"(?P<name>[^<>]*)<(?P<mailbox>[^<>]+)>", value) if isinstance(value, str) else None
    if not found:
        return Address("", mailbox(value))
    name = found["name"].strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    if not name.isprintable() or len(name) > 100:
        raise ValueError("has a name that is not one line of text, of at most 100 characters")
    return Address(name, mailbox(found["mailbox"]))


def addresses(value: Any) -> tuple[Address, ...]:
    """A list of addresses, or one."""
    if not isinstance(value, list):
        return (address(value),)
    return tuple(address(each) for each in value)
