"""contrib/ansible as it is published: nothing that ansible-lint finds, no copy that drifts, all variables explained.

`python -m tests.test_ansible_collection` writes the variables into its README.
"""

import os
import re
import subprocess
import sys
import tarfile
from typing import Any

import pytest
import yaml

import tcptide

from .rollout import COLLECTION
from .test_layers import TREE

ROLE = f"{COLLECTION}/roles/tcptide"
BIN = os.path.dirname(sys.executable)
README = f"{COLLECTION}/README.md"
HEAD = "| variable | default | meaning |\n| --- | --- | --- |\n"


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def loaded(path: str) -> Any:
    return yaml.safe_load(read(path))


def ansible(*command: str, home: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": home, "ANSIBLE_HOME": home, "LANG": "C.UTF-8"}
    return subprocess.run(
        command, cwd=COLLECTION, env=environment, check=False, capture_output=True, text=True, timeout=300
    )


def test_ansible_lint_finds_nothing(tmp_path: str) -> None:
    done = ansible("ansible-lint", "--offline", "--nocolor", "--strict", home=f"{tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed: 0 failure(s), 0 warning(s)" in done.stderr
    assert "Profile 'production' was required, and it passed." in done.stderr


@pytest.mark.parametrize("kind", ["cron", "icinga", "nrpe", "systemd"])
def test_built_it_holds_the_files_of_contrib(kind: str, tmp_path: str) -> None:
    """Links lead to them; what is built holds the files themselves."""
    done = ansible("ansible-galaxy", "collection", "build", "--output-path", f"{tmp_path}", home=f"{tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = f"roles/tcptide/files/{kind}"
    with tarfile.open(f"{tmp_path}/tcptide-monitoring-{tcptide.__version__}.tar.gz") as built:
        held = dict(zip(built.getnames(), built.getmembers(), strict=True))
        for path, _, names in os.walk(f"{COLLECTION}/{folder}"):
            for name in names:
                link = f"{path}/{name}"
                assert os.path.islink(link), link
                below = os.path.relpath(link, f"{COLLECTION}/{folder}")
                shipped = built.extractfile(held[f"{folder}/{below}"])
                assert shipped, below
                assert shipped.read().decode() == read(f"{TREE}/contrib/{kind}/{below}")


def test_it_has_the_version_of_tcptide() -> None:
    assert loaded(f"{COLLECTION}/galaxy.yml")["version"] == tcptide.__version__
    assert loaded(f"{ROLE}/defaults/main.yml")["tcptide_source"] == f"tcptide=={tcptide.__version__}"


def options() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = loaded(f"{ROLE}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def test_each_variable_is_specified_with_its_default() -> None:
    """One that is found out on the host has none there."""
    defaults = loaded(f"{ROLE}/defaults/main.yml")
    assert list(options()) == list(defaults)
    for name, option in options().items():
        computed = isinstance(defaults[name], str) and "{{" in defaults[name]
        assert option.get("default") == (None if computed else defaults[name]), name


def table() -> str:
    rows = (f"| `{name}` | {_default(option)} | {_meaning(option)} |" for name, option in options().items())
    return HEAD + "".join(f"{row}\n" for row in rows)


def _default(option: dict[str, Any]) -> str:
    if "default" not in option:
        return "found out"
    default = option["default"]
    return "none" if default in ("", {}) else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _meaning(option: dict[str, Any]) -> str:
    description = option["description"]
    text = description if isinstance(description, str) else " ".join(description)
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", ()))
    return re.sub(r"[CV]\((.*?)\)", r"`\1`", text) + (f" One of {choices}." if choices else "")


def test_readme_explains_the_variables() -> None:
    assert f"\n\n{table()}\n" in read(README)


def _refresh() -> None:
    before, _, rest = read(README).partition(HEAD)
    rows = [line for line in rest.splitlines(keepends=True) if line.startswith("| `")]
    with open(README, "w", encoding="utf-8") as file:
        file.write(before + table() + rest.removeprefix("".join(rows)))


if __name__ == "__main__":
    _refresh()
