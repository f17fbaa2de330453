"""`make install` on a host, by the commands of README and docs/install.md, upgraded, failed and removed."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import tcptide

from .scratch import ScratchRoot, pip_settings, root_commands, tree_copy
from .test_docs import examples
from .test_packaging import SCRIPTS

pytestmark = pytest.mark.root

CHECKS = [name for name in SCRIPTS if name.startswith("check_")]
PLUGINS = "/usr/lib/nagios/plugins"
NOWHERE = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": ""}
INSTALLED = (
    f"installed: tcptide {tcptide.__version__} in /opt/tcptide, links in /usr/local/bin and {PLUGINS}, "
    "state of nagios in /var/lib/tcptide"
)


class Host(NamedTuple):
    """A root with an agent, and a tree to install from."""

    root: ScratchRoot
    tree: str

    def make(self, command: str, **environ: str) -> list[str]:
        """What a successful `make ...` in the tree prints."""
        return self.root.said(command, cwd=self.tree, **pip_settings(), **environ).splitlines()

    def fails(self, command: str, **environ: str) -> str:
        """The one line of the error."""
        done = self.root.run("sh", "-c", command, cwd=self.tree, **{**pip_settings(), **environ})
        assert done.returncode == 2
        first, *rest = done.stderr.splitlines()
        assert [line for line in rest if not line.startswith("make: ")] == []
        return first

    def links(self, folder: str) -> dict[str, str]:
        """The links there that lead to commands of tcptide."""
        found = self.root.said(f"find {folder} -type l -printf '%f %l\\n'").splitlines()
        pairs = dict(line.split(" ", 1) for line in found)
        return {name: target for name, target in pairs.items() if name in SCRIPTS}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The user nagios and the plugin directory are there, tcptide is not."""
    tree = tree_copy(str(tmp_path_factory.mktemp("install") / "tcptide"))
    with ScratchRoot() as root:
        root.said("getent passwd nagios || useradd --system nagios")
        root.said(f"rm -rf /opt/tcptide /var/lib/tcptide /etc/tcptide; mkdir -p {PLUGINS}")
        yield Host(root, tree)


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    """Installed as README says, with a sample in the state."""
    (command,) = root_commands("README.md", "Install it on a host")
    first, last = bare.make(command)
    assert re.fullmatch(r"making /opt/tcptide with \S+ \(3\.\d+\)", first)
    assert last == INSTALLED
    bare.root.said("tcptide sample", user="nagios")
    return bare


def test_place_that_is_taken_is_left_alone(bare: Host) -> None:
    bare.root.said("mkdir /opt/taken")
    assert bare.fails("make install PREFIX=/opt/taken") == (
        "/opt/taken is there, and is not an installed tcptide: name another PREFIX"
    )
    bare.root.said(f"touch {PLUGINS}/check_tcp_errors")
    assert bare.fails("make install PREFIX=/opt/other") == (
        f"{PLUGINS}/check_tcp_errors is there, and is not a link of tcptide's: move it away first"
    )
    bare.root.said(f"ln -sf /bin/true {PLUGINS}/check_tcp_errors")
    assert bare.fails("make install PREFIX=/opt/other") == (
        f"{PLUGINS}/check_tcp_errors leads elsewhere: remove it, or uninstall that tcptide first"
    )
    bare.root.said(f"rm {PLUGINS}/check_tcp_errors; rmdir /opt/taken; test ! -e /opt/other")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("PREFIX=opt/tcptide", "PREFIX=opt/tcptide is not an absolute path"),
        ("PREFIX=/", "PREFIX=/ is not an absolute path"),
        ("'PREFIX=/opt/a b'", "PREFIX=/opt/a b holds a character that can't stand in a script's first line"),
        ("PLUGINS=/no/plugins", "PLUGINS=/no/plugins is not a directory"),
        ("AGENT=nobody-here", "AGENT=nobody-here: there is no such user"),
        ("'EXTRA=a b'", "EXTRA=a b is not a list of extras such as report"),
        ("PYTHON=/opt/no/python3", "PYTHON=/opt/no/python3 is not Python 3.11 or newer"),
    ],
)
def test_value_that_cannot_be_is_named(given: str, said: str, bare: Host) -> None:
    assert bare.fails(f"make install {given}") == said


