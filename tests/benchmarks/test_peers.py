"""How peers are measured: what is told of them must not hang on luck."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.peers import job as job_module
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.environments import PEERS
from benchmarks.peers.exactness import HEAD, Outcome, Plan, compare, table
from benchmarks.peers.job import Job, Meter
from benchmarks.peers.speed import RACERS


def a_job(directory: Path, events: int = 10) -> Job:
    return Job("broker:9092", "redis://", "loads", 4, "group", "a:b", str(directory), 6.0, events, events // 5)


def test_a_program_is_told_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes into the environment of a peer's program comes out of it."""
    job = a_job(tmp_path)
    for name, value in job.environment().items():
        monkeypatch.setenv(name, value)
    assert Job.given() == job


def test_a_meter_leaves_out_what_is_not_to_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten events, one a second but slow at first, are one event a second."""
    job, now = a_job(tmp_path), [0.0]
    monkeypatch.setattr(job_module.time, "monotonic", lambda: now[0])
    meter = Meter(job)
    for number in range(10):
        assert not job.report.exists()
        now[0] += 100 if number < 2 else 1
        meter.count()
    told = json.loads(job.report.read_text())
    assert told["events"] / (told["ended"] - told["began"]) == pytest.approx(1.0)


def test_kills_come_once_in_each_part_of_the_stream() -> None:
    """The same seed kills at the same instants, none before the one ahead of it, and all while events are published."""
    plan = Plan(events=HEAD + 50_000, rate=1000, kills=5, seed=3)
    assert plan.instants() == plan.instants() == sorted(plan.instants())
    assert [int(instant // 10) for instant in plan.instants()] == [0, 1, 2, 3, 4]
    assert plan.instants() != Plan(events=HEAD + 50_000, rate=1000, kills=5, seed=4).instants()


def test_what_one_page_has_too_much_does_not_hide_what_another_lacks() -> None:
    """Counted twice and missing are added up by themselves."""
    assert compare(Counter(a=10, b=10, c=10), Counter(a=13, b=8, c=10, d=1)) == (4, 2)


def test_the_table_tells_lost_from_unread() -> None:
    """Events that a group has not committed are not lost, and a program that did not come back is never back."""
    outcome = Outcome("one", 100, 6.0, back_seconds=[1.25, None], kills_while_published=1, twice=1, missing=5, unread=3)
    assert table([outcome]).splitlines()[1].split() == ["one", "1", "2", "3", "0", "1/2", "1.2", "never", "(6)"]


def test_every_program_of_a_peer_is_there() -> None:
    """Each contestant names a folder that holds its program and what pins its dependencies."""
    programs = {(one.peer, one.program) for one in (*CONTESTANTS.values(), *RACERS) if one.peer}
    for peer, program in programs:
        java = PEERS / peer / "pom.xml"
        expected = PEERS / peer / (f"src/main/java/{program}.java" if java.exists() else f"{program}.py")
        assert expected.exists()
        assert java.exists() or (PEERS / peer / "requirements.txt").exists()
