"""JSON files as a stream of their parts, within limits of size and depth: memory holds one part, not the file."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeAlias

import ijson  # type: ignore[import-untyped]

from quantlab_core.errors import CandleFileError, first_line
from quantlab_resources.candles.files.raw_rows import FileStart, opened, refuse_larger

MAX_JSON_BYTES = 256 * 1024**2
MAX_DEPTH = 12
_BUFFER_BYTES = 65_536
_STARTS = frozenset({"start_map", "start_array"})

JsonPart: TypeAlias = "str | int | bool | Decimal | list[Any] | dict[str, Any] | None"
Keys: TypeAlias = tuple[str, ...]


def json_parts(start: FileStart) -> Iterator[tuple[Keys, JsonPart]]:
    """The parts of a file's one JSON value, in their order, each under the keys that lead to it.

    A part is a scalar in an object, or an element of an array, whole; objects are walked into, arrays inside arrays are
    not. An empty array gives nothing. Numbers are int or Decimal, so that they read as they stand in the file. Raises
    CandleFileError for damage, for a file beyond the limits and for a deeper nesting than candles need; StorageError.
    """
    path = start.path
    refuse_larger(start, MAX_JSON_BYTES, "JSON import")
    with opened(path) as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        try:
            yield from _parts(start, ijson.basic_parse(file, buf_size=_BUFFER_BYTES))
        except (ijson.JSONError, UnicodeDecodeError, ValueError, ArithmeticError) as error:
            reason = " ".join(first_line(error, at_most=200).split())
            raise CandleFileError(
                f"{path}: damaged JSON, or cut off, before byte {file.tell():,} ({reason}); fetch it again"
            ) from None


def _parts(start: FileStart, events: Iterator[tuple[str, Any]]) -> Iterator[tuple[Keys, JsonPart]]:
    keys: list[str] = []
    inside: list[str] = []
    for event, value in events:
        if inside and inside[-1] == "start_array":
            if event == "end_array":
                inside.pop()
                if inside:
                    keys.pop()
            else:
                yield tuple(keys), _whole(start, event, value, events, len(inside))
        elif event == "map_key":
            keys.append(str(value))
        elif event in _STARTS:
            inside.append(event)
            _refuse_depth(start, len(inside))
        elif event == "end_map":
            inside.pop()
            if inside:
                keys.pop()
        else:
            yield tuple(keys), value
            if inside:
                keys.pop()


def _whole(start: FileStart, event: str, value: Any, events: Iterator[tuple[str, Any]], depth: int) -> JsonPart:
    """The value that begins with this event, inside so many others."""
    if event not in _STARTS:
        return value  # type: ignore[no-any-return]
    _refuse_depth(start, depth + 1)
    if event == "start_array":
        elements = []
        for inner, inner_value in events:
            if inner == "end_array":
                break
            elements.append(_whole(start, inner, inner_value, events, depth + 1) if inner in _STARTS else inner_value)
        return elements
    members: dict[str, Any] = {}
    key = ""
    for inner, inner_value in events:
        if inner == "end_map":
            break
        if inner == "map_key":
            key = str(inner_value)
        else:
            members[key] = _whole(start, inner, inner_value, events, depth + 1)
    return members


def _refuse_depth(start: FileStart, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CandleFileError(
            f"{start.path}: nested more than {MAX_DEPTH} levels deep, which no candle file is; check the file"
        )
