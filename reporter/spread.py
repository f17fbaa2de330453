"""How long this host waits before it begins, so that many hosts whose cron jobs start at once don't mail at once."""

import os
import zlib

from tcptide.clock import Clock
from tcptide.errors import ConfigError

MAX_SECONDS = 86_400


def seconds(text: str | None) -> int:
    """What --spread says; without it 0. Raises ConfigError."""
    if text is None:
        return 0
    if not text.isascii() or not text.isdecimal() or int(text) > MAX_SECONDS:
        raise ConfigError(f"--spread: {text!r} is not a whole number of seconds from 0 to {MAX_SECONDS}")
    return int(text)


def delay_seconds(host: str, spread_seconds: int) -> float:
    """The part of the spread that this host waits: from its name alone, so that it is always the same."""
    return spread_seconds * zlib.crc32(host.encode(errors="surrogateescape")) / 2**32


def wait(clock: Clock, spread_seconds: int) -> None:
    """Let this host's part of the spread pass."""
    clock.sleep(delay_seconds(os.uname().nodename, spread_seconds))
