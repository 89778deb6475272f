"""A mapping that a person wrote in a YAML or JSON file, read strictly: what cannot be meant is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quantlab_core.errors import InvalidInputError, NotFoundError, StorageError


def read_mapping(
    path: Path, *, what: str, page: str, most_bytes: int, error: type[InvalidInputError]
) -> dict[str, Any]:
    """The mapping in the file: JSON where it is named so, else YAML. ``page`` has examples of ``what`` it should be.

    A key that is repeated (of which YAML keeps the last) or no text, and a YAML alias, are refused. Raises ``error``,
    NotFoundError or StorageError with the path.
    """
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise error(f"{path}: {size:,} bytes is no {what}; at most {most_bytes:,} are read")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"{what} file not found: {path}") from None
    except OSError as refused:
        raise StorageError(f"{path}: {refused.strerror}; check that it is a file that you may read") from None
    except UnicodeDecodeError as damaged:
        raise error(f"{path}: not UTF-8 text at byte {damaged.start}") from None
    try:
        document = _from_json(text) if path.suffix.lower() == ".json" else _from_yaml(text)
    except (ValueError, RecursionError) as unreadable:
        raise error(f"{path}: {unreadable}") from None
    if not isinstance(document, dict):
        raise error(f"{path}: expected a mapping of keys to values; {page} has examples")
    return document


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_mapping_without_repeats)


def _from_yaml(text: str) -> Any:
    """YAML without anchors, of which such a file has no need, and without repeated keys."""
    import yaml

    class StrictLoader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases (*name) are not supported")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            return _mapping_without_repeats(
                [(self.construct_object(key, True), self.construct_object(value, True)) for key, value in node.value]
            )

        def construct_yaml_map(self, node: Any) -> Any:
            yield self.construct_mapping(node)

    StrictLoader.add_constructor("tag:yaml.org,2002:map", StrictLoader.construct_yaml_map)
    try:
        return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        why = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ValueError(f"not readable as YAML{where}: {why}") from None


def _mapping_without_repeats(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise ValueError(f"the key {key!r} is not text")
        if key in mapping:
            raise ValueError(f"the key {key!r} is given twice")
        mapping[key] = value
    return mapping
