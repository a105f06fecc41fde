"""Where rules come from: the file that was set, else the ones that come along."""

from importlib.resources import files
from pathlib import Path


def in_force(chosen: Path | None) -> Path:
    """The rule file that alerts are judged by."""
    return chosen or Path(str(files("alerts") / "defaults.yaml"))


def of_the_demo() -> Path:
    """Shorter windows, so that an incident fits into three minutes."""
    return Path(str(files("monitor.demo") / "rules.yaml"))
