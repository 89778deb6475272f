"""Adopted calls beside those of the exports: what wins over what, and that none is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.adopted_calls import ADOPTED_VERSION, calls_of, covered_calls, with_adopted
from quantlab_core.alerts.alert_events import alert_id
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.alerts.daily_alerts import alerts_of_day

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
NOTHING = ALERT_EVENTS.schema.empty_table()


def call(message: int, mint: str, chain: str = "solana", **more: Any) -> dict[str, Any]:
    """A call in chat 7, ``message`` seconds after noon."""
    return {
        "alert_id": alert_id(7, message, chain, mint),
        "chain": chain,
        "mint": mint,
        "called_address": mint,
        "address_kind": "token",
        "mint_source": "text",
        "alert_chat_id": 7,
        "alert_message_id": message,
        "token_proven_at_call": True,
        **more,
    }


def events(*calls: dict[str, Any], version: str = "0" * 16) -> pa.Table:
    rows = [
        {"event_ts_utc": NOON + timedelta(seconds=row["alert_message_id"]), "content_id": version, **row}
        for row in calls
    ]
    return pa.Table.from_pylist(rows, schema=ALERT_EVENTS.schema)


def alerts(*calls: dict[str, Any]) -> pa.Table:
    rows = [{"alert_ts_utc": NOON + timedelta(seconds=row["alert_message_id"]), **row} for row in calls]
    return pa.Table.from_pylist(rows, schema=ALERTS.schema)


def said(table: pa.Table) -> list[tuple[int, str, str, str | None, str]]:
    names = ("alert_message_id", "chain", "mint", "caller_name", "content_id")
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def test_what_the_message_says_wins_and_what_no_message_says_is_added() -> None:
    own = events(call(1, "owl", caller_name="Ada"))
    adopted = events(call(1, "owl", caller_name="ada"), call(2, "fox"), version="1" * 16)
    merged = with_adopted(own, [adopted], [alerts(call(2, "fox"), call(3, "elk"))])
    assert said(merged) == [
        (1, "solana", "owl", "Ada", "0" * 16),
        (2, "solana", "fox", None, "1" * 16),
        (3, "solana", "elk", None, ADOPTED_VERSION),
    ]
    assert merged.schema.equals(ALERT_EVENTS.schema, check_metadata=True)


def test_another_token_of_the_same_message_is_another_call() -> None:
    merged = with_adopted(events(call(1, "owl")), [], [alerts(call(1, "owl"), call(1, "fox"))])
    assert [(message, mint) for message, _, mint, _, _ in said(merged)] == [(1, "fox"), (1, "owl")]


def test_an_adopted_pool_is_covered_by_the_call_that_resolved_it() -> None:
    own = events(call(1, "owl", called_address="pool"))
    assert with_adopted(own, [], [alerts(call(1, "pool"))]).num_rows == 1


def test_a_call_on_an_unknown_chain_moves_to_its_chain_and_never_doubles() -> None:
    fox = "0xf0f0"
    on_base = with_adopted(events(call(1, fox, "base")), [events(call(1, fox, "evm_unknown"))], [])
    assert [chain for _, chain, *_ in said(on_base)] == ["base"]
    both_adopted = with_adopted(
        NOTHING,
        [events(call(1, fox, "evm_unknown"))],
        [alerts(call(1, fox, "base")), alerts(call(2, fox, "evm_unknown"))],
    )
    assert [(message, chain) for message, chain, *_ in said(both_adopted)] == [(1, "base"), (2, "evm_unknown")]


def test_every_adopted_version_of_a_message_stays_and_alerts_take_one() -> None:
    adopted = [events(call(1, "owl", caller_name=name), version=name * 16) for name in ("a", "b")]
    merged = with_adopted(NOTHING, adopted, [alerts(call(1, "owl"))])
    assert [name for *_, name, _ in said(merged)] == ["a", "b"]
    assert alerts_of_day(merged).num_rows == 1


CALLS = st.lists(
    st.builds(call, st.integers(1, 4), st.sampled_from(["owl", "fox"]), st.sampled_from(["base", "evm_unknown"])),
    max_size=6,
    unique_by=lambda row: (row["alert_message_id"], row["mint"], row["chain"]),
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(CALLS, CALLS, CALLS)
def test_no_call_is_lost_none_doubles_and_merging_again_adds_none(own: Any, seen: Any, called: Any) -> None:
    sources = ([events(*seen, version="1" * 16)], [alerts(*called)])
    merged = with_adopted(events(*own), *sources)
    assert calls_of([*sources[0], *sources[1], events(*own)]) == calls_of([merged])
    assert calls_of(sources[0]) <= covered_calls([merged])
    added = [row for row in said(merged) if row[4] != "0" * 16]
    assert len({(message, mint) for message, _, mint, *_ in added}) == len(added)
    assert with_adopted(merged, *sources).equals(merged)
    keys = [tuple(row[name] for name in ALERT_EVENTS.unique_key) for row in merged.to_pylist()]
    assert len(keys) == len(set(keys))
