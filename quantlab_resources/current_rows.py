"""The current alerts and candles of a lake as tables: what `Lab.alerts` and `Lab.candles` hand out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.alerts.artifact_types import ALERTS
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

if TYPE_CHECKING:
    import polars as pl

Instant = date | datetime | str
"""A day, a time with its zone, or the ISO 8601 text of either."""

_Stored = tuple[Artifact, dict[str, str]]
"""An artifact and the parts of its key."""


def current_alerts(store: ArtifactStore, first: Instant, last: Instant, chain: str | None = None) -> pa.Table:
    """The current alerts from the UTC day ``first`` to the UTC day ``last``, both inclusive, sorted by time.

    The newest schema of ``alerts_v1``; a day without artifacts gives no rows. Raises InvalidInputError for a limit that
    is no day or a range that runs backwards, and what reading an artifact raises.
    """
    first_day, last_day = _instant("from", first).date(), _instant("to", last).date()
    if first_day > last_day:
        raise InvalidInputError(f"from {first_day} is after to {last_day}; no day lies between them")
    tables = []
    for head in store.heads(ALERTS.name, _common_prefix(f"day={first_day}", f"day={last_day}")):
        parts = key_parts_of(head)
        if parts is None or not first_day.isoformat() <= parts["day"] <= last_day.isoformat():
            continue
        if head.row_count and chain in (None, parts["chain"]):
            tables.append(_plain(read_newest(store, head), ALERTS.schema))
    found = pa.concat_tables([_bare(ALERTS.schema).empty_table(), *tables])
    return found.sort_by([(name, "ascending") for name in ALERTS.sort_key])


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
    since, until = _instant("start", start), _instant("end", end)
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
    candles = pa.concat_tables([_bare(CANDLE_SCHEMA).empty_table(), *(_plain(part, CANDLE_SCHEMA) for part in parts)])
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


def _instant(name: str, value: Instant) -> datetime:
    """The start of a day, or the time itself, in UTC. Raises InvalidInputError."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInputError(f"{name} {value.isoformat()} has no time zone; give it one (UTC, say)")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    try:
        return parse_day_or_timestamp(value)[0]
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from None


def _common_prefix(first: str, last: str) -> str:
    equal = 0
    while equal < len(first) and first[equal] == last[equal]:
        equal += 1
    return first[:equal]


def _plain(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(_bare(schema))


def _bare(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def as_polars(table: pa.Table) -> pl.DataFrame:
    """The table as a ``polars.DataFrame``."""
    import polars  # a third of a second, and only frames need it

    return polars.DataFrame(polars.from_arrow(table))
