"""What a monitored host gets: the wheel and the sdist, built from a copy of the tree without network."""

import configparser
import importlib.metadata
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator

import pytest

import tcptide

from .building import Built, run
from .test_layers import TREE, imported, source_files

SETUP = configparser.ConfigParser()
SETUP.read(os.path.join(TREE, "setup.cfg"))
SCRIPTS = [line.partition("=")[0].strip() for line in SETUP["options.entry_points"]["console_scripts"].split("\n")[1:]]
CHECKS = [name for name in SCRIPTS if name.startswith("check_")]
#: Where each package folder of the tree lies in site-packages.
FOLDERS = {
    "tcptide": "tcptide",
    "checks": "tcptide/checks",
    "reporter": "tcptide/reporter",
    "templates": "tcptide/templates",
}


def files_under(folder: str) -> Iterator[str]:
    for path, _, names in os.walk(os.path.join(TREE, folder)):
        for name in names:
            if not name.endswith(".pyc"):
                yield os.path.relpath(os.path.join(path, name), TREE)


@pytest.fixture(scope="module")
def host(built: Built, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bin folder of an environment that holds the wheel, what it requires without extras, and nothing else."""
    home = str(tmp_path_factory.mktemp("host"))
    assert run(sys.executable, "-m", "venv", "--without-pip", home).returncode == 0
    site = run(f"{home}/bin/python", "-c", "import site; print(site.getsitepackages()[0])").stdout.strip()
    with zipfile.ZipFile(built.wheel) as wheel:
        metadata = wheel.read(f"tcptide-{tcptide.__version__}.dist-info/METADATA").decode()
    for required in re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE):
        for file in importlib.metadata.files(required) or ():
            if file.parts[0] != "..":
                target = os.path.join(site, str(file))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(str(file.locate()), target)
    pip = (sys.executable, "-m", "pip", "--python", f"{home}/bin/python", "install", "--no-deps", "--no-index")
    done = run(*pip, built.wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{home}/bin"


def test_wheel_ships_every_file_of_every_package_folder(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        shipped = {name for name in wheel.namelist() if name.startswith("tcptide/")}
    sources = {FOLDERS[folder] + file.removeprefix(folder) for folder in FOLDERS for file in files_under(folder)}
    assert shipped == sources


def test_wheel_puts_nothing_but_tcptide_at_the_top_level(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        assert {name.partition("/")[0] for name in wheel.namelist()} == {
            "tcptide",
            f"tcptide-{tcptide.__version__}.dist-info",
        }


@pytest.mark.parametrize("folder", ["contrib", "docs", "tests", "templates", "bench", ".ci"])
def test_sdist_holds_every_file_of(folder: str, built: Built) -> None:
    top = f"tcptide-{tcptide.__version__}/"
    with tarfile.open(built.sdist) as sdist:
        held = {name.removeprefix(top) for name in sdist.getnames()}
    assert set(files_under(folder)) <= held


def test_changelog_tells_of_the_version_at_its_top() -> None:
    with open(os.path.join(TREE, "CHANGELOG.md"), encoding="utf-8") as file:
        versions = re.findall(r"^## \[(\d.*?)\]", file.read(), re.MULTILINE)
    assert versions[0] == tcptide.__version__


@pytest.mark.parametrize("name", SCRIPTS)
def test_installed_script_names_the_version(name: str, host: str) -> None:
    done = run(f"{host}/{name}", "--version")
    assert (done.stdout, done.stderr) == (f"{name} {tcptide.__version__}\n", "")
    assert done.returncode == (3 if name.startswith("check_") else 0)


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.startswith("check_tcp_")])
def test_check_works_without_any_extra(name: str, host: str, tmp_path: str) -> None:
    done = run(f"{host}/{name}", "--state-dir", f"{tmp_path}")
    assert done.stderr == ""
    assert re.match(rf"{name.removeprefix('check_').upper()} (OK|WARNING|CRITICAL) - ", done.stdout)


def test_sampler_works_without_any_extra(host: str, tmp_path: str) -> None:
    done = run(f"{host}/tcptide", "sample", "--state-dir", f"{tmp_path}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_report_without_its_extra_names_what_to_install(host: str, tmp_path: str) -> None:
    done = run(f"{host}/tcptide-report", "--state-dir", f"{tmp_path}", "--output", f"{tmp_path}/report.html")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert "tcptide[report]" in done.stderr


def test_host_requires_what_is_imported() -> None:
    imports = {name.partition(".")[0] for file in source_files("tcptide", "checks") for name in imported(file)}
    required = set(re.findall(r"^\w+", SETUP["options"]["install_requires"], re.MULTILINE))
    assert imports - sys.stdlib_module_names - set(FOLDERS) == required


def test_tests_load_the_folders_by_their_names_in_the_tree_only() -> None:
    assert [name for name in sys.modules if name.startswith(("tcptide.checks", "tcptide.reporter"))] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_installed_script_loads_the_folders_by_their_installed_names_only(name: str, host: str) -> None:
    """Even when it is started in the tree, where `checks` could be imported."""
    done = run(f"{host}/python", "-v", f"{host}/{name}", "--help", cwd=TREE)
    loaded = set(re.findall(r"^import '(\S+)'", done.stderr, re.MULTILINE))
    assert done.returncode == (3 if name.startswith("check_") else 0)
    assert "tcptide" in loaded
    assert [name for name in loaded if name.partition(".")[0] in ("checks", "reporter", "templates")] == []
