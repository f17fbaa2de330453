"""The Debian package: built with Debian's tools, read by lintian, installed with apt, used, removed and purged."""

import re
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import tcptide

from .building import run, tree_copy
from .hosts import Host
from .pages import steps
from .test_layers import TREE, source_files
from .test_packaging import CHECKS, FOLDERS

pytestmark = pytest.mark.root

COMMANDS = [*CHECKS, "tcptide"]
PLUGINS = "/usr/lib/nagios/plugins"
BUILD, INSTALL, PURGE = (step.command for step in steps("docs/install.md") if step.section == "Debian package")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The package of this tree."""
    for tool in ("dpkg-buildpackage", "dh_python3", "lintian"):
        if shutil.which(tool, path="/usr/bin") is None:
            pytest.skip(f"needs {tool}: .ci/run names the packages")
    assert BUILD == "make deb"
    tree = tree_copy(str(tmp_path_factory.mktemp("deb") / "tree"))
    done = run("/usr/bin/make", "deb", cwd=tree)
    name = f"dist/tcptide_{tcptide.__version__}_all.deb"
    assert (done.stdout, done.stderr, done.returncode) == (f"{name}\n", "", 0)
    return f"{tree}/{name}"


def test_version_is_the_programs() -> None:
    with open(f"{TREE}/contrib/debian/changelog", encoding="utf-8") as file:
        assert file.readline() == f"tcptide ({tcptide.__version__}) unstable; urgency=medium\n"


def test_lintian_has_nothing_to_say(package: str) -> None:
    done = run("/usr/bin/lintian", "--allow-root", package, PATH="/usr/bin:/bin")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_all_of_checks_and_core_is_shipped_and_nothing_of_the_reporter(package: str) -> None:
    listed = run("/usr/bin/dpkg-deb", "--contents", package, PATH="/usr/bin:/bin").stdout.splitlines()
    paths = {line.split(maxsplit=5)[5].partition(" -> ")[0].removeprefix(".") for line in listed}
    folder = "/usr/lib/python3/dist-packages/"
    modules = {path.removeprefix(folder) for path in paths if path.startswith(folder) and path.endswith(".py")}
    sources = source_files("tcptide", "checks")
    assert modules == {FOLDERS[file.partition("/")[0]] + file[file.index("/") :] for file in sources}
    assert {path for path in paths if path.startswith("/usr/bin/")} - {"/usr/bin/"} == {
        f"/usr/bin/{c}" for c in COMMANDS
    }
    assert {f"/usr/share/man/man1/{name}.1.gz" for name in COMMANDS} <= paths
    assert "/usr/share/doc/tcptide/examples/icinga/commands.conf" in paths


class Packaged(NamedTuple):
    """A host with the package's file where `make deb` puts it."""

    host: Host
    tree: str

    def said(self, command: str, user: str = "root") -> str:
        done = self.host.run(command, user=user, cwd=self.tree, environ={"DEBIAN_FRONTEND": "noninteractive"})
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def cron(self) -> str:
        """What cron's line does, by the user it names; there is nothing to log but what is printed."""
        (line,) = [line for line in self.host.read("/etc/cron.d/tcptide").splitlines() if line and line[0] != "#"]
        *_, user, command = line.split(maxsplit=6)[5:]
        assert (line.split()[:5], user) == (["*"] * 5, "nagios")
        return self.said(command.replace("logger -t tcptide", "cat"), user=user)


@pytest.fixture(scope="module")
def packaged(package: str) -> Iterator[Packaged]:
    """Installed as the page says where there was no user nagios, with an administrator's line in the configuration."""
    with Host() as host:
        tree = "/root/tcptide"
        done = host.run(f"! id nagios || userdel nagios; rm -f /var/lib/man-db/auto-update; mkdir -p {tree}/dist")
        assert done.returncode == 0, done.stderr
        shutil.copy(package, host.path(f"{tree}/dist"))
        found = Packaged(host, tree)
        found.said(f"{INSTALL} --yes --no-install-recommends")
        found.said("sed -i '1i interval_seconds = 30' /etc/tcptide/tcptide.toml")
        yield found


@pytest.mark.parametrize("name", CHECKS)
def test_agents_user_runs_the_plugin(name: str, packaged: Packaged) -> None:
    packaged.said("tcptide sample", user="nagios")
    done = packaged.host.run(f"{PLUGINS}/{name}", user="nagios")
    assert re.match(rf"{name.removeprefix('check_').upper()} (OK|WARNING|CRITICAL) - ", done.stdout), done.stdout
    assert done.stderr == ""


def test_cron_samples_into_the_directory_of_the_agents_user(packaged: Packaged) -> None:
    packaged.said("rm -f /var/lib/tcptide/tcptide.db")
    assert packaged.cron() == ""
    assert packaged.said("stat -c '%n %U %G %a' /var/lib/tcptide /var/lib/tcptide/tcptide.db").splitlines() == [
        "/var/lib/tcptide nagios nagios 750",
        "/var/lib/tcptide/tcptide.db nagios nagios 640",
    ]


def test_doctor_finds_its_parts(packaged: Packaged) -> None:
    said = packaged.host.run("tcptide doctor", user="nagios").stdout.splitlines()
    items = {line.split()[1]: line for line in said}
    assert items["config"] == "ok      config      /etc/tcptide/tcptide.toml"
    assert items["state"] == "ok      state       /var/lib/tcptide (by the default), nagios's, mode 0750"
    assert items["schedule"].startswith(
        "ok      schedule    /etc/cron.d/tcptide: * * * * * nagios [ ! -x /usr/bin/tcptide ]"
    )
    assert [line for line in said if line.startswith("problem")] == []


def test_page_of_the_manual_is_found(packaged: Packaged) -> None:
    assert packaged.said("man -w check_tcp_errors") == "/usr/share/man/man1/check_tcp_errors.1.gz\n"


def test_examples_name_the_packages_paths(packaged: Packaged) -> None:
    assert packaged.host.run("grep -r /opt/ /usr/share/doc/tcptide/examples").stdout == ""


def test_reinstalled_removed_purged(packaged: Packaged) -> None:
    """What an administrator or the agent's user wrote stays as long as it can."""
    packaged.said("chmod 0700 /var/lib/tcptide")
    packaged.said("dpkg --install dist/*.deb")
    kept = "stat -c '%U %a' /var/lib/tcptide; head -n 1 /etc/tcptide/tcptide.toml; ls /var/lib/tcptide/tcptide.db"
    expected = "nagios 700\ninterval_seconds = 30\n/var/lib/tcptide/tcptide.db\n"
    assert packaged.said(kept) == expected
    packaged.said("apt-get remove --yes tcptide")
    assert packaged.said(kept) == expected
    assert packaged.cron() == ""
    packaged.said(f"test ! -e /usr/bin/tcptide -a ! -L {PLUGINS}/check_tcp_errors")
    packaged.said(f"{PURGE} --yes")
    packaged.said("test ! -e /var/lib/tcptide -a ! -e /etc/tcptide -a ! -e /etc/cron.d/tcptide && id nagios")
    assert (
        packaged.said("find /usr/bin /usr/lib/python3 /usr/lib/nagios /usr/share /etc /var/lib -name '*tcptide*'") == ""
    )


def test_what_the_build_lacks_is_named(packaged: Packaged) -> None:
    packaged.said("dpkg --remove --force-depends dh-python")
    done = packaged.host.run(f"{TREE}/contrib/debian/build.sh")
    assert done.stderr == "Unmet build dependencies, to be installed with apt: dh-python\n"
    assert (done.stdout, done.returncode) == ("", 1)
