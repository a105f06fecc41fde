"""Names of everything kept in Redis. All keys of one partition share a hash tag, so they live on one cluster node."""

from typing import NamedTuple


class PartitionId(NamedTuple):
    """One partition of one Kafka topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.number}"


class Keys:
    """Key names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.partitions = f"{prefix}:partitions"
        self.workers = f"{prefix}:{{workers}}"
        self.pseudonym_key = f"{prefix}:pseudonym-key"

    def partition(self, partition: PartitionId) -> str:
        return f"{self.prefix}:{{{partition}}}"

    def worker(self, worker: str) -> str:
        return f"{self.workers}:{worker}"

    def pulse(self, number: int) -> str:
        """Never there. Different numbers fall on different cluster nodes."""
        return f"{self.prefix}:{{pulse-{number}}}"
