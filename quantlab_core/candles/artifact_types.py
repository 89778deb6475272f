"""Artifact types of the candle side: imported files, quarantines, slices and their revisions, token candles."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column

CANDLE_COLUMNS = [
    column("token_address", pa.string(), "token (or pool) that the candle is of"),
    column("chain", pa.string(), "chain of the token"),
    column("ts", UTC_TIMESTAMP, "open time of the candle (UTC); it covers [ts, ts + resolution)"),
    column("open", pa.float64(), "first price, in the price unit"),
    column("high", pa.float64(), "highest price, in the price unit"),
    column("low", pa.float64(), "lowest price, in the price unit"),
    column("close", pa.float64(), "last price, in the price unit"),
    column("volume", pa.float64(), "traded volume in the volume unit; null where the source gave none", nullable=True),
]
CANDLE_SCHEMA = pa.schema(CANDLE_COLUMNS)

CANDLE_ATTRIBUTES = {
    "resolution": "length of a candle: 1m, 5m, 15m, 1h, 4h or 1d",
    "source": "what answered: file, or adopted for candles of the earlier store",
    "source_spans": "JSON list of [from, to) UTC instants for which the source was asked and answered",
    "price_unit": "usd, sol, eth, bnb or btc; unknown where nothing was found",
    "volume_unit": "a price unit, token (the traded coin) or unknown",
}

IMPORTED_CANDLES = ArtifactType(
    name="imported_candles_v1",
    version=1,
    doc="The valid candles of one imported file, in normal form. "
    "An empty source_spans means: first to last candle of each token.",
    schema=CANDLE_SCHEMA,
    sort_key=("chain", "token_address", "ts"),
    unique_key=("chain", "token_address", "ts"),
    key_parts=("file",),
    asset="imported_candles",
    partition="file",
    time_column="ts",
    attributes=CANDLE_ATTRIBUTES,
    nan_is_null=frozenset({"volume"}),
)

CANDLES_QUARANTINE = ArtifactType(
    name="candles_quarantine_v1",
    version=1,
    doc="Every row of one imported file that was rejected, with the rule and the reason.",
    schema=pa.schema(
        [
            column("row_number", pa.int64(), "row of the file, from 1, header not counted"),
            column("token_address", pa.string(), "token of the row", nullable=True),
            column("chain", pa.string(), "chain of the row", nullable=True),
            column("ts", UTC_TIMESTAMP, "open time of the row (UTC)", nullable=True),
            column("rule_id", pa.string(), "rule that rejected it"),
            column("rule_version", pa.int32(), "version of that rule"),
            column("reason", pa.string(), "why, in one sentence"),
            column("payload", pa.string(), "the row as JSON, as it stood in the file"),
        ]
    ),
    sort_key=("row_number", "rule_id"),
    unique_key=("row_number", "rule_id"),
    key_parts=("file",),
    asset="candles_quarantine",
    partition="file",
)

OHLCV_SLICE = ArtifactType(
    name="ohlcv_slice_v2",
    version=3,
    doc="Candles of one token for one cohort day of calls: "
    "window [day - 4 h, day + 72 h) by default, closed candles only.",
    schema=CANDLE_SCHEMA,
    sort_key=("ts",),
    unique_key=("ts",),
    key_parts=("token", "chain", "res", "from", "to"),
    optional_key_parts=frozenset({"chain"}),
    asset="ohlcv_slices",
    partition="cohort_day",
    time_column="ts",
    attributes=CANDLE_ATTRIBUTES,
    nan_is_null=frozenset({"volume"}),
)

SLICE_QUARANTINE = ArtifactType(
    name="slice_quarantine_v1",
    version=1,
    doc="Every row of a candle source that was rejected while the slices of one day were cut, with the rule and the "
    "reason; and every token that the source could not answer for.",
    schema=pa.schema(
        [
            column("token_address", pa.string(), "token of the row"),
            column("chain", pa.string(), "chain of the row"),
            column("resolution", pa.string(), "length of the candles that were asked for"),
            column("ts", UTC_TIMESTAMP, "open time of the row (UTC); null where it has none", nullable=True),
            column("rule_id", pa.string(), "rule that rejected it"),
            column("rule_version", pa.int32(), "version of that rule"),
            column("reason", pa.string(), "why, in one sentence"),
            column("payload", pa.string(), "the row as JSON, as the source gave it; the request, where no row is meant"),
        ]
    ),
    sort_key=("chain", "token_address", "resolution", "ts", "rule_id", "payload", "reason"),
    unique_key=(),
    key_parts=("day",),
    asset="slice_quarantine",
    partition="day",
    time_column="ts",
)

SLICE_REVISIONS = ArtifactType(
    name="slice_revisions_v1",
    version=1,
    doc="What a slice that was fetched again changed: one row for each candle that came, went or has other values now.",
    schema=pa.schema(
        [
            column("ts", UTC_TIMESTAMP, "open time of the candle (UTC)"),
            column("change", pa.string(), "added, removed or changed"),
            *(
                column(f"{which}_{name}", pa.float64(), f"{name} {when}; null where there was none", nullable=True)
                for which, when in (("old", "before"), ("new", "since"))
                for name in ("open", "high", "low", "close", "volume")
            ),
        ]
    ),
    sort_key=("ts",),
    unique_key=("ts",),
    key_parts=("token", "chain", "res", "from", "to"),
    optional_key_parts=frozenset({"chain"}),
    asset="slice_revisions",
    partition="cohort_day",
    time_column="ts",
    attributes={
        "slice_id": "id of the slice that is current",
        "superseded_id": "id of the slice whose place it took",
        "new_facts": "JSON object of what else the current slice states differently: spans, source, units",
        "old_facts": "what the superseded slice stated instead",
    },
    nan_is_null=frozenset({"old_volume", "new_volume"}),
)

QUALITY_COLUMNS = [
    column(
        "slices",
        pa.int32(),
        "slices that hold a candle of this time; null in a series of version 1",
        nullable=True,
    ),
    column(
        "conflicts",
        pa.int32(),
        "candles of this time with other values that lost to this one; null in a series of version 1",
        nullable=True,
    ),
    column("is_traded", pa.bool_(), "whether the volume is above 0; null where it is unknown", nullable=True),
    column(
        "silent_before",
        pa.int64(),
        "candles missing since the one before this (or since the first span began) for which the source was asked; "
        "null where the resolution is unknown",
        nullable=True,
    ),
    column(
        "unasked_before",
        pa.int64(),
        "candles missing since the one before this for which nobody asked the source; null for the first candle",
        nullable=True,
    ),
]
"""What a series says of each of its candles beyond its values: functions of the slices alone."""

TOKEN_CANDLES = ArtifactType(
    name="token_candles_v1",
    version=2,
    doc="All slices of one token and resolution merged into one series without duplicates, each candle with its "
    "quality.",
    schema=pa.schema([*CANDLE_COLUMNS, *QUALITY_COLUMNS]),
    sort_key=("ts",),
    unique_key=("ts",),
    key_parts=("token", "chain", "res"),
    optional_key_parts=frozenset({"chain"}),
    asset="token_candles",
    partition="token",
    time_column="ts",
    attributes=CANDLE_ATTRIBUTES,
    nan_is_null=frozenset({"volume"}),
)


def _with_quality(table: pa.Table, _logical_key: str) -> pa.Table:
    from quantlab_core.candles.series_quality import with_quality_of_version_1  # only who reads old series pays for it

    return with_quality_of_version_1(table)


TOKEN_CANDLES_OF_VERSION_1 = replace(
    TOKEN_CANDLES,
    version=1,
    doc="All slices of one token and resolution merged into one series without duplicates.",
    schema=CANDLE_SCHEMA,
    upcast=_with_quality,
)

CANDLE_TYPES = (
    IMPORTED_CANDLES,
    CANDLES_QUARANTINE,
    OHLCV_SLICE,
    SLICE_QUARANTINE,
    SLICE_REVISIONS,
    TOKEN_CANDLES_OF_VERSION_1,
    TOKEN_CANDLES,
)
