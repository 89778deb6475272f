"""The earlier store's content hash, computed again to confirm what its manifest recorded.

SHA-256 over text: one line a row, the canonical columns joined by ``|`` and ended by a line feed, ``\\N`` for null,
rows ordered by the sort keys with nulls last. Values are written as Python writes them (``str``). Columns of times were
cast to text first, under the same name, so that the text is sorted too; how, was never recorded and came in editions:

| edition | 2025-05-01 12:34:56.789 is |
|---|---|
| E2 | ``2025-05-01T12:34:56.789000Z`` |
| E1 | ``2025-05-01T12:34:789000Z``: it lost the seconds |
| plain | as it is stored: types without a cast |

What is no time became null in the cast, whole epoch stamps among them: their column is ``\\N`` throughout. Rows with
equal sort keys stand in the order of the file; the earlier store promised none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from quantlab_core.artifacts.earlier_times import earlier_instants
from quantlab_core.artifacts.registry import ARTIFACT_TYPES

compute: Any = pyarrow.compute

EMPTY = "empty"
"""What `confirming_edition` says of a table without rows: every edition gives it the same hash."""

_NULL = "\\N"
_OFFSET = r"[ 0-9][+-][0-9]{2}(:?[0-9]{2})?$"
_DIGITS = r"^[0-9]+$"
_ROWS_A_PIECE = 4096
_Texts = Sequence[str]


def confirming_edition(
    table: pa.Table,
    artifact_type: str,
    recorded_hash: str,
    canonical_cols: object = None,
    sort_keys: object = None,
) -> str | None:
    """The edition under which ``table`` has the recorded hash (``sha256:`` and 64 hex digits), or None.

    ``canonical_cols`` and ``sort_keys`` are the sidecar's, whatever it holds there; where they are no columns of the
    table, the earlier type's are taken.
    """
    columns = _columns_in(table, canonical_cols) or _declared(table, artifact_type)[0]
    keys = _columns_in(table, sort_keys) or _declared(table, artifact_type)[1]
    wanted = recorded_hash.removeprefix("sha256:")
    if table.num_rows == 0:
        return EMPTY if wanted == hashlib.sha256().hexdigest() else None
    plain = {name: _plain_texts(table.column(name)) for name in columns if not _may_be_time(table, name)}
    for edition, casts in _editions(table, [name for name in {*columns, *keys} if _may_be_time(table, name)]):
        if _hash(table, columns, keys, plain, casts) == wanted:
            return edition
    return None


def _columns_in(table: pa.Table, named: object) -> list[str] | None:
    """The names, if they are distinct columns of the table."""
    if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
        return None
    known = set(table.column_names)
    return named if len(set(named)) == len(named) and known.issuperset(named) else None


def _declared(table: pa.Table, artifact_type: str) -> tuple[list[str], list[str]]:
    names = set(table.column_names)
    for spec in ARTIFACT_TYPES:
        if spec.is_lenient and spec.name == artifact_type and names.issuperset(spec.schema.names):
            return list(spec.schema.names), list(spec.sort_key)
    return table.column_names, []


def _may_be_time(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    return bool(pa.types.is_timestamp(kind) or name in {"ts", "timestamp"} or name.endswith(("_ts", "_utc")))


def _editions(table: pa.Table, times: Sequence[str]) -> Iterator[tuple[str, Mapping[str, pa.ChunkedArray[Any]]]]:
    """Every edition with its columns of times as they were cast. Zones of text were heeded by some versions of the
    database and passed over by others, which is a difference only where there are any."""
    if times:
        has_offsets = any(_has_offsets(table.column(name)) for name in times)
        for heeds_offsets in (False, True) if has_offsets else (True,):
            texts = {name: _iso_text(table.column(name), heeds_offsets=heeds_offsets) for name in times}
            yield "E2", texts
            yield "E1", {name: _without_seconds(column) for name, column in texts.items()}
    yield "plain", {name: table.column(name) for name in times}


def _has_offsets(column: pa.ChunkedArray[Any]) -> bool:
    return _is_text(column.type) and bool(compute.any(compute.match_substring_regex(column, _OFFSET)).as_py())


def _iso_text(column: pa.ChunkedArray[Any], *, heeds_offsets: bool) -> pa.ChunkedArray[Any]:
    if _is_text(column.type):
        text = compute.cast(column, pa.string())
        text = compute.if_else(compute.match_substring_regex(text, _DIGITS), None, text)
        column = text if heeds_offsets else compute.replace_substring_regex(text, r"([ 0-9])[+-][0-9:]+$", r"\1Z")
    elif not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    # Seconds of a timestamp[us] have six digits after the point.
    instants = compute.cast(earlier_instants(column), pa.timestamp("us"))
    return pa.chunked_array([compute.strftime(instants, format="%Y-%m-%dT%H:%M:%SZ")])


def _without_seconds(texts: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return compute.replace_substring_regex(texts, r":[0-9]{2}\.([0-9]{6}Z)$", r":\1")  # type: ignore[no-any-return]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain_texts(column: pa.ChunkedArray[Any]) -> _Texts:
    if pa.types.is_timestamp(column.type):  # Python's times have microseconds
        column = compute.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False)
    return [_NULL if value is None else str(value) for value in column.to_pylist()]


def _hash(
    table: pa.Table,
    columns: Sequence[str],
    keys: Sequence[str],
    plain: Mapping[str, _Texts],
    casts: Mapping[str, pa.ChunkedArray[Any]],
) -> str:
    fields = [plain[name] if name in plain else _plain_texts(casts[name]) for name in columns]
    order = _order([casts.get(name, table.column(name)) for name in keys])
    digest = hashlib.sha256()
    rows = list(zip(*fields, strict=True))
    if order is not None:
        rows = [rows[position] for position in order]
    for start in range(0, len(rows), _ROWS_A_PIECE):
        digest.update("".join("|".join(row) + "\n" for row in rows[start : start + _ROWS_A_PIECE]).encode())
    return digest.hexdigest()


def _order(keys: Sequence[pa.ChunkedArray[Any]]) -> list[int] | None:
    """Positions of the rows in their order; None where there is nothing to sort by."""
    sortable = [key for key in keys if not pa.types.is_nested(key.type)]
    if not sortable:
        return None
    named = [str(number) for number in range(len(sortable))]
    order: list[int] = compute.sort_indices(
        pa.table([_sortable(key) for key in sortable], names=named), [(name, "ascending") for name in named]
    ).to_pylist()
    return order


def _sortable(key: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return key.cast(key.type.value_type) if isinstance(key.type, pa.DictionaryType) else key
