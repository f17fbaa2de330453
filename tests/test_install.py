"""`make install` on a host, by the commands of README and docs/install.md, upgraded, failed and removed."""

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import tcptide

from .building import Built, run
from .scratch import ScratchRoot, pip_settings, root_commands
from .test_docs import examples
from .test_layers import TREE
from .test_packaging import SCRIPTS

pytestmark = pytest.mark.root

CHECKS = [name for name in SCRIPTS if name.startswith("check_")]
PLUGINS = "/usr/lib/nagios/plugins"
NOWHERE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/",
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "1",
}
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
def bare(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The user nagios and the plugin directory are there, tcptide is not; the tree is an unpacked sdist."""
    folder = str(tmp_path_factory.mktemp("install"))
    assert run("/bin/tar", "-xf", built.sdist, "-C", folder).returncode == 0
    tree = f"{folder}/tcptide-{tcptide.__version__}"
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
    doctor = root_commands("docs/install.md", "make install")[2]
    assert "\nok      state       /var/lib/tcptide (by the default), nagios's, mode 0750\n" in host.root.said(doctor)


def test_umask_of_root_does_not_close_it(host: Host) -> None:
    assert host.root.said("find /opt/tcptide ! -perm -o=r ! -type l") == ""


@pytest.mark.parametrize(
    "environ, said",
    [
        (NOWHERE, "could not fetch the packages: is there a network?"),
        (
            {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/opt"},
            "failed: ERROR: No matching distribution found for setuptools>=68",
        ),
    ],
    ids=["no-network", "no-wheel"],
)
def test_failed_upgrade_changes_nothing(environ: dict[str, str], said: str, host: Host) -> None:
    before = host.root.said("stat -c %i /opt/tcptide; cat /opt/tcptide/installed")
    line = host.fails("make install", **environ)
    log = re.fullmatch(rf"pip {re.escape(said)} \(its words are in (/tmp/tcptide-install\.\w+)\)", line)
    assert log, line
    os.remove(log[1])
    assert host.root.said("stat -c %i /opt/tcptide; cat /opt/tcptide/installed") == before
    assert host.root.said("ls -d /opt/tcptide*").split() == ["/opt/tcptide"]


def test_upgrade_then_removal(host: Host) -> None:
    """A check that the new version no longer has loses its links; what is not tcptide's stays; so does the state.

    The upgrade is made as the page shows it for a host without an index, and once with the extra, of which this tree
    has little, or it would take minutes.
    """
    setup = f"{host.tree}/setup.cfg"
    host.root.said(f"sed -i -e /check_tcp_quality/d -e '/css-inline\\|jinja2\\|matplotlib\\|pandas/d' {setup}")
    host.root.said(f"sed -i 's/^__version__.*/__version__ = \"9.9.9\"/' {host.tree}/tcptide/__init__.py")
    host.root.said(f"touch {PLUGINS}/check_tcp_other")
    with open(f"{TREE}/docs/install.md", encoding="utf-8") as page:
        (wheels,) = re.findall(r"`(pip wheel .*?)`", page.read())
    host.make(f"/opt/tcptide/bin/{wheels.replace('-dir wheels .', '-dir /srv/wheels .[report]')}")
    first, extra, _, without_index, *rest = root_commands("docs/install.md", "make install")
    assert (first, rest) == ("make install", ["make uninstall"])
    assert "EXTRA=report" in extra
    assert "PIP_FIND_LINKS=/srv/wheels" in without_index
    said = host.make(f"umask 077; {extra} {without_index.removeprefix('make install ')}")
    assert said[-1] == INSTALLED.replace(f"{tcptide.__version__} in /opt/tcptide", "9.9.9 in /opt/tcptide with report")
    assert host.root.said("tcptide --version", user="nagios") == "tcptide 9.9.9\n"
    host.root.said("/opt/tcptide/bin/python -c 'import rich'", user="nagios")
    assert sorted(host.links(PLUGINS)) == sorted(set(CHECKS) - {"check_tcp_quality"})
    assert host.root.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")

    assert host.make("make uninstall") == ["uninstalled: /opt/tcptide and its links", "kept: /var/lib/tcptide"]
    assert host.links("/usr/local/bin") == host.links(PLUGINS) == {}
    host.root.said(f"test ! -e /opt/tcptide -a -e {PLUGINS}/check_tcp_other -a -s /var/lib/tcptide/tcptide.db")
    assert host.fails("make uninstall") == "nothing to uninstall: /opt/tcptide/installed is not there"


def cleared(host: Host) -> None:
    host.root.said(f"rm -rf /opt/tcptide /var/lib/tcptide /usr/local/bin/tcptide {PLUGINS}/check_tcp*")


def test_one_file_on_a_host(host: Host) -> None:
    """As the page says, but for building it: that is tested with what is built of this tree."""
    cleared(host)
    build, *commands = root_commands("docs/install.md", "One file")
    assert build == "make pyz"
    target = f"{host.tree}/dist/tcptide-checks.pyz"
    done = run(sys.executable, f"{host.tree}/contrib/pyz/build.py", target)
    assert (done.returncode, done.stderr) == (0, "")
    *_, answer = [host.root.said(command, cwd=host.tree) for command in commands]
    assert answer.startswith("TCP_ERRORS OK - no rates yet: no sample 30 s older | ")
    assert host.root.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")
    assert host.root.said(f"{PLUGINS}/check_tcp_connections", user="nagios").startswith("TCP_CONNECTIONS OK - ")


def test_wheel_on_a_host(host: Host, built: Built) -> None:
    cleared(host)
    host.root.said(f"rm -rf dist; mkdir dist; cp {built.wheel} dist", cwd=host.tree)
    for command in root_commands("docs/install.md", "A wheel"):
        host.make(command)
    assert sorted(host.links(PLUGINS)) == sorted(CHECKS)
    assert host.root.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")
    assert host.root.said(f"{PLUGINS}/check_tcp_connections", user="nagios").startswith("TCP_CONNECTIONS OK - ")
