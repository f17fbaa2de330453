"""tcptide-report as a process whose libraries are loaded: loading them takes longer than most of its work in the tests.

One process of the installed program loads them, and each run is a fork of it, with arguments, directory, environment,
umask and files of its own. What depends on how the program starts is tested with the program itself.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

SERVER = """
import importlib, json, os, runpy, sys, time, traceback
os.environ["MPLBACKEND"] = "agg"
main = runpy.run_path(sys.argv[1])["main"]
for name in ("formats", "load", "mailing", "message", "page", "progress", "saved"):
    importlib.import_module(main.__module__.replace("cli", name))

def run(asked):
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    for number, name in enumerate(("stdout", "stderr"), 1):
        os.dup2(os.open(asked[name], os.O_WRONLY), number)
    os.chdir(asked["cwd"])
    os.umask(asked["umask"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    time.tzset()
    sys.argv = asked["command"]
    try:
        status = main()
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status or 0)

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forking:
    """Runs tcptide-report."""

    def __init__(self, server: "subprocess.Popen[str]") -> None:
        self._server = server

    def run(
        self, *arguments: str, cwd: str, environ: Mapping[str, str], umask: int = 0o022
    ) -> subprocess.CompletedProcess[str]:
        """As subprocess.run() with these: what it said, and its exit status."""
        assert self._server.stdin and self._server.stdout
        with tempfile.TemporaryDirectory() as folder:
            files = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
            for path in files.values():
                os.mknod(path)
            command = ["tcptide-report", *arguments]
            asked = {"command": command, "cwd": str(cwd), "environ": {**environ}, "umask": umask, **files}
            self._server.stdin.write(f"{json.dumps(asked)}\n")
            self._server.stdin.flush()
            status = int(self._server.stdout.readline())
            said = []
            for path in files.values():
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    said.append(file.read())
        return subprocess.CompletedProcess(command, status, *said)


@contextmanager
def forking(script: str) -> Iterator[Forking]:
    """A process that waits for runs of the script; it ends with its standard input."""
    command = [sys.executable, "-c", SERVER, script]
    with subprocess.Popen(command, cwd="/", env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield Forking(server)
        assert server.stdin
        server.stdin.close()
