import time

import pytest

from tcptide import alarm
from tcptide.errors import ConfigError


def test_it_rings_unless_it_is_stopped_or_set_anew() -> None:
    alarm.ring_after(0.01, "too long")
    alarm.stop()
    time.sleep(0.02)
    alarm.ring_after(0.01, "never")
    alarm.ring_after(0.03, "no answer")
    try:
        with pytest.raises(alarm.Timeout, match=r"^no answer$"):
            time.sleep(10)
    finally:
        alarm.stop()


@pytest.mark.parametrize(
    "error, said",
    [
        pytest.param(ConfigError("a.toml:1: odd"), "a.toml:1: odd", id="ours"),
        pytest.param(alarm.Timeout("no answer within 8 s"), "no answer within 8 s", id="alarm"),
        pytest.param(KeyboardInterrupt(), "interrupted", id="keyboard"),
        pytest.param(ValueError("what"), "ValueError: what (-vvv shows where)", id="any-other"),
    ],
)
def test_the_reason(error: BaseException, said: str) -> None:
    assert alarm.reason(error) == said
