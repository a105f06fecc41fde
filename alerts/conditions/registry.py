"""Finds the conditions of this room."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

import alerts.conditions
from alerts.conditions.condition import Condition


def find() -> Mapping[str, type[Condition]]:
    """Key in a rule file → class of the condition."""
    found: dict[str, type[Condition]] = {}
    for module in iter_modules(alerts.conditions.__path__, f"{alerts.conditions.__name__}."):
        found |= getattr(import_module(module.name), "CONDITIONS", {})
    return found
