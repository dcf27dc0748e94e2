"""Reads a YAML file, and remembers in which line each value stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Place = tuple[int | str, ...]
"""The keys and indexes that lead to a value."""


class YamlError(ValueError):
    """A file that is not YAML; says where."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that was read.

    Attributes:
        path: Where it is.
        data: What it says.
    """

    path: Path
    data: Any
    _lines: dict[Place, int]

    def line_of(self, place: Place) -> int:
        """Return the line of a value, or of the nearest around it; keys that the file does not have are passed over."""
        known: Place = ()
        for part in place:
            if (*known, part) in self._lines:
                known = (*known, part)
        return self._lines.get(known, 1)


def read_yaml(path: Path) -> YamlFile:
    """Read a file.

    Raises:
        FileNotFoundError: It is not there.
        YamlError: It is not YAML.
    """
    text = path.read_text()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return YamlFile(path, yaml.safe_load(text), dict(_lines(node, ())) if node else {})
    except yaml.YAMLError as error:
        raise YamlError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key.start_mark.line + 1
            yield from ((at, line) for at, line in _lines(value, (*place, key.value)) if at != (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*place, index))
