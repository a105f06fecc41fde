"""Mistakes in a rule, in words for its author: where, and what to do."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

T = TypeVar("T")

_MOST_LISTED = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; the path leads from the rule to the value."""

    path: tuple[str | int, ...]
    message: str


def validated(validate: Callable[[Any], T], value: Any, known: Collection[str]) -> T | list[Problem]:
    """What pydantic makes of the value, or all its complaints in our words. `known`: names the fields may have."""
    try:
        return validate(value)
    except ValidationError as error:
        return [_in_words(detail, known) for detail in error.errors(include_url=False)]


def nearest(name: object, known: Collection[str]) -> str:
    """A suggestion for a name that does not exist."""
    if close := get_close_matches(str(name), known, n=1):
        return f"did you mean `{close[0]}`?"
    listed = ", ".join(sorted(known)[:_MOST_LISTED])
    return f"known are {listed}{', …' if len(known) > _MOST_LISTED else ''}" if known else "there are none"


def _in_words(detail: ErrorDetails, known: Collection[str]) -> Problem:
    path = detail["loc"]
    field = path[-1] if path else "the value"
    match detail["type"]:
        case "missing":
            return Problem(path[:-1], f"`{field}` is missing: add it")
        case "extra_forbidden" | "unexpected_keyword_argument":
            return Problem(path, f"unknown field `{field}`: {nearest(field, known)}")
        case "value_error":
            return Problem(path, str(detail["ctx"]["error"]))
        case "dataclass_type" | "model_type":
            return Problem(path, "give the fields below, or in braces: {field: value}")
    wanted = detail["msg"].removeprefix("Input should be ")
    return Problem(path, f"`{field}` must be {wanted}, not {str(detail['input'])[:60]!r}")
