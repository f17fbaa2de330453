"""Numbers, addresses and times as people read them, in ASCII whatever the locale; what isn't known is `?`."""

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 (shown, never bound)


def endpoint(address: str, port: int) -> str:
    """`10.0.0.5:5432`, `[2001:db8::1]:443`, `:8080` for any address."""
    if address in WILDCARDS:
        return f":{port}"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def percent(value: float | None) -> str:
    """`92%`, `3.4%`, `0.12%`, `under 0.01%`; cut, never rounded up: 100% is said only when it is reached."""
    if value is None:
        return "?"
    scale = 1 if value >= 10 else 10 if value >= 1 else 100
    cut = int(round(value * scale, 9)) / scale
    return f"{cut:g}%" if cut or not value else "under 0.01%"


def number(value: float | None) -> str:
    """`1204`, below 10 with two digits that count: `3.5`, `0.017`."""
    if value is None:
        return "?"
    return f"{value:.0f}" if value >= 9.95 or value == int(value) else f"{value:.2g}"


def plural(count: int, word: str) -> str:
    """`0 connections`, `1 connection`, `2 connections`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def one_line(text: str) -> str:
    """The text with `?` for what would end the line or not show: a path or a name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in text)


_UNITS = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """`45 s`, `8 min`, `31 h`, `3 days`: in the largest unit of which there are at least two, else in seconds."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), _UNITS[-1])
    return f"{seconds / size:.0f} {unit}"


def interval(low: float, high: float) -> str:
    """`8-20 min`: both ends in the unit of the upper one; `118 min to 2 days` where that says nothing of the lower."""
    size, unit = next(((size, unit) for size, unit in _UNITS if high >= 2 * size), _UNITS[-1])
    if size > 1 and 0.5 <= low < size:
        return f"{duration(low)} to {duration(high)}"
    ends = f"{low / size:.0f}", f"{high / size:.0f}"
    return f"{ends[0]} {unit}" if ends[0] == ends[1] else f"{ends[0]}-{ends[1]} {unit}"


def within(low: float, high: float | None) -> str:
    """An interval whose upper end may not be known: `8-20 min`, `2 h at the earliest`."""
    return f"{duration(low)} at the earliest" if high is None else interval(low, high)


def network(address: str) -> str:
    """The network of an address, /24 or /48: `203.0.113.0/24`, `2001:db8:7::/48`."""
    import ipaddress

    prefix = 48 if ":" in address else 24
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{prefix}", strict=False))
