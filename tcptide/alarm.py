"""The end of a run that takes too long, and what to say of whatever ended one; for a process's main thread."""

import signal
from types import FrameType

from tcptide.errors import TcptideError


class Timeout(BaseException):
    """The alarm rang; no Exception, so that nothing on the way takes it for an error of its own."""


def ring_after(seconds: float, message: str) -> None:
    """Raise Timeout(message) after so many seconds, unless another alarm is set before."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Timeout(message)

    signal.signal(signal.SIGALRM, ring)
    # Once more every half second: an exception that is raised in a destructor is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)


def stop() -> None:
    """Let no alarm ring."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def reason(error: BaseException) -> str:
    """What ended a run, as text."""
    if isinstance(error, TcptideError | Timeout):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"{type(error).__name__}: {error} (-vvv shows where)"
