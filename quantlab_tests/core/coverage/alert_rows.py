"""Small tables of alerts for tests of coverage."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import TOKEN

ALERT_SCHEMA = pa.schema(
    [("alert_ts_utc", UTC_TIMESTAMP), ("alert_id", pa.string()), ("chain", pa.string()), ("mint", pa.string())]
)
OTHER = Token("base", "0x4200000000000000000000000000000000000001")


def alerts(*calls: tuple[str, datetime] | tuple[str, datetime, Token]) -> pa.Table:
    """One row per (id, time) or (id, time, token)."""
    rows = []
    for alert_id, stamp, *token in calls:
        called = token[0] if token else TOKEN
        rows.append({"alert_ts_utc": stamp, "alert_id": alert_id, "chain": called.chain, "mint": called.address})
    return pa.Table.from_pylist(rows, schema=ALERT_SCHEMA)
