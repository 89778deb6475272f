"""The demo chat read by the real parser: every planned call is found, every trap is avoided."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.alerts.telegram_message import Chat, RawMessage
from quantlab_core.demo.demo_calls import Call, Wording, scheduled_calls
from quantlab_core.demo.demo_cast import demo_tokens
from quantlab_core.demo.demo_world import demo_world


@cache
def tables() -> ExportTables:
    export = demo_world().export
    chat = Chat(export["id"], export["name"], export["type"])
    return export_tables(RawMessage(payload, chat, ordinal) for ordinal, payload in enumerate(export["messages"]))


@cache
def events() -> list[dict[str, Any]]:
    days = [date(2025, 5, 1) + timedelta(days=offset) for offset in range(10)]
    return [row for day in days for row in events_of_day(tables().messages, day).to_pylist()]


def planned() -> list[tuple[Call, str, str]]:
    return [(call, token.chain, token.address) for call in scheduled_calls(7, demo_tokens(7)) for token in call.tokens]


def test_the_parser_finds_exactly_the_planned_calls_with_their_tokens() -> None:
    start = datetime(2025, 4, 30, tzinfo=UTC)
    expected = {
        (start + timedelta(seconds=call.second), chain, mint, call.caller.name) for call, chain, mint in planned()
    }
    found = {(row["event_ts_utc"], row["chain"], row["mint"], row["caller_name"]) for row in events()}
    assert found == expected


def test_every_kind_of_message_is_told_apart() -> None:
    kinds = Counter(row["kind"] for row in tables().dispositions.to_pylist())
    assert {"call", "bot_reply", "command", "ticker_only", "no_alert", "service", "ambiguous"} <= set(kinds)
    assert kinds["call"] == len({call.second for call, _, _ in planned()})
    assert kinds["command"] == 3


def test_the_two_glued_addresses_are_quarantined_and_nothing_else() -> None:
    assert tables().quarantine.num_rows == 2
    assert all("ping small" in row["payload"] or "gamble" in row["payload"] for row in tables().quarantine.to_pylist())


def test_pool_links_are_resolved_by_the_bots_answer() -> None:
    pools = {token.pool for token in demo_tokens(7)}
    resolved = [row for row in events() if row["called_address"] in pools]
    assert len(resolved) == sum(call.wording is Wording.POOL_LINK for call, _, _ in planned())
    assert all(row["mint_source"] == "bot_reply" for row in resolved)


def test_bots_give_prices_for_most_calls_and_refreshed_cards_give_none() -> None:
    priced = [row for row in events() if row["price_at_call_usd"] is not None]
    assert 0.5 < len(priced) / len(events()) < 1
    assert any(row["withheld_reason"] for row in events())


def test_some_edited_calls_are_proven_and_some_are_not() -> None:
    edited = [row["token_proven_at_call"] for row in events() if row["edited_ts"] is not None]
    assert Counter(edited) == {True: 2, False: 2}
