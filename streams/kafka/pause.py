"""Where a leader is missing, aiokafka's fetcher and its producer want new metadata at once and again as soon as they have been
told in vain: thousands of times a second while no broker answers, and most of a core.
"""

import asyncio
from typing import Any

PAUSE_SECONDS = 0.5


def pause_between_questions(client: Any) -> None:
    """Lets an `AIOKafkaClient` ask for metadata only when the last answer, or the lack of one, is a while ago."""
    ask, now = client._metadata_update, asyncio.get_running_loop().time  # noqa: SLF001 - aiokafka has no setting for it
    earliest = now()

    async def unhurried(*what: Any) -> Any:
        nonlocal earliest
        await asyncio.sleep(earliest - now())
        try:
            return await ask(*what)
        finally:
            earliest = now() + PAUSE_SECONDS

    client._metadata_update = unhurried  # noqa: SLF001
