"""Coverage of 20,000 alerts, read from a lake: all three tables, beside counting the minutes of each alert by masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import FIRST_CANDLE_MS, MINUTE_MS, Size, candle_slice, new_lake, slice_request, token
from quantlab_assets.frozen_sets import SeriesByToken
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.arrow_columns import microseconds
from quantlab_core.candles.source_spans import SourceSpan, encode_spans
from quantlab_core.coverage.alert_windows import HORIZONS_H
from quantlab_core.coverage.measured_coverage import measure_coverage
from quantlab_core.token import SOLANA, Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore

ALERTS_PER_TOKEN = 40
SERIES_ROWS = 76 * 60
"""One slice as it is by default: 4 hours before the day of the call until 72 hours after its begin."""

SPANS = ((0, 1_000), (1_030, SERIES_ROWS))
"""For when the source answered, in minutes since the first candle: with a hole of half an hour."""

START = datetime.fromtimestamp(FIRST_CANDLE_MS / 1_000, UTC)
AS_OF = START + timedelta(days=100)
_AT_ONCE = 100


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Both read and verify every series, one at a time. What the peer counts is compared before anything counts."""
    store = new_lake(folder / "lake")
    alerts = _alerts(size.tokens)
    series = SeriesByToken(lambda head: store.read(head.artifact_id), _publish(store, size.tokens))
    if _measured(alerts, series) != _by_masks(alerts, series):
        raise RuntimeError("the two ways of counting do not agree, so their times say nothing")
    actions = {
        f"coverage of {alerts.num_rows:,} alerts, {size.tokens:,} series of {SERIES_ROWS:,} candles": (
            lambda: _measured(alerts, series)
        ),
        "two of its counts by masks over the series, per alert and horizon": lambda: _by_masks(alerts, series),
    }
    yield figure(interleaved(actions, rounds=size.rounds // 2, operations=alerts.num_rows), "per s")
    store.close()


def _measured(alerts: pa.Table, series: Mapping[Token, pa.Table]) -> list[tuple[int, int]]:
    forward = measure_coverage(alerts, series, as_of=AS_OF).forward
    return list(zip(*(forward[name].to_pylist() for name in ("spanned_minutes", "present_minutes")), strict=True))


def _by_masks(alerts: pa.Table, series: Mapping[Token, pa.Table]) -> list[tuple[int, int]]:
    """Spanned and present minutes as one writes them down first: compare every minute with every window."""
    called = microseconds(alerts["alert_ts_utc"]) // (MINUTE_MS * 1_000) - FIRST_CANDLE_MS // MINUTE_MS + 1
    mints = alerts["mint"].to_pylist()
    counts: list[tuple[int, int]] = []
    current, minutes = "", np.zeros(0, dtype=np.int64)
    spanned = np.concatenate([np.arange(start, end) for start, end in SPANS])
    for mint, start in zip(mints, called.tolist(), strict=True):
        if mint != current:
            current = mint
            opens = microseconds(series[Token(SOLANA, mint)]["ts"])
            minutes = opens // (MINUTE_MS * 1_000) - FIRST_CANDLE_MS // MINUTE_MS
            minutes = minutes[np.isin(minutes, spanned)]
        for hours in HORIZONS_H:
            end = start + 60 * hours
            counts.append(
                (
                    int(((spanned >= start) & (spanned < end)).sum()),
                    int(((minutes >= start) & (minutes < end)).sum()),
                )
            )
    return counts


def _alerts(tokens: int) -> pa.Table:
    """`ALERTS_PER_TOKEN` calls of each token, one token after the other as both ways to count meet them in order."""
    numbers = np.arange(tokens * ALERTS_PER_TOKEN)
    stamps_us = FIRST_CANDLE_MS * 1_000 + numbers * 1_000_000
    return pa.table(
        {
            "alert_ts_utc": pa.array(stamps_us).cast(UTC_TIMESTAMP),
            "alert_id": pa.array([f"al_{number:06d}" for number in numbers]),
            "chain": pa.array([SOLANA] * len(numbers)),
            "mint": pa.array([token(number // ALERTS_PER_TOKEN) for number in numbers]),
        }
    )


def _publish(store: ParquetArtifactStore, tokens: int) -> list[Artifact]:
    spans = [SourceSpan(START + timedelta(minutes=first), START + timedelta(minutes=end)) for first, end in SPANS]
    attributes = {
        "resolution": "1m",
        "source": "file",
        "price_unit": "usd",
        "volume_unit": "usd",
        "source_spans": encode_spans(spans),
    }
    published: list[Artifact] = []
    for first in range(0, tokens, _AT_ONCE):
        requests = [
            replace(
                slice_request(number, SERIES_ROWS), data=with_attributes(candle_slice(number, SERIES_ROWS), attributes)
            )
            for number in range(first, min(first + _AT_ONCE, tokens))
        ]
        published += [result.artifact for result in store.publish_many(requests)]
    return published
