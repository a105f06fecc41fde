"""Further servers that speak Redis and that a machine may have: other versions, and Valkey."""

import os
import shutil
import subprocess
from functools import cache
from typing import Any

import pytest


@cache
def redis_variants() -> dict[str, str]:
    """Name and version → executable: those in XMON_TEST_REDIS_SERVERS (`path:path`), else a Valkey on the PATH."""
    named = [path for path in os.environ.get("XMON_TEST_REDIS_SERVERS", "").split(os.pathsep) if path]
    return {_version(path): path for path in named or filter(None, [shutil.which("valkey-server")])}


def variants() -> list[Any]:
    """Their names, as parameters of a test; where there is none, one that is skipped and says so."""
    none = pytest.mark.skip(reason="no other Redis: XMON_TEST_REDIS_SERVERS names none, no valkey-server on the PATH")
    return list(redis_variants()) or [pytest.param("another", marks=none)]


def _version(executable: str) -> str:
    """E.g. `valkey-8.1.1`."""
    said = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    return f"{said.split()[0].lower()}-{said.partition(' v=')[2].split()[0]}"
