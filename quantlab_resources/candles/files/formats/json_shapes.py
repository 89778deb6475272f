"""What the start of a JSON file shows of its shape, without reading the file."""

from __future__ import annotations

import re

from quantlab_resources.candles.files.delimited_rows import start_text
from quantlab_resources.candles.files.raw_rows import FileStart


def begins_with_object(start: FileStart) -> bool:
    """Whether the file is one JSON object, or begins with one."""
    return (start_text(start) or "").lstrip().startswith("{")


def begins_with_array(start: FileStart) -> bool:
    """Whether the file is a JSON array, of whatever."""
    return (start_text(start) or "").lstrip().startswith("[")


def head_has(start: FileStart, *keys: str) -> bool:
    """Whether one of these keys stands in the first 64 KiB."""
    text = start_text(start) or ""
    return any(re.search(rf'"{re.escape(key)}"\s*:', text) for key in keys)


def first_inner_array(start: FileStart) -> list[str]:
    """The values of the first array in an array of arrays, as written; none when it is nested or longer than shown."""
    found = re.match(r"\s*\[\s*\[([^\[\]{}]*)\]", start_text(start) or "")
    return [value.strip().strip('"') for value in found.group(1).split(",")] if found else []