def test_links_lead_to_the_environment(host: Host) -> None:
    assert host.links("/usr/local/bin") == {name: f"/opt/tcptide/bin/{name}" for name in SCRIPTS}
    assert host.links(PLUGINS) == {name: f"/opt/tcptide/bin/{name}" for name in CHECKS}
    assert {command.split()[0] for command, _ in examples("README.md")} <= set(SCRIPTS)


def test_agent_keeps_its_state_in_the_directory(host: Host) -> None:
    found = host.root.said("stat -c '%n %U %a' /var/lib/tcptide /var/lib/tcptide/reports /var/lib/tcptide/tcptide.db")
    assert found.splitlines() == [
        "/var/lib/tcptide nagios 750",
        "/var/lib/tcptide/reports nagios 750",
        "/var/lib/tcptide/tcptide.db nagios 640",
    ]


@pytest.mark.parametrize("name", CHECKS)
def test_agent_runs_the_plugin(name: str, host: Host) -> None:
    done = host.root.run(f"{PLUGINS}/{name}", user="nagios")
    assert re.match(rf"{name.removeprefix('check_').upper()} (OK|WARNING|CRITICAL) - ", done.stdout)
    assert done.stderr == ""


def test_doctor_finds_no_problem(host: Host) -> None:
    (command,) = [line for line in root_commands("docs/install.md", "make install") if "doctor" in line]
    assert "problem" not in host.root.said(command)


def test_umask_of_root_does_not_close_it(host: Host) -> None:
    assert host.root.said("find /opt/tcptide ! -perm -o=r ! -type l") == ""


def test_failed_upgrade_changes_nothing(host: Host) -> None:
    before = host.root.said("stat -c %i /opt/tcptide; cat /opt/tcptide/installed")
    line = host.fails("make install", **NOWHERE)
    assert re.fullmatch(
        r"pip could not fetch the packages: is there a network\? \(its words are in /tmp/tcptide-install\.\w+\)", line
    )
    os.remove(line.split()[-1].rstrip(")"))
    assert host.root.said("stat -c %i /opt/tcptide; cat /opt/tcptide/installed") == before
    assert host.root.said("ls -d /opt/tcptide*").split() == ["/opt/tcptide"]


def test_upgrade_then_removal(host: Host) -> None:
    """A check that the new version no longer has loses its links; what is not tcptide's stays; so does the state."""
    setup = f"{host.tree}/setup.cfg"
    host.root.said(f"sed -i /check_tcp_quality/d {setup}")
    host.root.said(f"sed -i 's/^__version__.*/__version__ = \"9.9.9\"/' {host.tree}/tcptide/__init__.py")
    host.root.said(f"touch {PLUGINS}/check_tcp_other")
    assert host.make("umask 077; make install")[-1] == INSTALLED.replace(tcptide.__version__, "9.9.9")
    assert host.root.said("tcptide --version", user="nagios") == "tcptide 9.9.9\n"
    assert sorted(host.links(PLUGINS)) == sorted(set(CHECKS) - {"check_tcp_quality"})
    assert host.root.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")

    removal = [line for line in root_commands("docs/install.md", "make install") if "uninstall" in line]
    assert host.make(*removal) == ["uninstalled: /opt/tcptide and its links", "kept: /var/lib/tcptide"]
    assert host.links("/usr/local/bin") == host.links(PLUGINS) == {}
    host.root.said(f"test ! -e /opt/tcptide -a -e {PLUGINS}/check_tcp_other -a -s /var/lib/tcptide/tcptide.db")
    assert host.fails("make uninstall") == "nothing to uninstall: /opt/tcptide/installed is not there"
