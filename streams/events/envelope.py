"""What every event carries, whatever its family.

Each family extends `Event` with its own fields and names itself in a module-level `FAMILY`. Validation is strict: a number
in a string is a wrong type, because a silent guess would become a wrong figure. A `null` is the same as leaving a field out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Required

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
MAX_EPOCH_MS = 253_402_300_799_999  # the end of the year 9999

DEFAULT_ENVIRONMENT = "production"
Clock = Literal["event", "arrival"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=128)] | None
Url = Annotated[str, StringConstraints(max_length=2048)] | None
Long = Annotated[str, StringConstraints(max_length=4096)] | None
Count = Annotated[int, Field(ge=0, le=1_000_000_000)] | None
Milliseconds = Annotated[float, Field(ge=0, le=3_600_000)] | None
Seconds = Annotated[float, Field(ge=0, le=31_536_000)] | None
Attribute = Annotated[str, StringConstraints(max_length=1024)] | float | bool | None


def _rfc_3339(value: object) -> object:
    """Pydantic reads "1700000000" as a date too; RFC 3339 does not."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("expected an RFC 3339 date and time with an offset, or integer epoch milliseconds")
    return value


Timestamp = Annotated[
    Annotated[int, Field(ge=0, le=MAX_EPOCH_MS)]
    | Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc_3339)]
    | None,
    Field(union_mode="left_to_right"),
]


STRICT = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Event(TypedDict, total=False):
    """The envelope. Unknown fields are let through so that they can be counted; nothing reads them."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    id: Text
    timestamp: Timestamp
    app: Required[Name]
    environment: Text
    release: Text
    page: Text
    country: Text
    device: Text
    os: Text
    browser: Text
    segment: Text
    channel: Text
    variant: Text
    location: Text
    session: Text
    user: Text
    customer: Text
    synthetic: bool | None
    attributes: Annotated[dict[Annotated[str, StringConstraints(max_length=128)], Attribute], Field(max_length=32)] | None


@dataclass(frozen=True, slots=True)
class EventFamily:
    """One topic's contract: its model, the clock of its windows, and how `enrich` completes an event before it is rolled up,
    in batches of which some event has the field `enriched_from`. `derived`: dimensions that no event names."""

    name: str
    model: type
    clock: Clock = "event"
    enrich: Callable[[Any], None] | None = None
    enriched_from: str = ""
    derived: tuple[tuple[str, Callable[[Any], str]], ...] = ()
    key: str = "session"


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND
