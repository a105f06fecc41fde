"""The stack: hardened, pinned, reached from this machine only, and its files accepted by those who read them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.settings import CONFIG, unknown_names
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.registry import catalogue
from streams.metrics.stored import Counter

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = STACK["services"]
ONE_SHOT = {"topics", "generator"}
BUILT = {"topics", "worker", "serve", "generator"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"no {name} on this machine")
    return found


def test_compose_accepts_the_file() -> None:
    """`docker compose config` finds no fault, where there is a client."""
    docker = tool("docker")
    if run(docker, "compose", "version").returncode:
        pytest.skip("docker has no compose here: only the structure is checked")
    answer = run(docker, "compose", "--file", str(ROOT / "docker-compose.yml"), "--profile", "demo", "config", "--quiet")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened(name: str) -> None:
    """No service gains privileges, keeps capabilities, or writes to its own image (Kafka alone must)."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name != "kafka")
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_in_memory_is_run(name: str) -> None:
    """Docker mounts a tmpfs noexec. Kafka alone loads libraries that it unpacks there, for batches of snappy and zstd."""
    assert SERVICES[name]["tmpfs"] == (["/tmp:exec"] if name == "kafka" else ["/tmp"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - BUILT))
def test_a_service_is_pinned(name: str) -> None:
    """An image has a full version, so that the same file starts the same programs next year."""
    assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(BUILT))
def test_what_lies_here_is_what_runs(name: str) -> None:
    """Compose builds at every start, not only where there is no image yet, and no two services under one name."""
    assert SERVICES[name]["build"] == "."
    assert SERVICES[name]["pull_policy"] == "build"
    assert "image" not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched(name: str) -> None:
    """What lives on has a health check; what waits for something waits for its health or its end."""
    service = SERVICES[name]
    assert name in ONE_SHOT or service["healthcheck"]["test"][0] == "CMD"
    for needed, how in service.get("depends_on", {}).items():
        assert how["condition"] in {"service_healthy", "service_completed_successfully"}
        assert (how["condition"] == "service_completed_successfully") == (needed == "topics")


@pytest.mark.parametrize("role", ["worker", "serve"])
def test_a_role_is_asked_for_its_own_health(role: str) -> None:
    """Not for the other's, which answers in another container."""
    assert SERVICES[role]["command"] == [role]
    assert SERVICES[role]["healthcheck"]["test"] == ["CMD", "xmon", "healthcheck", role]


def test_ports_are_published_to_this_machine_only() -> None:
    """Nothing in the stack asks for a password, so nothing is reached from elsewhere; Redis not at all."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "ports" not in SERVICES["redis"]


def test_no_secret_is_committed() -> None:
    """Values of names that sound secret are absent."""
    environment = {name: value for s in SERVICES.values() for name, value in s.get("environment", {}).items()}
    assert not [name for name in environment if re.search("PASSWORD|SECRET|TOKEN|_KEY$", name)]


def test_every_setting_of_the_stack_exists() -> None:
    """A misspelled XMON_ name in the file would be ignored at run time."""
    for service in SERVICES.values():
        assert unknown_names({**service.get("environment", {}), CONFIG: ""}) == []


def test_every_mounted_file_exists() -> None:
    """A missing source of a bind mount would become an empty directory."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in STACK["volumes"] or (ROOT / source).exists()


def test_redis_keeps_what_it_is_told() -> None:
    """Append-only file and no eviction, as exact counts need."""
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The program runs as a user without a name elsewhere, from pinned images."""
    text = (ROOT / "Dockerfile").read_text()
    assert "USER 10001:10001" in text
    assert all(re.search(r":\d+\.\d+\.\d+", line) for line in text.splitlines() if line.startswith("FROM"))


def test_the_image_leaves_health_checks_to_whoever_runs_it() -> None:
    """It does not know its role: a worker that is asked for the health of `serve` would be replaced for ever."""
    assert "HEALTHCHECK" not in (ROOT / "Dockerfile").read_text()


def test_prometheus_accepts_its_configuration() -> None:
    """`promtool check config`, the rules included."""
    answer = run(tool("promtool"), "check", "config", str(DEPLOY / "prometheus/prometheus.yml"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_alertmanager_accepts_its_configuration() -> None:
    """`amtool check-config`."""
    answer = run(tool("amtool"), "check-config", str(DEPLOY / "alertmanager/alertmanager.yml"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_critical_alert_mutes_the_warning_of_the_same_thing_only() -> None:
    """The last rule asks for every label that tells alerts of one rule apart."""
    rules = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())["inhibit_rules"]
    of_figures = {label for figure in catalogue().figures.values() for label in figure.labels}
    assert set(rules[-1]["equal"]) == {"alertname", "app", "environment", "dimension", "value", *of_figures}


def panels() -> Iterator[dict[str, Any]]:
    dashboard = json.loads((DEPLOY / "grafana/dashboards/experience.json").read_text())
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """With its variables filled in, Prometheus's own parser takes each."""
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    rules = [{"record": f"query:{n}", "expr": _filled(query)} for n, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    answer = run(tool("promtool"), "check", "rules", str(file))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(queries)} rules found" in answer.stdout


def _filled(query: str) -> str:
    values = {"$app": ".+", "$environment": ".+", "$window": "5m", "$dimension": "all", "$__rate_interval": "1m"}
    for name, value in values.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def test_panels_tell_what_they_show() -> None:
    """Each has a title, a description, a unit and the provisioned data source; no two overlap."""
    places = set()
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "prometheus"
        places.add((panel["gridPos"]["x"], panel["gridPos"]["y"]))
    assert len(places) == len(list(panels()))


@pytest.mark.parametrize("family", catalogue().families, ids=lambda family: family.name)
def test_an_app_of_any_family_can_be_chosen(family: FamilyMetrics) -> None:
    """The variables `app` and `environment` are filled from counters of each: there are apps without pages."""
    variables = json.loads((DEPLOY / "grafana/dashboards/experience.json").read_text())["templating"]["list"]
    counters = [f"xmon_{figure.name}_total" for figure in family.figures if isinstance(figure, Counter)]
    for name in ("app", "environment"):
        (query,) = (variable["query"]["query"] for variable in variables if variable["name"] == name)
        asked = re.fullmatch(rf'label_values\(\{{__name__=~"(.+)",dimension="all"\}}, {name}\)', query)
        assert asked, query
        assert counters
        assert all(re.fullmatch(asked[1], counter) for counter in counters)


def test_grafana_finds_the_data_source_and_the_dashboard() -> None:
    """The provisioned uid and path are those that the dashboard and the stack use."""
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    assert sources["datasources"][0]["uid"] == "prometheus"
    providers = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/experience.yaml").read_text())
    path = providers["providers"][0]["options"]["path"]
    assert any(f":{path}:" in volume for volume in SERVICES["grafana"]["volumes"])
