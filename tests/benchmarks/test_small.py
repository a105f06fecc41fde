"""The small form of each part, on real servers of its own: it must run, not be fast."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.__main__ import run
from benchmarks.arena import SMALL, Arena
from benchmarks.parts import PARTS
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.parametrize("name", [name for name in PARTS if name != "serving"])  # which has no small form
def test_a_part_tells_what_it_measured(
    name: str,
    kafka: KafkaServer,
    start_redis: Callable[[], RedisServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It prints its table, and what it left behind gives the same table in the page."""
    cache = tmp_path / ".cache" / "bench"
    cache.mkdir(parents=True)
    folder = tmp_path / "run"
    folder.mkdir()
    run(name, Arena(kafka, start_redis(), folder), SMALL, cache, 0.0)
    monkeypatch.setattr(report, "CACHE", cache.parent)
    tables = dict(report.performance(report.benched()))
    assert tables[name].partition("\n\n")[0] in capsys.readouterr().out
    assert name in tables["runs"]
