"""Alerts and events of the earlier store in our schema: what is taken over, normalised, stood in for and left out."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.alerts.alert_events import alert_id
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.alerts.earlier_alerts import alerts_of_earlier, bare_chat_id, earlier_token, events_of_earlier
from quantlab_core.alerts.earlier_types import EARLIER_ALERT_EVENTS, EARLIER_ALERTS
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.table_normal_form import to_normal_form

MINT = "4dAMSCFsAb17oDXteLAZ2QwsaF3jbdnjRZNzikhapump"
KEY = "day=2025-05-01/chain=solana"
ALERT = {
    "alert_ts_utc": "2025-05-01T12:00:07.250Z",
    "chain": "solana",
    "mint": MINT,
    "alert_chat_id": -1001800000001,
    "alert_message_id": 11,
    "alert_id": "-1001800000001:11",
    "caller_name_norm": "Brook  The Trader",
    "caller_id": "caller_1",
    "mint_source": "bot_card",
    "bot_name": "phanes",
    "run_id": "run-1",
}
EVENT = {
    **{
        name: ALERT[name] for name in ("chain", "mint", "alert_chat_id", "alert_message_id", "caller_id", "mint_source")
    },
    "event_ts_utc": ALERT["alert_ts_utc"],
    "caller_name": "Brook",
    "bot_message_id": 12,
    "seen_at_utc": "2026-01-01T00:00:00Z",
    "run_id": "run-1",
}


def alerts_from(*changes: dict[str, Any], key: str = KEY) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist([ALERT | change for change in changes], schema=EARLIER_ALERTS.schema)
    return alerts_of_earlier(table, key).to_pylist()


def events_from(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist([EVENT | change for change in changes], schema=EARLIER_ALERT_EVENTS.schema)
    return events_of_earlier(table, KEY).to_pylist()


def test_an_alert_keeps_what_was_known_and_claims_nothing_else() -> None:
    (row,) = alerts_from({})
    unknown = dict.fromkeys(ALERTS.schema.names)
    assert row | {"withheld_reason": None} == unknown | {
        "alert_ts_utc": datetime(2025, 5, 1, 12, 0, 7, 250_000, UTC),
        "alert_id": alert_id(1_800_000_001, 11, "solana", MINT),
        "chain": "solana",
        "mint": MINT,
        "called_address": MINT,
        "address_kind": "token",
        "mint_source": "bot_reply",
        "alert_chat_id": 1_800_000_001,
        "alert_message_id": 11,
        "caller_id": "caller_1",
        "caller_name_norm": "brook the trader",
        "bot_name": "phanes",
        "token_proven_at_call": False,
    }


@pytest.mark.parametrize(
    ("chat_id", "bare"), [(-1001800000001, 1800000001), (-4242, 4242), (1800000001, 1800000001), (0, 0)]
)
def test_chat_ids_are_written_as_exports_write_them(chat_id: int, bare: int) -> None:
    assert bare_chat_id(chat_id) == bare


@pytest.mark.parametrize(
    ("chain", "address", "token"),
    [
        ("evm", "0xABcd", ("evm_unknown", "0xabcd")),
        ("ETH", "0xABcd", ("ethereum", "0xabcd")),
        ("Base", "0xABcd", ("base", "0xabcd")),
        (None, "0xABcd", ("evm_unknown", "0xabcd")),
        (None, MINT, ("solana", MINT)),
        ("sol", MINT, ("solana", MINT)),
        ("a/../b", MINT, ("solana", MINT)),
    ],
)
def test_chains_and_addresses_come_in_our_form(chain: str | None, address: str, token: tuple[str, str]) -> None:
    assert earlier_token(chain, address) == token


def test_a_chain_that_the_row_does_not_name_is_the_keys() -> None:
    (row,) = alerts_from({"chain": None, "mint": "0xAB"}, key="day=2025-05-01/chain=base")
    assert (row["chain"], row["mint"]) == ("base", "0xab")


@pytest.mark.parametrize(("written", "source"), [("alert_text", "text"), ("bot_card", "bot_reply"), (None, "text")])
def test_sources_of_the_address_have_our_names(written: str | None, source: str) -> None:
    assert alerts_from({"mint_source": written})[0]["mint_source"] == source


def test_calls_without_ids_are_kept_and_stay_different_calls() -> None:
    rows = alerts_from(
        {"alert_chat_id": None, "alert_message_id": None},
        {"alert_chat_id": None, "alert_message_id": None, "alert_ts_utc": "2025-05-01T12:00:08Z"},
    )
    assert [(row["alert_chat_id"], row["alert_message_id"]) for row in rows] == [
        (0, -1746100807250000),
        (0, -1746100808000000),
    ]
    assert len({row["alert_id"] for row in rows}) == 2


@pytest.mark.parametrize("change", [{"alert_ts_utc": "no time"}, {"alert_ts_utc": None}, {"mint": None}, {"mint": " "}])
def test_a_row_without_time_or_token_is_left_out_and_stops_no_other(change: dict[str, Any]) -> None:
    assert [row["alert_message_id"] for row in alerts_from(change, {"alert_message_id": 12})] == [12]


def test_of_rows_that_are_the_same_call_the_earliest_that_says_most_stays_whatever_their_order() -> None:
    rows = [{}, {"alert_chat_id": 1800000001}, {"caller_id": None}, {"alert_ts_utc": "2025-05-01T12:00:07Z"}]
    found = []
    for seed in range(4):
        random.Random(seed).shuffle(rows)
        found.append(alerts_from(*rows))
    assert found == [found[0]] * 4
    assert [row["alert_ts_utc"].microsecond for row in found[0]] == [0]
    assert alerts_from({"caller_id": None}, {}) == alerts_from({})


def test_times_may_be_timestamps_and_columns_may_be_missing() -> None:
    table = pa.table({"alert_ts_utc": pa.array([datetime(2025, 5, 1)], pa.timestamp("ns")), "mint": [MINT]})  # noqa: DTZ001
    (row,) = alerts_of_earlier(table, "anything").to_pylist()
    assert (row["alert_ts_utc"], row["chain"]) == (datetime(2025, 5, 1, tzinfo=UTC), "solana")


def test_what_several_runs_saw_alike_is_one_event_and_what_differs_is_two() -> None:
    seen_again = {"seen_at_utc": "2026-02-02T00:00:00Z", "run_id": "run-2", "alert_key": "other"}
    (row,) = events_from({}, seen_again)
    assert (row["caller_name"], row["caller_name_norm"], row["bot_message_id"]) == ("Brook", "brook", 12)
    assert len(row["content_id"]) == 16
    assert len(events_from({}, {"caller_name": "Other"})) == 2
    assert events_from(seen_again) == events_from({})


def test_upcast_tables_are_content_of_the_newest_version_and_the_same_whatever_the_order_of_rows() -> None:
    changes = [{"alert_message_id": number, "mint": f"{MINT[:-2]}{number:02d}"} for number in range(12)]
    for spec, row, make in ((ALERTS, ALERT, alerts_of_earlier), (ALERT_EVENTS, EVENT, events_of_earlier)):
        source = EARLIER_ALERTS if spec is ALERTS else EARLIER_ALERT_EVENTS
        table = make(pa.Table.from_pylist([row | change for change in changes], schema=source.schema), KEY)
        turned = make(pa.Table.from_pylist([row | change for change in changes[::-1]], schema=source.schema), KEY)
        assert to_normal_form(table, spec).equals(table)
        assert content_hash(table, spec) == content_hash(turned, spec)
        assert make(source.schema.empty_table(), KEY).num_rows == 0
