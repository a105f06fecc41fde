"""Settings: sources, secrets, and what a person reads after a mistake."""

import os
from pathlib import Path

import pytest

from monitor.settings import Settings, SettingsError, load, unknown_names


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("XMON_")]:
        monkeypatch.delenv(name)


def test_defaults_reach_a_local_kafka_and_redis() -> None:
    """With nothing set, everything listens and connects on this machine only."""
    settings = load()
    assert settings.kafka_bootstrap_servers == "127.0.0.1:9092"
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.serve_host, settings.serve_port, settings.worker_port) == ("127.0.0.1", 9464, 9465)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A YAML file may nest its names, and the environment overrides it."""
    config = tmp_path / "xmon.yaml"
    config.write_text("kafka:\n  bootstrap_servers: a:1\nserve_port: 1000\n")
    monkeypatch.setenv("XMON_CONFIG", str(config))
    monkeypatch.setenv("XMON_SERVE_PORT", "2000")
    settings = load()
    assert (settings.kafka_bootstrap_servers, settings.serve_port) == ("a:1", 2000)


def test_a_secret_comes_from_a_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`*_FILE` is read without its line end, and no representation of the settings holds the secret."""
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("XMON_REDIS_PASSWORD_FILE", str(tmp_path / "password"))
    settings = load()
    assert settings.redis_password is not None
    assert settings.redis_password.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{settings!r}{settings}{settings.model_dump_json()}"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to guess which of two passwords is in force."""
    monkeypatch.setenv("XMON_REDIS_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("XMON_REDIS_PASSWORD", "x")
    with pytest.raises(SettingsError, match="XMON_REDIS_PASSWORD: is given twice"):
        load()


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message names the setting and the path."""
    monkeypatch.setenv("XMON_PSEUDONYM_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"XMON_PSEUDONYM_KEY_FILE: .*/none cannot be read"):
        load()


def test_an_empty_secret_is_none_by_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody mounts a file to have no password."""
    (tmp_path / "key").write_text("\n")
    monkeypatch.setenv("XMON_PSEUDONYM_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(SettingsError, match=r"XMON_PSEUDONYM_KEY_FILE: .*/key is empty"):
        load()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("XMON_SERVE_PORT", "abc", "XMON_SERVE_PORT: Input should be a valid integer.*'abc'.*Hint: its port"),
        ("XMON_SERVE_PORT", "70000", "XMON_SERVE_PORT: .*65535"),
        ("XMON_REDIS_URL", "localhost:6379", "XMON_REDIS_URL: .*Hint: .*unix://"),
        ("XMON_EXPOSED_WINDOWS", "5m, 1h", "XMON_EXPOSED_WINDOWS: .*'5m, 1h'.*Hint: windows .*default 5m"),
        ("XMON_CHECKPOINT_INTERVAL_SECONDS", "5", "XMON_CHECKPOINT_INTERVAL_SECONDS: .*4.*Hint: .*complete for 5 s"),
        ("XMON_LOG_LEVEL", "loud", "XMON_LOG_LEVEL: .*'DEBUG'"),
        ("XMON_RULES_FILE", "/nowhere.yaml", "XMON_RULES_FILE: there is no file /nowhere.yaml"),
    ],
)
def test_a_bad_value_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    """A mistake is told with the name, the problem and a hint, on one line."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words) as told:
        load()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XMON_REDIS_URL", "redis+sentinel://:hunter2@h:26379/0"),
        ("XMON_WEBHOOK_URL", "hooks.slack.example/services/T0/B0/hunter2"),
        ("XMON_ALERTMANAGER_URL", "user:hunter2@alerts.example"),
        ("XMON_PUBLIC_URL", "user:hunter2@monitor.example"),
    ],
)
def test_a_bad_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """It may hold a password or a token, and the message goes to a log."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}: .*Hint: ") as told:
        load()
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("value", ['"hunter2', "{hunter2: [", "*hunter2", "!hunter2", "@hunter2"])
def test_a_file_that_is_no_yaml_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    """The place is told and not what stands there, which may be a password."""
    config = tmp_path / "xmon.yaml"
    config.write_text(f"serve_port: 1\nredis_password: {value}")
    monkeypatch.setenv("XMON_CONFIG", str(config))
    with pytest.raises(SettingsError, match=r"xmon.yaml is not YAML at line 2, column \d+. Hint: ") as told:
        load()
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("text", ["- a list", "{", "kafka: {bootstrap_server: x}"])
def test_a_bad_file_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """A file that is no YAML, no mapping, or names what does not exist, is refused plainly."""
    config = tmp_path / "xmon.yaml"
    config.write_text(text)
    monkeypatch.setenv("XMON_CONFIG", str(config))
    with pytest.raises(SettingsError) as told:
        load()
    assert "\n" not in str(told.value)


def test_an_unknown_name_is_warned_about_with_the_nearest() -> None:
    """A typing error in a name is not silently ignored."""
    assert unknown_names({"XMON_KAFKA_BOOTSTRAP_SERVER": "x", "HOME": "/", "XMON_CONFIG": "c"}) == [
        "XMON_KAFKA_BOOTSTRAP_SERVER: there is no such setting. Hint: did you mean XMON_KAFKA_BOOTSTRAP_SERVERS?"
    ]


def test_every_setting_says_what_it_is() -> None:
    """The generated reference needs a description of each."""
    assert all(field.description for field in Settings.model_fields.values())
