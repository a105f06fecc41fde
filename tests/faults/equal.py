"""When a number that was found is the one that was wanted, and how to say that it is not."""

from collections.abc import Mapping
from math import isclose
from typing import Any

Numbers = Mapping[Any, float]


class Near(float):
    """A mean or a quantile: the order of its divisions changes the sixteenth digit. All that is not one of these is counted, or
    one division of counts, and equal to the last digit."""

    tolerance = 1e-12


class Bound(Near):
    """An end of an interval: a root of a difference of large squares."""

    tolerance = 1e-7


def unequal(where: str, wanted: Numbers, found: Numbers, most: int = 8) -> list[str]:
    """What differs, is absent or too many, in words."""
    keys = sorted((key for key in wanted.keys() | found.keys() if not _same(wanted.get(key), found.get(key))), key=repr)
    lines = [f"{where} {key}: {_said(wanted.get(key))} wanted, {_said(found.get(key))} found" for key in keys[:most]]
    return lines + ([f"{where}: {len(keys)} differences of {len(wanted)}"] if len(keys) > most else [])


def _same(wanted: float | None, found: float | None) -> bool:
    if isinstance(wanted, Near) and found is not None:
        return isclose(wanted, found, rel_tol=wanted.tolerance, abs_tol=1e-3 * wanted.tolerance)
    return wanted == found


def _said(value: float | None) -> str:
    return "nothing" if value is None else f"{value!r}"
