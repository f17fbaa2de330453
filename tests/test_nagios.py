"""nagiosplugin's values are its own, whichever of its modules were loaded before."""

import subprocess
import sys

import pytest

from tests.worlds import TREE


@pytest.mark.parametrize(
    "imports",
    ["from checks import nagios; import nagiosplugin", "import nagiosplugin; from checks import nagios"],
    ids=["ours-first", "the-package-first"],
)
def test_values_are_nagiosplugin_s(imports: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {TREE!r}); {imports}\n"
        "assert nagiosplugin.Range is nagios.Range and nagiosplugin.Performance is nagios.Performance\n"
        "assert nagiosplugin.Check and nagiosplugin.ScalarContext('x', '5').warning == nagios.Range('5')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_nagiosplugin_it_says_so() -> None:
    code = f"import sys; sys.path.insert(0, {TREE!r}); import checks.nagios"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("ImportError: nagiosplugin is not installed\n")
