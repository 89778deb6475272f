"""Which token every row of a candle file is of: from its columns, or as declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quantlab_core.alerts.addresses import normalise_chain, normalise_token_address
from quantlab_core.candles.arrow_columns import compute, one_array
from quantlab_core.errors import CandleFileError, InvalidInputError
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class RowTokens:
    """Normal addresses and chains per row, null where the row names no token; ``reasons`` by position of such rows."""

    addresses: pa.Array[Any]
    chains: pa.Array[Any]
    reasons: dict[int, str]


def tokens_of_rows(
    table: pa.Table, columns: Mapping[str, str], *, token: str | None, chain: str | None, subject: str
) -> RowTokens:
    """The token of every row.

    A declared token or chain stands for the whole file; a column that names anything else contradicts it. Raises
    CandleFileError when the file names no token or chain and none is declared, when both contradict each other, and
    when the declared address is not one.
    """
    what = [
        name
        for name, declared, column in (("token", token, "token_address"), ("chain", chain, "chain"))
        if declared is None and column not in columns
    ]
    if what:
        raise CandleFileError(
            f"{subject}: the file does not name its {' or '.join(what)}; "
            f"declare {' and '.join('--' + name for name in what)}"
        )
    chains = _chains(table, columns, chain, subject)
    if token is not None:
        declared = _declared_token(table, columns, chains, token, subject)
        rows = table.num_rows
        return RowTokens(pa.repeat(declared.address, rows), pa.repeat(declared.chain, rows), {})
    return _named_by_columns(chains, _text(table, columns["token_address"]))


def _named_by_columns(chains: pa.Array[Any], addresses: pa.Array[Any]) -> RowTokens:
    pairs: Any = compute.dictionary_encode(compute.binary_join_element_wise(chains, addresses, "\n"))
    named = [_token(*pair.split("\n", 1)) for pair in pairs.dictionary.to_pylist()]
    tokens = [None if isinstance(found, str) else found for found in named]
    reasons = {code: found for code, found in enumerate(named) if isinstance(found, str)}
    codes = pairs.indices.to_pylist() if reasons else []
    return RowTokens(
        pa.array([token and token.address for token in tokens], pa.string()).take(pairs.indices),
        pa.array([token and token.chain for token in tokens], pa.string()).take(pairs.indices),
        {row: reasons[code] for row, code in enumerate(codes) if code in reasons},
    )


def _chains(table: pa.Table, columns: Mapping[str, str], declared: str | None, subject: str) -> pa.Array[Any]:
    """The chain of every row, which a declared one must not contradict."""
    if "chain" not in columns:
        return pa.repeat(declared or "", table.num_rows)
    written = _text(table, columns["chain"])
    if declared is None:
        return written
    others = {normalise_chain(name) for name in _distinct(written)} - {normalise_chain(declared), ""}
    if others:
        raise CandleFileError(
            f"{subject}: its column {columns['chain']!r} names {min(others)}, not {declared}; leave out --chain"
        )
    return pa.repeat(declared, table.num_rows)


def _declared_token(
    table: pa.Table, columns: Mapping[str, str], chains: pa.Array[Any], declared: str, subject: str
) -> Token:
    """The declared token, which the file's own column must not contradict; a ticker in that column says nothing."""
    names = sorted({normalise_chain(name) for name in _distinct(chains)})
    if len(names) != 1:
        raise CandleFileError(
            f"{subject}: the file names {len(names)} chains, so one --token cannot stand for it; leave it out"
        )
    token = _token(names[0], declared)
    if isinstance(token, str):
        raise CandleFileError(f"{subject}: the declared --token cannot be used: {token}")
    written = _distinct(_text(table, columns["token_address"])) if "token_address" in columns else []
    if len(written) > 1:
        raise CandleFileError(f"{subject}: the file names {len(written)} tokens itself; leave out --token")
    named = _token(names[0], written[0]) if written else token
    if isinstance(named, Token) and named != token:
        raise CandleFileError(
            f"{subject}: the file names the token {named.address}, not {token.address}; leave out --token"
        )
    return token


def _token(chain: str, address: str) -> Token | str:
    """The token, or why it is none."""
    try:
        return normalise_token_address(chain, address)
    except InvalidInputError as error:
        return str(error)


def _text(table: pa.Table, column: str) -> pa.Array[Any]:
    text: Any = compute.utf8_trim_whitespace(compute.cast(one_array(table[column]), pa.string()))
    return compute.fill_null(text, "")  # type: ignore[no-any-return]


def _distinct(text: pa.Array[Any]) -> list[str]:
    return sorted(value for value in compute.unique(text).to_pylist() if value)
