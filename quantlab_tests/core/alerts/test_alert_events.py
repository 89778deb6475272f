"""Calls joined with the cards that answer them: which token is meant, and which numbers are as of the call."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS, TOKEN_CALLS
from quantlab_core.alerts.daily_alerts import alerts_of_day
from quantlab_core.alerts.reply_windows import REPLY_WINDOW
from quantlab_core.alerts.token_calls import token_calls
from quantlab_tests.core.alerts.invented_chat import (
    contract,
    exported,
    links,
    mint,
    phanes_card,
    rick_card,
    rows,
    tables_of,
)

DAY = date(2025, 5, 1)
OWL, FOX, POOL = mint("owl"), mint("fox"), mint("owl pool")
HALF_DAY = 12 * 3600


def events(*entries: object) -> list[dict[str, Any]]:
    table = events_of_day(tables_of(*entries).messages, DAY)
    assert table.schema.equals(ALERT_EVENTS.schema)
    return rows(table)


def only(*entries: object) -> dict[str, Any]:
    found = events(*entries)
    assert len(found) == 1
    return found[0]


def rick(text: str, *, at: int = 2, answers: int = 1, message_id: int = 50, **more: Any) -> dict[str, Any]:
    return exported(message_id, text, at=at, sender="Rick", reply_to_message_id=answers, **more)


def test_a_call_without_an_answer_stands_by_its_own_words() -> None:
    event = only(exported(1, f"$owl at 17k {OWL}", sender=" Ann  Bo "))
    assert (event["mint"], event["chain"], event["address_kind"], event["mint_source"]) == (
        OWL,
        "solana",
        "token",
        "text",
    )
    assert (event["ticker"], event["mcap_at_call_usd"], event["bot_name"]) == ("owl", 17_000, None)
    assert (event["caller_name"], event["caller_name_norm"]) == (" Ann  Bo ", "ann bo")
    assert event["token_proven_at_call"]
    assert event["alert_id"] == "al_91c6cae5fe1ac80e"


def test_the_callers_market_cap_is_not_taken_from_an_edited_message() -> None:
    assert only(exported(1, f"at 17k {OWL}", edited_after=3600))["mcap_at_call_usd"] is None


def test_a_card_resolves_a_pool_link_to_its_token_and_keeps_what_was_written() -> None:
    event = only(exported(1, f"https://dexscreener.com/solana/{POOL}"), rick(rick_card(OWL)))
    assert (event["mint"], event["called_address"], event["address_kind"]) == (OWL, POOL, "pool")
    assert (event["mint_source"], event["bot_name"], event["bot_message_id"], event["ticker"]) == (
        "bot_reply",
        "Rick",
        50,
        "OWL",
    )


def test_a_card_that_names_the_linked_address_proves_it_a_token() -> None:
    event = only(exported(1, f"https://dexscreener.com/solana/{OWL}"), rick(rick_card(OWL)))
    assert (event["mint"], event["address_kind"], event["mint_source"]) == (OWL, "token", "link")


def test_a_card_that_is_older_than_an_edit_resolves_only_what_it_names() -> None:
    link = f"https://dexscreener.com/solana/{POOL}"
    call = exported(1, link, edited_after=3600)
    assert only(call, rick(rick_card(OWL)))["mint"] == POOL
    lowered = rick([rick_card(OWL), *links(link.lower())])
    for answer in (lowered, rick([rick_card(OWL), *links(link)]), rick(rick_card(OWL), at=30)):
        told = only(exported(1, link, edited_after=20) if answer["date_unixtime"][-2:] == "30" else call, answer)
        assert told["mint"] == OWL


def test_an_unresolved_pool_stays_its_own_mint() -> None:
    event = only(exported(1, f"https://dexscreener.com/solana/{POOL}"))
    assert (event["mint"], event["address_kind"]) == (POOL, "pool_or_token")


def test_a_bare_pool_is_resolved_if_the_card_links_to_it() -> None:
    linked = [rick_card(OWL), *links(f"https://dexscreener.com/solana/{POOL}")]
    assert only(exported(1, POOL), rick(linked))["mint"] == OWL


def test_a_card_of_another_token_changes_nothing() -> None:
    event = only(exported(1, FOX), rick(rick_card(OWL)))
    assert (event["mint"], event["bot_name"], event["mcap_at_call_usd"], event["ticker"]) == (FOX, None, None, None)


def test_a_card_in_another_chat_or_to_another_message_changes_nothing() -> None:
    assert only(exported(1, OWL), rick(rick_card(OWL), answers=3))["bot_name"] is None


def test_a_card_names_the_chain_of_an_evm_token() -> None:
    token = contract("owl")
    card = rick_card("0x" + token[2:]).replace("Solana @ PumpSwap", "Base @ Aerodrome")
    event = only(exported(1, token), rick(card))
    assert (event["chain"], event["mint"]) == ("base", token)


def test_two_pools_of_one_token_are_one_event() -> None:
    pool_links = [f"https://dexscreener.com/solana/{POOL} https://dexscreener.com/solana/{FOX}"]
    card = [rick_card(OWL), *links(f"https://dexscreener.com/solana/{POOL}", f"https://axiom.trade/meme/{FOX}")]
    assert [event["mint"] for event in events(exported(1, pool_links), rick(card))] == [OWL]


def test_an_unedited_card_gives_all_numbers() -> None:
    event = only(exported(1, OWL), rick(rick_card(OWL)))
    values = (
        event["mcap_at_call_usd"],
        event["price_at_call_usd"],
        event["liquidity_at_call_usd"],
        event["withheld_reason"],
    )
    assert values == (64_200, 0.0000642, 18_500, None)


def test_a_card_edited_within_seconds_counts_as_unedited() -> None:
    assert only(exported(1, OWL), rick(rick_card(OWL), edited_after=10))["price_at_call_usd"] == 0.0000642


def test_a_refreshed_card_gives_its_footer_only() -> None:
    event = only(exported(1, OWL), rick(rick_card(OWL, mcap="900K"), edited_after=7200))
    assert (event["mcap_at_call_usd"], event["price_at_call_usd"], event["liquidity_at_call_usd"]) == (
        64_200,
        None,
        None,
    )
    assert "refreshed 7200 s" in event["withheld_reason"]


def test_a_refreshed_footers_age_must_lead_back_to_this_call() -> None:
    for footer, mcap in (
        ("👿 ann @ $60K [+9%] (10m)", 60_000),
        ("👿 ann @ $60K [+9%] (4h)", None),
        ("👿 ann @ $60K [+9%] (10d)", None),
    ):
        card = exported(
            50, phanes_card(OWL, footer=footer), at=1, sender="Phanes", reply_to_message_id=1, edited_after=600
        )
        assert only(exported(1, OWL), card)["mcap_at_call_usd"] == mcap


def test_the_footer_of_an_earlier_call_is_not_this_calls_value() -> None:
    event = only(exported(1, OWL), rick(rick_card(OWL, footer="🏆 bob @ 1.5K⋅42x⋅21d 👀 9")))
    assert event["mcap_at_call_usd"] == 64_200  # the body, which is as of this call


def test_a_late_cards_numbers_are_withheld_and_prove_nothing() -> None:
    event = only(exported(1, OWL, edited_after=30), rick(rick_card(OWL, footer=""), at=61))
    assert (event["mcap_at_call_usd"], event["token_proven_at_call"]) == (None, False)
    assert event["withheld_reason"] == "the card came 61 s after the call"


def test_the_card_with_nothing_withheld_is_preferred() -> None:
    early = exported(49, phanes_card(OWL), at=1, sender="Phanes", reply_to_message_id=1, edited_after=900)
    assert only(exported(1, OWL), early, rick(rick_card(OWL)))["bot_name"] == "Rick"


def test_an_edited_call_is_proven_by_an_answer_within_a_minute_only() -> None:
    call = exported(1, OWL, edited_after=86_400)
    assert only(call, rick(rick_card(OWL), at=60))["token_proven_at_call"]
    assert not only(call)["token_proven_at_call"]
    assert not only(call, rick(rick_card(FOX)))["token_proven_at_call"]


def test_an_answer_past_midnight_counts_and_one_past_the_window_does_not() -> None:
    last_second = HALF_DAY - 1
    window = int(REPLY_WINDOW.total_seconds())
    inside, outside = (rick(rick_card(OWL), at=last_second + late) for late in (window, window + 1))
    assert only(exported(1, OWL, at=last_second), inside)["bot_name"] == "Rick"
    assert only(exported(1, OWL, at=last_second), outside)["bot_name"] is None
    assert only(exported(1, OWL), rick(rick_card(OWL), at=window + 1))["bot_name"] is None


def test_a_day_holds_the_calls_from_its_midnight_to_the_next() -> None:
    entries = [
        exported(number, OWL, at=at) for number, at in enumerate((-HALF_DAY - 1, -HALF_DAY, HALF_DAY - 1, HALF_DAY))
    ]
    assert [event["alert_message_id"] for event in events(*entries)] == [1, 2]


def test_overlapping_exports_change_nothing_in_any_order() -> None:
    first = tables_of(exported(1, OWL), rick(rick_card(OWL)), exported(2, FOX, at=9)).messages
    second = tables_of(exported(0, "hello"), exported(2, FOX, at=9), exported(1, OWL), rick(rick_card(OWL))).messages
    alone = events_of_day(first, DAY)
    for parts in ((first, second), (second, first), (first, first, second)):
        assert events_of_day(pa.concat_tables(parts), DAY).equals(alone)


def test_every_version_is_an_event_and_the_first_one_is_the_alert() -> None:
    versions = tables_of(
        exported(1, f"{OWL} sold", edited_after=900), exported(1, OWL), exported(1, f"{FOX}", edited_after=950)
    )
    day = events_of_day(versions.messages, DAY)
    assert day.num_rows == 3
    alerts = rows(alerts_of_day(day))
    assert {(alert["mint"], alert["edited_ts"] is None) for alert in alerts} == {(OWL, True), (FOX, False)}
    assert rows(alerts_of_day(day.take(list(reversed(range(day.num_rows)))))) == alerts


def test_an_empty_day_has_the_schemas_all_the_way() -> None:
    day = events_of_day(tables_of().messages, DAY)
    assert day.schema.equals(ALERT_EVENTS.schema)
    assert alerts_of_day(day).schema.equals(ALERTS.schema)
    assert token_calls(alerts_of_day(day)).schema.equals(TOKEN_CALLS.schema)


def test_calls_are_counted_by_chat_and_by_caller() -> None:
    entries = [
        exported(1, OWL),
        exported(2, OWL, at=10, sender="bobby"),
        exported(3, OWL, at=20),
        exported(4, FOX, at=30),
    ]
    alerts = alerts_of_day(events_of_day(tables_of(*entries).messages, DAY))
    counted = [
        (row["is_first_in_chat"], row["call_number_in_chat"], row["is_first_by_caller"], row["call_number_by_caller"])
        for row in rows(token_calls(alerts.take([3, 1, 0, 2])))
    ]
    assert counted == [(True, 1, True, 1), (False, 2, True, 1), (False, 3, False, 2), (True, 1, True, 1)]


def test_a_caller_without_id_is_known_by_name() -> None:
    alerts = alerts_of_day(events_of_day(tables_of(exported(1, OWL, from_id=None, sender="Ann")).messages, DAY))
    assert rows(token_calls(alerts))[0]["caller_id"] == "ann"


@pytest.mark.parametrize("sender", ["Rick", "renamed bot"])
def test_a_card_counts_whatever_its_sender_is_called(sender: str) -> None:
    card = exported(50, rick_card(OWL), at=2, sender=sender, reply_to_message_id=1)
    assert only(exported(1, OWL), card)["bot_name"] == sender


def test_an_age_in_days_is_too_coarse_to_lead_back_to_a_call() -> None:
    card = rick(phanes_card(OWL, footer="👿 ann @ $60K [+9%] (1d)"), edited_after=86_500)
    assert only(exported(1, OWL), card)["mcap_at_call_usd"] is None


def test_a_renamed_sender_gives_the_same_events_in_either_order() -> None:
    before, after = (tables_of(exported(1, OWL, sender=name, from_id="user7")).messages for name in ("ann", "zoe"))
    one, other = (events_of_day(pa.concat_tables(parts), DAY) for parts in ((before, after), (after, before)))
    assert one.num_rows == 1
    assert one.equals(other)


def test_of_many_versions_the_unedited_one_is_the_alert_and_else_the_earliest_edit() -> None:
    edits = [exported(1, f"{OWL} edit {number}", edited_after=60 * number) for number in range(1, 9)]
    for versions, first_edit in (([*edits, exported(1, OWL)], None), (edits, 60)):
        alert = rows(alerts_of_day(events_of_day(tables_of(*versions).messages, DAY)))[0]
        age = None if alert["edited_ts"] is None else (alert["edited_ts"] - alert["alert_ts_utc"]).total_seconds()
        assert age == first_edit
