"""Slices: the candles of one token for one cohort day, the UTC day of its calls.

The window of a day is fixed, [day 00:00 - 4 h, next day 00:00 + 48 h), so that a slice's key depends on no single
alert: every alert of the day has its 48 hours, and the hours before the first call are there for context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa

from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, SLICE_QUARANTINE
from quantlab_core.candles.candle_source import RejectedCandle, SourcedCandles
from quantlab_core.candles.epoch_time import epoch_microseconds, iso_text
from quantlab_core.candles.source_spans import encode_spans
from quantlab_core.errors import LogicalKeyError
from quantlab_core.token import Token

HOURS_BEFORE = timedelta(hours=4)
HOURS_AFTER = timedelta(hours=48)


def cohort_window(day: date) -> tuple[datetime, datetime]:
    """[start, end) in UTC of the slices of one cohort day."""
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return midnight - HOURS_BEFORE, midnight + timedelta(days=1) + HOURS_AFTER


def days_reached(start: datetime, end: datetime) -> list[date]:
    """The cohort days whose windows candles of [start, end) can lie in."""
    first, last = (start - HOURS_AFTER).date(), (end + HOURS_BEFORE).date()
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def slice_key_parts(token: Token, resolution: str, start: datetime, end: datetime) -> dict[str, str]:
    """The logical key parts of the slice of ``token`` for [start, end)."""
    window = {"from": iso_text(epoch_microseconds(start)), "to": iso_text(epoch_microseconds(end))}
    return {**token.key_parts, "res": resolution, **window}


def slice_day(parts: Mapping[str, str]) -> date:
    """The cohort day of a slice's key parts. Raises LogicalKeyError when its window is not that of a day."""
    try:
        start, end = (datetime.fromisoformat(parts[name]) for name in ("from", "to"))
        day = (start + HOURS_BEFORE).astimezone(UTC).date()
        is_cohort = cohort_window(day) == (start, end)
    except (KeyError, ValueError, TypeError) as error:
        raise LogicalKeyError(f"{dict(parts)} are not the key parts of a candle slice; it needs from and to") from error
    if not is_cohort:
        raise LogicalKeyError(
            f"the slice from {parts['from']} to {parts['to']} was exported by hand and belongs to no day"
        )
    return day


def slice_table(token: Token, resolution: str, sourced: SourcedCandles) -> pa.Table:
    """A source's answer as a slice: candle schema, rows by ``ts``, attributes in the schema metadata."""
    candles = sourced.candles.select(CANDLE_SCHEMA.names).cast(CANDLE_SCHEMA).sort_by("ts")
    return with_attributes(
        named_for(token, candles),
        {
            "resolution": resolution,
            "source": sourced.source,
            "source_spans": encode_spans(sourced.spans),
            "price_unit": sourced.price_unit,
            "volume_unit": sourced.volume_unit,
        },
    )


def quarantine_table(rejections: Iterable[tuple[str, RejectedCandle]]) -> pa.Table:
    """Rejected rows of a source, each with the resolution that was asked for, as ``slice_quarantine_v1``."""
    rows = [{"resolution": resolution, **asdict(rejected)} for resolution, rejected in rejections]
    table = pa.Table.from_pylist(rows, schema=SLICE_QUARANTINE.schema)
    return table.sort_by([(name, "ascending") for name in SLICE_QUARANTINE.sort_key])


def named_for(token: Token, candles: pa.Table) -> pa.Table:
    """The candles under the token's own name: a call on ``evm_unknown`` finds candles of a known chain."""
    columns = {name: candles[name] for name in CANDLE_SCHEMA.names}
    columns["token_address"] = pa.chunked_array([pa.repeat(token.address, candles.num_rows)])
    columns["chain"] = pa.chunked_array([pa.repeat(token.chain, candles.num_rows)])
    return pa.table(list(columns.values()), schema=CANDLE_SCHEMA)
