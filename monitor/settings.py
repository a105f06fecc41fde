"""Every setting of the program: the only place that reads the environment.

Strongest first: `XMON_<NAME>`; for secrets, the file named by `XMON_<NAME>_FILE`; the YAML file named by `XMON_CONFIG`.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from streams.kafka.settings import KafkaSettings, address

PREFIX = "XMON_"
CONFIG = "XMON_CONFIG"


class SettingsError(Exception):
    """A setting that cannot be used: one line a mistake, each with the name, the problem and a hint."""


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _servers(text: str) -> str:
    for server in KafkaSettings(bootstrap_servers=text).servers or [text]:
        address(server)
    return text


Port = Annotated[int, Field(ge=0, le=65535)]
Servers = Annotated[str, AfterValidator(_servers)]
ExistingFile = Annotated[Path, AfterValidator(_existing)]


class Settings(BaseSettings):
    """What is in force. Secrets are never printed."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    kafka_bootstrap_servers: Servers = Field("127.0.0.1:9092", min_length=1, description="brokers, `host:port,host:port`")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how brokers are spoken to"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="with a SASL protocol"
    )
    kafka_sasl_username: str | None = Field(None, description="with a SASL protocol")
    kafka_sasl_password: SecretStr | None = Field(None, description="with a SASL protocol")
    kafka_ssl_cafile: ExistingFile | None = Field(None, description="authorities the brokers' certificates come from")
    kafka_ssl_certfile: ExistingFile | None = Field(None, description="this client's certificate")
    kafka_ssl_keyfile: ExistingFile | None = Field(None, description="this client's key")
    kafka_group_instance_id: str | None = Field(None, description="static membership: a name of its own for every worker")
    kafka_session_timeout_seconds: float = Field(
        10, ge=6, le=300, description="after so much silence the partitions of a worker are given to others"
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(rediss?(\+cluster)?|unix)://",
        description="`redis://`, `unix://`, `redis+cluster://`; `rediss://` and `rediss+cluster://` with TLS",
    )
    redis_username: str | None = Field(None, description="ACL user")
    redis_password: SecretStr | None = Field(None, description="of that user, or of the server")
    redis_cafile: ExistingFile | None = Field(None, description="authorities of a `rediss://` server")
    redis_certfile: ExistingFile | None = Field(None, description="this client's certificate")
    redis_keyfile: ExistingFile | None = Field(None, description="this client's key")
    redis_prefix: str = Field("xmon", pattern=r"^[\w.-]+$", description="first part of every key")
    group_id: str = Field("xmon", min_length=1, description="Kafka consumer group of the workers")
    topic_prefix: str = Field("experience.", pattern=r"^[\w.-]*$", description="first part of every topic")
    serve_host: str = Field("127.0.0.1", description="address of the page, API and `/metrics`")
    serve_port: Port = Field(9464, description="its port; 0 takes a free one")
    worker_host: str = Field("127.0.0.1", description="address of a worker's own `/metrics`")
    worker_port: Port = Field(9465, description="its port; 0 turns it off")
    rules_file: ExistingFile | None = Field(None, description="alert rules instead of the ones that come along")
    webhook_url: str | None = Field(None, pattern=r"^https?://", description="receives alerts, Alertmanager's format")
    webhook_secret: SecretStr | None = Field(None, description="signs them (Standard Webhooks)")
    alertmanager_url: str | None = Field(None, pattern=r"^https?://", description="receives alerts, API v2: one server")
    pseudonym_key: SecretStr | None = Field(
        None, description="keys the hashes of sessions, installations and users; unset: one is made and kept in Redis"
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="of the page for people: for links in alerts; on 127.0.0.1 also a name that it answers to",
    )
    checkpoint_interval_seconds: float = Field(
        0.5, ge=0.05, le=4, description="between two writes of a partition; figures count as complete for 5 s after one"
    )
    lateness_seconds: int = Field(120, ge=0, le=900, description="how long a pane of 10 s stays open for late events")
    max_event_bytes: int = Field(262_144, ge=1024, le=16 << 20, description="larger events are dead letters")
    max_values: int = Field(1000, ge=1, le=100_000, description="values of a dimension a partition keeps, an app")
    shown_values: int = Field(200, ge=1, le=10_000, description="values of a dimension a reader shows, an app")
    exposed_windows: str = Field(
        "5m",
        pattern=r"^(none|(1m|5m|15m|1h)(,(1m|5m|15m|1h))*)$",
        description="windows in which `/metrics` tells the values of dimensions, `5m,1h`, or `none`; totals have all four",
    )
    max_apps: int = Field(100, ge=1, le=10_000, description="apps a partition keeps, each environment counts")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")
    log_format: Literal["text", "json"] = Field("text", description="of the log on stderr")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls), _ConfigFile(settings_cls)


