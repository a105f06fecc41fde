"""Where the state of partitions is kept: Redis, or memory in tests. The only room that knows Redis."""
