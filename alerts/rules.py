"""Rule files: YAML checked against the catalogue of figures, every mistake with its place and what to do about it.

    rules:
      - name: crash-free-sessions          # unique; the name of the alert
        summary: crash-free sessions       # a noun: notifications read "<app> crash-free sessions 97.2 % … below 99 %"
        figure: crash_free_session_ratio
        below: {warning: 0.995, critical: 0.99, resolve_at: 0.996}
        window: 15m
        by: release                        # one alert for each value; without it one for the whole app
        for: 2m

`rule_text.py` knows where everything stands, `rule_spec.py` the fields, `conditions/` what else may stand for `below`,
`rule_reach.py` what could never fire.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from alerts.conditions import registry
from alerts.conditions.condition import Condition
from alerts.growth import FIGURES as OWN
from alerts.rule import PIPELINE_STALLED, Rule
from alerts.rule_problems import Problem, validated
from alerts.rule_reach import out_of_reach
from alerts.rule_spec import Spec, against_catalogue
from alerts.rule_text import BadYaml, Document, Place
from alerts.selection import Figure

Figures = Mapping[str, Figure]
Conditions = Mapping[str, type[Condition]]


@dataclass(frozen=True, slots=True)
class RuleError:
    """One mistake in a rule file."""

    file: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.message}"


class InvalidRules(ValueError):  # noqa: N818 - named for the file
    """A rule file with mistakes: all of them, in the order of the file."""

    def __init__(self, errors: list[RuleError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


def load(source: Path | str, figures: Figures) -> tuple[Rule, ...]:
    """The rules of a file (Path), or of a text (str). Raises InvalidRules."""
    rules, errors = _read(source, figures)
    if errors:
        raise InvalidRules(errors)
    return rules


def check(source: Path | str, figures: Figures) -> list[RuleError]:
    """Every mistake in a file (Path), or in a text (str), in the order of the file."""
    return _read(source, figures)[1]


def _read(source: Path | str, figures: Figures) -> tuple[tuple[Rule, ...], list[RuleError]]:
    file = str(source) if isinstance(source, Path) else "rules"
    try:
        document = Document(source.read_text("utf-8") if isinstance(source, Path) else source)
    except BadYaml as error:
        return (), [RuleError(file, error.place, str(error))]
    except (OSError, UnicodeDecodeError) as error:
        return (), [RuleError(file, Place(1, 1), f"cannot be read: {error}")]
    found = list(_rules(document.value, {**OWN, **figures}))
    errors = [RuleError(file, document.place(item.path), item.message) for item in found if isinstance(item, Problem)]
    errors.sort(key=lambda error: (error.place.line, error.place.column))
    return tuple(item for item in found if isinstance(item, Rule)), errors


def _rules(value: Any, figures: Figures) -> Iterator[Rule | Problem]:
    if not isinstance(value, dict) or not isinstance(value.get("rules"), list):
        yield Problem((), "a rule file starts with `rules:` and has a list of rules under it")
        return
    for field in value.keys() - {"rules"}:
        yield Problem((str(field),), f"unknown field `{field}`: a rule file has `rules` only")
    conditions = registry.find()
    taken = {PIPELINE_STALLED.name}
    for index, entry in enumerate(value["rules"]):
        for item in _rule(entry, figures, conditions, taken):
            yield Problem(("rules", index, *item.path), item.message) if isinstance(item, Problem) else item


def _rule(entry: Any, figures: Figures, conditions: Conditions, taken: set[str]) -> Iterator[Rule | Problem]:
    """The rule, or everything that is wrong with it. Its name is added to those that are taken."""
    if not isinstance(entry, dict):
        yield Problem((), "a rule has fields: write `- name: …` and the others below it")
        return
    plain = {name: value for name, value in entry.items() if name not in conditions}
    spec = validated(Spec.model_validate, plain, [*Spec.fields(), *conditions])
    condition = _condition(entry, conditions)
    problems = [*against_catalogue(plain, figures), *_duplicate(plain, taken)]
    if isinstance(spec, Spec) and not isinstance(condition, list) and not problems:
        rule = spec.rule(condition, figures[spec.figure])
        never = list(out_of_reach(rule, figures[spec.figure]))
        yield from never or (rule,)
        return
    yield from problems
    yield from spec if isinstance(spec, list) else ()
    yield from condition if isinstance(condition, list) else ()


def _duplicate(plain: Mapping[Any, Any], taken: set[str]) -> Iterator[Problem]:
    name = plain.get("name")
    if isinstance(name, str):
        if name in taken:
            yield Problem(("name",), f"a rule named `{name}` exists already: rename one")
        taken.add(name)


def _condition(entry: dict[Any, Any], conditions: Conditions) -> Condition | list[Problem]:
    given = [key for key in entry if key in conditions]
    if not given:
        return [Problem((), f"the rule has no limit: add {' or '.join(f'`{key}`' for key in conditions)}")]
    if len(given) > 1:
        return [Problem((given[1],), f"`{given[0]}` and `{given[1]}` in one rule: make two rules of it")]
    key = given[0]
    kind = conditions[key]
    made = validated(TypeAdapter[Condition](kind).validate_python, entry[key], _fields(kind))
    return [Problem((key, *item.path), item.message) for item in made] if isinstance(made, list) else made


def _fields(kind: type[Condition]) -> list[str]:
    return [field.name for field in fields(cast("Any", kind))]
