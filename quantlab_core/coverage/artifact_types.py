"""Artifact types of coverage."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.coverage.thresholds import DEFAULT_THRESHOLDS

THRESHOLD_ATTRIBUTES = {
    "good": "least span ratio of the verdict good",
    "partial": "least span ratio of the verdict partial",
}
AS_OF = {"as_of": "UTC instant as of which was measured: horizons that end later are pending"}


def _judged_by_defaults(table: pa.Table, _logical_key: str) -> pa.Table:
    """Version 1 knew no other thresholds than the defaults of today."""
    return with_attributes(table, DEFAULT_THRESHOLDS.attributes)


ALERT_FORWARD_COVERAGE = ArtifactType(
    name="alert_forward_coverage_v1",
    version=2,
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
                "by span_ratio: good, partial, poor or none; pending while the horizon is open",
            ),
        ]
    ),
    sort_key=("alert_ts_utc", "alert_id", "horizon_h"),
    unique_key=("alert_id", "horizon_h"),
    key_parts=("selection",),
    asset="alert_forward_coverage",
    time_column="alert_ts_utc",
    attributes=THRESHOLD_ATTRIBUTES,
)

FIRST_FORWARD_COVERAGE = replace(ALERT_FORWARD_COVERAGE, version=1, attributes={}, upcast=_judged_by_defaults)

COVERAGE_GAPS = ArtifactType(
    name="coverage_gaps_v1",
    version=1,
    doc="Minutes that alerts need and for which no source was asked, or answered; one row per gap. "
    "A token's windows are the 48 hours after its alerts, united. Silence inside a source span is no gap.",
    schema=pa.schema(
        [
            column("chain", pa.string(), "chain of the token"),
            column("token_address", pa.string(), "token that was called"),
            column("resolution", pa.string(), "resolution of the series that lacks these minutes: 1m"),
            column("from_ts", UTC_TIMESTAMP, "first missing minute (UTC)"),
            column("to_ts", UTC_TIMESTAMP, "end of the last missing minute (UTC, not included)"),
            column("missing_minutes", pa.int32(), "minutes in [from_ts, to_ts)"),
            column(
                "kind",
                pa.string(),
                "start: it begins with its window, of which it may be all; end: it ends with it; else inside",
            ),
            column("window_from_ts", UTC_TIMESTAMP, "start of the window that the gap lies in (UTC)"),
            column("window_to_ts", UTC_TIMESTAMP, "end of that window, at most the as-of time (UTC, not included)"),
            column("alerts", pa.int32(), "alerts whose 48 hours hold some of the gap"),
        ]
    ),
    sort_key=("chain", "token_address", "resolution", "from_ts"),
    unique_key=("chain", "token_address", "resolution", "from_ts"),
    key_parts=("selection",),
    asset="coverage_gaps",
    time_column="from_ts",
    attributes=AS_OF,
)

COVERAGE_SUMMARY = ArtifactType(
    name="coverage_summary_v1",
    version=1,
    doc="How well the alerts of each day are covered, one row per UTC day of the call, chain and horizon. "
    "Shares and medians are over alerts whose horizon is over.",
    schema=pa.schema(
        [
            column("day", pa.date32(), "UTC day of the calls"),
            column("chain", pa.string(), "chain of their tokens"),
            column("horizon_h", pa.int32(), "hours after the alert: 1, 4, 12, 24 or 48"),
            column("alerts", pa.int32(), "alerts: good + partial + poor + none + pending"),
            column("good", pa.int32(), "alerts with the verdict good"),
            column("partial", pa.int32(), "alerts with the verdict partial"),
            column("poor", pa.int32(), "alerts with the verdict poor"),
            column("none", pa.int32(), "alerts with the verdict none"),
            column("pending", pa.int32(), "alerts whose horizon is still open"),
            column("good_share", pa.float64(), "good / (alerts - pending); null when all are pending", nullable=True),
            column("partial_share", pa.float64(), "partial / (alerts - pending)", nullable=True),
            column("poor_share", pa.float64(), "poor / (alerts - pending)", nullable=True),
            column("none_share", pa.float64(), "none / (alerts - pending)", nullable=True),
            column("median_span_ratio", pa.float64(), "median span_ratio", nullable=True),
            column("median_activity_ratio", pa.float64(), "median activity_ratio of those with a span", nullable=True),
            column(
                "median_largest_silence_minutes",
                pa.float64(),
                "median largest_silence_minutes of those with a span",
                nullable=True,
            ),
        ]
    ),
    sort_key=("day", "chain", "horizon_h"),
    unique_key=("day", "chain", "horizon_h"),
    key_parts=("selection",),
    asset="coverage_summary",
    attributes={**THRESHOLD_ATTRIBUTES, **AS_OF},
)

COVERAGE_TYPES = (FIRST_FORWARD_COVERAGE, ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY)
