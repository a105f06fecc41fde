"""A real Prometheus and a real Alertmanager."""

from pathlib import Path

from tests.services.service import HOST, Service, answers_http, on_path


class Prometheus(Service):
    """Prometheus with the configuration given as text."""

    name = "prometheus"

    def __init__(self, directory: Path, config: str) -> None:
        super().__init__(directory)
        self._executable = on_path("prometheus")
        self._config = config

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        config = self.directory / "prometheus.yml"
        config.write_text(self._config)
        return [
            self._executable,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
        ]

    def ready(self) -> bool:
        return answers_http(f"{self.url}/-/ready")


class Alertmanager(Service):
    """Alertmanager, alone, with the configuration given as text."""

    name = "alertmanager"

    def __init__(self, directory: Path, config: str) -> None:
        super().__init__(directory)
        self._executable = on_path("alertmanager", "prometheus-alertmanager")
        self._config = config

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        config = self.directory / "alertmanager.yml"
        config.write_text(self._config)
        return [
            self._executable,
            f"--config.file={config}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--cluster.listen-address=",
        ]

    def ready(self) -> bool:
        return answers_http(f"{self.url}/-/ready")
