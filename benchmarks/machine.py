"""What a measurement was made on: the machine, its load, and the versions that matter."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import redis

from benchmarks.peers.environments import PEERS
from tests.services.kafka import PARTS
from tests.services.service import on_path

OURS = ("faust-streaming", "mode-streaming", "aiokafka", "redis", "numpy", "msgspec", "pydantic", "uvloop", "confluent-kafka")
KIB_A_GIB = 1 << 20
KAFKA_JAVA_OPTIONS = (  # as Kafka's own start script has them
    *("-Xms1G", "-Xmx1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"),
    *("-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"),
)
TICKS = os.sysconf("SC_CLK_TCK")


def describe(redis_url: str) -> Mapping[str, str]:
    """Facts by name; none that tells whose machine it is."""
    model, memory = _found(Path("/proc/cpuinfo"), "model name.*: (.*)"), _found(Path("/proc/meminfo"), "MemTotal: *([0-9]+)")
    hardware = f"{os.cpu_count()} cores ({model}), {int(memory) / KIB_A_GIB:.0f} GiB"
    kafka_version = _found(PARTS / "pom.xml", "<kafka.version>(.*)</")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        redis_version = client.info("server")["redis_version"]
    java = subprocess.run([on_path("java"), "-version"], capture_output=True, text=True, check=True).stderr
    return {
        "machine": f"{hardware}, {platform.system()} {platform.machine()}",
        "servers, on the same machine": f"Apache Kafka {kafka_version} (heap of 1 GiB), Redis {redis_version}",
        "worker": ", ".join((f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in OURS))),
        **{f"peer `{folder.name}`": ", ".join(_pins(folder)) for folder in sorted(PEERS.iterdir()) if any(_pins(folder))},
        "Java": java.splitlines()[0].removeprefix("openjdk version ").strip('"').replace('"', ""),
    }


def cpu_seconds(pid: int) -> float:
    """Of a process and its children that have ended, in their own name and the system's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def code() -> str:
    """The commit that is measured."""
    describe = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    return subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def load() -> float:
    """Of the last minute: how many processes ran or wanted to, on average."""
    return round(os.getloadavg()[0], 2)


def _pins(folder: Path) -> list[str]:
    """What a peer's environment is made of."""
    requirements, project = folder / "requirements.txt", folder / "pom.xml"
    if requirements.exists():
        return requirements.read_text().replace("==", " ").split("\n")[:-1]
    text = project.read_text() if project.exists() else ""
    return [" ".join(pair) for pair in re.findall("<artifactId>(.*)</artifactId>\\s*<version>(.*)</version>\\s*</dep", text)]


def _found(file: Path, pattern: str) -> str:
    match = re.search(pattern, file.read_text())
    return match[1].strip() if match else ""
