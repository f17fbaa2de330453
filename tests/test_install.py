"""`make install` on a host, by the commands of README and docs/install.md, upgraded, failed and removed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import tcptide

from .building import Built, run
from .hosts import Host
from .pages import steps
from .test_docs import examples
from .test_layers import TREE
from .test_packaging import CHECKS, SCRIPTS

pytestmark = pytest.mark.root

PLUGINS = "/usr/lib/nagios/plugins"
INSTALLED = (
    f"installed: tcptide {tcptide.__version__} in /opt/tcptide, links in /usr/local/bin and {PLUGINS}, "
    "state of nagios in /var/lib/tcptide"
)


class Tree(NamedTuple):
    """An unpacked sdist on a host, to install from as root."""

    host: Host
    folder: str

    def run(self, command: str, user: str = "root", **environ: str) -> subprocess.CompletedProcess[str]:
        """With pip's settings of this run, but for those that are given."""
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return self.host.run(command, user=user, cwd=self.folder, environ={**pip, **environ}, timeout_seconds=300)

    def said(self, command: str, user: str = "root", **environ: str) -> str:
        """What a successful command prints."""
        done = self.run(command, user=user, **environ)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, command: str, **environ: str) -> str:
        """The one line of the error of a `make ...`."""
        done = self.run(command, **environ)
        assert done.returncode == 2
        first, *rest = done.stderr.splitlines()
        assert [line for line in rest if not line.startswith("make: ")] == []
        return first

    def links(self, folder: str) -> dict[str, str]:
        """The links there that lead to commands of tcptide."""
        found = self.said(f"find {folder} -type l -printf '%f %l\\n'").splitlines()
        pairs = dict(line.split(" ", 1) for line in found)
        return {name: target for name, target in pairs.items() if name in SCRIPTS}


def commands(page: str, section: str) -> list[str]:
    """What root is told to do there."""
    return [step.command for step in steps(page) if step.section == section]


@pytest.fixture(scope="module")
def bare(built: Built) -> Iterator[Tree]:
    """The user nagios and the plugin directory are there, tcptide is not."""
    with Host() as host:
        shutil.copy(built.sdist, host.path("/root/tcptide.tar.gz"))
        prepared = host.run(
            "id nagios || useradd --system nagios; rm -rf /opt/tcptide; tar -C /root -xf /root/tcptide.tar.gz"
            f" && mkdir -p {PLUGINS}"
        )
        assert prepared.returncode == 0, prepared.stderr
        yield Tree(host, f"/root/tcptide-{tcptide.__version__}")


@pytest.fixture(scope="module")
def tree(bare: Tree) -> Tree:
    """Installed as README says, with a sample in the state."""
    (command,) = commands("README.md", "Install it on a host")
    first, last = bare.said(command).splitlines()
    assert re.fullmatch(r"making /opt/tcptide with \S+ \(3\.\d+\)", first)
    assert last == INSTALLED
    bare.said("tcptide sample", user="nagios")
    return bare


def test_place_that_is_taken_is_left_alone(bare: Tree) -> None:
    bare.said("mkdir /opt/taken")
    assert bare.fails("make install PREFIX=/opt/taken") == (
        "/opt/taken is there, and is not an installed tcptide: name another PREFIX"
    )
    bare.said(f"touch {PLUGINS}/check_tcp_errors")
    assert bare.fails("make install PREFIX=/opt/other") == (
        f"{PLUGINS}/check_tcp_errors is there, and is not a link of tcptide's: move it away first"
    )
    bare.said(f"ln -sf /bin/true {PLUGINS}/check_tcp_errors")
    assert bare.fails("make install PREFIX=/opt/other") == (
        f"{PLUGINS}/check_tcp_errors leads elsewhere: remove it, or uninstall that tcptide first"
    )
    bare.said(f"rm {PLUGINS}/check_tcp_errors; rmdir /opt/taken; test ! -e /opt/other")


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
def test_value_that_cannot_be_is_named(given: str, said: str, bare: Tree) -> None:
    assert bare.fails(f"make install {given}") == said


def test_links_lead_to_the_environment(tree: Tree) -> None:
    assert tree.links("/usr/local/bin") == {name: f"/opt/tcptide/bin/{name}" for name in SCRIPTS}
    assert tree.links(PLUGINS) == {name: f"/opt/tcptide/bin/{name}" for name in CHECKS}
    pages = "".join(f"/opt/tcptide/share/man/man1/{name}.1\n" for name in SCRIPTS)
    assert tree.said(f"man -w {' '.join(SCRIPTS)}") == pages
    assert {command.split()[0] for command, _ in examples("README.md")} <= set(SCRIPTS)


