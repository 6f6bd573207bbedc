"""Whole numbers that users give: checked once, at the border."""

from __future__ import annotations

from typing import Any

from jaxsynth.errors import ConditionError, JaxsynthError


def check_number(name: str, value: Any, low: int, high: int, kind: type[JaxsynthError] = ConditionError) -> None:
    """Refuse what is no whole number in low <= value < high.

    Raises:
        JaxsynthError: of `kind`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise kind(f"{name}={value!r} is not a whole number")
    if not low <= value < high:
        raise kind(f"{name}={value} is out of range; give {low} <= {name} < {high}")
