"""contrib/selinux, built as docs/selinux.md says with the reference policy, and read in the language below it (CIL).

No kernel here enforces it: that the rules are enough is not tested.
"""

import os
import re

import pytest

from .building import run
from .pages import steps
from .test_layers import TREE

PLUGIN = "nagios_tcptide_plugin_t"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The module's statements."""
    compiler = "/usr/libexec/selinux/hll/pp"
    if not os.path.exists("/usr/share/selinux/devel/Makefile") or not os.path.exists(compiler):
        pytest.skip("needs the reference policy: apt install selinux-policy-dev semodule-utils")
    folder = str(tmp_path_factory.mktemp("selinux"))
    commands = [step.command for step in steps("docs/selinux.md") if step.section == "Confined"]
    assert len(commands) == 2
    for command in commands:
        line = command.replace("/root/tcptide-selinux", f"{folder}/policy")
        done = run("/bin/sh", "-c", line, cwd=TREE, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in (done.stdout + done.stderr).lower()
    done = run(compiler, f"{folder}/policy/tcptide.pp", f"{folder}/tcptide.cil")
    assert done.returncode == 0, done.stderr
    with open(f"{folder}/tcptide.cil", encoding="ascii") as file:
        return [line.strip() for line in file]


def allowed(rules: list[str], target: str, kind: str) -> set[str]:
    """What the checks may do with a class of what has the type."""
    found = [re.fullmatch(rf"\(allow {PLUGIN} {target} \({kind} \((.*)\)\)\)", rule) for rule in rules]
    return {permission for match in found if match for permission in match[1].split()}


@pytest.mark.parametrize("agent", ["nagios_t", "nrpe_t", "icinga2_t"])
def test_checks_of_the_agent_run_in_their_domain(agent: str, rules: list[str]) -> None:
    assert f"(typetransition {agent} nagios_tcptide_plugin_exec_t process {PLUGIN})" in rules


@pytest.mark.parametrize(
    "target, kind, needed",
    [
        ("self", "netlink_tcpdiag_socket", "create bind setopt write read nlmsg_read"),
        ("self", "udp_socket", "create getopt"),
        ("proc_net_t", "file", "open read getattr"),
        ("sysctl_net_t", "file", "open read getattr"),
        ("cgroup_t", "dir", "open read search getattr"),
        ("tcptide_var_lib_t", "dir", "search write add_name remove_name"),
        ("tcptide_var_lib_t", "file", "create open read write lock getattr setattr rename unlink"),
    ],
)
def test_checks_may_do_what_a_look_needs(target: str, kind: str, needed: str, rules: list[str]) -> None:
    assert set(needed.split()) <= allowed(rules, target, kind)


@pytest.mark.parametrize("kind", ["tcp_socket", "rawip_socket", "packet_socket", "capability"])
def test_checks_may_not_do_more(kind: str, rules: list[str]) -> None:
    assert allowed(rules, "self", kind) == set()
    assert "nlmsg_write" not in allowed(rules, "self", "netlink_tcpdiag_socket")


@pytest.mark.parametrize(
    "path, kind, label",
    [
        ("/opt/tcptide/bin/check_tcp_errors", "file", "nagios_tcptide_plugin_exec_t"),
        ("/opt/tcptide/bin/tcptide", "file", "nagios_tcptide_plugin_exec_t"),
        ("/usr/bin/check_tcp_errors", "file", "nagios_tcptide_plugin_exec_t"),
        ("/opt/tcptide/tcptide-checks.pyz", "file", "nagios_tcptide_plugin_exec_t"),
        ("/opt/tcptide/bin/python3", "file", None),
        ("/var/lib/tcptide", "any", "tcptide_var_lib_t"),
        ("/var/lib/tcptide/reports/x.html", "any", "tcptide_var_lib_t"),
        ("/var/lib/tcptide2", "any", None),
    ],
)
def test_label_of(path: str, kind: str, label: str | None, rules: list[str]) -> None:
    contexts = [re.match(r'\(filecon "(.*)" (\w+) \(system_u object_r (\w+) ', rule) for rule in rules]
    found = [match[3] for match in contexts if match and match[2] == kind and re.fullmatch(match[1], path)]
    assert found == ([label] if label else [])
