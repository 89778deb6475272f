"""Rows collected one by one into a table of text, as CSV gives them: compact, and each can be shown as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.raw_rows import FileStart, MalformedRow, RawRows

MAX_COLUMNS = 64
_ROWS_PER_CHUNK = 65_536


class CollectedRows:
    """Rows are numbered from 1 in the order in which they are added, those that are malformed too."""

    def __init__(self, start: FileStart) -> None:
        self._start = start
        self._count = 0
        self._rows: list[Mapping[str, Any]] = []
        self._numbers: list[int] = []
        self._names: dict[str, None] = {}
        self._chunks: list[pa.Table] = []
        self._malformed: list[MalformedRow] = []

    @property
    def count(self) -> int:
        """Rows added so far."""
        return self._count

    def add(self, row: Mapping[str, Any]) -> None:
        """A row by its columns' names. Raises CandleFileError when the rows have too many names between them."""
        self._count += 1
        self._rows.append(row)
        self._numbers.append(self._count)
        if len(self._rows) == _ROWS_PER_CHUNK:
            self._pack()

    def add_values(self, names: Sequence[str], values: Any, **more: Any) -> None:
        """A row by position: malformed unless it is a list with as many values as there are names."""
        if not isinstance(values, list) or len(values) != len(names):
            given = f"{len(values)} values" if isinstance(values, list) else "no list"
            self.add_malformed(values, f"{given} where a candle has {len(names)}")
        else:
            self.add({**dict(zip(names, values, strict=True)), **more})

    def add_malformed(self, row: Any, reason: str) -> None:
        """A row that cannot be put under columns."""
        self._count += 1
        self._malformed.append(MalformedRow(self._count, as_text(row) or "null", reason))

    def rows(self) -> RawRows:
        """Everything that was added. Raises CandleFileError when that is nothing at all."""
        if self._count == 0:
            raise CandleFileError(f"{self._start.path}: there is no candle in it; there is nothing to import")
        self._pack()
        whole = pa.concat_tables(self._chunks, promote_options="default")
        return RawRows(whole, np.array(self._numbers, dtype=np.int64), tuple(self._malformed))

    def _pack(self) -> None:
        for row in self._rows:
            self._names.update(dict.fromkeys(row))
        if len(self._names) > MAX_COLUMNS:
            raise CandleFileError(
                f"{self._start.path}: its rows have more than {MAX_COLUMNS} different names; these are no candles"
            )
        columns = {name: pa.array([as_text(row.get(name)) for row in self._rows], pa.string()) for name in self._names}
        self._chunks.append(pa.table(columns))
        self._rows = []


def as_text(value: Any) -> str | None:
    """A JSON value as text, as it stands in a file; None for null."""
    if value is None:
        return None
    if isinstance(value, str):  # JSON can write half of a surrogate pair, which is no text in UTF-8
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (bool, list, dict)):  # a union of types is slower to ask, and this is asked for each value
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
