"""The memory of identities against a plain set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.windows.seen import Seen

IDS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 4)), max_size=60)


@given(st.lists(IDS, max_size=8), st.integers(0, 5))
def test_the_first_time_is_the_first_time(batches: list[list[tuple[int, int]]], dropped: int) -> None:
    """Any batches, a drop in the middle, stored and restored: the same answers as a dictionary."""
    seen, known, chunks = Seen(), {}, {}
    for number, batch in enumerate(batches):
        if number == len(batches) // 2:
            for gone in seen.drop_before(dropped):
                chunks.pop(gone, None)
            known = {one: bucket for one, bucket in known.items() if bucket >= dropped}
        expected = []
        for one, bucket in batch:
            expected.append(one not in known)
            known.setdefault(one, bucket)
        ids = np.array([one for one, _ in batch], dtype=np.uint64)
        buckets = np.array([bucket for _, bucket in batch], dtype=np.int64)
        assert seen.first_time(ids, buckets).tolist() == expected
        for bucket, chunk, content in seen.unstored():
            chunks.setdefault(bucket, {})[chunk] = content
        seen = Seen()
        seen.restore(chunks)


def test_many_identities_in_chunks() -> None:
    """Chunks are full but for the last one, and hold everything in the order it came."""
    seen, ids = Seen(), np.arange(1, 10_001, dtype=np.uint64)
    for start in range(0, 10_000, 700):
        part = ids[start : start + 700]
        assert seen.first_time(part, np.zeros(part.size, dtype=np.int64)).all()
    contents = {chunk: content for _, chunk, content in seen.unstored()}
    assert b"".join(contents[i] for i in sorted(contents)) == ids.tobytes()
    assert not seen.first_time(ids, np.zeros(ids.size, dtype=np.int64)).any()
