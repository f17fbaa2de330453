"""docs/systemd.md, followed word by word on a host of its own."""

import pytest

from . import hosts, pages
from .worlds import World

pytestmark = pytest.mark.root


def test_page_can_be_followed() -> None:
    hosts.demand()
    with World(), hosts.installed() as host:
        for step in pages.steps("docs/systemd.md"):
            pages.follow(step, host)
