"""What can go wrong with a store.

StoreError
├── StoreUnavailable   not now: wait and repeat; every call may be repeated
└── StoreRejected      not like this: settings, rights or the server's configuration must change first
"""


class StoreError(Exception):
    """A store did not do what it was asked. The hint says what a person can do about it."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}. Hint: {self.hint}." if self.hint else self.problem


class StoreUnavailable(StoreError):  # noqa: N818 - named for the state of the store, as callers read it
    """The store is away, or cannot write for now. Whether the call took effect is unknown."""


class StoreRejected(StoreError):  # noqa: N818
    """The store refuses as it is configured; repeating does not help."""
