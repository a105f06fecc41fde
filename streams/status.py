"""What a worker says of itself once a second, for those who read figures."""

import json
from dataclasses import asdict, dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One partition, as its worker sees it."""

    topic: str
    number: int
    next: int  # the offset up to which records are applied; -1: its state is being read
    lag: int | None  # records not yet applied; None: unknown
    age_seconds: float  # since the last checkpoint, or since there was nothing to write
    checkpoint_seconds: float
    checkpoint_bytes: int
    problem: str = ""
    stored: int | None = None  # the position up to which all is written, for certain; None: it is not told


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker with its partitions. `sequence` grows: a reader sees by its own clock whether a worker still speaks."""

    worker: str
    version: str
    sequence: int
    partitions: tuple[PartitionStatus, ...]

    def encode(self) -> bytes:
        """JSON."""
        return json.dumps(asdict(self)).encode()


def decode_status(content: bytes) -> WorkerStatus:
    """The inverse of `encode`; another version may say more. Raises `ValueError` where it says less, or something else."""
    try:
        return msgspec.json.decode(content, type=WorkerStatus)
    except msgspec.DecodeError as error:
        raise ValueError(f"no status of a worker: {error}") from error
