"""Artifact types of the alert side: messages, dispositions, quarantine, events, alerts, caller aliases, token calls."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column

TELEGRAM_MESSAGES = ArtifactType(
    name="telegram_messages_v1",
    version=1,
    doc="The messages of one export in normal form, one row per version of a message, sorted by time.",
    schema=pa.schema(
        [
            column("sent_ts", UTC_TIMESTAMP, "when the message was sent (UTC)"),
            column("chat_id", pa.int64(), "bare chat id, without the -100 prefix"),
            column("chat_name", pa.string(), "chat title in the export", nullable=True),
            column("message_id", pa.int64(), "message id within the chat"),
            column("content_id", pa.string(), "16 hex digits of the SHA-256 of the message's content: one id per version; behind untold- where the export does not say if it was edited (HTML)"),
            column("message_type", pa.string(), "message, service or unsupported"),
            column("edited_ts", UTC_TIMESTAMP, "when this version was edited (UTC); null if never", nullable=True),
            column("sender_id", pa.string(), "sender id as exported, e.g. user4002", nullable=True),
            column("sender_name", pa.string(), "sender name as exported", nullable=True),
            column("forwarded_from", pa.string(), "original author of a forward", nullable=True),
            column("via_bot", pa.string(), "inline bot that the message came through", nullable=True),
            column("reply_to_message_id", pa.int64(), "message that this one answers, same chat", nullable=True),
            column("text", pa.string(), "joined text with its line breaks"),
            column("links", pa.list_(pa.string()), "targets of links and buttons in order, beyond those written out in the text"),
            column("ordinal", pa.int64(), "position of the message in the export, from 0"),
        ]
    ),
    sort_key=("sent_ts", "chat_id", "message_id", "content_id"),
    unique_key=("chat_id", "message_id", "content_id"),
    key_parts=("export",),
    asset="telegram_messages",
    partition="export",
    time_column="sent_ts",
)

MESSAGE_DISPOSITIONS = ArtifactType(
    name="message_dispositions_v1",
    version=1,
    doc="What became of every message of one export: exactly one row per message, so that nothing is lost silently.",
    schema=pa.schema(
        [
            column("ordinal", pa.int64(), "position of the message in the export, from 0"),
            column("chat_id", pa.int64(), "bare chat id", nullable=True),
            column("message_id", pa.int64(), "message id within the chat", nullable=True),
            column("sent_ts", UTC_TIMESTAMP, "when the message was sent (UTC)", nullable=True),
            column("disposition", pa.string(), "event, non_alert, quarantined or duplicate"),
            column("kind", pa.string(), "call, bot_reply, bot_alert, command, update, ticker_only, no_alert, service, unsupported, ambiguous or unreadable"),
            column("rule_id", pa.string(), "rule that decided, where it was quarantined", nullable=True),
            column("tokens", pa.int32(), "number of tokens that the message calls"),
        ]
    ),
    sort_key=("ordinal",),
    unique_key=("ordinal",),
    key_parts=("export",),
    asset="message_dispositions",
    partition="export",
    time_column="sent_ts",
)

ALERTS_QUARANTINE = ArtifactType(
    name="alerts_quarantine",
    version=2,
    doc="Every message of one export that was rejected: the rule, the reason and the payload, so that it can be replayed.",
    schema=pa.schema(
        [
            column("ordinal", pa.int64(), "position of the message in the export, from 0"),
            column("chat_id", pa.int64(), "bare chat id", nullable=True),
            column("message_id", pa.int64(), "message id within the chat", nullable=True),
            column("sent_ts", UTC_TIMESTAMP, "when the message was sent (UTC)", nullable=True),
            column("rule_id", pa.string(), "rule that rejected it"),
            column("rule_version", pa.int32(), "version of that rule"),
            column("reason", pa.string(), "why, in one sentence"),
            column("payload", pa.string(), "the message as JSON, as it was exported"),
        ]
    ),
    sort_key=("ordinal", "rule_id"),
    unique_key=("ordinal", "rule_id"),
    key_parts=("export",),
    asset="alerts_quarantine",
    partition="export",
    time_column="sent_ts",
)

_CALL_COLUMNS = [
    column("alert_id", pa.string(), "deterministic id of (chat, message, chain, token)"),
    column("chain", pa.string(), "solana, ethereum, base, bsc, … or evm_unknown"),
    column("mint", pa.string(), "token that was called: the token a bot reply resolved, else the address itself"),
    column("called_address", pa.string(), "address as it stands in the message"),
    column("address_kind", pa.string(), "what was written: token, pool, pool_or_token or presale_contract"),
    column("mint_source", pa.string(), "where the address was found: text, link or bot_reply"),
    column("alert_chat_id", pa.int64(), "bare chat id"),
    column("alert_chat_name", pa.string(), "chat title", nullable=True),
    column("alert_message_id", pa.int64(), "message id within the chat"),
    column("caller_id", pa.string(), "sender id as exported", nullable=True),
    column("caller_name", pa.string(), "sender name as exported", nullable=True),
    column("caller_name_norm", pa.string(), "sender name, NFKC, case-folded, white space collapsed", nullable=True),
    column("ticker", pa.string(), "ticker as the call or its bot reply gives it, without $", nullable=True),
    column("mcap_at_call_usd", pa.float64(), "market cap at the call (USD), only where look-ahead is ruled out", nullable=True),
    column("price_at_call_usd", pa.float64(), "price at the call (USD), only where look-ahead is ruled out", nullable=True),
    column("liquidity_at_call_usd", pa.float64(), "liquidity at the call (USD), only where look-ahead is ruled out", nullable=True),
    column("withheld_reason", pa.string(), "why a value that a bot showed is withheld; begins with adopted where only the earlier store knows of the call", nullable=True),
    column("bot_name", pa.string(), "bot whose reply enriched the call", nullable=True),
    column("bot_message_id", pa.int64(), "message id of that reply", nullable=True),
    column("edited_ts", UTC_TIMESTAMP, "when this version of the call was edited (UTC); null if never", nullable=True),
    column("token_proven_at_call", pa.bool_(), "true if never edited, or a bot reply within 60 s of the call names the token; false with a null edited_ts: nobody knows (adopted, HTML)"),
]

ALERT_EVENTS = ArtifactType(
    name="alerts_event_v1",
    version=2,
    doc="What was seen on one UTC day: every mention of a token by a call, in every version of the message.",
    schema=pa.schema(
        [
            column("event_ts_utc", UTC_TIMESTAMP, "when the call was sent (UTC)"),
            *_CALL_COLUMNS,
            column("content_id", pa.string(), "version of the message that this row was read from; adopted where only an adopted alert tells of it"),
        ]
    ),
    sort_key=("event_ts_utc", "alert_chat_id", "alert_message_id", "mint", "content_id"),
    unique_key=("alert_chat_id", "alert_message_id", "chain", "mint", "content_id"),
    key_parts=("day", "chain"),
    asset="alert_events",
    partition="day",
    time_column="event_ts_utc",
)

ALERTS = ArtifactType(
    name="alerts_v1",
    version=2,
    doc="The canonical alerts of one UTC day: one row per (chain, token, chat, message), in the first version known.",
    schema=pa.schema([column("alert_ts_utc", UTC_TIMESTAMP, "when the call was sent (UTC)"), *_CALL_COLUMNS]),
    sort_key=("alert_ts_utc", "alert_chat_id", "alert_message_id", "mint"),
    unique_key=("alert_id",),
    key_parts=("day", "chain"),
    asset="alerts",
    partition="day",
    time_column="alert_ts_utc",
)

CALLER_ALIASES = ArtifactType(
    name="caller_aliases_v1",
    version=1,
    doc="Which names and ids are one caller, as somebody wrote it down: one row per alias.",
    schema=pa.schema(
        [
            column("caller", pa.string(), "the caller: a name, NFKC, case-folded, white space collapsed"),
            column("alias_kind", pa.string(), "id or name; an id alias wins over a name alias"),
            column("alias", pa.string(), "sender id as exported, or normalised name; each caller's own name is one of its aliases"),
        ]
    ),
    sort_key=("caller", "alias_kind", "alias"),
    unique_key=("alias_kind", "alias"),
    key_parts=("selection",),
    asset="caller_aliases",
)

TOKEN_CALLS = ArtifactType(
    name="token_calls_v1",
    version=2,
    doc="How often a token had been called before each alert, over all days: first calls and call counts.",
    schema=pa.schema(
        [
            column("alert_ts_utc", UTC_TIMESTAMP, "when the call was sent (UTC)"),
            column("alert_id", pa.string(), "the alert"),
            column("chain", pa.string(), "chain of the token"),
            column("mint", pa.string(), "token that was called"),
            column("alert_chat_id", pa.int64(), "bare chat id"),
            column("caller_id", pa.string(), "sender id, or the normalised name where there is no id", nullable=True),
            column("caller", pa.string(), "the person: the caller whom the caller aliases name, else caller_id", nullable=True),
            column("is_first_in_chat", pa.bool_(), "first call of this token in this chat"),
            column("is_first_by_caller", pa.bool_(), "first call of this token by this person, in any chat"),
            column("call_number_in_chat", pa.int32(), "1 for the first call of this token in this chat"),
            column("call_number_by_caller", pa.int32(), "1 for the first call of this token by this person"),
        ]
    ),
    sort_key=("alert_ts_utc", "alert_id"),
    unique_key=("alert_id",),
    key_parts=("selection",),
    asset="token_calls",
    time_column="alert_ts_utc",
)


def _with_caller(table: pa.Table, _logical_key: str) -> pa.Table:
    """Before there were aliases every caller was a person."""
    columns = [table["caller_id" if name == "caller" else name] for name in TOKEN_CALLS.schema.names]
    return pa.Table.from_arrays(columns, schema=TOKEN_CALLS.schema)


TOKEN_CALLS_OF_VERSION_1 = replace(
    TOKEN_CALLS,
    version=1,
    schema=pa.schema([field for field in TOKEN_CALLS.schema if field.name != "caller"]),
    upcast=_with_caller,
)

ALERT_TYPES = (
    TELEGRAM_MESSAGES,
    MESSAGE_DISPOSITIONS,
    ALERTS_QUARANTINE,
    ALERT_EVENTS,
    ALERTS,
    CALLER_ALIASES,
    TOKEN_CALLS_OF_VERSION_1,
    TOKEN_CALLS,
)
