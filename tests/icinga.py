"""Real Icinga 2 nodes, each in a folder of its own: the configuration that people copy, run, and asked over its API."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .test_layers import TREE
from .test_packaging import SCRIPTS
from .worlds import run, start

PORT, AGENTS_PORT = 15665, 15666
NODE, AGENT = "here", "web1"
FOLDERS = ("etc/scripts", "data/certs", "log", "cache", "spool", "run", "plugins", "state", "out")

#: What Debian's icinga2.conf and its features say, for the node and the folder's paths.
NODE_CONF = """\
const NodeName = "{node}"
const ZoneName = NodeName
const PluginDir = "/usr/lib/nagios/plugins"
const PluginContribDir = "{folder}/plugins"
const TicketSalt = ""
include <itl>
object Endpoint NodeName {{ }}
object Zone ZoneName {{ endpoints = [ NodeName ]{parent} }}
object CheckerComponent "checker" {{ }}
object NotificationComponent "notification" {{ }}
object FileLogger "main" {{ severity = "information", path = LogDir + "/icinga2.log" }}
object ApiListener "api" {{ bind_host = "127.0.0.1", bind_port = {port}{accepts} }}
object ApiUser "test" {{ password = "secret", permissions = [ "*" ] }}
include "commands.conf"
include "services.conf"
include "event-command.conf"
"""


class Icinga(NamedTuple):
    """The daemon, and where its files are."""

    folder: str
    name: str = NODE
    port: int = PORT
    parent: str | None = None  # whose agent it is

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The `results` of a request. Raises OSError while nobody answers."""
        context = ssl.create_default_context(cafile=f"{self.folder}/data/certs/ca.crt")
        connection = http.client.HTTPSConnection(self.name, self.port, context=context, timeout=20)
        connection.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port)), server_hostname=self.name
        )
        secret = b64encode(b"test:secret").decode()
        headers = {"Authorization": f"Basic {secret}", "Accept": "application/json"}
        try:
            connection.request(method, f"/v1/{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == 200, f"{method} {path}: {answer.status} {text}"
        return json.loads(text)["results"]

    def objects(self, kind: str) -> dict[str, dict[str, Any]]:
        """The attributes of all objects of a kind ('services'), by name ('here!tcp_errors')."""
        return {each["name"]: each["attrs"] for each in self.ask("GET", f"objects/{kind}")}

    def check_now(self, *names: str) -> None:
        """Have services checked again, and wait for the results."""
        before = {name: self.service(name)["last_check"] for name in names}
        for name in names:
            query = urllib.parse.urlencode({"service": name})
            self.ask("POST", f"actions/reschedule-check?{query}", {"force": True})
        self.wait(lambda: all(self.service(name)["last_check"] > before[name] for name in names), str(names))

    def service(self, name: str) -> dict[str, Any]:
        """The attributes of one service."""
        (found,) = self.ask("GET", f"objects/services/{urllib.parse.quote(name)}")
        attributes: dict[str, Any] = found["attrs"]
        return attributes

    def wait(self, done: Callable[[], bool], what: str, within_seconds: float = 60) -> None:
        """Until it is done. Raises AssertionError."""
        until = time.monotonic() + within_seconds
        while True:
            with contextlib.suppress(OSError):
                if done():
                    return
            assert time.monotonic() < until, f"{what}: not within {within_seconds:g} s; {self.log()}"
            time.sleep(0.1)

    def log(self) -> str:
        """The end of what it wrote."""
        try:
            with open(f"{self.folder}/log/icinga2.log", encoding="utf-8") as file:
                return "".join(file.readlines()[-20:])
        except FileNotFoundError:
            return "no log"

    def command(self, *more: str) -> list[str]:
        """The daemon with the paths of the folder."""
        paths = {"ConfigDir": "etc", "DataDir": "data", "LogDir": "log", "CacheDir": "cache", "SpoolDir": "spool"}
        found = [
            "/usr/sbin/icinga2",
            "daemon",
            "--log-level",
            "critical",
            "--config",
            f"{self.folder}/etc/icinga2.conf",
            *more,
        ]
        for name, path in {**paths, "InitRunDir": "run"}.items():
            found += ["--define", f"{name}={self.folder}/{path}"]
        return found


def read_perfdata(items: Sequence[str]) -> list[list[Any]]:
    """What the daemon's own parser makes of each: label, value, unit, warn, crit, min, max. One process for all."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("var read = function(text) { var p = parse_performance_data(text); ")
        file.write("return [ p.label, p.value, p.unit, p.warn, p.crit, p.min, p.max ] }\n")
        file.write(f"Json.encode({json.dumps(items)}.map(read))\n")
        file.flush()
        done = run(["/usr/sbin/icinga2", "console", "--file", file.name])
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[list[Any]] = json.loads(json.loads(done.stdout))
    return found


@contextlib.contextmanager
def prepared(script: Callable[[str], str]) -> Iterator[tuple[Icinga, Icinga]]:
    """A node and its agent, with contrib/icinga, fixtures/icinga and a state; the daemons are not started yet."""
    folder = tempfile.mkdtemp(prefix="tcptide-icinga-", dir="/tmp")
    try:
        os.chmod(folder, 0o755)
        node = Icinga(f"{folder}/{NODE}")
        agent = Icinga(f"{folder}/{AGENT}", AGENT, AGENTS_PORT, NODE)
        _openssl("-x509", *_KEY, "-subj", "/CN=ca", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt")
        _fill(node, script)
        _fill(agent, script)
        subprocess.run(["chown", "-R", "nagios:", folder], check=True)
        yield node, agent
    finally:
        shutil.rmtree(folder)


def _fill(node: Icinga, script: Callable[[str], str]) -> None:
    for name in FOLDERS:
        os.makedirs(f"{node.folder}/{name}")
    for name in ("commands.conf", "services.conf", "event-command.conf"):
        shutil.copy(f"{TREE}/contrib/icinga/{name}", f"{node.folder}/etc")
    shutil.copy(f"{TREE}/contrib/icinga/tcptide-evidence", f"{node.folder}/etc/scripts")
    for name in SCRIPTS:
        if name.startswith("check_"):
            os.symlink(script(name), f"{node.folder}/plugins/{name}")
    parent = f', parent = "{node.parent}"' if node.parent else ""
    accepts = ", accept_commands = true" if node.parent else ""
    above = os.path.dirname(node.folder)
    with open(f"{TREE}/tests/fixtures/icinga/{node.name}.conf", encoding="utf-8") as file:
        conf = file.read().replace("FOLDER", above)
    with open(f"{node.folder}/etc/icinga2.conf", "w", encoding="utf-8") as file:
        own = {"node": node.name, "folder": node.folder, "port": node.port, "parent": parent, "accepts": accepts}
        file.write(NODE_CONF.format(**own) + conf)
    certs = f"{node.folder}/data/certs"  # where ApiListener wants them
    shutil.copy(f"{above}/ca.crt", certs)
    signed = ["-x509", "-CA", f"{above}/ca.crt", "-CAkey", f"{above}/ca.key", "-subj", f"/CN={node.name}"]
    files = ["-keyout", f"{certs}/{node.name}.key", "-out", f"{certs}/{node.name}.crt"]
    _openssl(*_KEY, *signed, "-addext", f"subjectAltName=DNS:{node.name}", *files)


_KEY = ("-newkey", "rsa:2048", "-nodes", "-days", "2")


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", "req", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def running(icinga: Icinga) -> Iterator[None]:
    """The daemon at work, with what its checks inherit: a state of their own, and nothing else."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TCPTIDE_STATE_DIR": f"{icinga.folder}/state"}
    with start(icinga.command(), environ=environment, becomes_others=True) as daemon:
        try:
            icinga.wait(lambda: daemon.poll() is not None or bool(icinga.ask("GET", "status")), "Icinga's API")
            assert daemon.poll() is None, daemon.communicate()[0]
            yield
        finally:
            daemon.terminate()
            daemon.communicate()
