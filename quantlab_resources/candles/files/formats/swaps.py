"""Swaps (single trades) as a source of candles: JSON lines, CSV or Parquet. The arithmetic is in `swap_candles`.

Prices are in the quote currency per token. A column named for SOL says that this is SOL; of others the price unit has
to be declared, and volumes are in the same unit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import compute, microseconds, one_array, row_positions, rows_at
from quantlab_core.candles.epoch_time import epoch_microseconds, iso_text
from quantlab_core.candles.resolution import ONE_MINUTE
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.swap_candles import SWAP_SCHEMA, SwapCandles, candles_from_swaps
from quantlab_core.candles.time_units import parse_times
from quantlab_core.candles.validation import Rejection
from quantlab_core.errors import CandleFileError
from quantlab_core.token import SOLANA
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.columnar_rows import PARQUET_MAGIC, column_names, read_parquet
from quantlab_resources.candles.files.delimited_rows import first_fields, read_delimited
from quantlab_resources.candles.files.formats.format_rows import FormatRows
from quantlab_resources.candles.files.formats.json_line_swaps import SWAPS, parse_line, read_json_line_swaps
from quantlab_resources.candles.files.number_columns import parse_numbers
from quantlab_resources.candles.files.raw_rows import FileStart, MalformedRow, RawRows, file_start
from quantlab_resources.candles.files.row_tokens import tokens_of_rows
from quantlab_resources.candles.files.unreadable_rows import unreadable_rows

SWAP_COLUMNS: dict[str, tuple[str, ...]] = {
    "ts": ("ts", "timestamp", "time", "block_time", "blocktime", "block_timestamp", "block_unix_time", "unix_time"),
    "price": ("price", "price_sol", "price_native", "price_quote"),
    "quote": ("sol", "sol_amount", "amount_sol", "quote_amount", "amount_quote"),
    "tokens": ("tokens", "token_amount", "amount_token", "base_amount", "amount_base"),
    "side": ("side", "trade_side", "direction", "tx_type"),
    "signature": ("sig", "signature", "tx", "tx_hash", "txhash", "tx_id", "transaction"),
    "trader": ("trader", "owner", "wallet", "maker", "signer", "user"),
    "token_address": ("mint", "token_address", "token", "base_mint"),
    "chain": ("chain", "network", "blockchain"),
}
"""Accepted names of every field, compared without case; of several the earlier is read."""

_NAMED_FOR_SOL = {"sol", "sol_amount", "amount_sol"}
_NUMBERS = ("price", "quote", "tokens")
_TEXTS = ("side", "signature", "trader")
_NEEDED = ("ts", "quote", "tokens")
_OF_TOKEN = (*SWAP_COLUMNS["token_address"], *SWAP_COLUMNS["chain"])
_TOKEN_WITH_SWAPS = re.compile(rb'"swaps"\s*:\s*\[')


@dataclass(frozen=True, slots=True)
class _SwapRows:
    """A file's rows, the column of each field, and how many tokens are named without swaps."""

    raw: RawRows
    columns: dict[str, str]
    tokens_without_swaps: int


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The candles that a file's swaps make, at the declared resolution (1m if none is).

    Rejected swaps are its malformed rows; a candle has the row number of its first swap. Swaps that were listed twice
    or lie in an unfinished candle are counted in the notes. Raises NotFoundError, StorageError, and CandleFileError
    when the file cannot be read without guessing, or has swaps outside the declared span.
    """
    found = _swap_rows(path)
    resolution = declaration.resolution or ONE_MINUTE
    in_sol = found.columns["quote"].strip().lower() in _NAMED_FOR_SOL
    chain = SOLANA if in_sol and "chain" not in found.columns else None
    swaps, rejections = _readable(path, found, declaration, declaration.chain or chain)
    _check_span(path, swaps, declaration.span)
    made = candles_from_swaps(swaps, resolution=resolution, span=declaration.span)
    rejections = sorted([*rejections, *made.rejections], key=lambda rejection: rejection.row_number)
    if not made.candles.num_rows:
        raise CandleFileError(
            f"{path}: its {found.raw.total:,} swaps make no whole candle of {resolution} ({_where_they_went(made)}); "
            "declare --from and --to, for which time the source was asked, or a finer --resolution"
        )
    silent = found.tokens_without_swaps
    table = made.candles.drop_columns("chain") if chain else made.candles
    return FormatRows(
        RawRows(table, made.first_rows, _malformed(found.raw, rejections)),
        {name: name for name in table.column_names},
        resolution=resolution,
        price_unit="sol" if in_sol else None,
        volume_unit="sol" if in_sol else declaration.price_unit,
        chain=chain,
        notes=(
            f"{found.raw.total:,} swaps made {made.candles.num_rows:,} candles of {resolution}: "
            f"{made.used:,} used, {len(rejections) + len(found.raw.malformed):,} rejected, {_where_they_went(made)}",
            *([f"{silent:,} tokens are named without a single swap"] if silent else []),
        ),
    )


def recognises(start: FileStart) -> bool:
    """JSON lines of swaps or of tokens with swaps, or text and Parquet with columns for both amounts of a swap."""
    if not _is_json(start):
        return _are_of_swaps(column_names(start) or next(iter(first_fields(start, lines=1)), []))
    line, newline, _ = start.head.partition(b"\n")
    if not newline and not start.is_whole:
        return _TOKEN_WITH_SWAPS.search(line) is not None
    try:
        found = parse_line(line)
    except ValueError:
        return False
    swaps = found.get(SWAPS, [found]) if isinstance(found, dict) else None
    return isinstance(swaps, list) and all(isinstance(swap, dict) and _are_of_swaps(list(swap)) for swap in swaps[:1])


def _is_json(start: FileStart) -> bool:
    return start.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))


def _are_of_swaps(names: Sequence[str]) -> bool:
    is_candle = {"open", "high", "low", "close"} <= {name.strip().lower() for name in names}
    return not is_candle and set(_NEEDED) <= set(_recognised(names))


def _swap_rows(path: Path) -> _SwapRows:
    start = file_start(path)
    tokens_without_swaps = 0
    if start.head.startswith(PARQUET_MAGIC):
        raw = read_parquet(start)
    elif _is_json(start):
        raw, tokens_without_swaps = read_json_line_swaps(start, shared=_OF_TOKEN)
    else:
        header = next(iter(first_fields(start, lines=1)), None)
        if header is None:
            raise CandleFileError(f"{path}: neither JSON lines nor CSV in UTF-8 nor Parquet; convert it to one of them")
        raw = read_delimited(start, header)
    columns = _recognised(raw.table.column_names)
    missing = [f"{field} ({', '.join(SWAP_COLUMNS[field][:3])}, …)" for field in _NEEDED if field not in columns]
    if missing:
        raise CandleFileError(f"{path}: its swaps have no {' and no '.join(missing)}; candles cannot be made of them")
    return _SwapRows(raw, columns, tokens_without_swaps)


def _recognised(names: Sequence[str]) -> dict[str, str]:
    by_plain_name = {name.strip().lower(): name for name in reversed(names)}
    found = {
        field: next((by_plain_name[name] for name in accepted if name in by_plain_name), None)
        for field, accepted in SWAP_COLUMNS.items()
    }
    return {field: name for field, name in found.items() if name is not None}


def _readable(
    path: Path, found: _SwapRows, declaration: CandleFileDeclaration, chain: str | None
) -> tuple[pa.Table, list[Rejection]]:
    """The rows whose token, time and numbers can be read, as `SWAP_SCHEMA`; the others are rejected."""
    raw, columns = found.raw, found.columns
    times = parse_times(
        raw.table[columns["ts"]],
        subject=str(path),
        time_zone=declaration.time_zone,
        row_numbers=raw.row_numbers,
    )
    tokens = tokens_of_rows(raw.table, columns, token=declaration.token, chain=chain, subject=str(path))
    numbers = {name: parse_numbers(raw.table, columns.get(name)) for name in _NUMBERS}
    rejections = unreadable_rows(
        raw, columns, times, tokens, {name: bad for name, (_, bad) in numbers.items()}, shown_as=columns
    )
    rows = pa.table(
        [
            pa.array(raw.row_numbers, pa.int64()),
            tokens.addresses,
            tokens.chains,
            times.instants,
            _text(raw.table, columns.get("side"), missing=""),
            *(numbers[name][0] for name in _NUMBERS),
            *(_text(raw.table, columns.get(name)) for name in ("signature", "trader")),
        ],
        names=SWAP_SCHEMA.names,
    )
    is_rejected = np.isin(raw.row_numbers, [rejection.row_number for rejection in rejections])
    return rows_at(rows, row_positions(~is_rejected)).cast(SWAP_SCHEMA), rejections


def _text(table: pa.Table, column: str | None, *, missing: str | None = None) -> pa.Array[Any]:
    """A column as text, with ``missing`` for empty values; null where the file has no such column."""
    if column is None:
        return pa.nulls(table.num_rows, pa.string())
    text = compute.cast(one_array(table[column]), pa.string())
    is_empty = compute.equal(compute.fill_null(text, ""), "")
    filled: pa.Array[Any] = compute.if_else(is_empty, pa.scalar(missing, pa.string()), text)
    return filled


def _check_span(path: Path, swaps: pa.Table, span: SourceSpan | None) -> None:
    """A span that is declared must hold every swap."""
    stamps = microseconds(swaps["ts"])
    if span is None or not len(stamps):
        return
    if stamps.min() < epoch_microseconds(span.start) or stamps.max() >= epoch_microseconds(span.end):
        raise CandleFileError(
            f"{path}: its swaps run from {iso_text(stamps.min())} to {iso_text(stamps.max())}, beyond the declared "
            "span; widen --from and --to"
        )


def _malformed(raw: RawRows, rejections: Sequence[Rejection]) -> tuple[MalformedRow, ...]:
    """Every rejected swap as it stands in the file."""
    numbers = np.array([rejection.row_number for rejection in rejections], dtype=np.int64)
    rows = rows_at(raw.table, np.searchsorted(raw.row_numbers, numbers).astype(np.int64)).to_pylist()
    rejected = [
        MalformedRow(
            rejection.row_number,
            json.dumps(row, default=str, ensure_ascii=False),
            rejection.reason,
            rejection.rule_id,
        )
        for rejection, row in zip(rejections, rows, strict=True)
    ]
    return tuple(sorted([*rejected, *raw.malformed], key=lambda row: row.row_number))


def _where_they_went(made: SwapCandles) -> str:
    return f"{made.equal_duplicates:,} listed twice, {made.unfinished:,} in candles that are not whole"
