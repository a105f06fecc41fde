"""YAML that knows where in the file every value stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


class BadYaml(Exception):  # noqa: N818 - named for the text
    """Text that is no YAML, or that gives a field twice."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


class _Plain(yaml.SafeLoader):
    """Without aliases: a few of them make a document of any size, and one that refers to itself has no end."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise BadYaml(_place(event.start_mark), "aliases are not read: write out what is meant")
        return super().compose_node(parent, index)


class Document:
    """The values of a YAML text, and the place of each path: keys for fields, items for lists."""

    def __init__(self, text: str) -> None:
        self._places: dict[Path, Place] = {(): Place(1, 1)}
        try:
            self.value = self._load(text)
        except yaml.MarkedYAMLError as error:
            raise BadYaml(_place(error.problem_mark or error.context_mark), _words(error)) from None
        except (yaml.YAMLError, ValueError) as error:
            raise BadYaml(Place(1, 1), f"not readable as YAML: {error}") from None
        except RecursionError:
            raise BadYaml(Place(1, 1), "nested too deeply") from None

    def _load(self, text: str) -> Any:
        loader = _Plain(text)
        try:
            root = loader.get_single_node()
            self._places.update(_places((), root) if root else ())
            return loader.construct_document(root) if root else None
        finally:
            loader.dispose()

    def place(self, path: Path) -> Place:
        """Where the path stands; where it does not exist, where its nearest parent does."""
        while path not in self._places:
            path = path[:-1]
        return self._places[path]


def _places(path: Path, node: yaml.Node) -> Iterator[tuple[Path, Place]]:
    if isinstance(node, yaml.MappingNode):
        given = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadYaml(_place(key.start_mark), "a field needs a plain name")
            if key.value in given:
                raise BadYaml(_place(key.start_mark), f"`{key.value}` is given twice: remove one")
            given.add(key.value)
            yield (*path, key.value), _place(key.start_mark)
            yield from _places((*path, key.value), value)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), _place(item.start_mark)
            yield from _places((*path, index), item)


def _place(mark: yaml.Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read"
    return f"not readable as YAML: {problem}: check indentation, colons and quotes here and on the line before"