def test_agent_keeps_its_state_in_the_directory(tree: Tree) -> None:
    found = tree.said("stat -c '%n %U %a' /var/lib/tcptide /var/lib/tcptide/reports /var/lib/tcptide/tcptide.db")
    assert found.splitlines() == [
        "/var/lib/tcptide nagios 750",
        "/var/lib/tcptide/reports nagios 750",
        "/var/lib/tcptide/tcptide.db nagios 640",
    ]


@pytest.mark.parametrize("name", CHECKS)
def test_agent_runs_the_plugin(name: str, tree: Tree) -> None:
    done = tree.run(f"{PLUGINS}/{name}", user="nagios")
    assert re.match(rf"{name.removeprefix('check_').upper()} (OK|WARNING|CRITICAL) - ", done.stdout)
    assert done.stderr == ""


def test_doctor_finds_no_problem(tree: Tree) -> None:
    doctor = commands("docs/install.md", "make install")[2]
    assert "\nok      state       /var/lib/tcptide (by the default), nagios's, mode 0750\n" in tree.said(doctor)


def test_umask_of_root_does_not_close_it(tree: Tree) -> None:
    assert tree.said("find /opt/tcptide ! -perm -o=r ! -type l") == ""


def test_failed_upgrade_changes_nothing(tree: Tree) -> None:
    before = tree.said("stat -c %i /opt/tcptide; cat /opt/tcptide/installed")
    line = tree.fails("make install", PIP_NO_INDEX="1", PIP_FIND_LINKS="/opt")
    missing = r"pip failed: ERROR: No matching distribution found for setuptools>=68"
    log = re.fullmatch(rf"{missing} \(its words are in (/tmp/tcptide-install\.\w+)\)", line)
    assert log, line
    tree.said(f"rm {log[1]}")
    assert tree.said("stat -c %i /opt/tcptide; cat /opt/tcptide/installed") == before
    assert tree.said("ls -d /opt/tcptide*").split() == ["/opt/tcptide"]


def test_upgrade_then_removal(tree: Tree) -> None:
    """A check that the new version no longer has loses its links; what is not tcptide's stays; so does the state.

    The upgrade is made as the page shows it for a host without an index, and once with the extra, of which this tree
    has little, or it would take minutes.
    """
    setup = f"{tree.folder}/setup.cfg"
    tree.said(f"sed -i -e /check_tcp_quality/d -e '/css-inline\\|jinja2\\|matplotlib\\|pandas/d' {setup}")
    tree.said(f"sed -i 's/^__version__.*/__version__ = \"9.9.9\"/' {tree.folder}/tcptide/__init__.py")
    tree.said(f"touch {PLUGINS}/check_tcp_other")
    with open(f"{TREE}/docs/install.md", encoding="utf-8") as page:
        (wheels,) = re.findall(r"`(pip wheel .*?)`", page.read())
    tree.said(f"/opt/tcptide/bin/{wheels.replace('-dir wheels .', '-dir /srv/wheels .[report]')}")
    first, extra, _, without_index, *rest = commands("docs/install.md", "make install")
    assert (first, rest) == ("make install", ["make uninstall"])
    assert "EXTRA=report" in extra
    assert "PIP_FIND_LINKS=/srv/wheels" in without_index
    tree.host.write("/usr/local/sbin/selinuxenabled", "#!/bin/sh\n", 0o755)  # no kernel here has it
    tree.host.write("/usr/local/sbin/restorecon", '#!/bin/sh\necho "$*" >/root/labelled\n', 0o755)
    said = tree.said(f"umask 077; {extra} {without_index.removeprefix('make install ')}").splitlines()
    assert said[-1] == INSTALLED.replace(f"{tcptide.__version__} in /opt/tcptide", "9.9.9 in /opt/tcptide with report")
    labelled = tree.host.read("/root/labelled").split()
    assert labelled[:3] == ["-R", "/opt/tcptide", "/var/lib/tcptide"]
    assert {*labelled[3:]} > {f"{PLUGINS}/check_tcptide", "/usr/local/bin/tcptide"}
    assert tree.said("tcptide --version", user="nagios") == "tcptide 9.9.9\n"
    tree.said("/opt/tcptide/bin/python -c 'import rich'", user="nagios")
    assert sorted(tree.links(PLUGINS)) == sorted(set(CHECKS) - {"check_tcp_quality"})
    assert tree.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")

    assert tree.said("make uninstall") == "uninstalled: /opt/tcptide and its links\nkept: /var/lib/tcptide\n"
    assert tree.links("/usr/local/bin") == tree.links(PLUGINS) == {}
    assert tree.said("find /usr/local/share/man -name '*tcp*'") == ""
    tree.said(f"test ! -e /opt/tcptide -a -e {PLUGINS}/check_tcp_other -a -s /var/lib/tcptide/tcptide.db")
    assert tree.fails("make uninstall") == "nothing to uninstall: /opt/tcptide/installed is not there"