class _SecretFiles(EnvSettingsSource):
    """Secrets from the files that `XMON_<NAME>_FILE` names, as container platforms mount them."""

    def __call__(self) -> dict[str, Any]:
        found = {name: os.environ.get(f"{_env(name)}_FILE") for name in _secrets()}
        for name, path in found.items():
            if path and os.environ.get(_env(name)):
                raise SettingsError(f"{_env(name)}: is given twice. Hint: keep it or {_env(name)}_FILE, not both.")
        read = {name: _read(Path(path), f"{_env(name)}_FILE").strip() for name, path in found.items() if path}
        for name, secret in read.items():
            if not secret:
                raise SettingsError(f"{_env(name)}_FILE: {found[name]} is empty. Hint: put the secret in, or unset the name.")
        return read


class _ConfigFile(EnvSettingsSource):
    """The YAML file: names as in the environment, small and without the prefix; `kafka: {group_id: …}` nests."""

    def __call__(self) -> dict[str, Any]:
        path = os.environ.get(CONFIG)
        if not path:
            return {}
        try:
            content = yaml.safe_load(_read(Path(path), CONFIG)) or {}
        except yaml.YAMLError as problem:  # what it says of itself holds the line, and that may hold a password
            mark = getattr(problem, "problem_mark", None)
            place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise SettingsError(
                f"{CONFIG}: {path} is not YAML{place}. Hint: quote values with other than plain characters."
            ) from None
        if not isinstance(content, dict):
            raise SettingsError(f"{CONFIG}: {path} holds no names with values. Hint: `serve_port: 9464`.")
        return dict(_flat(content))


def load(**overrides: object) -> Settings:
    """Settings in force, or `SettingsError`."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as problem:
        raise SettingsError("\n".join(_line(error) for error in problem.errors(include_url=False))) from None


def unknown_names(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A warning for every `XMON_` name in the environment that means nothing, with the nearest one that does."""
    known = {CONFIG} | {_env(name) for name in Settings.model_fields} | {f"{_env(name)}_FILE" for name in _secrets()}
    strange = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return [f"{name}: there is no such setting{_nearest(name, known)}" for name in strange]


def _secrets() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if SecretStr in getattr(field.annotation, "__args__", ())]


def _may_be_shown(name: str) -> bool:
    """URLs hold passwords and tokens where people put them there."""
    return name not in _secrets() and not name.endswith("_url")


def _env(name: str) -> str:
    return f"{PREFIX}{name}".upper()


def _nearest(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f". Hint: did you mean {near[0]}?" if near else ". Hint: the names are in docs/settings.md."


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not text"
        raise SettingsError(f"{name}: {path} cannot be read ({reason.lower()}). Hint: check the path and its rights.") from None


def _flat(content: dict[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}_")
        else:
            yield f"{before}{name}", value


def _line(error: Any) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting{_nearest(_env(name), {_env(n) for n in Settings.model_fields})}"
    field = Settings.model_fields[name]
    given = f" (given: {error['input']!r})" if _may_be_shown(name) else ""
    default = "unset" if field.default is None else field.default
    problem = error["msg"].removeprefix("Value error, ")
    return f"{_env(name)}: {problem}{given}. Hint: {field.description}; default {default}."
