"""Swaps as JSON lines, read one line at a time.

A line is one swap, or one token with its swaps: ``{"mint": …, "swaps": [{…}, …]}``. Swaps are numbered through the
file from 1; what is no swap counts as one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.collected_rows import CollectedRows
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, opened, refuse_larger

MAX_BYTES = 512 * 1024**2
MAX_LINE_BYTES = 64 * 1024**2
SWAPS = "swaps"
_SHOWN_BYTES = 2_000


def read_json_line_swaps(start: FileStart, *, shared: Sequence[str]) -> tuple[RawRows, int]:
    """Every swap with its values as text, as they stand in the file, and how many tokens are named without swaps.

    The ``shared`` names are taken from a token's line where a swap does not have them. Raises CandleFileError for a
    file without rows or beyond the limits; StorageError.
    """
    collected = CollectedRows(start)
    tokens_without_swaps = 0
    for line in _lines(start):
        found, problem = _parsed(line)
        swaps = found.get(SWAPS, [found])
        if problem is None and not isinstance(swaps, list):
            problem = f"its {SWAPS!r} is no list"
        if problem is not None:
            collected.add_malformed(line[:_SHOWN_BYTES].decode("utf-8", errors="replace").strip(), problem)
            continue
        tokens_without_swaps += not swaps
        of_token = {name: found[name] for name in shared if name in found}
        for swap in swaps:
            if isinstance(swap, dict):
                collected.add({**of_token, **swap})
            else:
                collected.add_malformed(swap, "the swap is no object")
    return collected.rows(), tokens_without_swaps


def parse_line(line: bytes) -> Any:
    """A line's JSON with its numbers as text. Raises ValueError, also for JSON that is nested too deeply."""
    try:
        return json.loads(line.decode("utf-8-sig"), parse_float=str, parse_int=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parsed(line: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        found = parse_line(line)
    except ValueError as error:
        return {}, f"the line is no JSON ({error})"
    return (found, None) if isinstance(found, dict) else ({}, "the line is no JSON object")


def _lines(start: FileStart) -> Iterator[bytes]:
    """Lines that are not blank."""
    refuse_larger(start, MAX_BYTES, "import of swaps")
    with opened(start.path) as file:
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise CandleFileError(
                    f"{start.path}: the line around byte {file.tell():,} is longer than {MAX_LINE_BYTES:,} bytes; "
                    "write one swap per line"
                )
            if line.strip(b"\xef\xbb\xbf \t\r\n"):
                yield line
