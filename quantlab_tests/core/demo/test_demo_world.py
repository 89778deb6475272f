"""The demo world: the same for the same seed, and rich enough to be worth a demonstration."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import base58
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from quantlab_core.demo.demo_calls import Call, Wording, scheduled_calls
from quantlab_core.demo.demo_cast import CALLERS, DemoToken, Story, demo_tokens
from quantlab_core.demo.demo_world import DEMO_CANDLE_SCHEMA, DemoWorld, demo_world

DIGEST_OF_SEED_7 = "4126a04337c5f395caef77dc6432d18b351e64a34135aa5caa315add671b0674"


@cache
def world() -> DemoWorld:
    return demo_world()


@cache
def tokens() -> tuple[DemoToken, ...]:
    return demo_tokens(7)


@cache
def calls() -> tuple[Call, ...]:
    return scheduled_calls(7, tokens())


def messages() -> list[dict[str, Any]]:
    return world().export["messages"]


def text_of(message: dict[str, Any]) -> str:
    text = message["text"]
    return text if isinstance(text, str) else "".join(part if isinstance(part, str) else part["text"] for part in text)


def minutes_and(column: str, token: DemoToken) -> tuple[np.ndarray, np.ndarray]:
    rows = world().candles.filter(pc.equal(world().candles["token_address"], token.address))
    start_ms = int(world().source_from.timestamp() * 1000)
    return (rows["timestamp"].cast(pa.int64()).to_numpy() - start_ms) // 60_000, rows[column].to_numpy()


def digest(of: DemoWorld) -> str:
    hash_ = hashlib.sha256(json.dumps(of.export, ensure_ascii=False, sort_keys=True).encode())
    for column in of.candles.columns:
        values = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        hash_.update(json.dumps(values.to_pylist()).encode())
    return hash_.hexdigest()


def test_a_seed_gives_the_same_world_on_every_python_and_numpy() -> None:
    assert digest(world()) == DIGEST_OF_SEED_7


def test_another_seed_gives_another_world_of_the_same_cast() -> None:
    other = demo_tokens(8)
    assert [token.ticker for token in other] == [token.ticker for token in tokens()]
    assert not {token.address for token in other} & {token.address for token in tokens()}
    assert digest(demo_world(8)) != DIGEST_OF_SEED_7


def test_the_world_is_small_and_has_the_promised_size() -> None:
    assert len(tokens()) == 40
    assert 120 <= sum(len(call.tokens) for call in calls()) <= 160
    assert {call.caller for call in calls()} == set(CALLERS)
    assert world().candles.num_rows < 150_000
    assert world().candles.schema == DEMO_CANDLE_SCHEMA


def test_addresses_are_valid_and_belong_to_one_token_each() -> None:
    addresses = [address for token in tokens() for address in (token.address, token.pool)]
    assert len(set(addresses)) == len(addresses)
    for token in tokens():
        if token.chain == "solana":
            assert len(base58.b58decode(token.address)) == len(base58.b58decode(token.pool)) == 32
            assert 43 <= len(token.address) <= 44
        else:
            assert len(bytes.fromhex(token.address.removeprefix("0x"))) == 20
    assert {token.chain for token in tokens()} == {"solana", "base", "ethereum", "bsc"}


def test_calls_are_on_the_ten_days_and_candles_run_two_days_further() -> None:
    days = {datetime.fromtimestamp(int(message["date_unixtime"]), UTC).date().isoformat() for message in messages()}
    assert days == {f"2025-05-{day:02d}" for day in range(1, 11)}
    assert (world().source_from, world().source_to) == (
        datetime(2025, 4, 30, tzinfo=UTC),
        datetime(2025, 5, 13, tzinfo=UTC),
    )
    newest = pc.max(world().candles["timestamp"]).as_py()
    assert timedelta(minutes=1) <= world().source_to - newest < timedelta(hours=6)
    assert pc.min(world().candles["timestamp"]).as_py() >= world().source_from


def test_candles_are_sorted_whole_minutes_with_sound_prices_that_open_at_the_last_close() -> None:
    table = world().candles
    keys = list(
        zip(table["chain"].to_pylist(), table["token_address"].to_pylist(), table["timestamp"].to_pylist(), strict=True)
    )
    assert keys == sorted(set(keys))
    open_, high, low, close = (table[name].to_numpy() for name in ("open", "high", "low", "close"))
    assert (low > 0).all()
    assert (low <= np.minimum(open_, close)).all()
    assert (high >= np.maximum(open_, close)).all()
    assert (table["volume"].to_numpy() > 0).all()
    for token in tokens():
        _, opens = minutes_and("open", token)
        _, closes = minutes_and("close", token)
        assert (opens[1:] == closes[:-1]).all()


def test_every_token_trades_before_its_first_call() -> None:
    for token in tokens():
        minutes, _ = minutes_and("close", token)
        assert minutes[0] < token.first_call_min - 30
        assert token.first_call_min <= minutes.max()


def test_two_minutes_in_five_are_silent_outside_bursts_of_activity() -> None:
    silent, expected = 0, 0
    for token in tokens():
        if token.story not in (Story.CHOP, Story.FADE, Story.GRINDER):
            continue
        minutes, _ = minutes_and("close", token)
        starts = [token.move_min, *(call.second // 60 for call in calls() if token in call.tokens)]
        quiet = {
            minute
            for minute in range(token.first_call_min, min(token.first_call_min + 1440, 13 * 1440))
            if not any(start - 5 <= minute < start + 45 for start in starts)
        }
        silent += len(quiet - set(minutes.tolist()))
        expected += len(quiet)
    assert silent / expected == pytest.approx(0.40, abs=0.02)


def test_one_token_runs_twenty_times_from_its_first_call() -> None:
    (runner,) = (token for token in tokens() if token.story is Story.RUNNER)
    minutes, high = minutes_and("high", runner)
    _, open_ = minutes_and("open", runner)
    after = minutes > runner.first_call_min
    assert high[after].max() / open_[after][0] > 20


def test_a_rug_takes_nine_tenths_between_two_candles() -> None:
    for token in tokens():
        if token.story is Story.RUG:
            _, close = minutes_and("close", token)
            assert (close[1:] / close[:-1]).min() < 0.1


def test_a_dead_token_has_no_candle_after_some_hours_although_its_source_answered_for_days() -> None:
    dead = [token for token in tokens() if token.story is Story.DEAD]
    assert len(dead) >= 3
    for token in dead:
        minutes, _ = minutes_and("close", token)
        assert minutes.max() < token.move_min + 9 * 60 < 13 * 1440 - 1440


def test_callers_differ_in_what_their_first_calls_reach_within_a_day() -> None:
    reached: dict[str, list[float]] = {}
    for token in tokens():
        minutes, high = minutes_and("high", token)
        _, open_ = minutes_and("open", token)
        day = (minutes > token.first_call_min) & (minutes <= token.first_call_min + 1440)
        reached.setdefault(token.first_caller.name, []).append(high[day].max() / open_[day][0])
    medians = {name: float(np.median(multiples)) for name, multiples in reached.items()}
    assert min(medians["Marlowe"], medians["night heron"]) > 2
    assert max(medians["Bert & Sons"], medians["COPPER 🥉"]) < 1.2


def test_messages_are_in_order_and_answers_come_after_what_they_answer() -> None:
    ids = [message["id"] for message in messages()]
    assert ids == sorted(set(ids))
    sent = {message["id"]: int(message["date_unixtime"]) for message in messages()}
    assert list(sent.values()) == sorted(sent.values())
    answers = [message for message in messages() if "reply_to_message_id" in message]
    assert {message["from"] for message in answers} == {"Rick", "Phanes"}
    for message in answers:
        assert 1 <= sent[message["id"]] - sent[message["reply_to_message_id"]] <= 4


def test_dates_are_the_exporting_computers_local_time_and_unix_times_are_right() -> None:
    for message in messages():
        local = datetime.fromisoformat(message["date"]).replace(tzinfo=UTC)
        assert local.timestamp() - int(message["date_unixtime"]) == 2 * 3600
        if "edited" in message:
            assert int(message["edited_unixtime"]) > int(message["date_unixtime"])


def test_rick_shows_only_what_had_traded_before_the_minute_of_the_call() -> None:
    by_address = {token.address: token for token in tokens()}
    by_id = {message["id"]: message for message in messages()}
    cards = [message for message in messages() if message.get("from") == "Rick"]
    assert len(cards) > 80
    for card in cards:
        lines = text_of(card).split("\n")
        token = next(by_address[line] for line in lines if line in by_address)
        shown = float(next(line for line in lines if "USD:" in line).partition("$")[2])
        minutes, close = minutes_and("close", token)
        called = (int(by_id[card["reply_to_message_id"]]["date_unixtime"]) - world().source_from.timestamp()) // 60
        assert shown == pytest.approx(close[minutes < called][-1], rel=1e-3)


def test_the_bots_last_line_holds_the_market_cap_at_the_first_call() -> None:
    firsts = [text_of(message) for message in messages() if "You are first @" in text_of(message)]
    assert firsts
    for text in firsts:
        cap = text.partition("[")[2].partition("/")[0]
        assert f"You are first @ {cap} " in text


def test_a_call_by_pool_link_is_answered_with_the_token() -> None:
    by_pool = {token.pool: token for token in tokens()}
    names = {caller.name for caller in CALLERS}
    pool_calls = [
        (message, token)
        for message in messages()
        for pool, token in by_pool.items()
        if message.get("from") in names and f"/{pool}" in text_of(message)
    ]
    assert len(pool_calls) == sum(call.wording is Wording.POOL_LINK for call in calls()) > 3
    for call, token in pool_calls:
        answers = [message for message in messages() if message.get("reply_to_message_id") == call["id"]]
        assert any(token.address in text_of(answer) for answer in answers)


def test_some_cards_are_refreshed_hours_later_and_say_so() -> None:
    refreshed = [message for message in messages() if message.get("from") == "Phanes" and "edited" in message]
    assert len(refreshed) >= 5
    assert all("Updated at" in text_of(message) for message in refreshed)


def test_calls_are_edited_within_seconds_and_days_later_with_and_without_an_answer() -> None:
    names = {caller.name for caller in CALLERS}
    edited = [message for message in messages() if "edited" in message and message.get("from") in names]
    delays = sorted(int(message["edited_unixtime"]) - int(message["date_unixtime"]) for message in edited)
    assert delays[0] < 60
    assert delays[-1] > 2 * 86_400
    answered = {message.get("reply_to_message_id") for message in messages()}
    assert {message["id"] in answered for message in edited if message["id"]} == {True, False}


def test_every_trap_of_a_real_group_is_there() -> None:
    texts = [text_of(message) for message in messages()]
    words = [word for text in texts for word in text.replace("/", " ").split()]
    glued = [word for word in words for token in tokens() if word.startswith(token.address) and word != token.address]
    signatures = [word for word in words if 87 <= len(word) <= 88 and len(base58.b58decode(word)) == 64]
    kinds = Counter(message["type"] for message in messages())
    assert len(glued) == 2
    assert len(signatures) == 2
    assert any("$MOSS" in text and "\n" not in text for text in texts)
    assert any("Leaderboard" in text for text in texts)
    assert any(text.startswith("my wallet") for text in texts)
    assert {"/pnl", "/lb"} <= set(texts)
    assert kinds["service"] == 2
    assert any("photo" in message and not text_of(message) for message in messages())
    assert any("forwarded_from" in message for message in messages())


def test_a_name_needs_escaping_in_html() -> None:
    assert any("<" in message.get("from", "") for message in messages())
