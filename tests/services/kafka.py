"""A real Apache Kafka from Maven Central: one broker that is its own controller. What it is made of lies in kafka/."""

import fcntl
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.service import HOST, Missing, Service, free_port, on_path

PARTS = Path(__file__).with_name("kafka")
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
CLUSTER_ID = "ZXhwZXJpZW5jZS1tb25pdA"  # any 16 bytes in base64
JAVA_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")  # soon there
DOWNLOAD_SECONDS = 600
FORMAT_SECONDS = 60
API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")  # length, key 18, version 0, correlation 1, no client


class KafkaServer(Service):
    """A broker with what a real one does; topics must be created. After kill9 it starts with what it had."""

    name = "kafka"

    def __init__(self, directory: Path, java_options: Sequence[str] = JAVA_OPTIONS) -> None:
        super().__init__(directory)
        self._java_options = java_options
        self._java = on_path("java")
        self._jars = jars()
        self._controller_port = free_port()

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        properties = self.directory / "server.properties"
        if not properties.exists():
            self._format(properties)
        return [*self._run("kafka.Kafka"), str(properties)]

    def ready(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=2) as connection:
            connection.sendall(API_VERSIONS)
            return len(connection.recv(8)) == 8

    def _format(self, properties: Path) -> None:
        text = (PARTS / "server.properties").read_text()
        data = self.directory / "data"
        properties.write_text(
            text.format(host=HOST, port=self.port, controller_port=self._controller_port, data=data),
        )
        tool = [*self._run("kafka.tools.StorageTool"), "format", "-t", CLUSTER_ID, "-c", str(properties)]
        with self.log.open("ab") as log:
            subprocess.run(tool, stdout=log, stderr=log, timeout=FORMAT_SECONDS, check=True)

    def _run(self, main_class: str) -> list[str]:
        return [self._java, *self._java_options, "-cp", f"{self._jars}/*", main_class]


def jars() -> Path:
    """The directory of Kafka's jars, downloaded once a version of the list in kafka/pom.xml."""
    pom = PARTS / "pom.xml"
    libs, stamp = CACHE / "libs", CACHE / "pom.xml"
    with _alone(CACHE):
        if not (libs.is_dir() and stamp.exists() and stamp.read_bytes() == pom.read_bytes()):
            shutil.rmtree(libs, ignore_errors=True)
            _download(pom, libs)
            shutil.copyfile(pom, stamp)
    return libs


def _download(pom: Path, libs: Path) -> None:
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
    command = [on_path("mvn"), "-q", "-B", "-f", str(pom), *copy]
    try:
        done = subprocess.run(command, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"Kafka's jars could not be downloaded in {DOWNLOAD_SECONDS} s") from None
    if done.returncode:
        raise Missing(f"Kafka's jars could not be downloaded: {done.stdout.decode(errors='replace')[:500]}")


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Only one process at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