def test_root_for_a_package_of_another_system(tree: Tree) -> None:
    """RHEL's plugin directory, and no agent yet. Put where it says that it is, it works, and is removed like others."""
    tree.said("userdel nagios; mkdir -p /root/package/usr/lib64/nagios/plugins")
    _, no_agent, said = tree.said(
        "make install DESTDIR=/root/package PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels"
    ).splitlines()
    assert no_agent == (
        "no user icinga, nrpe or nagios, so /var/lib/tcptide is not made: "
        "install the monitoring agent and run this again, or name the user, AGENT=USER"
    )
    assert said == ("installed: tcptide 9.9.9 in /opt/tcptide, links in /usr/local/bin and /usr/lib64/nagios/plugins")
    assert tree.run("grep -rI /root/package /root/package").stdout == ""
    assert tree.said("cd /root/package && find . -maxdepth 3 -type d | sort").splitlines() == [
        *(".", "./opt", "./opt/tcptide", "./opt/tcptide/bin", "./opt/tcptide/include", "./opt/tcptide/lib"),
        *("./opt/tcptide/share", "./usr", "./usr/lib64", "./usr/lib64/nagios", "./usr/local", "./usr/local/bin"),
        "./usr/local/share",
    ]
    tree.said("cp -a /root/package/opt/. /opt; cp -a /root/package/usr/. /usr; useradd --system nagios")
    assert tree.run("/usr/lib64/nagios/plugins/check_tcp_errors -V", user="nagios").stdout == "check_tcp_errors 9.9.9\n"
    assert tree.said("contrib/install.sh uninstall").splitlines()[0] == "uninstalled: /opt/tcptide and its links"
    assert tree.links("/usr/local/bin") == tree.links("/usr/lib64/nagios/plugins") == {}


def test_script_called_wrongly_says_how(bare: Tree) -> None:
    done = bare.run("contrib/install.sh upgrade")
    assert (done.stderr, done.returncode) == ("usage: contrib/install.sh install|uninstall\n", 1)


def cleared(tree: Tree) -> None:
    tree.said(f"rm -rf /opt/tcptide /var/lib/tcptide /usr/local/bin/tcptide {PLUGINS}/check_tcp*")


def test_one_file_on_a_host(tree: Tree) -> None:
    """As the page says, but for building it: that is tested with what is built of this tree."""
    cleared(tree)
    build, *rest = commands("docs/install.md", "One file")
    assert build == "make pyz"
    target = "dist/tcptide-checks.pyz"
    done = run(sys.executable, f"{TREE}/contrib/pyz/build.py", tree.host.path(f"{tree.folder}/{target}"))
    assert (done.returncode, done.stderr) == (0, "")
    *_, answer = [tree.said(command) for command in rest]
    assert answer.startswith("TCP_ERRORS OK - no rates yet: no sample 30 s older | ")
    assert tree.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")
    assert tree.said(f"{PLUGINS}/check_tcp_connections", user="nagios").startswith("TCP_CONNECTIONS OK - ")


def test_wheel_on_a_host(tree: Tree, built: Built) -> None:
    cleared(tree)
    tree.said("rm -rf dist; mkdir dist")
    shutil.copy(built.wheel, tree.host.path(f"{tree.folder}/dist"))
    for command in commands("docs/install.md", "A wheel"):
        tree.said(command)
    assert sorted(tree.links(PLUGINS)) == sorted(CHECKS)
    assert tree.said("tcptide sample -v", user="nagios").endswith(", stored in /var/lib/tcptide\n")
    assert tree.said(f"{PLUGINS}/check_tcp_connections", user="nagios").startswith("TCP_CONNECTIONS OK - ")
