"""Where alerts and what waits to be told are kept: the port of the engine.

A store holds named texts, a lease and a token. Only the holder of the lease evaluates; that spares work, but nothing relies
on it. What keeps two engines from mixing is the token: whoever takes over writes one of its own, reads everything after
that, and from then on a write stands only while the stored token is still the writer's. Tokens are unique, not counted:
after Redis lost its last second, two engines could count to the same number.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

LEASE_MS = 6_000  # an engine that dies is followed within this and one evaluation


class AlertStore(Protocol):
    """Every call is safe to repeat. Raises StoreError: whether a write took effect is then unknown."""

    async def hold(self, holder: str, ttl_ms: int) -> bool:
        """Takes or renews the lease; False while another one holds it. With 0 the holder lets go of it."""
        ...

    async def take_over(self, token: str) -> None:
        """From now on only writes with this token stand."""
        ...

    async def read(self) -> dict[str, str]:
        """Everything that is kept, by name."""
        ...

    async def write(self, token: str, put: Mapping[str, str], drop: Sequence[str]) -> bool:
        """Puts in the given order, then drops; False, and nothing done, where the token is not the stored one."""
        ...
