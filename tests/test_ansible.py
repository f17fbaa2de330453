"""docs/ansible.md, followed word by word, and what else the role can do, on one host.

The tests go in the order of the host's life: rolled out and upgraded as the page says, turned into another, removed.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

import tcptide

from . import pages
from .building import tree_copy
from .pages import Step
from .rolled import CONFIG, EVERYTHING, PLACES, PLUGINS, RESTORECON, SEMANAGE, STATE, UNCHANGED, UNITS, USER, WRONG
from .rollout import NEWEST, ROLLOUT, Controller, Run, controller, files, outcome, pip, versioned
from .test_packaging import CHECKS, SCRIPTS
from .worlds import TREE

pytestmark = pytest.mark.root

NEWER = "9.9.9"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with tcptide, a newer one, and what they and their build need."""
    folder, tree = str(tmp_path_factory.mktemp("wheels")), tree_copy(f"{tmp_path_factory.mktemp('sources')}/tree")
    pip("download", "--dest", folder, "nagiosplugin", "psutil", "setuptools")
    for version in (tcptide.__version__, NEWER):
        versioned(tree, version)
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, tree)
    return folder


@pytest.fixture(scope="module")
def site(wheels: str) -> Iterator[Controller]:
    """A controller and host in one, as the tests before have left it."""
    with controller(wheels) as made:
        made.host.write("/usr/local/sbin/semanage", SEMANAGE, 0o755)
        made.host.write("/usr/local/sbin/restorecon", RESTORECON, 0o755)
        yield made


def follow(step: Step, site: Controller) -> str:
    """A step of a page, with Debian's Ansible; the hosts of its inventory are this one."""
    if not step.command.startswith(("ansible", "cd /srv")):
        return pages.follow(step, site.host)
    done = site.run(f"({step.command}) 2>&1")
    assert done.returncode == 0, done.stdout
    assert "web1.example.org" in done.stdout or "ansible-galaxy" in step.command, done.stdout
    return done.stdout


PAGE = pages.steps("docs/ansible.md")
AD_HOC = [step.command for step in pages.steps("contrib/ansible/README.md")]


def of_page(*sections: str) -> pytest.MarkDecorator:
    chosen = [step for step in PAGE if step.section in sections]
    return pytest.mark.parametrize("step", chosen, ids=[step.command or step.path for step in chosen])


FIRST = ("The controller", "Roll out", "Look at many hosts", "Facts", "Upgrade")
LAST = ("Remove",)


def test_page_is_followed_in_whole() -> None:
    assert {step.section for step in PAGE} == {*FIRST, *LAST}


@of_page(*FIRST)
def test_page(step: Step, site: Controller) -> None:
    before = files(site.host, *PLACES)
    output = follow(step, site)
    if "site.yml" not in step.command:
        return
    run = outcome(output)
    if "--check" in step.command:
        assert files(site.host, *PLACES) == before
    if site.rolled_out and "tcptide_source" not in step.command:
        assert (run.changed, run.recap) == ((), UNCHANGED), output
    else:
        assert "Compare with what was installed" in run.changed
    site.rolled_out = site.rolled_out or "--check" not in step.command


