"""Candles from swaps: worked cases for order, rules and unfinished candles, and the laws that they keep."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.swap_candles import SWAP_SCHEMA, SwapCandles, candles_from_swaps
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, minute

OTHER = Token("solana", "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr")
HOUR = SourceSpan(minute(0), minute(60))


def swap(second: float, at: float, sol: float = 1.0, **values: Any) -> dict[str, Any]:
    """A buy of ``sol`` at the price ``at``, ``second`` seconds into the test day."""
    token = values.pop("token", TOKEN)
    return {
        "token_address": token.address,
        "chain": token.chain,
        "ts": T0 + timedelta(seconds=second),
        "side": "buy",
        "price": at,
        "quote": sol,
        "tokens": sol / at,
        **values,
    }


def made(*swaps: dict[str, Any], span: SourceSpan | None = HOUR, resolution: str = "1m") -> SwapCandles:
    rows = [{"row_number": number, **row} for number, row in enumerate(swaps, 1)]
    return candles_from_swaps(pa.Table.from_pylist(rows, schema=SWAP_SCHEMA), resolution=resolution, span=span)


def shown(found: SwapCandles) -> list[tuple[Any, ...]]:
    return [
        (
            (row["ts"] - T0) // timedelta(minutes=1),
            *(row[name] for name in ("open", "high", "low", "close", "volume")),
        )
        for row in found.candles.to_pylist()
    ]


def rejected(found: SwapCandles) -> list[tuple[int, str]]:
    return [(rejection.row_number, rejection.rule_id) for rejection in found.rejections]


def test_a_minute_has_first_highest_lowest_last_price_and_all_the_money() -> None:
    """Prices 2, 5, 1, 3 in the first minute with 1 + 0.5 + 0.25 + 2 = 3.75 SOL; one in the third minute."""
    found = made(
        swap(1, 2.0), swap(20, 5.0, 0.5), swap(40, 1.0, 0.25, side="SELL"), swap(59.9, 3.0, 2.0), swap(120, 4.0)
    )
    assert shown(found) == [(0, 2.0, 5.0, 1.0, 3.0, 3.75), (2, 4.0, 4.0, 4.0, 4.0, 1.0)]
    assert (found.first_rows.tolist(), found.used) == ([1, 5], 5)


def test_swaps_of_one_second_count_in_the_order_of_the_file() -> None:
    assert shown(made(swap(5, 2.0), swap(5, 3.0), swap(5, 1.0))) == [(0, 2.0, 3.0, 1.0, 1.0, 3.0)]


def test_a_token_that_is_listed_newest_first_is_read_from_its_end() -> None:
    """Written: 4 at :30, then 3, 2 and 1 at :05. So 1 came first; another token in the file keeps its own order."""
    newest_first = [swap(30, 4.0), swap(5, 3.0), swap(5, 2.0), swap(5, 1.0)]
    oldest_first = [swap(5, 7.0, token=OTHER), swap(5, 8.0, token=OTHER), swap(6, 9.0, token=OTHER)]
    assert shown(made(*newest_first, *oldest_first)) == [
        (0, 7.0, 9.0, 7.0, 9.0, 3.0),
        (0, 1.0, 4.0, 1.0, 4.0, 4.0),
    ]


def test_a_single_swap_out_of_time_does_not_turn_the_order_around() -> None:
    assert shown(made(swap(5, 1.0), swap(5, 2.0), swap(9, 3.0), swap(8, 2.5), swap(10, 4.0)))[0][1:5] == (1, 4, 1, 4)


def test_a_swap_that_is_listed_twice_counts_once_and_a_second_swap_of_its_transaction_counts() -> None:
    first = swap(5, 2.0, signature="a", trader="owl")
    found = made(first, swap(6, 3.0, signature="b"), first, {**first, "quote": 2.0, "tokens": 1.0})
    assert shown(found) == [(0, 2.0, 3.0, 2.0, 3.0, 4.0)]
    assert (found.used, found.equal_duplicates) == (3, 1)


def test_without_a_signature_nothing_is_taken_for_a_duplicate() -> None:
    found = made(swap(5, 2.0), swap(5, 2.0))
    assert (found.used, found.equal_duplicates) == (2, 0)


@pytest.mark.parametrize(
    ("bad", "rule_id", "reason"),
    [
        (swap(1, 2.0, side="swap"), "swap_side_unknown", "the side 'swap' is neither buy nor sell"),
        (swap(1, 2.0, side=""), "swap_side_unknown", "the side '' is neither"),
        (swap(1, 2.0, quote=0.0), "swap_amount_not_positive", "0.0 paid for 0.5 tokens make no price"),
        (swap(1, 2.0, quote=None), "swap_amount_not_positive", "nan paid"),
        (swap(1, 2.0, tokens=-1.0), "swap_amount_not_positive", "1.0 paid for -1.0 tokens"),
        (swap(1, 2.0, tokens=float("inf")), "swap_amount_not_positive", "inf tokens"),
        (swap(1, 2.0, price=2.1), "swap_price_mismatch", "the price 2.1 is not what was paid: 1.0 for 0.5 tokens make"),
        (swap(1, 2.0, price=-2.0), "swap_price_mismatch", "the price -2.0"),
        (swap(1, 2.0, price=float("inf")), "swap_price_mismatch", "the price inf"),
        (swap(1, 0.1, 0.01), "swap_price_far", "is 20 times below 2.0, the middle price of the candle of 2025-05-01T"),
        (swap(1, 30.0, 0.6), "swap_price_far", "is 15 times above 2.0, the middle price"),
    ],
)
def test_a_swap_that_breaks_a_rule_is_rejected_with_its_reason(bad: dict[str, Any], rule_id: str, reason: str) -> None:
    found = made(swap(0, 2.0), bad, swap(2, 2.0))
    assert rejected(found) == [(2, rule_id)]
    assert reason in found.rejections[0].reason
    assert shown(found) == [(0, 2.0, 2.0, 2.0, 2.0, 2.0)]


def test_a_price_may_differ_by_one_percent_and_by_the_rounding_of_the_amounts() -> None:
    """0.0003 SOL stands for anything from 0.00025 to 0.00035; the price was made of the unrounded amount."""
    rounded = swap(0, 1e-6, 0.0003, tokens=340.0)
    assert rejected(made(rounded, swap(1, 1e-6, 0.0003, tokens=354.0))) == [(2, "swap_price_mismatch")]
    assert rejected(made(swap(0, 2.0, 100.0, tokens=50.4), swap(1, 2.0, 100.0, tokens=50.6))) == [
        (2, "swap_price_mismatch")
    ]


def test_a_missing_price_is_what_was_paid() -> None:
    assert shown(made(swap(0, 2.0, 3.0, price=None, tokens=2.0))) == [(0, 1.5, 1.5, 1.5, 1.5, 3.0)]


def test_a_crash_that_takes_money_is_no_outlier() -> None:
    """30 SOL leave at a hundredth of the price: now the 2 SOL before are the small part."""
    found = made(swap(0, 1.0, 2.0), swap(1, 0.5, 2.0), swap(2, 0.01, 30.0, side="sell"))
    assert shown(found)[0][1:5] == (0.01, 0.01, 0.01, 0.01)
    assert shown(made(swap(0, 1.0, 2.0), swap(1, 0.11, 2.0, side="sell")))[0][1:5] == (1.0, 1.0, 0.11, 0.11)


def test_without_a_span_the_candle_of_the_last_swap_of_each_token_is_unfinished() -> None:
    found = made(swap(0, 1.0), swap(59, 2.0), swap(60, 3.0), swap(61, 3.0), swap(180, 1.0, token=OTHER), span=None)
    assert shown(found) == [(0, 1.0, 2.0, 1.0, 2.0, 2.0)]
    assert (found.used, found.unfinished) == (2, 3)


def test_with_a_span_what_its_edges_cut_is_unfinished() -> None:
    asked = SourceSpan(T0 + timedelta(seconds=30), T0 + timedelta(seconds=150))
    found = made(swap(31, 1.0), swap(60, 2.0), swap(119, 3.0), swap(120, 4.0), span=asked)
    assert shown(found) == [(1, 2.0, 3.0, 2.0, 3.0, 2.0)]
    assert found.unfinished == 2


def test_other_resolutions_and_no_swaps_at_all() -> None:
    assert shown(made(swap(0, 1.0), swap(299, 2.0), swap(300, 3.0), resolution="5m")) == [
        (0, 1.0, 2.0, 1.0, 2.0, 2.0),
        (5, 3.0, 3.0, 3.0, 3.0, 1.0),
    ]
    assert shown(made()) == shown(made(span=None)) == []
    assert shown(made(swap(0, 1.0, side="?"))) == []


SWAPS = st.lists(
    st.builds(
        swap,
        st.integers(0, 600),
        st.sampled_from([1.0, 1.5, 3.0, 20.0, 1e-3]),
        st.sampled_from([0.001, 0.5, 1.0, 7.0]),
        token=st.sampled_from([TOKEN, OTHER]),
        side=st.sampled_from(["buy", "sell", "gift"]),
        signature=st.sampled_from([None, "a", "b"]),
    ),
    max_size=40,
)
LAWS = settings(max_examples=100, deadline=None, derandomize=True)


@LAWS
@given(SWAPS, st.booleans())
def test_every_swap_ends_in_one_place_and_makes_lawful_candles(swaps: list[dict[str, Any]], has_span: bool) -> None:
    found = made(*swaps, span=HOUR if has_span else None)
    assert len(swaps) == found.used + len(found.rejections) + found.equal_duplicates + found.unfinished
    assert len({rejection.row_number for rejection in found.rejections}) == len(found.rejections)
    found.candles.validate(full=True)
    candles = found.candles.to_pylist()
    keys = [(row["chain"], row["token_address"], row["ts"]) for row in candles]
    assert keys == sorted(set(keys))
    assert len(set(found.first_rows.tolist())) == len(candles)
    for row in candles:
        assert row["low"] <= min(row["open"], row["close"]) <= max(row["open"], row["close"]) <= row["high"]
        assert row["high"] <= 100 * row["low"]
        assert row["volume"] > 0


@LAWS
@given(SWAPS, st.integers(0, 10))
def test_later_swaps_never_change_a_closed_candle(swaps: list[dict[str, Any]], known: int) -> None:
    """In order of time, as a stream would bring them. The words of reasons aside, earlier rejections stand too."""
    swaps.sort(key=lambda row: row["ts"])
    early = made(*(row for row in swaps if row["ts"] < minute(known)), span=SourceSpan(T0, minute(known)))
    late = shown(made(*swaps))
    assert sorted(shown(early)) == sorted(row for row in late if row[0] < known)


@LAWS
@given(SWAPS, st.randoms(use_true_random=False))
def test_only_the_order_within_a_second_matters(swaps: list[dict[str, Any]], chance: random.Random) -> None:
    """One swap per second and token: then a file in any order that does not run backwards gives the same."""
    unique = list({(row["token_address"], row["ts"]): row for row in swaps}.values())
    expected = made(*unique)
    chance.shuffle(unique)
    found = made(*unique)
    assert found.candles.equals(expected.candles)
    assert (found.used, found.equal_duplicates) == (expected.used, expected.equal_duplicates)
