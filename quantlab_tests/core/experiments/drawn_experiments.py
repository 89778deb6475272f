"""Alerts and candles drawn by hand, as tables in the schemas of their artifact types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.candles.artifact_types import TOKEN_CANDLES
from quantlab_core.experiments.experiment import DateRange, ExperimentConfig

T0 = datetime(2025, 5, 1, tzinfo=UTC)

Candle = tuple[int, float, float, float, float]


def alerts_table(*alerts: Mapping[str, Any]) -> pa.Table:
    """Alerts from their differences to an ordinary Solana call; ``at_s`` is in seconds after T0."""
    rows = []
    for number, alert in enumerate(alerts):
        given = dict(alert)
        edited_s = given.pop("edited_s", None)
        row = {
            "alert_ts_utc": T0 + timedelta(seconds=given.pop("at_s", -1)),
            "alert_id": f"alert-{number}",
            "chain": "solana",
            "mint": "MintA",
            "called_address": "MintA",
            "address_kind": "token",
            "mint_source": "text",
            "alert_chat_id": 1,
            "alert_message_id": number,
            "caller_name_norm": "ann",
            "token_proven_at_call": edited_s is None,
            "edited_ts": None if edited_s is None else T0 + timedelta(seconds=edited_s),
        }
        rows.append(row | given)
    return pa.Table.from_pylist(rows, schema=ALERTS.schema)


def candles_table(
    *candles: Candle, spans_min: Sequence[tuple[int, int]] = (), resolution: str | None = "1m"
) -> pa.Table:
    """Token candles from (minute after T0, open, high, low, close); ``spans_min`` are the source's answered minutes."""
    rows = [
        {
            "token_address": "MintA", "chain": "solana", "ts": T0 + timedelta(minutes=minute),
            "open": open_, "high": high, "low": low, "close": close, "volume": None,
        }
        for minute, open_, high, low, close in candles
    ]  # fmt: skip
    spans = [[(T0 + timedelta(minutes=minute)).isoformat() for minute in span] for span in spans_min]
    metadata = {"source_spans": json.dumps(spans)} | ({} if resolution is None else {"resolution": resolution})
    return pa.Table.from_pylist(rows, schema=TOKEN_CANDLES.schema).replace_schema_metadata(metadata)


def config_of(
    strategy: Mapping[str, Any] | None = None, *, from_: str | None = None, to: str | None = None, **params: Any
) -> ExperimentConfig:
    return ExperimentConfig({"max_hold_min": 60} | dict(strategy or {}), DateRange(from_, to), params)
