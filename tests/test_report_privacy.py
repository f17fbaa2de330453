"""[privacy] over everything that tcptide-report gives away: files of every format, their names, and its own words."""

import email
import email.policy
import io
import json
import os
import re
from collections.abc import Callable
from html import unescape

import pytest
from PIL import Image

from tcptide import history
from tcptide.model import Holder, Lingering

from .forking import Forking
from .reporting import MINUTE, WALL, minute, stored
from .samples import HOLDERS, destination, states
from .storing import HandClock

FORMATS = "html,png,json,eml"

#: Whoever connects to this host, whom it connects to, and what a program is called that has it open.
INBOUND = ("198.51.100.77", "2001:db8:aaaa:bbbb::77")
OUTBOUND = ("203.0.113.55", "2001:db8:cccc:dddd::55")
INBOUND_NETWORKS = ("198.51.100.0/24", "2001:db8:aaaa::/48")
OUTBOUND_NETWORKS = ("203.0.113.0/24", "2001:db8:cccc::/48")
PROCESS = "secretd"
LOCAL = "10.0.0.1"

MAIL = """
[mail]
to = "ops@example.org"
envelope_sender = "tcptide@example.org"
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two hours of a host that is running out of ports towards a database, and says so in each way that there is."""
    directory = str(tmp_path_factory.mktemp("privacy") / "state")
    process = Holder("process", PROCESS, {"ESTABLISHED": 380})
    lingering = Lingering("unit", "app.service", "CLOSE_WAIT", 40, 5000.0, (5000.0,) * 40)
    samples = []
    for number in range(121):
        used = 1129 + 200 * max(0, number - 20)
        worst = tuple(destination(used - 50 * place, remote=remote) for place, remote in enumerate(OUTBOUND))
        samples.append(
            minute(
                number,
                states=states(ESTABLISHED=1100 + used),
                worst=worst,
                remotes=tuple((remote, 300) for remote in INBOUND),
                holders=(*HOLDERS, process),
                lingering=(lingering,),
            )
        )
    stored(directory, samples, judged=True)
    told = f"TCP_PORT_EXHAUSTION CRITICAL - 92% of ports to {OUTBOUND[0]}:5432 used, mostly from {INBOUND[0]}"
    then = f"TCP_PORT_EXHAUSTION WARNING - [{INBOUND[1]}]:443, 72% of ports to [{OUTBOUND[1]}]:5432 used"
    clock = HandClock(WALL + 118 * MINUTE)
    for state, message in ((2, told), (1, then)):
        assert history.record(directory, samples[-1].origin, clock, "ports", state, message)
        clock.sleep(MINUTE)
    return directory


def given_away(folder: str, state: str, forked: Forking, configuration: str) -> dict[str, str]:
    """What a run makes known, by file or kind: names of files, words on the terminal, what can be read in each file."""
    with open(f"{folder}/tcptide.toml", "w", encoding="utf-8") as file:
        file.write(configuration)
    os.mkdir(f"{folder}/reports")
    command = ["-v", "--config", f"{folder}/tcptide.toml", "--state-dir", state]
    command += ["--timezone", "UTC", "--since", "2025-11-18T00:00", "--until", "2025-11-18T02:00"]
    command += ["--format", FORMATS, "--output", f"{folder}/reports/"]
    done = forked.run(*command, cwd=folder, environ={})
    assert done.returncode == 0, done.stderr
    found = {"said": done.stdout + done.stderr, "names": " ".join(os.listdir(f"{folder}/reports"))}
    for name in os.listdir(f"{folder}/reports"):
        ending = name.rpartition(".")[2]
        with open(f"{folder}/reports/{name}", "rb") as file:
            found[ending] = found.get(ending, "") + READERS[ending](file.read())
    assert {*FORMATS.split(",")} < {*found}
    return found


def html(content: bytes) -> str:
    """Without the pictures' data, which has every few letters in it."""
    return unescape(re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", content.decode()))


def png(content: bytes) -> str:
    """What is written beside the pixels."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return repr(image.info)


def mail(content: bytes) -> str:
    """All headers and parts, decoded."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    found = []
    for part in message.walk():
        found.append(repr(part.items()))
        if part.get_content_type() == "image/png":
            found.append(png(part.get_content()))
        elif not part.is_multipart():
            found.append(html(part.get_content().encode()))
    return "\n".join(found)


READERS: dict[str, Callable[[bytes], str]] = {
    "html": html,
    "png": png,
    "json": lambda content: json.dumps(json.loads(content), ensure_ascii=False),
    "eml": mail,
}

FULL = {*INBOUND, *OUTBOUND}
NETWORKS = {*INBOUND_NETWORKS, *OUTBOUND_NETWORKS}

#: By [privacy] and [mail]: what a page tells, and what a mail tells.
CASES = {
    "all": ('remote_addresses = "full"', "", {*FULL, PROCESS}, {*OUTBOUND, *INBOUND_NETWORKS, PROCESS}),
    "all-in-mail-too": (
        'remote_addresses = "full"\nprocesses = false',
        'remote_addresses = "full"',
        FULL,
        FULL,
    ),
    "masked": ('remote_addresses = "masked"', "", {*NETWORKS, PROCESS}, {*NETWORKS, PROCESS}),
    "none": (
        'remote_addresses = "none"\nprocesses = false',
        'remote_addresses = "full"',
        set(),
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_privacy_holds_in_every_format(case: str, state: str, forked: Forking, tmp_path: str) -> None:
    privacy, mailed, on_page, in_mail = CASES[case]
    found = given_away(str(tmp_path), state, forked, f"[privacy]\n{privacy}\n{MAIL}{mailed}\n")
    for kind, text in found.items():
        told = {name for name in (*FULL, *NETWORKS, PROCESS) if told_in(name, text)}
        allowed = in_mail if kind == "eml" else on_page
        assert told <= allowed, kind
        if kind in ("html", "json", "eml"):
            assert told == allowed, kind  # the history has it: else nothing would be held here
            assert LOCAL in text and ":5432" in text


def told_in(name: str, text: str) -> bool:
    """Not as a part of a longer address."""
    return re.search(rf"(?<![0-9a-f.:]){re.escape(name)}(?![0-9a-f])", text) is not None
