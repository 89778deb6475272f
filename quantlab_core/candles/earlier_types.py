"""Artifact types of the earlier store's candles: adopted as they are, read in the newest version through `upcast`."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType, column


def _slice(table: pa.Table, logical_key: str) -> pa.Table:
    from quantlab_core.candles.earlier_slices import slice_of_earlier  # only who reads adopted candles pays for it

    return slice_of_earlier(table, logical_key)


def _same(table: pa.Table, _logical_key: str) -> pa.Table:
    return table


EARLIER_SLICE = ArtifactType(
    name="ohlcv_slice_v2",
    version=2,
    doc="Candles of one token for one window as the earlier store kept them.",
    schema=pa.schema(
        [
            column("token_address", pa.string(), "token that the candle is of", nullable=True),
            column("timestamp", pa.timestamp("us"), "open time of the candle (UTC, without a zone)", nullable=True),
            column("open", pa.float64(), "first price", nullable=True),
            column("high", pa.float64(), "highest price", nullable=True),
            column("low", pa.float64(), "lowest price", nullable=True),
            column("close", pa.float64(), "last price", nullable=True),
            column("volume", pa.float64(), "traded volume", nullable=True),
        ]
    ),
    sort_key=("token_address", "timestamp", "open", "high", "low", "close", "volume"),
    unique_key=(),
    key_parts=("token", "chain", "res", "from", "to"),
    optional_key_parts=frozenset({"chain"}),
    asset="ohlcv_slices",
    partition="cohort_day",
    is_lenient=True,
    upcast=_slice,
)

EARLIEST_SLICE = replace(EARLIER_SLICE, version=1, upcast=_same)

EARLIER_CANDLE_TYPES = (EARLIEST_SLICE, EARLIER_SLICE)
