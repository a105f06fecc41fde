"""A family's contract compiled for msgspec, which reads a record in a quarter of pydantic's time.

The pydantic model stays the contract. What is read here pydantic accepts too, with the same values (but for an RFC 3339 time of
more than six decimals, which is rounded here and cut off there); what is not read here is pydantic's to accept or to refuse
(`tests/streams/events/test_compiled.py` tries both).
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Union

import msgspec
from pydantic import TypeAdapter

_TYPES = {"string": str, "number": float, "integer": int, "boolean": bool, "null": None}
_LIMITS = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "maxProperties": "max_length",
    "minimum": "ge",
    "maximum": "le",
}
Known = Mapping[str, Collection[str]]
_NOTHING: Known = {}
SHORT = 128  # characters
_LABELS = {"type", "title", "description", "additionalProperties", "propertyNames"}


def struct_of(model: Any, derived: Mapping[str, Callable[[Any], str]], known: Known = _NOTHING) -> type[msgspec.Struct]:
    """A struct with the fields of a TypedDict as attributes, None where an event has none, and attributes that are computed
    from them. Fields that are `known` take these texts only. Raises ValueError for a model that cannot be compiled."""
    schema = schema_of(model)
    fields: list[tuple[Any, ...]] = []
    for name, one in schema["properties"].items():  # in the order of the contract: fields that come in it are found at once
        compiled = _compiled(_narrowed(one, known[name]) if name in known else one)
        fields.append((name, compiled) if name in schema["required"] else (name, compiled, None))
    computed = {name: property(compute) for name, compute in derived.items()}
    return msgspec.defstruct(model.__name__, fields, namespace=computed, kw_only=True, forbid_unknown_fields=True, gc=False)


def texts_of(model: Any) -> list[str]:
    """Names of the fields that hold a short text."""
    return [name for name, one in schema_of(model)["properties"].items() if any(map(_is_short_text, one.get("anyOf", [one])))]


@cache
def schema_of(model: Any) -> Any:
    """Its JSON Schema."""
    return TypeAdapter(model).json_schema()


def _is_short_text(schema: Mapping[str, Any]) -> bool:
    return schema["type"] == "string" and schema.get("maxLength", SHORT + 1) <= SHORT and "enum" not in schema


def _narrowed(schema: Mapping[str, Any], texts: Collection[str]) -> Any:
    """The schema of a text, which takes these only."""
    members = schema.get("anyOf", [schema])
    return {"anyOf": [{"enum": sorted(texts)} if _is_short_text(one) else one for one in members]}


def _compiled(schema: Mapping[str, Any]) -> Any:
    """The type that a JSON Schema describes."""
    if "anyOf" in schema:
        return Union[tuple(map(_compiled, schema["anyOf"]))]  # noqa: UP007 - members that are known when this runs
    if schema.get("format") == "date-time":
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if unknown := schema.keys() - _LIMITS.keys() - _LABELS:
        raise ValueError(f"cannot be compiled: {', '.join(sorted(unknown))}")
    limits = {_LIMITS[name]: limit for name, limit in schema.items() if name in _LIMITS}
    found = _dictionary(schema) if schema["type"] == "object" else _TYPES[schema["type"]]
    return Annotated[found, msgspec.Meta(**limits)] if limits else found


def _dictionary(schema: Mapping[str, Any]) -> Any:
    return dict[_compiled({"type": "string", **schema["propertyNames"]}), _compiled(schema["additionalProperties"])]  # type: ignore[misc]
