"""Finds the families: every module in this room with a `METRICS`. A new family is a file here and one in `streams/events`."""

import pkgutil
from functools import cache
from importlib import import_module

from streams import metrics
from streams.metrics.catalogue import Catalogue


@cache
def catalogue() -> Catalogue:
    """All families that the project has, in order of their names."""
    modules = (import_module(f"{metrics.__name__}.{found.name}") for found in pkgutil.iter_modules(metrics.__path__))
    families = (module.METRICS for module in modules if hasattr(module, "METRICS"))
    return Catalogue(tuple(sorted(families, key=lambda family: family.name)))
