"""docs/systemd.md, followed word by word on a host of its own."""

from collections.abc import Iterator

import pytest

from . import hosts, pages
from .hosts import Host
from .pages import Step
from .worlds import World

pytestmark = pytest.mark.root

PAGE = "docs/systemd.md"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with World(), hosts.installed() as host:
        yield host


@pytest.mark.parametrize("step", pages.steps(PAGE), ids=lambda step: step.command or step.path)
def test_step(step: Step, host: Host) -> None:
    pages.follow(step, host)
