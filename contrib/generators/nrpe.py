"""contrib/nrpe: the commands of the NRPE server."""

from collections.abc import Sequence

from checks.spec import CheckSpec


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """Nothing yet."""
    return {}
