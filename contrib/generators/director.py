"""contrib/icinga/director-basket.json."""

from collections.abc import Sequence

from checks.spec import CheckSpec


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """Nothing yet."""
    return {}
