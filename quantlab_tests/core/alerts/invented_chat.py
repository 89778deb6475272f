"""Invented addresses, messages and bot cards: addresses are hashes of names, so nobody's token is used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import base58
import pyarrow as pa

from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.alerts.telegram_message import Chat, RawMessage, TelegramMessage, normalise_message

CHAT = Chat(1_700_000_001, "Evening calls", "private_supergroup")
NOON = datetime(2025, 5, 1, 12, 0, tzinfo=UTC)


def mint(name: str) -> str:
    """A base58 address of 32 bytes, always the same for a name."""
    return base58.b58encode(hashlib.sha256(name.encode()).digest()).decode()


def contract(name: str) -> str:
    """A lower-case EVM address, always the same for a name."""
    return "0x" + hashlib.sha256(name.encode()).hexdigest()[:40]


def exported(message_id: int, text: object, *, at: int = 0, sender: str = "ann", **more: Any) -> dict[str, Any]:
    """A message as Telegram Desktop exports it, sent ``at`` seconds after noon of 2025-05-01 UTC."""
    unix = int(NOON.timestamp()) + at
    base = {"id": message_id, "type": "message", "date": "2025-05-01T14:00:00", "date_unixtime": str(unix)}
    if "edited_after" in more:
        more["edited_unixtime"] = str(unix + more.pop("edited_after"))
    return {**base, "from": sender, "from_id": f"user{len(sender)}", "text": text, **more}


def message(text: object, **more: Any) -> TelegramMessage:
    """The normal form of one exported message with this text."""
    result = normalise_message(exported(1, text, **more), chat=CHAT, ordinal=0)
    assert isinstance(result, TelegramMessage)
    return result


def tables_of(*entries: object, chat: Chat = CHAT) -> ExportTables:
    """The tables of an export of these entries."""
    return export_tables(RawMessage(entry, chat, ordinal) for ordinal, entry in enumerate(entries))


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.to_pylist())


def links(*targets: str) -> Iterable[dict[str, str]]:
    """Hidden links, shown as a dot each."""
    return [{"type": "text_link", "text": ".", "href": target} for target in targets]


def rick_card(
    token: str, *, ticker: str = "OWL", mcap: str = "64.2K", footer: str = "💨 You are first @ 64.2K 👀 31"
) -> str:
    return (
        f"💊 Night Owl [{mcap}/-12%] ${ticker}\n🌐 Solana @ PumpSwap 🔥 #3\n💰 USD: $0.000064200\n"
        f"💎 FDV: ${mcap} ⇨ ATH: $91K [8m]\n💦 Liq: $18.5K [x3]\n📊 Vol: $40K ⋅ Age: 2h\n\n{token}\nMAE⋅BAN\n\n{footer}"
    )


def phanes_card(
    token: str, *, ticker: str = "OWL", mcap: str = "66.0K", footer: str = "🔥 First Call ann @ $66.0K"
) -> str:
    return (
        f"💊 Night Owl (${ticker})\n├ {token}\n└ #SOL (Pump) | 🌱2h | 👁️12\n\n📊 Stats\n ├ USD   $0.0₄6600 (-9%)\n"
        f" ├ MC    ${mcap}\n ├ Vol   $41K\n ├ LP    $18.6K\n └ ATH   $91.0K (-27% / 8m)\n\n{footer}"
    )
