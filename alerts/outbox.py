"""What waits to be told: the engine's copy of what the store keeps.

The engine adds what it has stored, couriers take from it and say what is done, and the engine deletes that from the store.
So there is one writer, and a notification leaves the store only after its target took it. While the store is away couriers
go on; while another engine holds the lease nothing waits here.
"""

from collections.abc import Iterable, Mapping

from alerts.alert import Notification

GIVEN_UP_AFTER_MS = 24 * 3_600_000

Key = tuple[str, str]  # target, id of the notification


class Outbox:
    """Notifications by target, in the order of their making."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Notification] = {}
        self._done: set[Key] = set()

    def replace(self, stored: Mapping[Key, Notification]) -> None:
        """Holds what the store holds, but for what has been told since."""
        self._done &= stored.keys()
        self._waiting.clear()
        self.add({key: item for key, item in stored.items() if key not in self._done})

    def add(self, stored: Mapping[Key, Notification]) -> None:
        self._waiting |= dict(sorted(stored.items(), key=lambda item: item[1].at_ms))

    def waiting(self, target: str) -> list[Notification]:
        """All that the target has not heard, oldest first."""
        return [item for (name, _), item in self._waiting.items() if name == target]

    def finish(self, target: str, notification: Notification) -> None:
        """It was told, or given up."""
        self._waiting.pop((target, notification.id), None)
        self._done.add((target, notification.id))

    def give_up(self, targets: Iterable[str], made_until_ms: int) -> None:
        """Finishes what is old and waits for targets that exist no more."""
        known = set(targets)
        for (target, _), item in list(self._waiting.items()):
            if target not in known and item.at_ms <= made_until_ms:
                self.finish(target, item)

    def done(self) -> frozenset[Key]:
        """What may be deleted from the store."""
        return frozenset(self._done)

    def forget(self, deleted: Iterable[Key]) -> None:
        """The store has deleted it."""
        self._done.difference_update(deleted)
