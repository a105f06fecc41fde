"""One environment a peer, made on first use and anew when what it is made from has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.service import on_path

PEERS = Path(__file__).parent
ROOT = PEERS.parents[1]
CACHE = ROOT / ".cache" / "peers"
INSTALL_SECONDS = 600
JAVA_OPTIONS = ("-Xms256m", "-Xmx1g")


def command(peer: str, program: str) -> list[str]:
    """The command that runs a peer's program: a Python module, or a Java class where the peer has a pom.xml."""
    if (PEERS / peer / "pom.xml").exists():
        return [on_path("java"), *JAVA_OPTIONS, "-cp", _java(peer), program]
    return [str(_python(peer)), "-m", f"benchmarks.peers.{peer}.{program}"]


def environment() -> dict[str, str]:
    """What a program needs to run and to import `benchmarks.peers.job`."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**inherited, "PYTHONPATH": str(ROOT)}


def _python(peer: str) -> Path:
    folder, requirements = CACHE / peer, PEERS / peer / "requirements.txt"
    python = folder / "bin" / "python"
    if _stale(folder, [requirements]):
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)])
        _made(folder, [requirements])
    return python


def _java(peer: str) -> str:
    """A class path."""
    folder, project = CACHE / peer, PEERS / peer
    sources = [project / "pom.xml", *sorted(project.rglob("*.java"))]
    if _stale(folder, sources):
        maven = [on_path("mvn"), "-q", "-B", "-f", str(project / "pom.xml"), f"-Dbuild={folder}"]
        _run([*maven, "compile", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}/libs"])
        _made(folder, sources)
    return f"{folder}/classes:{folder}/libs/*"


def _stale(folder: Path, sources: list[Path]) -> bool:
    """Whether it must be made; what there was is then removed."""
    stamp = folder / "made-from"
    if stamp.exists() and stamp.read_text() == _text(sources):
        return False
    print(f"making the environment of {folder.name} in {folder}; this takes a minute, once", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _made(folder: Path, sources: list[Path]) -> None:
    (folder / "made-from").write_text(_text(sources))


def _text(sources: list[Path]) -> str:
    return "".join(source.read_text() for source in sources)


def _run(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
