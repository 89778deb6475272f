"""The current candles of a token as a table: what `Lab.candles` hands out."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.artifacts.timestamp_text import parse_day_or_timestamp
from quantlab_core.candles.aggregation import aggregate_series
from quantlab_core.candles.arrow_columns import microseconds
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.epoch_time import EPOCH, epoch_microseconds
from quantlab_core.candles.resolution import ONE_MINUTE, finer_than, length_of, step_of
from quantlab_core.candles.source_spans import SourceSpan, clip_spans, decode_spans, merge_spans
from quantlab_core.candles.token_series import UNKNOWN_UNIT, merge_slices
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token, looks_evm, split_token_name
from quantlab_resources.given_instants import Instant, given_instant
from quantlab_resources.plain_tables import plain_schema, plain_table

_Stored = tuple[Artifact, dict[str, str]]
"""An artifact and the parts of its key."""


def current_candles(
    store: ArtifactStore,
    token: str,
    start: Instant,
    end: Instant,
    resolution: str = ONE_MINUTE,
    chain: str | None = None,
) -> pa.Table:
    """The current candles of a token with ``start <= ts < end`` (UTC), sorted by time.

    They are the token's merged series where it was materialized, else its slices that reach into the range, merged as
    the series would be. What no source was asked for in this resolution is made of finer candles by `aggregation`, the
    finest first: from whole intervals, so that a candle does not depend on where the range begins and ends, and only
    from such that a source was asked for as a whole. ``token`` is an address or ``<chain>:<address>``; ``chain`` is
    only needed for an address that the lake holds on several. Raises InvalidInputError (limits, resolution, chain,
    resolutions in different units), and what reading raises.
    """
    since, until = given_instant("start", start), given_instant("end", end)
    if since >= until:
        raise InvalidInputError(
            f"start {since.isoformat()} is not before end {until.isoformat()}; no candle lies there"
        )
    length = length_of(resolution)
    address, chain = _named_token(token, chain)
    # The last candle that opens in the range ends here.
    wanted = SourceSpan(since, until + (EPOCH - until) % length)
    stored = _stored_candles(store, address, chain, wanted)
    usable = [stored[name] for name in (resolution, *finer_than(stored, resolution)) if name in stored]
    chains = sorted({Token.from_key_parts(parts).chain for found in usable for _, parts in found})
    if len(chains) > 1:
        raise InvalidInputError(f"{address} has candles on {' and '.join(chains)}; name one as chain")
    parts: list[pa.Table] = []
    asked: tuple[SourceSpan, ...] = ()
    for found in usable:
        if wanted in clip_spans(asked, wanted.start, wanted.end):
            break
        series = _series_of([read_newest(store, head) for head, _ in found], resolution, wanted)
        _refuse_other_units(address, [*parts, series])
        parts.append(_outside(series, asked, resolution))
        asked = merge_spans([*asked, *decode_spans(attributes_of(series)["source_spans"])])
    candles = pa.concat_tables(
        [plain_schema(CANDLE_SCHEMA).empty_table(), *(plain_table(part, CANDLE_SCHEMA) for part in parts)]
    )
    return _between(candles, since, until).sort_by("ts")


def _stored_candles(
    store: ArtifactStore, address: str, chain: str | None, wanted: SourceSpan
) -> dict[str, list[_Stored]]:
    """What is stored of a token, by resolution: its merged series, else the slices that may hold what is wanted."""
    slices = _of_token(store, OHLCV_SLICE.name, address, chain)
    reaching = [(head, parts) for head, parts in slices if _may_reach(parts, wanted.start, wanted.end)]
    return _by_resolution(reaching) | _by_resolution(_of_token(store, TOKEN_CANDLES.name, address, chain))


def _series_of(tables: list[pa.Table], resolution: str, wanted: SourceSpan) -> pa.Table:
    """The tables of one resolution as one series of the wanted resolution, with its attributes."""
    series = merge_slices(tables) if len(tables) > 1 else tables[0]
    attributes = attributes_of(series)
    if attributes["resolution"] == resolution:
        return series
    return aggregate_series(with_attributes(_between(series, wanted.start, wanted.end), attributes), resolution)


def _outside(series: pa.Table, asked: tuple[SourceSpan, ...], resolution: str) -> pa.Table:
    """The candles of which no part lies in ``asked``: what was asked for in a better resolution says it all there."""
    opens, step = microseconds(series["ts"]), step_of(resolution)
    free = np.ones(len(opens), dtype=np.bool_)
    for span in asked:
        free &= (opens + step <= epoch_microseconds(span.start)) | (opens >= epoch_microseconds(span.end))
    return series.filter(pa.array(free))


def _refuse_other_units(address: str, parts: list[pa.Table]) -> None:
    for name in ("price_unit", "volume_unit"):
        units = sorted({attributes_of(part)[name] for part in parts} - {UNKNOWN_UNIT})
        if len(units) > 1:
            raise InvalidInputError(
                f"{address}: its candles of several resolutions have {name.replace('_', ' ')} {' and '.join(units)}; "
                "ask for the resolution of one of them and a range that it spans"
            )


def _by_resolution(found: list[_Stored]) -> dict[str, list[_Stored]]:
    grouped: dict[str, list[_Stored]] = {}
    for head, parts in found:
        grouped.setdefault(parts["res"], []).append((head, parts))
    return grouped


def _of_token(store: ArtifactStore, artifact_type: str, address: str, chain: str | None) -> list[_Stored]:
    heads = store.heads(artifact_type, f"token={address}/")
    if not heads and looks_evm(address):
        # The earlier store's keys spell EVM addresses with their capitals.
        beginning = f"token={address}/"
        heads = [h for h in store.heads(artifact_type, "token=0") if h.logical_key.lower().startswith(beginning)]
    found = [(head, key_parts_of(head)) for head in heads]
    return [
        (head, parts)
        for head, parts in found
        if parts is not None and chain in (None, Token.from_key_parts(parts).chain)
    ]


def _between(candles: pa.Table, since: datetime, until: datetime) -> pa.Table:
    stamps = candles["ts"]
    return candles.filter(
        pc.and_(pc.greater_equal(stamps, pa.scalar(since, stamps.type)), pc.less(stamps, pa.scalar(until, stamps.type)))
    )


def _may_reach(parts: dict[str, str], since: datetime, until: datetime) -> bool:
    """Whether the window that a slice's key names touches the range; a key that names no times may hold any."""
    try:
        start, end = (parse_day_or_timestamp(parts[name])[0] for name in ("from", "to"))
    except InvalidInputError:
        return True
    # The earlier store's windows may hold the candle that opens at their end.
    return start < until and since <= end


def _named_token(token: str, chain: str | None) -> tuple[str, str | None]:
    named, address = split_token_name(token)
    if ":" in token and chain is not None and named != chain:
        raise InvalidInputError(f"{token} is on {named}, not on {chain}; name the chain once")
    if not address:
        raise InvalidInputError(f"{token!r} names no token; expected an address or <chain>:<address>")
    return address, named or chain
