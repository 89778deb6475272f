"""Artifact types of the earlier store's alerts: adopted as they are, read in the newest version through `upcast`."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType, column

_SEEN_AS = [
    column("alert_id", pa.string(), "id as the earlier store made it, e.g. <chat>:<message>", nullable=True),
    column("caller_name_norm", pa.string(), "sender name in the earlier store's normal form", nullable=True),
    column("caller_id", pa.string(), "sender id", nullable=True),
    column("mint_source", pa.string(), "where the address was found, e.g. alert_text or bot_card", nullable=True),
    column("bot_name", pa.string(), "bot whose card named the token", nullable=True),
]
_CALL = [
    column("chain", pa.string(), "chain of the token; evm where it was not known which", nullable=True),
    column("mint", pa.string(), "token that was called", nullable=True),
    column("alert_chat_id", pa.int64(), "chat id", nullable=True),
    column("alert_message_id", pa.int64(), "message id within the chat", nullable=True),
]
_RUN = column("run_id", pa.string(), "run that wrote the row", nullable=True)


def _alerts(table: pa.Table, logical_key: str) -> pa.Table:
    from quantlab_core.alerts.earlier_alerts import alerts_of_earlier  # only who reads adopted alerts pays for it

    return alerts_of_earlier(table, logical_key)


def _events(table: pa.Table, logical_key: str) -> pa.Table:
    from quantlab_core.alerts.earlier_alerts import events_of_earlier

    return events_of_earlier(table, logical_key)


EARLIER_ALERTS = ArtifactType(
    name="alerts_v1",
    version=1,
    doc="The alerts of one UTC day as the earlier store kept them. Times are text.",
    schema=pa.schema(
        [
            column("alert_ts_utc", pa.string(), "when the call was sent (UTC text)", nullable=True),
            *_CALL,
            *_SEEN_AS,
            _RUN,
        ]
    ),
    sort_key=(
        *("alert_ts_utc", "chain", "mint", "alert_chat_id", "alert_message_id"),
        *("alert_id", "caller_name_norm", "caller_id", "mint_source", "bot_name", "run_id"),
    ),
    unique_key=(),
    key_parts=("day", "chain"),
    asset="alerts",
    partition="day",
    is_lenient=True,
    upcast=_alerts,
)

EARLIER_ALERT_EVENTS = ArtifactType(
    name="alerts_event_v1",
    version=1,
    doc="What was seen on one UTC day as the earlier store kept it, once per run that saw it. Times are text.",
    schema=pa.schema(
        [
            column("alert_key", pa.string(), "the earlier store's key of the alert", nullable=True),
            column("event_ts_utc", pa.string(), "when the call was sent (UTC text)", nullable=True),
            column("seen_at_utc", pa.string(), "when a run saw it (UTC text)", nullable=True),
            column("ingest_source", pa.string(), "what the run read", nullable=True),
            *_CALL,
            _SEEN_AS[0],
            column("caller_name", pa.string(), "sender name", nullable=True),
            *_SEEN_AS[1:],
            column("bot_message_id", pa.int64(), "message id of the bot's card", nullable=True),
            column("bot_ts_ms", pa.int64(), "when the bot's card was sent, in epoch milliseconds", nullable=True),
            _RUN,
        ]
    ),
    sort_key=(
        *("alert_key", "event_ts_utc", "seen_at_utc"),
        *("ingest_source", "chain", "mint", "alert_chat_id", "alert_message_id", "alert_id", "caller_name"),
        *("caller_name_norm", "caller_id", "mint_source", "bot_name", "bot_message_id", "bot_ts_ms", "run_id"),
    ),
    unique_key=(),
    key_parts=("day", "chain"),
    asset="alert_events",
    partition="day",
    is_lenient=True,
    upcast=_events,
)

EARLIER_ALERT_TYPES = (EARLIER_ALERT_EVENTS, EARLIER_ALERTS)
