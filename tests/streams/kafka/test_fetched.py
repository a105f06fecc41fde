"""Records taken many at a time are those that aiokafka would give one by one."""

import random
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from itertools import repeat
from pathlib import Path

import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from google_crc32c import value as crc32c

from streams.events.decode import Decoder, Reason
from streams.events.page_load import FAMILY
from streams.kafka import fetched
from streams.kafka.fetched import AFTER_COUNT, CHECKED, CHECKSUM, COUNT, WRITTEN_FOR, Records, Result, Runs, many_at_a_time

TP = TopicPartition("a", 0)
[OneByOne] = Records.__bases__  # by its name in aiokafka it may have been replaced
ATTRIBUTES, LAST, TRANSACTIONAL, CONTROL = slice(21, 23), slice(23, 27), 0x10, 0x20
ABORT = bytes(4)  # version 0, type 0
Aborted = list[tuple[int, int]]  # producer, and where its transaction begins


def batch(first: int, offsets: list[int], producer: int = -1, attributes: int = 0, key: bytes = b"key") -> bytes:
    """As a broker keeps it; `offsets` are relative."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, producer, 0, 0, 1 << 20)
    for offset in offsets:
        assert builder.append(offset, 1_700_000_000_000 + offset, key, b"value %d" % (first + offset), [])
    built = bytearray(builder.build())
    built[:8] = first.to_bytes(8)
    built[ATTRIBUTES] = attributes.to_bytes(2)
    return checked(built)


def checked(built: bytearray) -> bytes:
    built[CHECKSUM:CHECKED] = crc32c(bytes(built[CHECKED:])).to_bytes(4)
    return bytes(built)


def log(rng: random.Random) -> tuple[bytes, Aborted]:
    """Batches of all sizes, some of transactions of which some are aborted, with holes where compaction was."""
    content, aborted, at = b"", Aborted(), 0
    for _ in range(rng.randint(1, 12)):
        width = rng.choice([1, 2, 30])
        kept = sorted(rng.sample(range(width), rng.randint(1, width)))
        producer = rng.choice([-1, 7, 8])
        content += batch(at, kept, producer, TRANSACTIONAL if producer > 0 else 0)
        start, at = at, at + kept[-1] + 1 + rng.randint(0, 2)
        if producer > 0 and rng.random() < 0.5:
            aborted.append((producer, start))
            content += batch(at, [0], producer, TRANSACTIONAL | CONTROL, ABORT)
            at += 1
    return content, aborted


def one_by_one(content: bytes, aborted: Aborted, start: int) -> tuple[list[int], int]:
    """(offsets, where the next fetch begins)."""
    records = OneByOne(TP, MemoryRecords(content), list(aborted), start, None, None, True, READ_COMMITTED)
    return [record.offset for record in records], records.next_fetch_offset


def at_once(content: bytes, aborted: Aborted, start: int) -> Records:
    return Records(TP, Runs(content), list(aborted), start, None, None, True, READ_COMMITTED)


def taken(records: Records, sizes: Iterator[int]) -> Iterator[tuple[list[int], int]]:
    """(offsets, where the next fetch begins), part by part."""
    more = True
    while more:
        most = next(sizes)
        part, more = records.take(most)
        assert len(part) == most or (len(part) < most and not more)
        yield [record.offset for record in part], records.next_fetch_offset


@pytest.mark.parametrize("seed", range(200))
def test_records_are_the_same_however_many_are_taken(seed: int) -> None:
    """From any offset on, in parts of any size; and after each part the next fetch would begin right behind it."""
    rng = random.Random(seed)
    content, aborted = log(rng)
    start = rng.choice([0, rng.randint(0, 40)])
    wanted, end = one_by_one(content, aborted, start)
    sizes = iter(lambda: rng.choice([1, 2, 7, 1000]), None)
    parts = list(taken(at_once(content, aborted, start), sizes))
    assert [offset for offsets, _ in parts for offset in offsets] == wanted
    assert all(then == offsets[-1] + 1 for offsets, then in parts[:-1])
    assert parts[-1][1] == end


@pytest.mark.parametrize(("last", "count"), [(2, 3), (0, 1)])
def test_records_that_are_not_as_many_as_the_head_says_are_refused(last: int, count: int) -> None:
    """Brokers look at the head only, where records are not compressed."""
    built = bytearray(batch(0, [0, 1]))
    built[LAST], built[COUNT:AFTER_COUNT] = last.to_bytes(4), count.to_bytes(4)
    records, _ = at_once(checked(built), [], 0).take(10)
    with pytest.raises(CorruptRecordException, match=f"partition=0.*: offsets .* up to {last} cannot be unpacked"):
        list(records)


@pytest.mark.parametrize("sent", [[0, 0], [0, 0, 0], [0, 0, 2], [0, 1, 1], [1, 0, 2]])
def test_records_have_the_numbers_that_the_head_gives_them(sent: list[int]) -> None:
    """Also where they were sent with others, at which brokers do not look: each is read once, however many are taken."""
    last = len(sent) - 1
    built = bytearray(batch(5, sent))
    built[LAST] = last.to_bytes(4)
    (first, second, *others), _ = at_once(checked(built), [], 5).take(10)
    assert [first.offset, second.offset, *(record.offset for record in others)] == [5 + number for number in range(len(sent))]
    assert (second.timestamp, second.key, second.value) == (1_700_000_000_000 + sent[1], b"key", b"value %d" % (5 + sent[1]))
    parts = list(taken(at_once(checked(built), [], 5), repeat(2)))
    assert [offset for offsets, _ in parts for offset in offsets] == [5 + number for number in range(len(sent))]
    assert parts[-1][1] == 5 + len(sent)


def test_a_batch_that_was_damaged_is_refused() -> None:
    """One bit is enough."""
    sound, broken = batch(0, [0, 1]), bytearray(batch(2, [0, 1]))
    broken[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        at_once(sound + bytes(broken), [], 0).take(1000)
    records, more = at_once(sound + bytes(broken), [], 0).take(2)
    assert ([record.offset for record in records], more) == ([0, 1], True)


def test_a_record_is_the_parsers_own() -> None:
    """Offset, time, key and value as they stand in the log; no copy is made of them."""
    (record, *_), _ = at_once(batch(5, [0, 3]), [], 0).take(10)
    assert (record.offset, record.timestamp, record.key, record.value) == (5, 1_700_000_000_000, b"key", b"value 5")
    assert type(record).__name__ == "DefaultRecord"


@pytest.mark.parametrize(("kept", "unpacked"), [([0, 1, 2, 3], False), ([0, 1, 3], True)])
def test_records_are_unpacked_by_who_uses_them(kept: list[int], unpacked: bool) -> None:
    """How many there are and where they end is told without it, but where compaction has left holes."""
    content = batch(0, [0, 1]) + batch(2, kept)
    records, _ = at_once(content, [], 1).take(4)
    assert (len(records), records.end) == (4, 2 + kept[2] + 1)
    runs = [run for run, _, _ in records._pieces]
    assert ["records" in vars(run) for run in runs] == [False, unpacked]
    assert [record.offset for record in records] == [1, *(2 + offset for offset in kept[:3])]


@pytest.mark.parametrize("compression", [0, 1])
def test_a_record_of_before_kafka_had_times_is_refused(compression: int) -> None:
    """Its time is the -1 of later formats: with aiokafka's None a worker could not go on, and its letter not be read."""
    builder = LegacyRecordBatchBuilder(0, compression, 1 << 20)
    for offset in range(3):
        builder.append(offset, None, b"key", b'{"app": "shop", "session": "%d"}' % offset)
    built = builder.build()
    if compression:  # those that are compressed together have the offset of the last around them
        built[:8] = (2).to_bytes(8)
    records, more = at_once(bytes(built), [], 1).take(10)
    assert [(record.offset, record.timestamp, record.key) for record in records] == [(1, -1, b"key"), (2, -1, b"key")]
    assert not more
    refused = Decoder(FAMILY, 1000).decode(list(records)).refused
    assert [refusal.reason for refusal in refused] == [Reason.OUT_OF_RANGE] * 2


STOCK = (MemoryRecords, *Records.__bases__, *Result.__bases__)


@pytest.mark.parametrize(("installed", "used"), [(WRITTEN_FOR, (Runs, Records, Result)), ("0.14.1", STOCK), ("0.140.0", STOCK)])
def test_another_aiokafka_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, installed: str, used: tuple[type, ...]) -> None:
    """Even the next patch release may do otherwise what is replaced here."""
    names = ("MemoryRecords", "PartitionRecords", "FetchResult")
    for name, stock in zip(names, STOCK, strict=True):
        monkeypatch.setattr(fetcher, name, stock)
    monkeypatch.setattr(fetched, "version", lambda _: installed)
    many_at_a_time()
    assert tuple(getattr(fetcher, name) for name in names) == used


def test_what_is_overridden_is_installed_exactly() -> None:
    """An image gets the Faust, mode and aiokafka that are tried here; what takes many at a time is for this aiokafka."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    for name in ("faust-streaming", "mode-streaming", "aiokafka"):
        assert [pin.partition("==")[2] for pin in project["dependencies"] if pin.startswith(name)] == [version(name)]
    assert version("aiokafka") == WRITTEN_FOR
