"""GeckoTerminal's candles: an answer of its API, the bare list of one, such lists by token, and CSV of such lists.

    {"data": {"attributes": {"ohlcv_list": [[1759444560, 1, 2, 1, 2, 70.5], …]}}, "meta": {"base": …, "quote": …}}
    [[1759444560, 1, 2, 1, 2, 70.5], …]
    {"<mint>": {"mint": "<mint>", "fetched_at": 1785330707, "ohlcv": [[1782590400, 1, 2, 1, 2, 895.2], …]}, …}
    ts,o,h,l,c,v

Times are seconds. An answer names the two tokens of the pool, but not which of them was asked for, nor the currency
(dollars or the other token), nor the interval: these are declared. By token, ``fetched_at`` says up to when candles of
that token can be finished.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from quantlab_core.alerts.addresses import normalise_token_address
from quantlab_core.candles.arrow_columns import compute, one_array
from quantlab_core.errors import CandleFileError, InvalidInputError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.collected_rows import CollectedRows, as_text
from quantlab_resources.candles.files.formats.flat import read_named_rows
from quantlab_resources.candles.files.formats.format_rows import FormatRows, rows_under_names
from quantlab_resources.candles.files.formats.json_shapes import begins_with_array, begins_with_object, head_has
from quantlab_resources.candles.files.json_stream import JsonPart, Keys, json_parts
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, file_start

_VALUES = ("ts", "open", "high", "low", "close", "volume")
_COLUMNS = {name: name for name in _VALUES}
_LIST = ("data", "attributes", "ohlcv_list")


def recognises(start: FileStart) -> bool:
    """An answer of the API, or lists by token. A bare list could be of others, whose values have another order."""
    if not begins_with_object(start):
        return False
    return head_has(start, "ohlcv_list") or (head_has(start, "ohlcv") and head_has(start, "mint"))


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The candles of all lists in the file. Raises NotFoundError, StorageError, CandleFileError."""
    start = file_start(path)
    if not begins_with_object(start) and not begins_with_array(start):
        return rows_under_names(start, read_named_rows(start))
    candles = CollectedRows(start)
    about: dict[Keys, JsonPart] = {}
    tokens: set[str] = set()
    for keys, part in json_parts(start):
        if keys in {(), _LIST}:
            candles.add_values(_VALUES, part)
        elif len(keys) == 2 and keys[1] == "ohlcv":
            tokens.add(keys[0])
            candles.add_values(_VALUES, part, token_address=keys[0])
        elif len(keys) <= 3:
            about[keys] = part
    if tokens:
        return _by_token(path, candles.rows(), tokens, about)
    _refuse_error(path, about)
    rows = candles.rows()
    _check_pool(path, about, declaration)
    return FormatRows(rows, _COLUMNS)


def _by_token(path: Path, rows: RawRows, tokens: set[str], about: dict[Keys, JsonPart]) -> FormatRows:
    for token in sorted(tokens):
        named = about.get((token, "mint"), token)
        if named != token:
            raise CandleFileError(f"{path}: the entry {token} says that it is of {named}; correct it or fetch it again")
    silent = sorted({keys[0] for keys in about if len(keys) == 2 and keys[1] == "mint"} - tokens)
    notes = (f"{len(silent)} tokens of the file have no candles, such as {silent[0]}",) if silent else ()
    columns = {**_COLUMNS, "token_address": "token_address"}
    if rows.table.num_rows == 0 or not any((token, "fetched_at") in about for token in tokens):
        return FormatRows(rows, columns, notes=notes)
    encoded = compute.dictionary_encode(one_array(rows.table["token_address"]))
    stamps = [as_text(about.get((token, "fetched_at"))) for token in encoded.dictionary.to_pylist()]
    table = rows.table.append_column("fetched_at", pa.array(stamps, pa.string()).take(encoded.indices))
    return FormatRows(
        RawRows(table, rows.row_numbers, rows.malformed), {**columns, "fetched_at": "fetched_at"}, notes=notes
    )


def _refuse_error(path: Path, about: dict[Keys, JsonPart]) -> None:
    status = about.get(("status",))
    if ("errors",) in about or isinstance(status, dict):
        raise CandleFileError(f"{path}: GeckoTerminal answered with an error; ask again")


def _check_pool(path: Path, about: dict[Keys, JsonPart], declaration: CandleFileDeclaration) -> None:
    """Candles of a pool are of one of its two tokens; an answer does not say of which."""
    pool = [str(about[key]) for side in ("base", "quote") if (key := ("meta", side, "address")) in about]
    if not pool:
        return
    if declaration.token is None:
        raise CandleFileError(
            f"{path}: the pool has the tokens {' and '.join(pool)}, and the answer does not say whose prices "
            "these are; declare --token"
        )
    try:
        chain = declaration.chain or ""
        known = {normalise_token_address(chain, address) for address in pool}
        is_of_pool = normalise_token_address(chain, declaration.token) in known
    except InvalidInputError:
        is_of_pool = declaration.token in pool
    if not is_of_pool:
        raise CandleFileError(f"{path}: the pool has the tokens {' and '.join(pool)}, not {declaration.token}")
