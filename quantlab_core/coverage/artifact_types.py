"""Artifact types of coverage."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column

ALERT_FORWARD_COVERAGE = ArtifactType(
    name="alert_forward_coverage_v1",
    version=1,
    doc="How well the minutes after each alert are covered, one row per alert and horizon. "
    "The verdict uses the source span only: silence inside it is data.",
    schema=pa.schema(
        [
            column("alert_ts_utc", UTC_TIMESTAMP, "when the call was sent (UTC)"),
            column("alert_id", pa.string(), "the alert"),
            column("chain", pa.string(), "chain of the token"),
            column("mint", pa.string(), "token that was called"),
            column("horizon_h", pa.int32(), "hours after the alert: 1, 4, 12, 24 or 48"),
            column("expected_minutes", pa.int32(), "whole minutes of the horizon"),
            column("spanned_minutes", pa.int32(), "of these, minutes that the source was asked for and answered for"),
            column("present_minutes", pa.int32(), "of these, minutes with a candle"),
            column("traded_minutes", pa.int32(), "of these, minutes with a candle of positive volume"),
            column("first_candle_ts", UTC_TIMESTAMP, "open time of the first candle in the horizon", nullable=True),
            column("last_candle_ts", UTC_TIMESTAMP, "open time of the last candle in the horizon", nullable=True),
            column("largest_silence_minutes", pa.int32(), "longest run of spanned minutes without a candle"),
            column("span_ratio", pa.float64(), "spanned_minutes / expected_minutes"),
            column(
                "activity_ratio",
                pa.float64(),
                "traded_minutes / spanned_minutes; null when nothing is spanned",
                nullable=True,
            ),
            column(
                "verdict",
                pa.string(),
                "good >= 0.95, partial >= 0.80, poor, none (by span_ratio), or pending while the horizon is open",
            ),
        ]
    ),
    sort_key=("alert_ts_utc", "alert_id", "horizon_h"),
    unique_key=("alert_id", "horizon_h"),
    key_parts=("selection",),
    asset="alert_forward_coverage",
    time_column="alert_ts_utc",
)

COVERAGE_TYPES = (ALERT_FORWARD_COVERAGE,)