@pytest.mark.parametrize("command", AD_HOC)
def test_readme_asks_all_hosts(command: str, site: Controller) -> None:
    done = site.run(f"cd {ROLLOUT} && {command}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"web1\.example\.org \| (CHANGED \| rc=0 >>|SUCCESS => )", done.stdout), done.stdout


def test_page_has_led_to_a_newer_version(site: Controller) -> None:
    assert site.host.run("check_tcp_connections --version", user="nagios").stdout == f"check_tcp_connections {NEWER}\n"
    asked = site.host.run("/usr/lib/nagios/plugins/check_nrpe -H 127.0.0.1 -c tcp_connections")
    assert re.match(r"TCP_CONNECTIONS OK - \d connections, .* \| total=\d;5000;8000;0 ", asked.stdout), asked.stdout
    with open(f"{TREE}/contrib/cron/tcptide", encoding="ascii") as file:
        lines = file.read().splitlines()
    ours = site.host.read("/etc/cron.d/tcptide").splitlines()
    assert ours == [line for line in lines if not line.startswith("17 5 ")], "no report is wanted"


@pytest.mark.parametrize("check", ["", "--check"], ids=["applied", "check-mode"])
def test_wrong_configuration_is_refused_and_the_old_one_stays(check: str, site: Controller) -> None:
    before = site.host.read("/etc/tcptide/tcptide.toml")
    wrong = {"checks": {"tcp_time_wait": {"warning": {"buckets": 1}}}}
    variables = {"tcptide_source": f"dist/tcptide-{NEWER}-py3-none-any.whl", "tcptide_config": wrong}
    done = site.run(f"cd {ROLLOUT} && ansible-playbook site.yml {check} -e '{json.dumps(variables)}'")
    assert outcome(done.stdout).failed == (
        "tcptide_config, the old one stays: checks.tcp_time_wait.warning.buckets: 'buckets' is no metric of"
        " check_tcp_time_wait; known: bucket_usage, time_wait, created_per_second, overflows_per_second,"
        " exhaustion_seconds"
    ), done.stdout
    assert site.host.read("/etc/tcptide/tcptide.toml") == before
    assert files(site.host, "/tmp/tcptide*") == {}


def test_what_cannot_be_is_refused_in_one_line(site: Controller) -> None:
    role = {"ansible.builtin.include_role": {"name": "tcptide.monitoring.tcptide"}}
    told = {"ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    tasks = [{"name": name, "block": [{**role, "vars": given}], "rescue": [told]} for name, (given, _) in WRONG.items()]
    site.host.write("/srv/wrong.yml", json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    before = files(site.host, *PLACES)
    done = site.run("ansible-playbook -i web1, --check /srv/wrong.yml", NEWEST)
    said = [json.loads(f"{{{line}}}")["msg"] for line in done.stdout.splitlines() if line.startswith('    "msg": ')]
    assert said == [reason for _, reason in WRONG.values()], done.stdout
    assert files(site.host, *PLACES) == before


@pytest.fixture(scope="module")
def applied(site: Controller) -> Run:
    """Another user, another state, timers instead of cron; from sources, to where the interpreter is gone."""
    site.host.run("ln -sf /usr/bin/python3.0 /opt/tcptide/bin/python3")
    assert site.host.run("tcptide --version").returncode != 0
    return site.play(**EVERYTHING)


def test_applied_changes_what_differs(applied: Run) -> None:
    assert applied.failed == "", applied.output
    assert applied.changed == (
        "Make the user",
        "Make the state directory",
        "Compare with what was installed",
        "Clear what does not run any more",
        "Make a folder for the wheel",
        "Copy the wheel",
        "Install with pip",
        "Remove the copy of the wheel",
        "Note what is installed",
        "Write the password of the mail server",
        "Compare the configuration",
        "Write the configuration",
        "Give the checks their context",
        "Remove cron's entry",
        "Make the folders of the units",
        "Write the units",
        "Start the timers",
        "Write Icinga's commands",
        "Write the local fact",
        "Reload Icinga",
    )
    assert "not to be shown" not in applied.output


def test_applied_it_works_for_the_agent(site: Controller, applied: Run) -> None:
    doctor = site.host.run("tcptide doctor --json", user=USER)
    items = {item["subject"]: item for item in json.loads(doctor.stdout)}
    assert [item for item in items.values() if item["state"] == "problem"] == []
    assert items["config"]["text"] == "/etc/tcptide/tcptide.toml"
    assert items["program"]["text"].startswith(f"tcptide {tcptide.__version__}, ")
    assert items["state"]["text"] == f"{STATE} (by the configuration file), {USER}'s, mode 0750"
    assert items["mail"]["text"].endswith(" through mail.example.org:587 (starttls) as tcptide")


def test_applied_the_configuration_is_the_variable(site: Controller, applied: Run) -> None:
    text = site.host.read("/etc/tcptide/tcptide.toml")
    wanted = {**CONFIG, "mail": {name: value for name, value in CONFIG["mail"].items() if value is not None}}
    assert tomllib.loads(text) == wanted
    assert site.host.read("/etc/tcptide/password") == "not to be shown\n"
    assert files(site.host, "/etc/tcptide") == {
        "/etc/tcptide": "d root:root 755",
        "/etc/tcptide/password": f"f root:{USER} 640",
        "/etc/tcptide/tcptide.toml": "f root:root 644",
    }


def test_applied_the_commands_are_where_they_are_looked_for(site: Controller, applied: Run) -> None:
    for folder, names in ((PLUGINS, CHECKS), ("/usr/local/bin", SCRIPTS)):
        links = site.host.run(f"find {folder} -lname '/opt/tcptide/bin/*' -printf '%f %l\\n'").stdout
        assert sorted(links.splitlines()) == sorted(f"{name} /opt/tcptide/bin/{name}" for name in names)


def test_applied_samples_are_taken(site: Controller, applied: Run) -> None:
    names = ("tcptide-sample.service", "tcptide-sample.service.d/process-names.conf", "tcptide-sample.timer")
    for name in names:
        with open(f"{TREE}/contrib/systemd/{name}", encoding="ascii") as file:
            wanted = file.read().replace("User=nagios", f"User={USER}").replace("/var/lib/tcptide", STATE)
        assert site.host.read(f"{UNITS}/{name}") == wanted
    written = site.host.run(f"find {UNITS} -type f -path '*tcptide*' -printf '%P\\n'").stdout
    assert sorted(written.splitlines()) == list(names)
    for asked, answer in (("is-enabled", "enabled"), ("is-active", "active")):
        assert site.host.run(f"systemctl {asked} tcptide-sample.timer").stdout == f"{answer}\n"
    assert site.host.run("systemctl start tcptide-sample.service").returncode == 0
    assert site.host.run(f"test -s {STATE}/tcptide.db", user=USER).returncode == 0


def test_applied_icinga_has_its_commands(site: Controller, applied: Run) -> None:
    """Icinga has validated and taken them, which the role asks for."""
    with open(f"{TREE}/contrib/icinga/commands.conf", encoding="utf-8") as file:
        assert site.host.read("/etc/icinga2/conf.d/tcptide.conf") == file.read()
    assert site.host.run("systemctl is-active icinga2").stdout == "active\n"


def test_applied_the_checks_have_a_context(site: Controller, applied: Run) -> None:
    assert site.host.read("/run/contexts").split() == [
        "/opt/tcptide/bin/(check_tcp.*|tcptide)",
        "all",
        "files",
        "system_u:object_r:nagios_unconfined_plugin_exec_t:s0",
    ]
    assert f"-R -v /opt/tcptide {STATE}" in site.host.read("/run/restored").splitlines()


def test_applied_again_nothing_changes(site: Controller, applied: Run) -> None:
    """The same sources make the same wheel."""
    again = site.play(**EVERYTHING)
    assert (again.changed, again.recap) == ((), UNCHANGED), again.output
    assert files(site.host, "/tmp/tcptide*") == {}


def facts(site: Controller) -> Any:
    done = site.run("ansible -i web1, web1 -m ansible.builtin.setup -a 'gather_subset=!all,!min,local'")
    return json.loads(done.stdout.partition(" => ")[2])["ansible_facts"]["ansible_local"]["tcptide"]


def test_facts_are_what_the_checks_say(site: Controller, applied: Run) -> None:
    found = facts(site)
    assert found["version"] == tcptide.__version__
    assert found["last_sample"]["source"] == "host"
    assert 0 <= found["last_sample"]["age_seconds"] < 60
    assert found["states"]["established"] == 2
    assert found["worst_destination"]["text"].startswith("to 127.0.0.1:8080 from 127.0.0.1: ")
    assert 0 <= found["worst_destination"]["percent"] < 0.1
    assert {f"check_{name}" for name in found["checks"]} == set(CHECKS)
    connections = found["checks"]["tcp_connections"]
    left = r"(, [123] TIME_WAIT)?"  # of a test before, for a minute
    assert connections["state"] == "OK"
    assert re.fullmatch(rf"TCP_CONNECTIONS OK - [2345] connections, 2 ESTABLISHED{left}", connections["text"])
    assert {one.split()[1] for one in files(site.host, STATE).values()} == {f"{USER}:{USER}"}


def test_broken_tcptide_does_not_break_the_facts(site: Controller, applied: Run) -> None:
    site.host.run("mv /opt/tcptide/bin /opt/tcptide/away")
    try:
        assert facts(site) == {"error": "/opt/tcptide does not work"}
    finally:
        site.host.run("mv /opt/tcptide/away /opt/tcptide/bin")


def test_upgrade_that_fails_leaves_what_works(site: Controller, applied: Run) -> None:
    """What the reporter needs cannot be had here."""
    failed = site.play(**{**EVERYTHING, "tcptide_report": True, "tcptide_source": f"tcptide=={NEWER}"})
    assert "css-inline" in failed.failed, failed.output
    assert site.host.run("tcptide --version").stdout == f"tcptide {tcptide.__version__}\n"
    assert site.host.run("tcptide sample -v", user=USER).returncode == 0


def test_removed_what_it_keeps_stays(site: Controller, applied: Run) -> None:
    """By the page with what the page had set: what it doesn't name is not touched."""
    for step in PAGE:
        if step.section in LAST and "purge" not in step.command:
            follow(step, site)
    assert left(site) == [
        "/etc/icinga2/conf.d/tcptide.conf",
        "/etc/tcptide",
        "/etc/tcptide/tcptide.toml",
        "/srv/state/tcptide",
        "/srv/state/tcptide/tcptide.db",
        "/srv/state/tcptide/tcptide.db-journal",
        "/var/lib/tcptide",
        "/var/lib/tcptide/tcptide.db",
        "/var/lib/tcptide/tcptide.db-journal",
    ]


def test_purged_nothing_stays(site: Controller, applied: Run) -> None:
    purged = site.play(**{**EVERYTHING, "tcptide_state": "absent", "tcptide_purge": True})
    assert purged.changed == ("Remove Icinga's commands", "Remove configuration, state and reports", "Reload Icinga")
    for step in PAGE:
        if step.section in LAST and "purge" in step.command:
            output = follow(step, site)
            assert outcome(output).changed == ("Remove configuration, state and reports",), output
    assert left(site) == []


def left(site: Controller) -> list[str]:
    names = "-name tcptide -o -name 'tcptide[.-]*' -o -name 'check_tcp_*' -o -name check_tcptide"
    return sorted(site.host.run(f"find /opt /etc /usr/local {PLUGINS} /var/lib /srv/state {names}").stdout.splitlines())
