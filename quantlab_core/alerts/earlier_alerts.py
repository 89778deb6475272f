"""Alerts and alert events of the earlier store in our schema.

What the earlier store did not know is null here, and ``token_proven_at_call`` is false. A row whose time cannot be read
or that names no token is no alert and is left out; the artifact that holds it stays as it is.

Ids that are missing have stand-ins, so that no call is lost: chat 0, and for the message minus the call's time in
microseconds, which no message has. Rows that come to the same call count once; the first one in the sort order stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from quantlab_core.alerts.addresses import is_chain_name, normalise_chain
from quantlab_core.alerts.alert_events import alert_id
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.alerts.caller_names import normalise_name
from quantlab_core.alerts.earlier_types import EARLIER_ALERTS
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.earlier_columns import integers, texts
from quantlab_core.artifacts.earlier_times import earlier_instants
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.errors import LogicalKeyError
from quantlab_core.token import EVM_UNKNOWN, SOLANA, looks_evm, plain_address

UNKNOWN_CHAT = 0
ADOPTED = "adopted from the earlier store, which kept no numbers"
"""``withheld_reason`` of every such call: rows show by it where they come from."""
_EPOCH = parse_timestamp("1970-01-01T00:00:00Z")
_SUPERGROUPS = 10**12
_MINT_SOURCES = {"bot_card": "bot_reply", "bot_reply": "bot_reply", "link": "link"}
_Row = dict[str, Any]


def alerts_of_earlier(table: pa.Table, logical_key: str) -> pa.Table:
    """A stored ``alerts_v1`` version 1 as version 2."""
    return _in_order(_calls(table, logical_key, "alert_ts_utc"), ALERTS)


def events_of_earlier(table: pa.Table, logical_key: str) -> pa.Table:
    """A stored ``alerts_event_v1`` version 1 as version 2; what several runs saw alike is one event."""
    rows = _calls(table, logical_key, "event_ts_utc")
    for row in rows:
        row["content_id"] = _content_id(row)
    return _in_order(rows, ALERT_EVENTS)


def bare_chat_id(chat_id: int) -> int:
    """A chat id as exports write it: without the sign, and without the -100… that bots see before it."""
    if chat_id >= 0:
        return chat_id
    return -chat_id - _SUPERGROUPS if chat_id <= -_SUPERGROUPS else -chat_id


def earlier_token(chain: str | None, address: str) -> tuple[str, str]:
    """Chain and address in our form; a chain that is missing or no name follows from the form of the address."""
    name = normalise_chain(chain or "")
    if not is_chain_name(name):
        name = EVM_UNKNOWN if looks_evm(address) else SOLANA
    return (EVM_UNKNOWN if name == "evm" else name), plain_address(address)


def _calls(table: pa.Table, logical_key: str, time_column: str) -> list[_Row]:
    times = _times(table, time_column)
    chain_of_key = _chain_of(logical_key)
    chats, messages = integers(table, "alert_chat_id"), integers(table, "alert_message_id")
    text = {
        name: texts(table, name)
        for name in ("chain", "mint", "caller_id", "caller_name", "caller_name_norm", "mint_source", "bot_name")
    }
    bot_messages = integers(table, "bot_message_id")
    rows = []
    for number, instant in enumerate(times):
        address = text["mint"][number]
        if instant is None or address is None:
            continue
        chain, mint = earlier_token(text["chain"][number] or chain_of_key, address)
        chat, message = chats[number], messages[number]
        chat_id = UNKNOWN_CHAT if chat is None else bare_chat_id(chat)
        message_id = -((instant - _EPOCH) // timedelta(microseconds=1)) if message is None else message
        rows.append(
            {
                time_column: instant,
                "alert_id": alert_id(chat_id, message_id, chain, mint),
                "chain": chain,
                "mint": mint,
                "called_address": mint,
                "address_kind": "token",
                "mint_source": _MINT_SOURCES.get(text["mint_source"][number] or "", "text"),
                "alert_chat_id": chat_id,
                "alert_message_id": message_id,
                "caller_id": text["caller_id"][number],
                "caller_name": text["caller_name"][number],
                "caller_name_norm": normalise_name(text["caller_name_norm"][number] or text["caller_name"][number]),
                "withheld_reason": ADOPTED,
                "bot_name": text["bot_name"][number],
                "bot_message_id": bot_messages[number],
                "token_proven_at_call": False,
            }
        )
    return rows


def _times(table: pa.Table, name: str) -> list[datetime | None]:
    if name not in table.column_names:
        return [None] * table.num_rows
    instants: list[datetime | None] = earlier_instants(table.column(name)).to_pylist()
    return instants


def _chain_of(logical_key: str) -> str | None:
    try:
        return parse_key(EARLIER_ALERTS, logical_key)["chain"]
    except LogicalKeyError:
        return None


def _content_id(row: _Row) -> str:
    """16 hex digits over all that the row says, so that it depends neither on the run nor on when it was seen."""
    said = "|".join(f"{name}={row[name]}" for name in sorted(row))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _in_order(rows: Iterable[_Row], spec: ArtifactType) -> pa.Table:
    """The rows in the order of the type, one per unique key: the first one in the order of all that they say."""
    first: dict[tuple[Any, ...], _Row] = {}
    for row in sorted(rows, key=lambda row: (_values(row, spec.sort_key), _said(row))):
        first.setdefault(_values(row, spec.unique_key), row)
    return pa.Table.from_pylist(list(first.values()), schema=spec.schema)


def _values(row: _Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _said(row: _Row) -> list[tuple[bool, str]]:
    """What decides between rows of one call: those that say more come first."""
    return [(row[name] is None, str(row[name])) for name in sorted(row)]
